//! Where records lie, as those see it who show them: the query engine and the HTTP server.
//!
//! The trait [`Storage`] is all they know. `local.rs` is the store of this daemon, `view.rs` with `view_trace.rs` a
//! database that others fill (`database/`). What a query reads is a list of blocks (`block.rs`): those of the store, or
//! slices of time (`slice.rs`), whose rows become encoded batches (`encoder.rs`). `error.rs` says why something cannot
//! be read.
//!
//! A *position* is where the records of a storage go on: each has one, and those that come later have no lower ones, as
//! far as the storage can tell ([`Numbering`]). Cursors and windows name positions.

mod block;
// Without a database nothing is asked of one.
#[cfg_attr(
    not(any(feature = "clickhouse", feature = "postgres", feature = "sqlite")),
    allow(dead_code)
)]
pub mod database;
mod encoder;
mod error;
mod local;
mod slice;
mod view;
mod view_trace;

use std::ops::Range;
use std::sync::Arc;

use distlog_proto::{BatchRef, RecordRef, Severity, TraceId};
use distlog_store::Reader;

pub use block::Block;
pub use error::StorageError;
pub use local::LocalStorage;
pub use view::View;

use crate::access::Services;

/// Where a record stands: places are in order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Its own time, else when it was received; in ns since the epoch.
    pub time: u64,
    /// Its number: no other record of that time has it.
    pub number: u64,
}

impl Place {
    /// No record stands behind it.
    pub const LAST: Place = Place {
        time: u64::MAX,
        number: u64::MAX,
    };
}

/// What the positions of a storage are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbering {
    /// Records are numbered as they come: the position of a record is its number.
    Arrival,
    /// Nobody knows when records came: the position of a record is its time. Its number only tells it from others of
    /// that time.
    Time,
}

impl Numbering {
    /// Records that are read of blocks up to a position count if their number is before this.
    pub fn numbers_before(self, end: u64) -> u64 {
        match self {
            Numbering::Arrival => end,
            Numbering::Time => u64::MAX,
        }
    }
}

/// What of all records a query is about, as far as a storage may use it to hand over less. Records beyond it may be
/// handed over, too.
#[derive(Debug, Clone)]
pub struct Scope {
    /// Positions.
    pub positions: Range<u64>,
    /// Not older than this, in ns since the epoch.
    pub from: u64,
    /// Older than this; `u64::MAX`: there is no end.
    pub to: u64,
    /// Of this service. As people see it: a program without the name of a service is that of its process.
    pub service: Option<String>,
    /// At least as severe.
    pub severity: Severity,
    /// Having all these words, in lowercase.
    pub words: Vec<String>,
}

/// A batch of a trace. It may hold records of other traces, too.
#[derive(Debug, Clone, Copy)]
pub struct TraceBatch<'b> {
    /// The position from which on the trace has this batch and all behind it. Several may have the same.
    pub position: u64,
    /// The number of its first record; those of the others follow.
    pub first: u64,
    /// When it was received, in ns since the epoch.
    pub received: u64,
    /// Its bytes.
    pub bytes: &'b [u8],
    /// The same, parsed.
    pub parsed: &'b BatchRef<'b>,
}

impl<'b> TraceBatch<'b> {
    /// Its records, with their numbers.
    pub fn records(&self) -> impl Iterator<Item = RecordRef<'b>> + use<'b> {
        let numbered = (self.first..).zip(self.parsed.records());
        numbered.filter_map(|(number, record)| {
            // Valid when it was stored.
            let mut record = record.ok()?;
            record.store_number = number;
            Some(record)
        })
    }
}

/// Where records lie. It is used by many threads at once; each call may block.
pub trait Storage: Send + Sync {
    /// What positions are.
    fn numbering(&self) -> Numbering;

    /// The position of the oldest record, and the one that the next record gets.
    ///
    /// # Errors
    /// If it cannot be read.
    fn positions(&self) -> Result<Range<u64>, StorageError>;

    /// Blocks with all records of a scope, oldest first, as they are now.
    ///
    /// # Errors
    /// If it cannot be read.
    fn blocks(&self, scope: &Scope) -> Result<Vec<Block>, StorageError>;

    /// Blocks with all records of some traces before a position, oldest first, as they are now.
    ///
    /// # Errors
    /// If it cannot be read.
    fn blocks_of(&self, traces: &[TraceId], end: u64) -> Result<Vec<Block>, StorageError>;

    /// Hands over the batches that hold a trace, in order, of these positions, until `take` gives false.
    ///
    /// # Errors
    /// If it cannot be read.
    fn each_batch(
        &self,
        trace: TraceId,
        positions: Range<u64>,
        take: &mut dyn FnMut(TraceBatch<'_>) -> bool,
    ) -> Result<(), StorageError>;

    /// Reads batches of a trace more than once.
    fn trace_reader(&self, trace: TraceId) -> Box<dyn TraceReader>;

    /// Reads single records again.
    fn record_reader(&self) -> Box<dyn RecordReader>;

    /// The same storage for somebody who sees only what these services stored.
    fn showing(&self, services: &Services) -> Arc<dyn Storage>;

    /// The store that records come into, where it is one that can be followed.
    fn live(&self) -> Option<&Reader>;
}

/// Reads single records.
pub trait RecordReader: Send {
    /// Shows the record at a place, if it is still there. Of places that stand side by side each part is read once.
    ///
    /// # Errors
    /// If it cannot be read.
    fn read(
        &mut self,
        place: Place,
        see: &mut dyn FnMut(&RecordRef<'_>),
    ) -> Result<(), StorageError>;
}

/// Reads the batches of a trace, and some of them again. It remembers where they are, not what is in them.
pub trait TraceReader {
    /// As [`Storage::each_batch`].
    ///
    /// # Errors
    /// If it cannot be read.
    fn each_batch(
        &mut self,
        positions: Range<u64>,
        take: &mut dyn FnMut(TraceBatch<'_>) -> bool,
    ) -> Result<(), StorageError>;

    /// Reads the batch again that has this first number, and some that stand beside it; hands over their first numbers
    /// and bytes, which are what they were. One that is there no more is left out.
    ///
    /// # Errors
    /// If it cannot be read.
    fn again(&mut self, first: u64, take: &mut dyn FnMut(u64, &[u8])) -> Result<(), StorageError>;
}
