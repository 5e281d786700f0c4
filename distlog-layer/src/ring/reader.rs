//! The reading end: taking records in order, going back to what has to be sent again, freeing what is durable.

use std::sync::Arc;
#[cfg(not(loom))]
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

#[cfg(loom)]
use loom::sync::atomic::Ordering;

use super::entry::{ENTRY_HEADER, Entry, PADDING, entry_len};
use super::points::{Point, reach};
use super::writer::Ring;

/// How long a place without an entry holds the reader up, if some of the memory was taken away.
const TIMEOUT: Duration = Duration::from_secs(1);

/// The reading end. There is one.
pub(crate) struct Reader {
    ring: Arc<Ring>,
    position: u64,
    /// Where it found nothing in spite of records behind it, and since when.
    stuck: Option<(u64, Instant)>,
}

impl Reader {
    /// One that stands at the beginning of the ring.
    pub(super) fn new(ring: Arc<Ring>) -> Reader {
        Reader {
            ring,
            position: 0,
            stuck: None,
        }
    }

    /// Hands the next committed record to `take` and steps over it, unless `take` refuses it with `None`.
    ///
    /// `None` where nothing is committed, too. The bytes stay the reader's until they are freed.
    pub(crate) fn next<R>(&mut self, take: impl FnOnce(Entry<'_>) -> Option<R>) -> Option<R> {
        loop {
            if !self.ring.is_committed(self.position) {
                if self.ring.end_lease(self.position) {
                    continue;
                }
                if self.ring.is_torn() && self.step_over() {
                    continue;
                }
                return None;
            }
            let offset = self.position;
            let (tag, length) = self.ring.tag_and_length(offset);
            let end = offset + entry_len(length);
            if tag == PADDING {
                self.position = end;
                continue;
            }
            let take = |bytes: &[u8]| take(Entry { offset, tag, bytes });
            let taken = self.ring.read(offset, length, take)?;
            self.position = end;
            return Some(taken);
        }
    }

    /// Whether a record is ready.
    pub(crate) fn is_ready(&mut self) -> bool {
        let mut ready = false;
        self.next(|_| {
            ready = true;
            None::<()>
        });
        ready
    }

    /// A reader that looks at what comes next while this one stands still.
    pub(crate) fn look_ahead(&self) -> LookAhead<'_> {
        LookAhead {
            reader: Reader {
                ring: Arc::clone(&self.ring),
                position: self.position,
                stuck: None,
            },
            _still: self,
        }
    }

    /// The position behind the last record taken, or behind padding that follows it.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Goes to `to`, from where records are taken (again). Says whether an entry begins there, or will; if not, nothing
    /// happens.
    pub(crate) fn seek(&mut self, to: u64) -> bool {
        let found = self.is_boundary(to);
        if found {
            self.position = to;
            self.stuck = None;
        }
        found
    }

    /// Gives everything before `to` back to the producers, since it is durable elsewhere. A reader that stands before
    /// `to` goes there. Says whether an entry begins at `to`, or will; if not, nothing happens.
    pub(crate) fn free_to(&mut self, to: u64) -> bool {
        let found = self.is_boundary(to);
        if found {
            self.position = self.position.max(to);
            // The file first. The other way round a producer could already have overwritten what the file of a killed
            // process says is still to be sent.
            if let Some(mirror) = self.ring.mirror() {
                mirror.acked.store(to, Ordering::Release);
                reach(Point::Acked);
            }
            self.ring.live.tail.store(to, Ordering::Release);
            reach(Point::Freed);
        }
        found
    }

    /// Gives everything read so far back to the producers.
    #[cfg(test)]
    pub(super) fn free(&mut self) {
        self.free_to(self.position);
    }

    /// Whether one entry ends at `to` and the next begins, between the first that is not freed and the last committed
    /// one.
    fn is_boundary(&self, to: u64) -> bool {
        let tail = self.ring.tail();
        if to < tail || to > self.ring.head() || !to.is_multiple_of(ENTRY_HEADER) {
            return false;
        }
        if to <= self.position {
            // Everything there is committed and not overwritten, so that one look suffices: a position that is no
            // entry's has no valid commit word.
            return to == self.position
                || to == tail
                || self.ring.is_committed(to)
                || self.ring.is_torn();
        }
        let mut position = self.position;
        while position < to {
            position += match self.ring.is_committed(position) {
                true => entry_len(self.ring.tag_and_length(position).1),
                false if self.ring.is_torn() => ENTRY_HEADER,
                false => return false,
            };
        }
        position == to
    }

    /// Gets past a place at which no entry is, although some of the ring's bytes behind it are taken. Says whether it
    /// did: only after it waited there for [`TIMEOUT`] (`mod.rs` says why).
    #[cold]
    fn step_over(&mut self) -> bool {
        let head = self.ring.head();
        if self.position >= head {
            self.stuck = None;
            return false;
        }
        match self.stuck {
            Some((position, since)) if position == self.position => {
                if since.elapsed() < TIMEOUT {
                    return false;
                }
            }
            _ => {
                self.stuck = Some((self.position, Instant::now()));
                return false;
            }
        }
        let mut next = self.position + ENTRY_HEADER;
        while next < head && !self.ring.is_committed(next) {
            next += ENTRY_HEADER;
        }
        self.ring
            .live
            .lost_bytes
            .fetch_add(next - self.position, Ordering::Relaxed);
        self.position = next;
        self.stuck = None;
        true
    }
}

/// See [`Reader::look_ahead`].
pub(crate) struct LookAhead<'a> {
    reader: Reader,
    /// What is being looked at is not freed meanwhile.
    _still: &'a Reader,
}

impl LookAhead<'_> {
    /// As [`Reader::next`].
    pub(crate) fn next<R>(&mut self, take: impl FnOnce(Entry<'_>) -> Option<R>) -> Option<R> {
        self.reader.next(take)
    }
}
