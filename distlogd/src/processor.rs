//! What a destination is to the daemon: the trait [`Processor`] and what it answers.
//!
//! A destination that makes bytes of records may also be a [`TakeConverted`]: several threads make them then.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use distlog_proto::RecordRef;

/// A destination, owned by one thread.
///
/// The worker that owns it does retry, back-off, counting and shutdown; a processor only takes records and says what
/// became of them.
pub trait Processor: Send {
    /// Takes records in order; may submit without waiting, within its bound of bytes in flight.
    ///
    /// # Errors
    /// Says what became of the records: see [`Error`].
    fn process(&mut self, records: &[RecordRef<'_>]) -> Result<(), Error>;

    /// Waits until everything taken is durable there. The token is stored with the cursor and handed to the factory at
    /// the next start (a file: its identity and length, to truncate what a crash wrote twice).
    ///
    /// # Errors
    /// As for [`Processor::process`].
    fn flush(&mut self) -> Result<Token, Error>;

    /// Does work of its own, as removing what is old: it is asked some times a second while nothing is to be taken or
    /// flushed, so it may do a part each time.
    ///
    /// # Errors
    /// As for [`Processor::process`].
    fn idle(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// Whether its token has changed though nothing was taken since the last flush: it is flushed then, when nothing is
    /// to be read, and before the daemon ends. Asked after each [`idle`](Processor::idle).
    fn wants_flush(&self) -> bool {
        false
    }

    /// How many of the records taken the destination has rejected without saying which, since this was asked last. It
    /// is asked after each successful flush, and they count as rejected.
    fn rejected(&mut self) -> u64 {
        0
    }

    /// The processor as one that takes records that are converted already. Where many wait it is given those, and
    /// [`process`](Processor::process) is called with few records only.
    fn takes_converted(&mut self) -> Option<&mut dyn TakeConverted> {
        None
    }
}

/// A processor that also takes records in the form of its destination, which several threads make.
pub trait TakeConverted {
    /// Makes that form.
    fn converter(&self) -> Arc<dyn Convert>;

    /// Takes records that its converter has converted, in order, as [`Processor::process`] takes records.
    ///
    /// # Errors
    /// As for [`Processor::process`].
    fn take(&mut self, converted: &Converted) -> Result<(), Error>;
}

/// Converts records. What it makes of them depends on nothing else: several threads do it at the same time, each with
/// other records.
pub trait Convert: Send + Sync {
    /// Adds records, in order.
    fn convert(&self, records: &[RecordRef<'_>], to: &mut Converted);
}

/// Records in the form of their destination, one after the other.
#[derive(Debug, Default)]
pub struct Converted {
    bytes: Vec<u8>,
    records: Vec<ConvertedRecord>,
}

/// Where one of [`Converted`] ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvertedRecord {
    /// Its number in the store ([`RecordRef::store_number`]).
    pub number: u64,
    /// Where its bytes end among those of all.
    pub end: usize,
}

impl Converted {
    /// Adds a record; `write` appends its bytes.
    pub fn add(&mut self, record: &RecordRef<'_>, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.records.push(ConvertedRecord {
            number: record.store_number,
            end: self.bytes.len(),
        });
    }

    /// The bytes of all of them.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where each ends.
    pub fn records(&self) -> &[ConvertedRecord] {
        &self.records
    }

    /// The number of each and its bytes.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let mut begin = 0;
        self.records.iter().map(move |record| {
            let from = std::mem::replace(&mut begin, record.end);
            (record.number, &self.bytes[from..record.end])
        })
    }

    /// Forgets the records, keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.records.clear();
    }

    /// Memory that it keeps, in bytes.
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity() + self.records.capacity() * size_of::<ConvertedRecord>()
    }
}

/// What a processor wants to know at its next start; opaque to the daemon. It is written at each flush: some hundred
/// bytes, where nothing else can be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Token(pub Vec<u8>);

/// Why records were not taken, and what to do with them.
#[derive(Debug)]
pub enum Error {
    /// Not now: everything since the last flush is to be forgotten; it is presented again after a back-off.
    Retry {
        /// What is wrong, for people.
        reason: String,
        /// How long the destination asks to be left alone.
        after: Option<Duration>,
    },
    /// Nothing is wrong, but everything since the last flush is to be presented again, at once: the processor has found
    /// out how the destination wants it. It says so itself.
    Again,
    /// These records will never be taken; they are counted, reported and skipped, and all others were taken.
    Reject {
        /// Their numbers in the store ([`RecordRef::store_number`]).
        numbers: Vec<u64>,
        /// What is wrong with them.
        reason: String,
    },
    /// Something in these records can never be taken, nobody knows which: everything since the last flush is to be
    /// forgotten, and the worker presents halves of it.
    Refused {
        /// What the destination said.
        reason: String,
    },
}

impl Error {
    /// Not now, for this reason.
    pub fn retry(reason: impl fmt::Display) -> Error {
        Error::Retry {
            reason: reason.to_string(),
            after: None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Retry { reason, .. } => f.write_str(reason),
            Error::Again => f.write_str("to be presented again"),
            Error::Reject { numbers, reason } => {
                write!(f, "{} records were rejected: {reason}", numbers.len())
            }
            Error::Refused { reason } => write!(f, "refused: {reason}"),
        }
    }
}

impl std::error::Error for Error {}
