//! The writing end: reserving, copying, committing; closing.

#[cfg(not(loom))]
use std::sync::atomic::Ordering;

#[cfg(loom)]
use loom::sync::atomic::Ordering;

use super::entry::{
    ENTRY_HEADER, PADDING, Pushed, Refused, entry_len, length_word, tag_and_length,
};
use super::lease::{Leases, Rest};
use super::live::Live;
#[cfg(loom)]
use super::loom_map::Map;
#[cfg(not(loom))]
use super::map::Map;
use super::mirror::Mirror;
use super::points::{Point, reach};
use super::slot::{self, Owner};
use super::spool::Spool;

/// No record is longer, in bytes.
const MAX_RECORD: usize = 256 * 1024;
/// In `head`: nothing is taken any more. With it no end of an entry is within the ring's capacity of `tail`, so that
/// producers need not look for it.
const CLOSED: u64 = 1 << 63;

/// The writing end, shared by all threads.
pub(crate) struct Ring {
    pub(super) live: Live,
    leases: Leases,
    map: Map,
    capacity: u64,
    secret: u64,
    pub(super) spool: Option<Spool>,
}

/// Places that are a producer's alone until it commits them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reservation {
    start: u64,
    /// Bytes that do not suffice for the record before the end of the memory.
    padding: u64,
    used: u64,
}

impl Reservation {
    /// Where the record's entry begins.
    pub(super) fn offset(self) -> u64 {
        self.start + self.padding
    }
}

impl Ring {
    /// A ring over zeroed memory. The highest bit of `secret` is set: no position ever equals it, so that the memory
    /// holds no valid commit word.
    pub(super) fn new(map: Map, capacity: u64, secret: u64, spool: Option<Spool>) -> Ring {
        Ring {
            live: Live::new(),
            leases: Leases::new(capacity),
            map,
            capacity,
            secret,
            spool,
        }
    }

    /// The longest record it takes, in bytes.
    pub(crate) fn max_record(&self) -> usize {
        MAX_RECORD.min(self.capacity as usize / 8)
    }

    /// Bytes it has room for.
    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Bytes in it that are not freed.
    pub(crate) fn used(&self) -> u64 {
        // In this order: `tail` only follows `head`.
        let tail = self.live.tail.load(Ordering::Acquire);
        (self.live.head.load(Ordering::Relaxed) & !CLOSED).saturating_sub(tail)
    }

    /// Whether records of several threads may stand in another order than they were written in.
    #[inline]
    pub(crate) fn is_leasing(&self) -> bool {
        self.leases.are_used()
    }

    /// The position behind everything that is reserved.
    pub(crate) fn head(&self) -> u64 {
        self.live.head.load(Ordering::Acquire) & !CLOSED
    }

    /// The position before which everything is freed.
    pub(crate) fn tail(&self) -> u64 {
        self.live.tail.load(Ordering::Acquire)
    }

    /// Takes nothing any more: from now on whatever is pushed is refused as [`Refused::Full`]. Returns the position
    /// behind all that ever was taken. What was reserved before may still be on its way.
    pub(crate) fn close(&self) -> u64 {
        let end = self.live.head.fetch_or(CLOSED, Ordering::AcqRel) & !CLOSED;
        self.leases.close();
        end
    }

    /// Copies a record in. Neither waits, nor calls the system, nor allocates.
    ///
    /// # Errors
    /// If there is no room for it, now or ever.
    #[inline]
    pub(crate) fn push(&self, tag: u32, record: &[u8]) -> Result<Pushed, Refused> {
        self.push_after(0, 0, tag, record)
    }

    /// The same at a time, in ns, behind the record at position `after`; behind all that was pushed before: `u64::MAX`.
    /// A thread's records are behind each other in any case.
    ///
    /// # Errors
    /// As [`Ring::push`].
    #[inline]
    pub(crate) fn push_after(
        &self,
        after: u64,
        now: u64,
        tag: u32,
        record: &[u8],
    ) -> Result<Pushed, Refused> {
        let owner = if self.is_leasing() {
            slot::current()
        } else {
            None
        };
        self.push_by(owner, after, now, tag, record)
    }

    /// The same, by this thread.
    #[inline]
    pub(super) fn push_by(
        &self,
        owner: Option<Owner>,
        after: u64,
        now: u64,
        tag: u32,
        record: &[u8],
    ) -> Result<Pushed, Refused> {
        if record.len() > self.max_record() {
            return Err(Refused::TooLong);
        }
        debug_assert_ne!(tag, PADDING);
        let reserved = self.reserve(owner, after, now, record.len())?;
        reach(Point::Reserved);
        self.pad(reserved);
        let offset = reserved.offset();
        self.fill(offset, tag, record, record.len() as u32);
        self.commit(offset);
        reach(Point::Committed);
        Ok(Pushed {
            offset,
            used: reserved.used,
        })
    }

    /// Takes room from the thread's lease, or moves `head` on.
    #[inline]
    pub(super) fn reserve(
        &self,
        owner: Option<Owner>,
        after: u64,
        now: u64,
        length: usize,
    ) -> Result<Reservation, Refused> {
        let need = entry_len(length);
        let leased = owner.and_then(|owner| self.take(owner, need, after, now));
        if let Some(start) = leased {
            return Ok(Reservation {
                start,
                padding: 0,
                used: self.used_to(start + need),
            });
        }
        self.reserve_shared(owner, need, now)
    }

