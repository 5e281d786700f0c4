//! The ring: what the calling threads write and the sender reads.
//!
//! A lock-free ring of bytes for many producers and one consumer, in a memory map. A position is absolute: it counts
//! the bytes written since the ring began and never falls, so the position of a record is also its sequence number
//! (`offset`); numbers in between are holes.
//!
//! Read in this order: `header.rs` (the page in front, an entry's two words), this file (reserve, copy, commit; read,
//! free), `map.rs` (the memory, the only place with `unsafe` beside `fork.rs`), `loom_map.rs` (the same memory as loom
//! can follow it), `fork.rs` (how a child process notices that it is one).
//!
//! # An entry
//!
//! ```text
//! ┌──────────────────┬─────────────┬─────────┬──────────────────────┬──────────┐
//! │ commit word: u64 │ length: u32 │ tag: u32│ the record           │ up to 16 │
//! │ position ^ secret│             │         │                      │          │
//! └──────────────────┴─────────────┴─────────┴──────────────────────┴──────────┘
//! ```
//!
//! A producer moves `head` on (it reserves), writes length, tag and record, and stores the commit word last, with
//! Release. The consumer stops at the first entry whose commit word is not the one of its position. Where an entry
//! would not fit before the end of the memory, an entry with the tag [`PADDING`] fills the rest.
//!
//! # Why nothing is read while it is written
//!
//! The consumer looks only at positions where an entry begins, so what it polls is a commit word, which is only ever
//! stored atomically in its lap. Bytes of the lap before are the consumer's until it stores `tail` with Release, and a
//! producer has loaded that `tail` with Acquire before it reserves them.

mod fork;
mod header;
#[cfg(loom)]
mod loom_map;
#[cfg(not(loom))]
mod map;
#[cfg(test)]
mod tests;

use std::sync::Arc;
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering};

#[cfg(loom)]
use loom_map::Map;
#[cfg(not(loom))]
use map::Map;

pub(crate) use fork::ForkMark;
pub(crate) use header::LEVELS;
use header::{ENTRY_HEADER, PADDING};

/// No record is longer, in bytes.
const MAX_RECORD: usize = 256 * 1024;
/// The smallest ring, in bytes: one page.
const MIN_CAPACITY: usize = if cfg!(loom) { 64 } else { 4096 };
/// The largest, so that an entry's length fits its word with room to spare.
const MAX_CAPACITY: usize = 1 << 40;

/// The writing end, shared by all threads.
pub(crate) struct Ring {
    map: Map,
    capacity: u64,
    secret: u64,
}

/// Where a record went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pushed {
    /// Its position, which is its number in the producer's stream.
    pub offset: u64,
    /// Bytes in the ring that are not freed, this record included.
    pub used: u64,
}

/// Why a record did not go into the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There is no room until the consumer frees some.
    Full,
    /// It is longer than [`Ring::max_record`].
    TooLong,
}

/// A record as the consumer sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    /// Its number in the producer's stream.
    pub offset: u64,
    /// What the producer gave beside it.
    pub tag: u32,
    /// The record.
    pub bytes: &'a [u8],
}

impl Ring {
    /// A ring in anonymous memory with room for `capacity` bytes (rounded up to a power of two), and its reader.
    ///
    /// # Errors
    /// If the system does not give the memory.
    pub(crate) fn anonymous(capacity: usize) -> std::io::Result<(Arc<Ring>, Reader)> {
        let capacity = capacity
            .clamp(MIN_CAPACITY, MAX_CAPACITY)
            .next_power_of_two();
        // The highest bit is set: no position ever equals the secret, so fresh memory holds no valid commit word.
        let secret = getrandom::u64().unwrap_or(0x5DEE_CE66_D1CE_4E5B) | 1 << 63;
        let map = Map::anonymous(capacity)?;
        map.header().init(capacity as u64, secret);
        let ring = Arc::new(Ring {
            map,
            capacity: capacity as u64,
            secret,
        });
        let reader = Reader {
            ring: Arc::clone(&ring),
            position: 0,
        };
        Ok((ring, reader))
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
        let header = self.map.header();
        // In this order: `tail` only follows `head`.
        let tail = header.tail.load(Ordering::Acquire);
        header.head.load(Ordering::Relaxed).saturating_sub(tail)
    }

