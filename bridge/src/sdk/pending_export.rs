//! [`PendingExport`]: the batches that an export becomes.

use std::time::Instant;

use distlog_proto::session::Dropped;
use distlog_proto::{BatchRef, ProducerId, Severity};

use crate::receive::{Batch, Take};

/// The batches of an export, in order. While it is built it gives the records their offsets.
pub(super) struct PendingExport {
    producer: ProducerId,
    next: u64,
    /// In order, no offset twice.
    pub(super) batches: Vec<Batch>,
    /// Until when they must be durable; `None`: they are in a spool, and have time.
    pub(super) deadline: Option<Instant>,
}

impl PendingExport {
    /// `next`: the first free offset.
    pub(super) fn new(producer: ProducerId, next: u64, deadline: Instant) -> PendingExport {
        PendingExport {
            producer,
            next,
            batches: Vec::new(),
            deadline: Some(deadline),
        }
    }

    /// Its size, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.batches.iter().map(|batch| batch.bytes.len()).sum()
    }

    /// The offset after its last record; `None` if there are none.
    pub(super) fn end(&self) -> Option<u64> {
        self.batches.last().map(|batch| batch.to)
    }
}

impl Take for PendingExport {
    fn offsets(&mut self, _: &[u8], count: u64) -> (ProducerId, u64) {
        let first = self.next;
        self.next += count;
        (self.producer, first)
    }

    fn batch(&mut self, batch: Batch) {
        self.batches.push(batch);
    }
}

/// How many records of each level a batch has.
pub(super) fn levels(batch: &[u8]) -> Dropped {
    let mut levels = Dropped::default();
    let Ok(batch) = BatchRef::parse(batch) else {
        return levels;
    };
    for record in batch.records().flatten() {
        let severity = match record.severity {
            Severity::UNSET => record.callsite.severity,
            severity => severity,
        };
        levels[level(severity)] += 1;
    }
    levels
}

/// The place of a level in [`Dropped`]. Spans have none; they count as INFO.
fn level(severity: Severity) -> usize {
    match severity.number() {
        0 | 9..=12 => 2,
        1..=4 => 4,
        5..=8 => 3,
        13..=16 => 1,
        _ => 0,
    }
}
