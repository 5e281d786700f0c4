//! [`ExportQueue`]: the batches that are not acknowledged yet.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use distlog_client::{EncodedBatch, Offsets, UnackedRecords};
use distlog_proto::session::Dropped;

use super::pending_export::{PendingExport, levels};
use super::shared::{Answer, ExportError, Shared, lock};

/// A batch.
struct Entry {
    from: u64,
    to: u64,
    bytes: Vec<u8>,
    /// When it is given up.
    deadline: Option<Instant>,
    /// The last batch of an export has it: acks are cumulative.
    answer: Option<Answer>,
    /// Its export has failed. It stays until it is known whether the daemon has it.
    is_given_up: bool,
}

/// Batches in order: those that were sent, then the others.
pub(super) struct ExportQueue {
    shared: Arc<Shared>,
    entries: VecDeque<Entry>,
    epoch: u64,
    /// Everything before is durable.
    acked: u64,
    /// Where the next batch begins: entries before it were sent.
    position: u64,
    /// No daemon can have more than what is before.
    furthest: u64,
}

impl ExportQueue {
    pub(super) fn new(shared: Arc<Shared>) -> ExportQueue {
        ExportQueue {
            shared,
            entries: VecDeque::new(),
            epoch: 0,
            acked: 0,
            position: 0,
            furthest: 0,
        }
    }

    /// Takes an export, whose offsets are higher than all before.
    pub(super) fn push(&mut self, export: PendingExport, mut answer: Option<Answer>) {
        let last = export.batches.len().saturating_sub(1);
        for (number, batch) in export.batches.into_iter().enumerate() {
            self.entries.push_back(Entry {
                from: batch.from,
                to: batch.to,
                bytes: batch.bytes,
                deadline: export.deadline,
                answer: answer.take_if(|_| number == last),
                is_given_up: false,
            });
        }
        // There was nothing to send.
        if let Some(answer) = answer {
            let _ = answer.send(Ok(()));
        }
    }

    /// Fails the exports whose time is up.
    pub(super) fn expire(&mut self, now: Instant, why: impl Fn() -> ExportError) {
        for entry in &mut self.entries {
            if !entry.is_given_up && entry.deadline.is_some_and(|deadline| deadline <= now) {
                entry.is_given_up = true;
                if let Some(answer) = entry.answer.take() {
                    let _ = answer.send(Err(why()));
                }
            }
        }
        self.drop_given_up();
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
        waiting.filter_map(|entry| entry.deadline).min()
    }

    fn drop_given_up(&mut self) {
        let (shared, position) = (&self.shared, self.position);
        self.entries.retain(|entry| {
            let is_sent = entry.to <= position;
            let stays = is_sent || !entry.is_given_up;
            if !stays {
                shared.count_dropped(&levels(&entry.bytes));
                release(shared, entry);
            }
            stays
        });
    }
}

impl UnackedRecords for ExportQueue {
    fn source(&self) -> Cow<'_, [u8]> {
        Cow::Owned(lock(&self.shared.source).clone())
    }

    fn next_epoch(&mut self) -> Option<u64> {
        if let Some(spool) = &self.shared.spool {
            return spool.next_epoch();
        }
        self.epoch += 1;
        Some(self.epoch)
    }

    fn offsets(&self) -> Offsets {
        let last = self.entries.back().map_or(0, |entry| entry.to);
        let head = last.max(self.acked).max(self.position);
        Offsets {
            acked: self.acked,
            position: self.position,
            head,
            // Batches that were sent and given up are gone from the queue, but a daemon may have them.
            limit: head.max(self.furthest),
        }
    }

    fn dropped(&self) -> Dropped {
        self.shared.dropped()
    }

    fn next_batch(&mut self) -> Option<EncodedBatch<'_>> {
        let sent = self
            .entries
            .partition_point(|entry| entry.to <= self.position);
        self.entries.get(sent).map(|entry| EncodedBatch {
            to: entry.to,
            bytes: &entry.bytes,
        })
    }

    fn sent(&mut self, to: u64) {
        self.position = to;
        self.furthest = self.furthest.max(to);
    }

    fn seek(&mut self, to: u64) -> bool {
        let is_inside = |entry: &Entry| entry.from < to && to < entry.to;
        if self.entries.iter().any(is_inside) {
            return false;
        }
        self.position = to;
        self.drop_given_up();
        true
    }

    fn ack(&mut self, to: u64) -> bool {
        self.acked = to;
        if let Some(spool) = &self.shared.spool {
            spool.set_acked(to);
        }
        let durable = self.entries.partition_point(|entry| entry.to <= to);
        for entry in self.entries.drain(..durable) {
            release(&self.shared, &entry);
            if let Some(answer) = entry.answer {
                let _ = answer.send(Ok(()));
            }
        }
        true
    }
}

fn release(shared: &Shared, entry: &Entry) {
    let len = entry.bytes.len();
    shared.pending_bytes.fetch_sub(len, Ordering::Relaxed);
}
