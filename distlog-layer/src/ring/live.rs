//! What moves: the ring's positions and counters, in this process's memory.

#[cfg(not(loom))]
use std::sync::atomic::AtomicU64;

#[cfg(loom)]
use loom::sync::atomic::AtomicU64;

/// Levels that drops are counted by.
pub(super) const LEVELS: usize = distlog_spool::layout::LEVELS;

/// The positions and counters. None of them lies in a file, so that nobody who takes a file's memory away can move
/// them; a spool's file has copies of those that its recovery needs (`mirror.rs`). Two cache lines (as prefetchers
/// pair them) for each of the things that different threads write.
pub(super) struct Live {
    /// Position behind the last reserved entry; the highest bit says that the ring is closed.
    pub(super) head: Line<AtomicU64>,
    /// Position before which the consumer needs nothing.
    pub(super) tail: Line<AtomicU64>,
    /// What callers count.
    pub(super) losses: Line<Losses>,
    /// Drops by level that the stream has told of.
    pub(super) reported: [AtomicU64; LEVELS],
    /// The last epoch used.
    pub(super) epoch: AtomicU64,
    /// Where `head` stood when memory was last made ready for what comes.
    pub(super) prepared: AtomicU64,
    /// Bytes that the consumer stepped over without having read them.
    pub(super) lost_bytes: AtomicU64,
}

/// Records that were dropped.
#[repr(C)]
pub(super) struct Losses {
    /// Since the ring began, by level, ERROR first.
    pub(super) dropped: [AtomicU64; LEVELS],
    /// Time of the first drop that the stream has not told of, in nanoseconds since the Unix epoch; 0: none.
    pub(super) first: AtomicU64,
    /// Time of the last drop.
    pub(super) last: AtomicU64,
}

/// A value that shares its cache lines with no other.
#[repr(C, align(128))]
pub(super) struct Line<T>(pub(super) T);

impl<T> std::ops::Deref for Line<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl Live {
    /// Those of an empty ring.
    pub(super) fn new() -> Live {
        Live {
            head: Line(zero()),
            tail: Line(zero()),
            losses: Line(Losses::new()),
            reported: std::array::from_fn(|_| zero()),
            epoch: zero(),
            prepared: zero(),
            lost_bytes: zero(),
        }
    }
}

impl Losses {
    pub(super) fn new() -> Losses {
        Losses {
            dropped: std::array::from_fn(|_| zero()),
            first: zero(),
            last: zero(),
        }
    }
}

fn zero() -> AtomicU64 {
    AtomicU64::new(0)
}
