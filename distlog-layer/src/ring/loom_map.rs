//! The ring's memory as loom can follow it: every 16 bytes a commit word and a cell that may not be shared.

use loom::cell::UnsafeCell;
use loom::sync::atomic::AtomicU64;

use super::header::{ENTRY_HEADER, Header};

const UNIT: usize = ENTRY_HEADER as usize;

/// The same methods as the real one. Loom fails the test where two threads access a cell at a time.
pub(super) struct Map {
    header: Header,
    units: Vec<Unit>,
}

/// Sixteen bytes: the header of an entry or a part of a record.
struct Unit {
    commit: AtomicU64,
    word: UnsafeCell<u64>,
    bytes: UnsafeCell<[u8; UNIT]>,
}

// SAFETY: the cells are accessed by the rules of `mod.rs`; loom is here to check these.
unsafe impl Sync for Map {}
// SAFETY: as above.
unsafe impl Send for Map {}

impl Map {
    pub(super) fn anonymous(capacity: usize) -> std::io::Result<Map> {
        let unit = |_| Unit {
            commit: AtomicU64::new(0),
            word: UnsafeCell::new(0),
            bytes: UnsafeCell::new([0; UNIT]),
        };
        Ok(Map {
            header: Header::zeroed(),
            units: (0..capacity / UNIT).map(unit).collect(),
        })
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    pub(super) fn commit_word(&self, at: usize) -> &AtomicU64 {
        &self.units[at / UNIT].commit
    }

    pub(super) fn length_word(&self, at: usize) -> u64 {
        // SAFETY: loom checks the access.
        self.units[at / UNIT].word.with(|word| unsafe { *word })
    }

    pub(super) fn write(&self, at: usize, word: u64, record: &[u8]) {
        // SAFETY: loom checks the access.
        self.units[at / UNIT]
            .word
            .with_mut(|place| unsafe { *place = word });
        for (i, part) in record.chunks(UNIT).enumerate() {
            // SAFETY: loom checks the access.
            self.units[at / UNIT + 1 + i]
                .bytes
                .with_mut(|place| unsafe { (&mut *place)[..part.len()].copy_from_slice(part) });
        }
    }

    pub(super) fn read<R>(&self, at: usize, length: usize, show: impl FnOnce(&[u8]) -> R) -> R {
        let mut record = Vec::new();
        for unit in &self.units[at / UNIT + 1..][..length.div_ceil(UNIT)] {
            // SAFETY: loom checks the access.
            unit.bytes
                .with(|place| record.extend_from_slice(unsafe { &*place }));
        }
        show(&record[..length])
    }
}
