//! [`Queue`]: the batches that are not acknowledged yet.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::handle::{Answer, Failure, Shared};
use super::parcel::{Parcel, levels};

/// A batch.
struct Entry {
    from: u64,
    to: u64,
    bytes: Vec<u8>,
    deadline: Instant,
    /// The last batch of an export has it: acks are cumulative.
    answer: Option<Answer>,
    /// The daemon may have it.
    is_sent: bool,
    /// Its export has failed. It only waits to be known whether the daemon has it.
    is_given_up: bool,
}

/// See the module. Those that were sent stand before the others.
pub(super) struct Queue {
    shared: Arc<Shared>,
    entries: VecDeque<Entry>,
    /// No daemon can have more than what is before.
    furthest: u64,
}

impl Queue {
    pub(super) fn new(shared: Arc<Shared>) -> Queue {
        Queue {
            shared,
            entries: VecDeque::new(),
            furthest: 0,
        }
    }

    /// Takes an export, whose offsets are higher than all before.
    pub(super) fn push(&mut self, parcel: Parcel, answer: Answer) {
        let mut answer = Some(answer);
        let last = parcel.batches.len().saturating_sub(1);
        for (number, batch) in parcel.batches.into_iter().enumerate() {
            self.entries.push_back(Entry {
                from: batch.from,
                to: batch.to,
                bytes: batch.bytes,
                deadline: parcel.deadline,
                answer: answer.take_if(|_| number == last),
                is_sent: false,
                is_given_up: false,
            });
        }
        // There was nothing to send.
        if let Some(answer) = answer {
            let _ = answer.send(Ok(()));
        }
    }

    /// Fails the exports whose time is up.
    pub(super) fn expire(&mut self, now: Instant, why: impl Fn() -> Failure) {
        for entry in &mut self.entries {
            if !entry.is_given_up && entry.deadline <= now {
                entry.is_given_up = true;
                if let Some(answer) = entry.answer.take() {
                    let _ = answer.send(Err(why()));
                }
            }
        }
        self.drop_given_up();
    }

    /// All before `acked` is durable; what lies behind `next` was not taken.
    pub(super) fn settle(&mut self, acked: u64, next: u64) {
        let durable = self.entries.partition_point(|entry| entry.to <= acked);
        for entry in self.entries.drain(..durable) {
            forget(&self.shared, &entry);
            if let Some(answer) = entry.answer {
                let _ = answer.send(Ok(()));
            }
        }
        for entry in &mut self.entries {
            entry.is_sent &= entry.to <= next;
        }
        self.drop_given_up();
    }

    /// The batch to send next, and the offset after it.
    pub(super) fn next(&self) -> Option<(u64, &[u8])> {
        let entry = self.entries.iter().find(|entry| !entry.is_sent)?;
        Some((entry.to, &entry.bytes))
    }

    /// The batch that ends there was sent.
    pub(super) fn sent(&mut self, to: u64) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.to == to) {
            entry.is_sent = true;
            self.furthest = self.furthest.max(to);
        }
    }

    /// Whether a batch may begin there.
    pub(super) fn is_place(&self, next: u64) -> bool {
        let inside = |entry: &Entry| entry.from < next && next < entry.to;
        !self.entries.iter().any(inside)
    }

    /// There are records up to here; at least `acked`.
    pub(super) fn head(&self, acked: u64) -> u64 {
        self.entries
            .back()
            .map_or(acked, |entry| entry.to.max(acked))
    }

    /// No daemon can have more than what is before.
    pub(super) fn limit(&self) -> u64 {
        self.head(self.furthest)
    }

    /// Whether all before an offset is durable or given up.
    pub(super) fn is_done(&self, end: u64) -> bool {
        let waits = |entry: &Entry| entry.to <= end && !entry.is_given_up;
        !self.entries.iter().any(waits)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// When the next export fails.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let waiting = self.entries.iter().filter(|entry| !entry.is_given_up);
        waiting.map(|entry| entry.deadline).min()
    }

    fn drop_given_up(&mut self) {
        let shared = &self.shared;
        self.entries.retain(|entry| {
            let stays = entry.is_sent || !entry.is_given_up;
            if !stays {
                shared.count_dropped(&levels(&entry.bytes));
                forget(shared, entry);
            }
            stays
        });
    }
}

fn forget(shared: &Shared, entry: &Entry) {
    let len = entry.bytes.len();
    shared.waiting.fetch_sub(len, Ordering::Relaxed);
}
