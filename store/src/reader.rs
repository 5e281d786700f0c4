//! Reading: what is available, waiting for more, and where cursors and trace look-ups begin.

use std::sync::Arc;
use std::time::Duration;

use distlog_proto::TraceId;

use super::cursor::Cursor;
use super::cursor_file::CursorFile;
use super::error::CursorFileError;
use super::show::ShowFn;
use super::state::Shared;
use super::stats::Stats;
use super::trace::TraceCursor;

/// Reads a store, from any thread. It sees only what is durable, and goes on working after the store was closed.
#[derive(Clone)]
pub struct Reader {
    shared: Arc<Shared>,
    /// `None`: it sees all.
    shows: Option<ShowFn>,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let shows = None;
        Self { shared, shows }
    }

    /// A reader that sees only some batches, whatever it reads with: others are not there for it. Only record numbers
    /// tell that there are more.
    #[must_use]
    pub fn showing(&self, shows: ShowFn) -> Reader {
        let shared = Arc::clone(&self.shared);
        let shows = Some(shows);
        Reader { shared, shows }
    }

    pub(super) fn shows(&self) -> Option<&ShowFn> {
        self.shows.as_ref()
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The number of the oldest record that is kept.
    pub fn first(&self) -> u64 {
        self.shared.state().first()
    }

    /// The number after the newest durable record.
    pub fn end(&self) -> u64 {
        self.shared.state().end
    }

    /// Waits until [`end`](Self::end) is beyond a record number. False if it was not within the time, or if the store
    /// was closed first: see [`is_closed`](Self::is_closed).
    pub fn wait(&self, beyond: u64, timeout: Duration) -> bool {
        self.shared
            .wait(timeout, |state| state.end > beyond || state.closed);
        self.end() > beyond
    }

    /// Waits until the store is closed; false if it was not within the time.
    pub fn wait_closed(&self, timeout: Duration) -> bool {
        self.shared.wait(timeout, |state| state.closed)
    }

    /// Whether the store was closed, so that nothing more will come.
    pub fn is_closed(&self) -> bool {
        self.shared.state().closed
    }

    /// A cursor that reads from a record number on. One beyond the end is of another store: it begins at the end.
    pub fn cursor(&self, from: u64) -> Cursor {
        let from = from.min(self.end()).max(1);
        Cursor::new(Arc::clone(&self.shared), from, self.shows.clone())
    }

    /// Looks up a trace in what is durable now.
    pub fn trace(&self, trace: TraceId) -> TraceCursor {
        let shows = self.shows.clone();
        TraceCursor::new(Arc::clone(&self.shared), trace.to_bytes(), shows)
    }

    /// The file in which the cursor of a named consumer is kept.
    ///
    /// # Errors
    /// If the name cannot be that of a file.
    pub fn cursor_file(&self, name: &str) -> Result<CursorFile, CursorFileError> {
        CursorFile::new(Arc::clone(&self.shared.layer), &self.shared.dir, name)
    }

    /// What the store has and has done.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }
}
