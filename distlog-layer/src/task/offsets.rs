//! Where a task's records are in the stream: its begin before all others, its end behind them and behind those of the
//! tasks below that ended before, whichever threads write them. (Where another tracing layer gives the ids, its end
//! stands behind its own records alone.)
//!
//! A thread may hold a piece of the ring that begins before what another thread has written since
//! ([`Producer::is_leasing`]). So what must stand behind something says so.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::send::producer::Producer;

/// Behind all that was submitted before.
pub(crate) const BEHIND_ALL: u64 = u64::MAX;

/// Offsets of a task's records. Each was submitted before another thread could know that it was; what tells that thread
/// of the task, or that its work is done, tells it of them, too.
#[derive(Debug, Default)]
pub(crate) struct Offsets {
    begin: AtomicU64,
    last: AtomicU64,
}

impl Offsets {
    /// What the begins of its children, and its own records, stand behind.
    #[inline]
    pub(crate) fn begin(&self) -> u64 {
        self.begin.load(Ordering::Relaxed)
    }

    /// What its end stands behind.
    #[inline]
    pub(crate) fn last(&self) -> u64 {
        self.last.load(Ordering::Relaxed).max(self.begin())
    }

    /// Its begin was submitted.
    #[inline]
    pub(crate) fn begun(&self, offset: Option<u64>) {
        if let Some(offset) = offset {
            self.begin.store(offset, Ordering::Relaxed);
        }
    }

    /// Another record of it was submitted, or the begin or end of a task below it.
    #[inline]
    pub(crate) fn wrote(&self, offset: Option<u64>, producer: &Producer) {
        if let Some(offset) = offset.filter(|_| producer.is_leasing()) {
            self.last.fetch_max(offset, Ordering::Relaxed);
        }
    }
}
