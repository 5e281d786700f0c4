//! What a worker is made of, and where it begins.

use std::sync::Arc;
use std::time::Duration;

use super::control::{Control, Factory, Route};
use super::pace::{Batch, Retry};
use crate::processor::Token;
use crate::self_telemetry::{OwnRecords, Progress, RateLimited};
use crate::shutdown::{Phase, Shutdown};
use crate::thread_pool::ThreadPool;
use crate::trees::{self, TreeFeed};
use distlog_rules::Outgoing;
use distlog_store::{Consumer, CursorFileError, Reader, SavedCursor};

/// How long to wait for records before the phase is checked.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// What a worker is made of.
pub struct Worker {
    /// Name of the processor.
    pub name: String,
    /// Makes the processor.
    pub factory: Factory,
    /// Which records it gets.
    pub route: Route,
    /// What is changed in them.
    pub outgoing: Outgoing,
    /// The store.
    pub reader: Reader,
    /// Reads the store and keeps the position.
    pub consumer: Consumer,
    /// Whole trees pass, or nothing of them; `None`: records pass one by one.
    pub trees: Option<trees::Setup>,
    /// The position of a new processor.
    pub from: u64,
    /// A new processor continues where another one ended, if that ever saved its position.
    pub successor_of: Option<Consumer>,
    /// When it flushes.
    pub batch: Batch,
    /// How long it waits between attempts.
    pub retry: Retry,
    /// Convert what it reads, where that is much.
    pub threads: Arc<ThreadPool>,
    /// Reports skipped records in the store.
    pub own_records: Arc<OwnRecords>,
    /// For the metrics.
    pub progress: Arc<Progress>,
    /// The worker takes what the store holds and ends at [`Phase::Workers`], at once at [`Phase::Abort`].
    pub shutdown: Shutdown,
    /// What it is told while it runs.
    pub control: Control,
}

impl Worker {
    /// Saves the position of a new processor, for the case that it is killed before its first flush. Called before the
    /// daemon receives anything.
    pub fn mark_begin(&self) {
        if !matches!(self.consumer.saved(), Ok(None)) {
            return;
        }
        let begin = self.inherited().unwrap_or(SavedCursor {
            next: self.from,
            token: Vec::new(),
        });
        if let Err(error) = self.consumer.save(begin.next, &begin.token) {
            tracing::error!(processor = self.name, "{error}");
        }
    }

    /// Where the processor ended that this one is the successor of.
    fn inherited(&self) -> Option<SavedCursor> {
        let saved = self.successor_of.as_ref()?.saved();
        saved.unwrap_or_else(|error| {
            tracing::error!(processor = self.name, "{error}; it begins as a new one");
            None
        })
    }

    /// The saved cursor; `None` if it cannot be read before the daemon stops.
    pub(super) fn begin(&self) -> Option<SavedCursor> {
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
                    return Some(SavedCursor {
                        next: saved.next.min(end),
                        ..saved
                    });
                }
                Ok(None) => {
                    self.mark_begin();
                    let end = self.reader.end();
                    return Some(match self.inherited() {
                        Some(saved) => SavedCursor {
                            next: saved.next.min(end),
                            ..saved
                        },
                        None => SavedCursor {
                            next: self.from,
                            token: Vec::new(),
                        },
                    });
                }
                Err(CursorFileError::File(error)) => {
                    if failure.report(1).is_some() {
                        tracing::error!(
                            processor = self.name,
                            "{error}; tried again until it works"
                        );
                    }
                    if self.shutdown.reached(Phase::Workers) || self.control.is_stopping() {
                        return None;
                    }
                    std::thread::sleep(POLL_INTERVAL);
                }
                Err(error) => {
                    tracing::error!(
                        processor = self.name,
                        "{error}; it begins at the oldest record"
                    );
                    return Some(SavedCursor {
                        next: self.reader.first(),
                        token: Vec::new(),
                    });
                }
            }
        }
    }

    /// What a processor that waits for trees reads; `None` if its decisions cannot be read before the daemon stops.
    pub(super) fn open_trees(
        &self,
        setup: &trees::Setup,
        saved: &SavedCursor,
    ) -> Option<(TreeFeed, u64)> {
        let mut failure = RateLimited::once();
        loop {
            match TreeFeed::open(setup, &self.name, &self.consumer, saved) {
                Ok(opened) => return Some(opened),
                Err(error) => {
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
            }
        }
    }
}

/// The processor's own token. An empty one says that it was not flushed yet.
pub(super) fn token_of(saved: &SavedCursor) -> Option<Token> {
    let token = trees::own_token(&saved.token);
    (!token.is_empty()).then(|| Token(token.to_vec()))
}
