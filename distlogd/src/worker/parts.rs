//! What a worker is made of, and where it begins.

use std::sync::Arc;
use std::time::Duration;

use distlog_proto::RecordRef;

use super::pace::{Batch, Retry};
use crate::processor::{Error, Processor, Token};
use crate::self_telemetry::{OwnRecords, Progress, RateLimited};
use crate::shutdown::{Phase, Shutdown};
use distlog_store::{Consumer, CursorFileError, Reader};

/// How long to wait for records before the phase is checked.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Whether a record is routed to the processor.
pub type Route = Box<dyn Fn(&RecordRef<'_>) -> bool + Send>;

/// Makes the processor; asked again, after a back-off, when it cannot be made. It is handed the token of the last
/// flush.
pub type Factory = Box<dyn FnMut(Option<&Token>) -> Result<Box<dyn Processor>, Error> + Send>;

/// What a worker is made of.
pub struct Worker {
    /// Name of the processor.
    pub name: String,
    /// Makes the processor.
    pub factory: Factory,
    /// Which records it gets.
    pub route: Route,
    /// The store.
    pub reader: Reader,
    /// Reads the store and keeps the position.
    pub consumer: Consumer,
    /// The position of a new processor.
    pub from: u64,
    /// When it flushes.
    pub batch: Batch,
    /// How long it waits between attempts.
    pub retry: Retry,
    /// Reports skipped records in the store.
    pub own_records: Arc<OwnRecords>,
    /// For the metrics.
    pub progress: Arc<Progress>,
    /// The worker takes what the store holds and ends at [`Phase::Workers`], at once at [`Phase::Abort`].
    pub shutdown: Shutdown,
}

impl Worker {
    /// Saves the position of a new processor, for the case that it is killed before its first flush. Called before the
    /// daemon receives anything.
    pub fn mark_begin(&self) {
        if matches!(self.consumer.saved(), Ok(None))
            && let Err(error) = self.consumer.save(self.from, &[])
        {
            tracing::error!(processor = self.name, "{error}");
        }
    }

    /// The saved position; `None` if it cannot be read before the daemon stops.
    pub(super) fn begin(&self) -> Option<(u64, Option<Token>)> {
        let mut failure = RateLimited::once();
        loop {
            match self.consumer.saved() {
                Ok(Some(saved)) => {
                    let end = self.reader.end();
                    if saved.next > end {
                        tracing::error!(
                            processor = self.name,
                            "its cursor is at record {}, and the store ends at {end}: it is another store; it begins there",
                            saved.next
                        );
                    }
                    // An empty token says that the processor was not flushed yet.
                    let token = Some(saved.token).filter(|token| !token.is_empty());
                    return Some((saved.next.min(end), token.map(Token)));
                }
                Ok(None) => {
                    self.mark_begin();
                    return Some((self.from, None));
                }
                Err(CursorFileError::File(error)) => {
                    if failure.report(1).is_some() {
                        tracing::error!(
                            processor = self.name,
                            "{error}; tried again until it works"
                        );
                    }
                    if self.shutdown.reached(Phase::Workers) {
                        return None;
                    }
                    std::thread::sleep(POLL_INTERVAL);
                }
                Err(error) => {
                    tracing::error!(
                        processor = self.name,
                        "{error}; it begins at the oldest record"
                    );
                    return Some((self.reader.first(), None));
                }
            }
        }
    }
}
