//! The ring's memory: anonymous, or the front of a spool's file (a page for the mirror, then the entries).

use std::fs::File;
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use distlog_spool::layout::HEADER_LEN;
use memmap2::{MmapMut, MmapOptions, MmapRaw};

use super::entry::ENTRY_HEADER;
use super::mirror::Mirror;
use super::points::{Point, reach};
use super::sigbus::Watch;
#[cfg(target_os = "linux")]
use super::sigbus::page_size;

/// The memory. Its methods are safe to call for [`super::Ring`] and [`super::Reader`] alone, which see to it that
/// nobody reads what somebody writes (`mod.rs` says why, and what of a spool whose memory was taken away); out of
/// bounds they never go.
pub(super) struct Map {
    /// Of a file's map alone. Dropped before the map, as it must be: fields are dropped in this order.
    watch: Option<Watch>,
    raw: MmapRaw,
    /// Bytes in front of the first entry: none, or the mirror's page.
    front: usize,
    capacity: usize,
}

impl Map {
    /// Zeroed memory of this process alone. `capacity` is a multiple of 16.
    pub(super) fn anonymous(capacity: usize) -> io::Result<Map> {
        Ok(Map {
            watch: None,
            raw: MmapRaw::from(MmapMut::map_anon(capacity)?),
            front: 0,
            capacity,
        })
    }

    /// The front of a file that is at least so long, and whose ring is zeroed. Nobody else maps it. `watched`: the
    /// handler of `SIGBUS` replaces pages that are taken away.
    pub(super) fn of_file(file: &File, capacity: usize, watched: bool) -> io::Result<Map> {
        let raw = MmapOptions::new()
            .len(HEADER_LEN + capacity)
            .map_raw(file)?;
        let watch = watched.then(|| Watch::new(raw.as_ptr(), raw.len()));
        let map = Map {
            watch: watch.transpose()?,
            raw,
            front: HEADER_LEN,
            capacity,
        };
        map.populate(0, HEADER_LEN + capacity);
        Ok(map)
    }

    /// Has the system make the memory of a file ready for writing to `length` bytes from the entry at `at` on, so that
    /// log calls need not do it page by page: see [`super::Ring::check_spool`].
    pub(super) fn prepare(&self, at: usize, length: usize) {
        if self.front > 0 {
            self.populate(self.front + at, self.front + at + length);
        }
    }

    /// Where the system does not know how to, the log calls pay for it.
    fn populate(&self, start: usize, end: usize) {
        #[cfg(target_os = "linux")]
        {
            let start = start - start % page_size();
            let end = end.min(self.raw.len());
            // SAFETY: the range is within this map, which nobody else knows. The advice changes none of its bytes,
            // whoever writes to them meanwhile, and where it would have to raise SIGBUS it fails instead.
            let _ = unsafe {
                rustix::mm::madvise(
                    self.raw.as_mut_ptr().add(start.min(end)).cast(),
                    end.saturating_sub(start),
                    rustix::mm::Advice::LinuxPopulateWrite,
                )
            };
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (start, end);
    }

    /// The copies of what moves, if this is a file.
    pub(super) fn mirror(&self) -> Option<&Mirror> {
        // SAFETY: where there is a page in front, the map begins with it: aligned for a `Mirror`, and HEADER_LEN long,
        // which `mirror.rs` compares. It consists of atomics alone, for which every bit pattern is valid, and lives as
        // long as `self`; nothing else in this process refers to these bytes.
        (self.front > 0).then(|| unsafe { &*self.raw.as_mut_ptr().cast::<Mirror>() })
    }

    /// Whether a part of the memory was taken away, and replaced by zeros.
    pub(super) fn is_hit(&self) -> bool {
        self.watch.as_ref().is_some_and(Watch::is_hit)
    }

    /// The commit word of the entry at `at`.
    pub(super) fn commit_word(&self, at: usize) -> &AtomicU64 {
        // SAFETY: `entry` checks that 16 bytes lie there and are 16-byte aligned. The word is accessed without
        // atomics only as part of a record in another lap, which happens before or after (see `mod.rs`, also for the
        // one exception, in which a word is loaded to be compared and nothing else).
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
        // SAFETY: `entry` and the assertion keep the writes in bounds, the word is aligned. The caller has reserved
        // these bytes, so that nobody else touches them before the commit; `record` lies in other memory.
        unsafe {
            entry.add(8).cast::<u64>().write(word);
            reach(Point::Length);
            let bytes = entry.add(ENTRY_HEADER as usize);
            #[cfg(test)]
            {
                bytes.copy_from_nonoverlapping(record.as_ptr(), record.len() / 2);
                reach(Point::Half);
            }
            bytes.copy_from_nonoverlapping(record.as_ptr(), record.len());
        }
        reach(Point::Bytes);
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
        // SAFETY: front + at is within the map, whose length is front + capacity, and the result is not null since the
        // map's beginning is not.
        unsafe { NonNull::new_unchecked(self.raw.as_mut_ptr().add(self.front + at)) }
    }
}