    /// The position that the next record will get at the earliest.
    pub(crate) fn head(&self) -> u64 {
        self.map.header().head.load(Ordering::Acquire)
    }

    /// The position before which everything is freed.
    pub(crate) fn tail(&self) -> u64 {
        self.map.header().tail.load(Ordering::Acquire)
    }

    /// Records dropped since the ring began, by level (ERROR first).
    pub(crate) fn dropped(&self) -> &[AtomicU64; LEVELS] {
        &self.map.header().dropped
    }

    /// Copies a record in. Neither waits, nor calls the system, nor allocates.
    ///
    /// # Errors
    /// If there is no room for it, now or ever.
    pub(crate) fn push(&self, tag: u32, record: &[u8]) -> Result<Pushed, Refused> {
        if record.len() > self.max_record() {
            return Err(Refused::TooLong);
        }
        debug_assert_ne!(tag, PADDING);
        let need = entry_len(record.len());
        let header = self.map.header();
        let mut head = header.head.load(Ordering::Relaxed);
        let (start, padding, used) = loop {
            let room = self.capacity - self.index(head);
            let padding = if room < need { room } else { 0 };
            let end = head + padding + need;
            // A stale `tail` is only a smaller one.
            let used = end - header.tail.load(Ordering::Acquire).min(end);
            if used > self.capacity {
                return Err(Refused::Full);
            }
            match header
                .head
                .compare_exchange_weak(head, end, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => break (head, padding, used),
                Err(now) => head = now,
            }
        };
        if padding > 0 {
            self.write(start, PADDING, &[], (padding - ENTRY_HEADER) as u32);
        }
        let offset = start + padding;
        self.write(offset, tag, record, record.len() as u32);
        Ok(Pushed { offset, used })
    }

    /// Fills a reserved entry and commits it.
    fn write(&self, position: u64, tag: u32, record: &[u8], length: u32) {
        let at = self.index(position) as usize;
        self.map
            .write(at, u64::from(tag) << 32 | u64::from(length), record);
        self.map
            .commit_word(at)
            .store(position ^ self.secret, Ordering::Release);
    }

    fn index(&self, position: u64) -> u64 {
        position & (self.capacity - 1)
    }
}

/// The reading end. There is one.
pub(crate) struct Reader {
    ring: Arc<Ring>,
    position: u64,
}

impl Reader {
    /// Hands the next committed record to `take` and steps over it, unless `take` refuses it with `None`.
    ///
    /// `None` where nothing is committed, too. The bytes stay the reader's until [`Reader::free`].
    pub(crate) fn next<R>(&mut self, take: impl FnOnce(Entry<'_>) -> Option<R>) -> Option<R> {
        loop {
            let at = self.ring.index(self.position) as usize;
            let map = &self.ring.map;
            if map.commit_word(at).load(Ordering::Acquire) != self.position ^ self.ring.secret {
                return None;
            }
            let word = map.length_word(at);
            let (tag, length) = ((word >> 32) as u32, word as u32 as usize);
            let end = self.position + entry_len(length);
            if tag == PADDING {
                self.position = end;
                continue;
            }
            let offset = self.position;
            let taken = map.read(at, length, |bytes| take(Entry { offset, tag, bytes }))?;
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
            },
            _still: self,
        }
    }

    /// Gives everything read so far back to the producers.
    pub(crate) fn free(&mut self) {
        self.ring
            .map
            .header()
            .tail
            .store(self.position, Ordering::Release);
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

/// Bytes that an entry with a record of `length` bytes takes.
fn entry_len(length: usize) -> u64 {
    ENTRY_HEADER + (length as u64).next_multiple_of(16)
}
