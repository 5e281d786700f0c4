//! The page in front of a ring, and the numbers in an entry's header.

#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering};

/// Bytes of the two words in front of a record. Entries begin at multiples of it.
pub(super) const ENTRY_HEADER: u64 = 16;
/// The tag of an entry that only fills the end of the memory.
pub(super) const PADDING: u32 = u32::MAX;
/// Levels that drops are counted by.
pub(crate) const LEVELS: usize = 5;
/// Bytes in front of the ring's own, so that these begin at a page.
#[cfg(not(loom))]
pub(super) const HEADER_LEN: usize = 4096;
/// `DISTLOGR`, and the version of this layout.
const MAGIC: u64 = u64::from_be_bytes(*b"DISTLOGR");
const VERSION: u64 = 1;

/// What a reader of the memory must know, and what moves. Two cache lines (as prefetchers pair them) for each of the
/// things that different threads write.
#[repr(C)]
pub(super) struct Header {
    constants: Line<Constants>,
    /// Position behind the last reserved entry.
    pub(super) head: Line<AtomicU64>,
    /// Position before which the consumer needs nothing.
    pub(super) tail: Line<AtomicU64>,
    /// Records dropped since the ring began, by level.
    pub(super) dropped: Line<[AtomicU64; LEVELS]>,
}

#[repr(C)]
struct Constants {
    magic: AtomicU64,
    version: AtomicU64,
    capacity: AtomicU64,
    secret: AtomicU64,
}

#[repr(C, align(128))]
pub(super) struct Line<T>(T);

impl<T> std::ops::Deref for Line<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl Header {
    /// Describes a new ring. The magic number comes last: without it there is no ring.
    pub(super) fn init(&self, capacity: u64, secret: u64) {
        self.constants.version.store(VERSION, Ordering::Relaxed);
        self.constants.capacity.store(capacity, Ordering::Relaxed);
        self.constants.secret.store(secret, Ordering::Relaxed);
        self.constants.magic.store(MAGIC, Ordering::Release);
    }

    #[cfg(loom)]
    pub(super) fn zeroed() -> Header {
        let zero = || AtomicU64::new(0);
        Header {
            constants: Line(Constants {
                magic: zero(),
                version: zero(),
                capacity: zero(),
                secret: zero(),
            }),
            head: Line(zero()),
            tail: Line(zero()),
            dropped: Line(std::array::from_fn(|_| zero())),
        }
    }
}
