//! What a worker is made of, and where it begins.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use distlog_proto::RecordRef;

use crate::meters::Meters;
use crate::own::Own;
use crate::processor::{Error, Processor, Token};
use distlog_store::{CursorFile, CursorFileError, Reader};

/// How long to wait for records before looking whether the daemon stops.
pub(super) const WAIT: Duration = Duration::from_millis(200);

/// Whether a record is routed to the processor.
pub type Route = Box<dyn Fn(&RecordRef<'_>) -> bool + Send>;

/// Makes the processor; asked again, after a back-off, when it cannot be made. It is handed the token of the last flush.
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
    /// Where the cursor is kept.
    pub cursor: CursorFile,
    /// Where to begin if there is no cursor yet.
    pub from: u64,
    /// For what must be said in the stream.
    pub own: Arc<Own>,
    /// What others see of the worker.
    pub progress: Arc<Progress>,
    /// Set when the daemon stops: the worker takes what the store holds and ends.
    pub stop: Arc<AtomicBool>,
    /// Set when there is no more time: the worker ends at once.
    pub abort: Arc<AtomicBool>,
}

/// What others see of a worker.
#[derive(Debug, Default)]
pub struct Progress {
    /// The number of the record after the last one that is durable at the destination, or skipped.
    pub done: AtomicU64,
    /// Records that the processor took.
    pub taken: AtomicU64,
    /// Records that the destination will never take.
    pub rejected: AtomicU64,
    /// Records that retention or damage took before the processor could.
    pub skipped: AtomicU64,
    /// Attempts that failed and are made again.
    pub retries: AtomicU64,
    /// What else the processor counts.
    pub meters: Meters,
}

impl Worker {
    /// Keeps where a new processor begins: there it begins also if it is killed before its first flush. Done before the
    /// daemon takes anything in, else what comes before a kill could be before the begin of the next start.
    pub fn mark_begin(&self) {
        if matches!(self.cursor.load(), Ok(None))
            && let Err(error) = self.cursor.save(self.from, &[])
        {
            tracing::error!(processor = self.name, "{error}");
        }
    }

    /// Where the cursor stands; `None` if it cannot be read before the daemon stops.
    pub(super) fn begin(&self) -> Option<(u64, Option<Token>)> {
        let mut troubled = false;
        loop {
            match self.cursor.load() {
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
                    if !std::mem::replace(&mut troubled, true) {
                        tracing::error!(
                            processor = self.name,
                            "{error}; tried again until it works"
                        );
                    }
                    if self.stop.load(Ordering::Acquire) {
                        return None;
                    }
                    std::thread::sleep(WAIT);
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