    /// Moves `head` on, by a lease where the thread wants one.
    pub(super) fn reserve_shared(
        &self,
        mut owner: Option<Owner>,
        need: u64,
        now: u64,
    ) -> Result<Reservation, Refused> {
        let mut wanted = self.leases.wanted(owner);
        let mut head = self.live.head.load(Ordering::Relaxed);
        loop {
            let room = self.capacity - self.index(head);
            let (padding, room) = match room < need {
                true => (room, self.capacity),
                false => (0, room),
            };
            let offset = head + padding;
            let mut end = offset + need.max(wanted.min(room));
            if self.used_to(end) > self.capacity {
                end = offset + need;
            }
            let used = self.used_to(end);
            if used > self.capacity {
                return Err(Refused::Full);
            }
            // With Release and Acquire, so that who is behind a lease knows that there are leases.
            match self.live.head.compare_exchange_weak(
                head,
                end,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => {
                    let rest = Rest {
                        position: offset + need,
                        length: end - (offset + need),
                    };
                    if rest.length > 0
                        && let Some(owner) = owner
                        && let Some(left) = self.leases.lend(owner, rest, now)
                    {
                        self.leave(left);
                    }
                    return Ok(Reservation {
                        start: head,
                        padding,
                        used,
                    });
                }
                Err(moved) => {
                    head = moved;
                    wanted = self.leases.want_more(&mut owner);
                }
            }
        }
    }

    /// Takes room from the thread's lease.
    fn take(&self, owner: Owner, need: u64, after: u64, now: u64) -> Option<u64> {
        match self.leases.take(owner, need, after, now) {
            Ok(start) => Some(start),
            Err(rest) => {
                if let Some(rest) = rest {
                    self.leave(rest);
                }
                None
            }
        }
    }

    /// The reader's: takes away what is left of the lease that begins at `position`. Says whether there was one.
    pub(super) fn end_lease(&self, position: u64) -> bool {
        if !self.is_leasing() || position >= self.head() {
            return false;
        }
        let rest = self.leases.end(position);
        if let Some(rest) = rest {
            self.leave(rest);
        }
        rest.is_some()
    }

    /// Makes padding of what was reserved and is not needed.
    fn leave(&self, rest: Rest) {
        let length = (rest.length - ENTRY_HEADER) as u32;
        self.fill(rest.position, PADDING, &[], length);
        self.commit(rest.position);
        reach(Point::Left);
    }

    /// How long the next lease of a slot is: a multiple of 16.
    #[cfg(test)]
    pub(super) fn set_next_lease(&self, slot: usize, length: u64) {
        self.leases.set_next(slot, length);
    }

    /// The same for all slots.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn set_next_leases(&self, length: u64) {
        (0..super::slot::SLOTS).for_each(|slot| self.set_next_lease(slot, length));
    }

    /// Bytes before `end` that are not freed.
    fn used_to(&self, end: u64) -> u64 {
        // A stale `tail` is only a smaller one.
        end - self.live.tail.load(Ordering::Acquire).min(end)
    }

    /// Makes an entry of what is left before the end of the memory, if anything is.
    pub(super) fn pad(&self, reserved: Reservation) {
        if reserved.padding > 0 {
            let length = (reserved.padding - ENTRY_HEADER) as u32;
            self.fill(reserved.start, PADDING, &[], length);
            self.commit(reserved.start);
            reach(Point::Padded);
        }
    }

    /// Fills a reserved entry.
    pub(super) fn fill(&self, position: u64, tag: u32, record: &[u8], length: u32) {
        let at = self.index(position) as usize;
        self.map.write(at, length_word(tag, length), record);
    }

    /// From here on the record is there, also if the process is killed.
    pub(super) fn commit(&self, position: u64) {
        self.map
            .commit_word(self.index(position) as usize)
            .store(position ^ self.secret, Ordering::Release);
    }

    /// Whether a committed entry begins at `position`, a multiple of 16 in the present lap.
    pub(super) fn is_committed(&self, position: u64) -> bool {
        let at = self.index(position) as usize;
        self.map.commit_word(at).load(Ordering::Acquire) == position ^ self.secret
    }

    /// Tag and length of the committed entry at `position`.
    pub(super) fn tag_and_length(&self, position: u64) -> (u32, usize) {
        tag_and_length(self.map.length_word(self.index(position) as usize))
    }

    /// Shows the record of the committed entry at `position`.
    pub(super) fn read<R>(&self, position: u64, length: usize, show: impl FnOnce(&[u8]) -> R) -> R {
        self.map.read(self.index(position) as usize, length, show)
    }

    /// The copies of what moves, if there is a file.
    pub(super) fn mirror(&self) -> Option<&Mirror> {
        self.map.mirror()
    }

    /// Makes a file's memory ready for a multiple of what was written since the last time. See
    /// [`Ring::check_spool`].
    pub(super) fn prepare(&self) {
        let head = self.head();
        let written = head.saturating_sub(self.live.prepared.swap(head, Ordering::Relaxed));
        let length = (written * 4).min(self.capacity / 4);
        let at = self.index(head);
        let before_end = length.min(self.capacity - at);
        if written > 0 {
            self.map.prepare(at as usize, before_end as usize);
            self.map.prepare(0, (length - before_end) as usize);
        }
    }

    /// Whether some of the file's memory was taken away, as far as anybody met it.
    pub(super) fn is_hit(&self) -> bool {
        self.map.is_hit()
    }

    /// Whether entries may be missing that were committed: some of the file's memory was taken away.
    pub(crate) fn is_torn(&self) -> bool {
        self.is_hit() || self.spool.as_ref().is_some_and(Spool::is_cut)
    }

    fn index(&self, position: u64) -> u64 {
        position & (self.capacity - 1)
    }
}
