//! Posts records in requests, many at a time, and says what became of them.
//!
//! Nothing is retried here: the worker presents again from the last flush. What the receiver has taken since then is
//! remembered and left out, so that only a daemon that is killed sends records twice.

use std::future::Future;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::task::JoinError;

use super::MAX_DELAY;
use super::in_flight::InFlight;
use super::request::{Builder, Failure, Limits, Rejected, Request};
use crate::processor::{Error, Token};

/// Requests that are refused as too large are made smaller down to this; below it single records are at fault.
const MIN_REQUEST: usize = 16 << 10;

/// Where requests go.
pub(crate) trait Destination: Send + Sync + 'static {
    /// Its name for people, without secrets.
    fn name(&self) -> &str;

    /// Sends a request once; which of its records will never be taken, all others being durable there.
    fn send(&self, request: &Request) -> impl Future<Output = Result<Rejected, Failure>> + Send;
}

/// Posts records.
pub(crate) struct Poster<D> {
    processor: String,
    destination: Arc<D>,
    builder: Builder,
    requests: InFlight<Sent>,
    since_flush: SinceFlush,
}

/// What became of a request.
#[derive(Debug)]
struct Sent {
    /// Numbers of its records in the store.
    numbers: Vec<u64>,
    result: Result<Rejected, Failure>,
}

/// What is known about records behind the last flush, by their numbers in the store.
#[derive(Debug, Default)]
struct SinceFlush {
    /// The receiver has them.
    taken: Vec<u64>,
    /// The receiver has them since before a failure, after which they are presented again. In order.
    known: Vec<u64>,
    /// It will never take them.
    rejected: Vec<u64>,
    /// Why it does not take the first of these.
    reason: String,
    /// The last one presented.
    last: u64,
}

impl SinceFlush {
    /// Everything is presented again.
    fn failed(&mut self) {
        self.known.append(&mut self.taken);
        self.known.sort_unstable();
        self.rejected.clear();
        self.last = 0;
    }

    /// Everything up to the last one presented is dealt with. Of halves, the second may have been taken before.
    fn flushed(&mut self) {
        self.taken.clear();
        let done = self.known.partition_point(|number| *number <= self.last);
        self.known.drain(..done);
    }
}

impl<D: Destination> Poster<D> {
    /// `processor` is its name, for log lines; up to `in_flight` bytes are under way at a time.
    pub(crate) fn new(
        processor: &str,
        destination: D,
        limits: Limits,
        in_flight: usize,
        handle: Handle,
    ) -> Poster<D> {
        Poster {
            processor: processor.to_owned(),
            destination: Arc::new(destination),
            builder: Builder::new(limits),
            requests: InFlight::new(in_flight, handle),
            since_flush: SinceFlush::default(),
        }
    }

    /// Takes the record with this number in the store, as it is written; sends what is full, and waits only while too
    /// much is under way.
    ///
    /// # Errors
    /// If something was not taken; everything since the last flush is forgotten then.
    pub(crate) fn take(
        &mut self,
        number: u64,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), Error> {
        let since = &mut self.since_flush;
        since.last = number;
        if !since.known.is_empty() && since.known.binary_search(&number).is_ok() {
            return Ok(());
        }
        match self.builder.take(number, write) {
            Some(request) => self
                .submit(request)
                .map_err(|failure| self.abandon(failure)),
            None => Ok(()),
        }
    }

    /// Sends the rest, and waits until all is taken.
    ///
    /// # Errors
    /// If something was not taken.
    pub(crate) fn flush(&mut self) -> Result<Token, Error> {
        self.send_all().map_err(|failure| self.abandon(failure))?;
        let since = &mut self.since_flush;
        if since.rejected.is_empty() {
            since.flushed();
            return Ok(Token::default());
        }
        // The worker counts them, and flushes again.
        Err(Error::Reject {
            numbers: std::mem::take(&mut since.rejected),
            reason: format!("{}: {}", self.destination.name(), since.reason),
        })
    }

    fn submit(&mut self, request: Request) -> Result<(), Failure> {
        while let Some(sent) = self.requests.try_next() {
            self.settle(sent)?;
        }
        let bytes = request.body.len();
        while self.requests.is_full(bytes)
            && let Some(sent) = self.requests.next()
        {
            self.settle(sent)?;
        }
        let destination = Arc::clone(&self.destination);
        let send = async move {
            let result = destination.send(&request).await;
            Sent {
                result,
                numbers: request.numbers,
            }
        };
        self.requests.begin(bytes, send);
        Ok(())
    }

    fn settle(&mut self, sent: Result<Sent, JoinError>) -> Result<(), Failure> {
        let Sent { numbers, result } =
            sent.map_err(|error| Failure::retry(format_args!("sending broke off: {error}")))?;
        let rejected = match result {
            // No later attempt is smaller.
            Err(Failure::TooLarge { reason, .. }) if numbers.len() == 1 => Rejected {
                numbers: numbers.clone(),
                reason,
            },
            result => result?,
        };
        let since = &mut self.since_flush;
        if rejected.numbers.is_empty() {
            since.taken.extend(numbers);
            return Ok(());
        }
        let is_taken = |number: &u64| rejected.numbers.binary_search(number).is_err();
        since.taken.extend(numbers.into_iter().filter(is_taken));
        if since.rejected.is_empty() {
            since.reason = rejected.reason;
        }
        since.rejected.extend(rejected.numbers);
        Ok(())
    }

    fn send_all(&mut self) -> Result<(), Failure> {
        if let Some(request) = self.builder.finish() {
            self.submit(request)?;
        }
        while let Some(sent) = self.requests.next() {
            self.settle(sent)?;
        }
        Ok(())
    }

    /// Forgets what is not flushed, and says why.
    fn abandon(&mut self, failure: Failure) -> Error {
        // They end soon, and what is taken must not be sent again. Their failures add nothing.
        while let Some(sent) = self.requests.next() {
            let _ = self.settle(sent);
        }
        self.builder.clear();
        self.since_flush.failed();
        let destination = self.destination.name();
        match failure {
            Failure::Retry { reason, after } => Error::Retry {
                reason: format!("{destination}: {reason}"),
                after: after.map(|after| after.min(MAX_DELAY)),
            },
            Failure::TooLarge { bytes, .. } if bytes > MIN_REQUEST => {
                let limit = (bytes / 2).max(MIN_REQUEST);
                if self.builder.shrink(limit) {
                    tracing::info!(
                        processor = self.processor,
                        "{destination} takes no request of {bytes} bytes; they have up to {limit} bytes from now on"
                    );
                }
                Error::Again
            }
            Failure::TooLarge { reason, .. } | Failure::Refused { reason } => Error::Refused {
                reason: format!("{destination}: {reason}"),
            },
        }
    }

    /// Whether nothing is remembered.
    #[cfg(test)]
    pub(crate) fn is_settled(&self) -> bool {
        self.since_flush.known.is_empty() && self.since_flush.taken.is_empty()
    }
}
