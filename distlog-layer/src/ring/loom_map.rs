//! The ring's memory as loom can follow it: every 16 bytes a commit word and a cell that may not be shared.

use loom::cell::UnsafeCell;
use loom::sync::atomic::AtomicU64;

use super::entry::ENTRY_HEADER;
use super::mirror::Mirror;

const UNIT: usize = ENTRY_HEADER as usize;

/// The same methods as the real one. Loom fails the test where two threads access a cell at a time.
pub(super) struct Map {
    mirror: Option<Mirror>,
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
            mirror: None,
            units: (0..capacity / UNIT).map(unit).collect(),
        })
    }

    /// Memory with a mirror. The file stays as it is.
    pub(super) fn of_file(_: &std::fs::File, capacity: usize, _: bool) -> std::io::Result<Map> {
        Map::with_mirror(capacity)
    }

    pub(super) fn with_mirror(capacity: usize) -> std::io::Result<Map> {
        Ok(Map {
            mirror: Some(Mirror::zeroed()),
            ..Map::anonymous(capacity)?
        })
    }

    pub(super) fn mirror(&self) -> Option<&Mirror> {
        self.mirror.as_ref()
    }

    pub(super) fn prepare(&self, _: usize, _: usize) {}

    pub(super) fn is_hit(&self) -> bool {
        false
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
