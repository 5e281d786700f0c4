//! Buffers that are used again: memory that is new each time costs more than what is written into it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::processor::Converted;

/// One that grew beyond this is not kept, in bytes.
const MAX_KEPT: usize = 1 << 20;

/// Buffers that nobody uses now.
#[derive(Default)]
pub struct Spare(Mutex<Vec<Converted>>);

impl Spare {
    /// An empty one.
    pub fn get(&self) -> Converted {
        self.list().pop().unwrap_or_default()
    }

    /// Takes one back.
    pub fn put(&self, mut converted: Converted) {
        if converted.capacity() <= MAX_KEPT {
            converted.clear();
            self.list().push(converted);
        }
    }

    /// Gives their memory back.
    pub fn clear(&self) {
        self.list().clear();
    }

    fn list(&self) -> MutexGuard<'_, Vec<Converted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
