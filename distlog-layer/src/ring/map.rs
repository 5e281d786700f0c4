//! The ring's memory: a page for the header, then the entries.

use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use memmap2::{MmapMut, MmapRaw};

use super::header::{ENTRY_HEADER, HEADER_LEN, Header};

const _: () = assert!(size_of::<Header>() <= HEADER_LEN);

/// The memory. Its methods are safe to call for [`super::Ring`] and [`super::Reader`] alone, which see to it that
/// nobody reads what somebody writes (`mod.rs` says why); out of bounds they never go.
pub(super) struct Map {
    raw: MmapRaw,
    capacity: usize,
}

impl Map {
    /// Zeroed memory of this process alone. `capacity` is a multiple of 16.
    pub(super) fn anonymous(capacity: usize) -> std::io::Result<Map> {
        let raw = MmapRaw::from(MmapMut::map_anon(HEADER_LEN + capacity)?);
        Ok(Map { raw, capacity })
    }

    pub(super) fn header(&self) -> &Header {
        // SAFETY: the map begins at a page, so it is aligned for a `Header`, and is at least HEADER_LEN long, which the
        // assertion above compares. It consists of atomics alone, for which every bit pattern is valid, and lives as
        // long as `self`; nothing else refers to these bytes.
        unsafe { &*self.raw.as_mut_ptr().cast::<Header>() }
    }

    /// The commit word of the entry at `at`.
    pub(super) fn commit_word(&self, at: usize) -> &AtomicU64 {
        // SAFETY: `entry` checks that 16 bytes lie there and are 16-byte aligned. The word is accessed without
        // atomics only as part of a record in another lap, which happens before or after (see `mod.rs`).
        unsafe { &*self.entry(at).as_ptr().cast::<AtomicU64>() }
    }

    /// The second word of a committed entry.
    pub(super) fn length_word(&self, at: usize) -> u64 {
        // SAFETY: in bounds and aligned by `entry`; written before the commit word that the reader has acquired, and
        // not again before it frees the entry.
        unsafe { self.entry(at).as_ptr().add(8).cast::<u64>().read() }
    }

    /// Writes the second word and the record of a reserved entry.
    pub(super) fn write(&self, at: usize, word: u64, record: &[u8]) {
        assert!(
            record.len() <= self.capacity - at - ENTRY_HEADER as usize,
            "record beyond the ring's end"
        );
        let entry = self.entry(at).as_ptr();
        // SAFETY: `entry` and the assertion keep both writes in bounds, the word is aligned. The caller has reserved
        // these bytes, so that nobody else touches them before the commit; `record` lies in other memory.
        unsafe {
            entry.add(8).cast::<u64>().write(word);
            entry
                .add(ENTRY_HEADER as usize)
                .copy_from_nonoverlapping(record.as_ptr(), record.len());
        }
    }

    /// Shows the record of a committed entry.
    pub(super) fn read<R>(&self, at: usize, length: usize, show: impl FnOnce(&[u8]) -> R) -> R {
        let length = length.min(self.capacity - at - ENTRY_HEADER as usize);
        // SAFETY: in bounds by `entry` and the line above; initialised, since the map was zeroed. Committed, so that no
        // producer writes there before the reader, which is borrowed during `show`, frees it.
        show(unsafe {
            std::slice::from_raw_parts(self.entry(at).as_ptr().add(ENTRY_HEADER as usize), length)
        })
    }

    /// Where the entry at `at` begins; 16 bytes are there.
    fn entry(&self, at: usize) -> NonNull<u8> {
        assert!(
            at < self.capacity && at.is_multiple_of(ENTRY_HEADER as usize),
            "no entry begins at {at}"
        );
        // SAFETY: HEADER_LEN + at is within the map, whose length is HEADER_LEN + capacity, and the result is not null
        // since the map's beginning is not.
        unsafe { NonNull::new_unchecked(self.raw.as_mut_ptr().add(HEADER_LEN + at)) }
    }
}
