//! The query engine: everything that is asked about stored records goes through it.
//!
//! A query is a snapshot of the blocks of a [`Storage`], a [`Filter`] and a [`Collect`]or. A pool of
//! threads takes block after block, the newest first, of all queries by turns; of each block it reads the records in
//! place, tests them and hands those that match to the collector of its thread. The collectors are merged in the end.
//!
//! `pool.rs` has the threads, `scan.rs` one query on its way over the blocks, `filter.rs` with `phrase.rs` the tests,
//! `time.rs` the times that people write, `budget.rs` the memory of all queries together. `newest.rs` collects the
//! newest records for `find`, in pages (`cursor.rs`); `stats.rs` counts groups (`grouping.rs`); `tasks.rs` lists tasks,
//! with `candidates.rs`, `ended.rs`, `having.rs`, `look_up.rs` and `trace_summary.rs`; `problems.rs` groups failures
//! (`only.rs`, `slots.rs`).
//! `stored_tree.rs` builds the tree of a trace, `diff.rs` compares two, with `diff_pairs.rs`. `span_names.rs`,
//! `trace_search.rs`, `trace_spans.rs` and `calls.rs` see tasks as spans, for Jaeger's API.

mod budget;
mod calls;
mod candidates;
mod cursor;
pub mod diff;
mod diff_pairs;
mod ended;
mod error;
mod filter;
mod grouping;
mod having;
mod look_up;
mod newest;
mod only;
mod phrase;
mod pool;
pub mod problems;
mod scan;
mod slots;
mod span_names;
mod stats;
#[cfg(test)]
mod stats_tests;
pub mod stored_tree;
pub mod tasks;
#[cfg(test)]
mod tasks_tests;
#[cfg(test)]
mod tests;
mod time;
mod trace_search;
mod trace_spans;
mod trace_summary;
#[cfg(test)]
mod view_tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use cursor::Cursor;
pub use error::QueryError;
pub use filter::Filter;
pub use grouping::Grouping;
pub use newest::{Encode, Page, Records};
pub use phrase::{MAX_TEXT, Phrase};
pub use scan::{Collect, Counters, Place, Progress, Running};
pub use stats::{MAX_GROUPS, Rows};
pub use time::{is_within, parse_time};
pub use trace_search::SpanTest;
pub use trace_spans::trace_spans;

use budget::Budget;
use pool::Pool;
use scan::Scan;

use crate::storage::Storage;

/// Time for a query that says none.
pub const TIMEOUT: Duration = Duration::from_secs(30);
/// The longest time for a query.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(300);

/// Answers queries over a storage. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    storage: Arc<dyn Storage>,
    pool: Arc<Pool>,
    budget: Arc<Budget>,
}

impl Engine {
    /// Begins no thread before there is something to do.
    pub fn new(storage: Arc<dyn Storage>) -> Engine {
        Engine {
            storage,
            pool: Arc::new(Pool::new()),
            budget: Arc::new(Budget::default()),
        }
    }

    /// The same threads and memory for the storage as somebody else sees it.
    #[must_use]
    pub fn over(&self, storage: Arc<dyn Storage>) -> Engine {
        Engine {
            storage,
            ..self.clone()
        }
    }

    /// How many queries run, and how many wait for others to end.
    pub fn load(&self) -> (usize, usize) {
        self.pool.load()
    }

    /// As [`Engine::scan`], where nothing may block: which blocks there are stands in files.
    ///
    /// # Errors
    /// As [`Engine::scan`].
    pub async fn begin<C: Collect>(
        &self,
        filter: Filter,
        timeout: Duration,
        counters: &Arc<Counters>,
        new: impl Fn() -> C + Send + 'static,
    ) -> Result<Running<C>, QueryError> {
        let (engine, counters) = (self.clone(), Arc::clone(counters));
        let begun =
            tokio::task::spawn_blocking(move || engine.scan(filter, timeout, counters, new));
        begun.await.map_err(|_| QueryError::Failed)?
    }

    /// The position that the next record gets.
    ///
    /// # Errors
    /// If the storage cannot be read.
    async fn end(&self) -> Result<u64, QueryError> {
        let storage = Arc::clone(&self.storage);
        let asked = tokio::task::spawn_blocking(move || storage.positions());
        Ok(asked.await.map_err(|_| QueryError::Failed)??.end)
    }

    /// Begins a query over all records that pass the filter. Dropping what it gives cancels it.
    ///
    /// # Errors
    /// If the storage cannot be read, or too many queries wait.
    pub fn scan<C: Collect>(
        &self,
        filter: Filter,
        timeout: Duration,
        counters: Arc<Counters>,
        new: impl Fn() -> C,
    ) -> Result<Running<C>, QueryError> {
        let blocks = self.storage.blocks(&filter.scope())?;
        let filter = filter.numbered(self.storage.numbering());
        let collectors = (0..self.pool.threads()).map(|_| new()).collect();
        let deadline = Instant::now() + timeout.min(MAX_TIMEOUT);
        let (scan, running) = Scan::new(blocks, filter, collectors, deadline, counters);
        self.pool.add(scan)?;
        Ok(running)
    }
}
