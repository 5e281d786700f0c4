//! What is deleted: from when that is known until no file has it any more, readers leave it out.

use std::sync::Arc;

use super::batch::Batch;

/// The bytes that a batch has without what is deleted, and how many of its records are; `None` if none is. The others
/// keep their places: a mark stands for each that is gone. New bytes that are longer than the old are not taken.
pub type ChangeFn = Arc<dyn Fn(&Batch, &[u8]) -> Option<(Vec<u8>, u64)> + Send + Sync>;

/// Records that are deleted.
#[derive(Clone)]
pub struct Removal {
    /// Only records with numbers below this one.
    pub before: u64,
    /// Takes them out of a batch. It gives the same each time it sees the same, and bears what it made itself.
    pub change: ChangeFn,
}

impl Removal {
    /// See [`ChangeFn`].
    pub(super) fn apply(&self, batch: &Batch, bytes: &[u8]) -> Option<(Vec<u8>, u64)> {
        if batch.first >= self.before {
            return None;
        }
        (self.change)(batch, bytes).filter(|(new, _)| new.len() <= bytes.len())
    }
}

/// Those that readers know of.
pub(super) type Removals = Arc<[Removal]>;
