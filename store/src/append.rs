//! What is appended, and the answer.

use distlog_proto::ProducerId;

/// A batch to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Append<'a> {
    /// Who sent it.
    pub producer: ProducerId,
    /// The offset of its first record at the producer.
    pub from: u64,
    /// The offset after its last record; holes are included.
    pub to: u64,
    /// How many records it has; each gets a number in the store.
    pub count: u32,
    /// When it was received, in ns since the epoch.
    pub received: u64,
    /// Whether it must begin at the producer's position. Otherwise (the push receiver) it is taken as it is, and the
    /// position is the highest offset seen.
    pub ordered: bool,
    /// Its bytes. The store does not look into them.
    pub bytes: &'a [u8],
}

/// Where a batch stood in a stream that it was read from. That decides whether it is taken, as offsets do for ordered
/// batches: what is read twice is stored once. The position is durable with the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upstream {
    /// Names the stream among the producers, which it has a position like.
    pub stream: ProducerId,
    /// The first place that was read for the batch.
    pub from: u64,
    /// The place after it.
    pub to: u64,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendOutcome {
    /// It is taken, and durable after the next successful commit.
    Taken {
        /// The number of its first record.
        first: u64,
    },
    /// The store has it already.
    Replay {
        /// The offset after the last one that the store has of the producer.
        position: u64,
    },
    /// It does not begin at the position of the producer or the stream, and is not taken.
    Gap {
        /// The offset after the last one that the store has of it.
        position: u64,
    },
}
