//! [`UnackedRecords`]: what a client sends, and keeps until it is durable.

use std::borrow::Cow;

use distlog_proto::session::Dropped;

/// The next batch of a producer.
#[derive(Debug, Clone, Copy)]
pub struct EncodedBatch<'a> {
    /// It covers the offsets from [`Offsets::position`] to this one.
    pub to: u64,
    /// A `distlog.v1.RecordBatch`.
    pub bytes: &'a [u8],
}

/// How far the records of a producer are: offsets in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offsets {
    /// Everything before is durable.
    pub acked: u64,
    /// Where the next batch begins.
    pub position: u64,
    /// Where the last record ends.
    pub head: u64,
    /// No daemon can have more than what is before: `head`, unless records were taken back or may be missing.
    pub limit: u64,
}

/// The records of one producer in order. The first of them are durable, the next ones are sent, the rest waits.
pub trait UnackedRecords {
    /// A `RecordBatch` with the source alone.
    fn source(&self) -> Cow<'_, [u8]>;

    /// A number higher than all that were used for the producer before. `None` if it cannot be made durable: a later
    /// process could use it again.
    fn next_epoch(&mut self) -> Option<u64>;

    /// How far they are.
    fn offsets(&self) -> Offsets;

    /// Records dropped since the producer began, by level.
    fn dropped(&self) -> Dropped;

    /// The batch at [`Offsets::position`], if it is due.
    fn next_batch(&mut self) -> Option<EncodedBatch<'_>>;

    /// The batch that ends at `to` was sent: the next one begins there.
    fn sent(&mut self, to: u64);

    /// Moves the position. Returns `false` and changes nothing if no batch can begin there.
    fn seek(&mut self, to: u64) -> bool;

    /// Everything before `to` is durable and can be freed. Returns `false` and changes nothing if no record ends there.
    fn ack(&mut self, to: u64) -> bool;
}
