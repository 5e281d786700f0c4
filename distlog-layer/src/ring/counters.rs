//! What the ring counts beside its records, in memory and, for whoever recovers a spool, in the file.

#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering};

use super::live::{LEVELS, Losses};
use super::writer::Ring;

impl Ring {
    /// Starts the next attempt to reach a daemon: a number above all that this producer ever used.
    pub(crate) fn next_epoch(&self) -> u64 {
        let epoch = self.live.epoch.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(mirror) = self.mirror() {
            mirror.epoch.store(epoch, Ordering::Release);
        }
        epoch
    }

    /// Counts a record that was dropped at `time` (in nanoseconds since the Unix epoch).
    pub(crate) fn count_dropped(&self, level: usize, time: u64) {
        self.live.losses.count(level, time);
        if let Some(mirror) = self.mirror() {
            mirror.losses.count(level, time);
        }
    }

    /// Records dropped since the ring began, by level (ERROR first).
    pub(crate) fn dropped(&self) -> [u64; LEVELS] {
        self.live
            .losses
            .dropped
            .each_ref()
            .map(|count| count.load(Ordering::Acquire))
    }

    /// Those of them that a record in the stream has told of.
    pub(crate) fn reported(&self) -> [u64; LEVELS] {
        self.live
            .reported
            .each_ref()
            .map(|count| count.load(Ordering::Acquire))
    }

    /// When the first and the last of the drops happened that were not told of yet, in nanoseconds since the Unix
    /// epoch.
    pub(crate) fn lost_times(&self) -> (u64, u64) {
        let last = self.live.losses.last.load(Ordering::Relaxed);
        match self.live.losses.first.load(Ordering::Relaxed) {
            0 => (last, last),
            first => (first, last),
        }
    }

    /// A record in the stream has told of drops, `reported` in all; the next ones begin a new range of times. A drop
    /// that comes meanwhile is counted exactly, though its time may be taken for one of the range that ends.
    pub(crate) fn set_reported(&self, reported: [u64; LEVELS]) {
        let store = |counts: &[AtomicU64; LEVELS], losses: &Losses| {
            for (count, value) in counts.iter().zip(reported) {
                count.store(value, Ordering::Release);
            }
            losses.first.store(0, Ordering::Relaxed);
        };
        store(&self.live.reported, &self.live.losses);
        if let Some(mirror) = self.mirror() {
            store(&mirror.reported, &mirror.losses);
        }
    }

    /// Bytes that the reader stepped over without having read them, because somebody took the file's memory away.
    pub(crate) fn lost_bytes(&self) -> u64 {
        self.live.lost_bytes.load(Ordering::Relaxed)
    }
}

impl Losses {
    fn count(&self, level: usize, time: u64) {
        let _ = self
            .first
            .compare_exchange(0, time, Ordering::Relaxed, Ordering::Relaxed);
        self.last.fetch_max(time, Ordering::Relaxed);
        if let Some(count) = self.dropped.get(level) {
            count.fetch_add(1, Ordering::Release);
        }
    }
}
