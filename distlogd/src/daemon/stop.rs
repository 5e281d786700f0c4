//! What the threads look at, to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Flags, each for those that end together.
#[derive(Clone, Default)]
pub(super) struct Stop {
    /// Nothing more is to come in.
    pub(super) doors: Arc<AtomicBool>,
    /// The store is closed: what it holds is all.
    pub(super) workers: Arc<AtomicBool>,
    /// There is no more time.
    pub(super) abort: Arc<AtomicBool>,
}

impl Stop {
    pub(super) fn all(&self) {
        for flag in [&self.doors, &self.workers, &self.abort] {
            flag.store(true, Ordering::Release);
        }
    }
}
