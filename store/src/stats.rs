//! Counters of a store, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a store has and has done since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Segments, the open one included.
    pub segments: u64,
    /// Bytes of the segments; the open one counts with what is allocated for it.
    pub bytes: u64,
    /// The number of the oldest record that is kept.
    pub first: u64,
    /// The number that the next record to become durable gets.
    pub end: u64,
    /// Records between both that are lost by damage, as far as that is known.
    pub lost: u64,
    /// Records between both that were deleted and are out of the files.
    pub removed: u64,
    /// Producers whose position is known.
    pub producers: u64,
    /// Segments that wait to be sealed.
    pub unsealed: u64,
    /// Sealed segments that are in rows, and will be written anew in columns.
    pub in_rows: u64,
    /// Records made durable.
    pub records: u64,
    /// Batches made durable.
    pub batches: u64,
    /// Bytes of batches made durable.
    pub batch_bytes: u64,
    /// Syncs of the open segment.
    pub syncs: u64,
    /// Batches that the store already had.
    pub replays: u64,
    /// Batches that did not begin where their producer stood.
    pub gaps: u64,
    /// Times that something was refused because the file system is full.
    pub no_space: u64,
    /// Failed writes and syncs.
    pub write_errors: u64,
    /// Segments that could not be sealed; it is tried again.
    pub seal_errors: u64,
    /// Sealed segments that were written anew: in columns, or without deleted records.
    pub rewritten: u64,
    /// Places where the store was found damaged.
    pub damaged: u64,
    /// Records lost by damage, each counted once, as far as it was met.
    pub damaged_records: u64,
    /// Bytes of a torn tail that recovery cut off.
    pub truncated_bytes: u64,
    /// Segments removed by retention.
    pub expired_segments: u64,
    /// Records removed by retention.
    pub expired_records: u64,
}

impl Stats {
    /// Records that are in the files.
    pub fn kept(&self) -> u64 {
        let gone = self.lost.saturating_add(self.removed);
        self.end.saturating_sub(self.first).saturating_sub(gone)
    }
}

#[derive(Default)]
pub(super) struct Counters {
    pub(super) producers: AtomicU64,
    pub(super) records: AtomicU64,
    pub(super) batches: AtomicU64,
    pub(super) batch_bytes: AtomicU64,
    pub(super) syncs: AtomicU64,
    pub(super) replays: AtomicU64,
    pub(super) gaps: AtomicU64,
    pub(super) no_space: AtomicU64,
    pub(super) write_errors: AtomicU64,
    pub(super) seal_errors: AtomicU64,
    pub(super) rewritten: AtomicU64,
    pub(super) damaged: AtomicU64,
    pub(super) damaged_records: AtomicU64,
    pub(super) truncated_bytes: AtomicU64,
    pub(super) expired_segments: AtomicU64,
    pub(super) expired_records: AtomicU64,
}

pub(super) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

impl Counters {
    /// The counters; the fields that say what is there now are left to the caller.
    pub(super) fn stats(&self) -> Stats {
        let get = |c: &AtomicU64| c.load(Ordering::Relaxed);
        Stats {
            producers: get(&self.producers),
            records: get(&self.records),
            batches: get(&self.batches),
            batch_bytes: get(&self.batch_bytes),
            syncs: get(&self.syncs),
            replays: get(&self.replays),
            gaps: get(&self.gaps),
            no_space: get(&self.no_space),
            write_errors: get(&self.write_errors),
            seal_errors: get(&self.seal_errors),
            rewritten: get(&self.rewritten),
            damaged: get(&self.damaged),
            damaged_records: get(&self.damaged_records),
            truncated_bytes: get(&self.truncated_bytes),
            expired_segments: get(&self.expired_segments),
            expired_records: get(&self.expired_records),
            ..Stats::default()
        }
    }
}
