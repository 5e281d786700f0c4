//! What is appended, and the answer.

use super::options::ProducerId;

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
    /// Whether it must begin where the producer stands. Otherwise (the push door) it is taken as it is, and the producer
    /// stands at the highest offset seen.
    pub ordered: bool,
    /// Its bytes. The store does not look into them.
    pub bytes: &'a [u8],
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
        /// Where the producer stands.
        stands_at: u64,
    },
    /// It does not begin where the producer stands, and is not taken.
    Gap {
        /// Where the producer stands.
        stands_at: u64,
    },
}
