//! What a destination is to the daemon: the trait [`Processor`] and what it answers.

use std::fmt;
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
