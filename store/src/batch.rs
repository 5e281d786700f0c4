//! A batch of the store.

use std::ops::Range;

use distlog_proto::ProducerId;

use super::format::BatchHeader;

/// One batch of a [`Batches`](crate::Batches).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Who sent it.
    pub producer: ProducerId,
    /// The offset of its first record at the producer.
    pub from: u64,
    /// The offset after its last record; holes are included.
    pub to: u64,
    /// The number of its first record in the store.
    pub first: u64,
    /// How many records it has; their numbers follow each other.
    pub count: u32,
    /// When it was received, in ns since the epoch.
    pub received: u64,
    /// Whether the producer's batches come in order and without gaps.
    pub ordered: bool,
    /// Where its bytes are among those of all.
    pub(super) range: Range<usize>,
}

impl Batch {
    /// That of a head, with the number of its first record; its bytes stand in `range`.
    pub(super) fn new(head: &BatchHeader, first: u64, range: Range<usize>) -> Batch {
        Batch {
            producer: head.producer,
            from: head.from,
            to: head.to,
            first,
            count: head.count,
            received: head.received,
            ordered: head.ordered,
            range,
        }
    }

    /// How many bytes it has.
    pub fn bytes(&self) -> usize {
        self.range.len()
    }

    /// The number after its last record.
    pub fn end(&self) -> u64 {
        self.first + u64::from(self.count)
    }
}
