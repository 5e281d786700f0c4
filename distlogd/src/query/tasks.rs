//! Tasks that began a trace, of all that are stored, page by page.
//!
//! A record can be the topmost of its trace or not; that is known only when all of the trace was seen. So a scan
//! collects the newest records that might be, of each trace the likeliest (`candidates.rs`), and the whole trace is
//! looked up by its index then (`trace_summary.rs`). A candidate that is not the topmost one is dropped: the topmost
//! one is a candidate itself, at its own place in time. So nothing is left out, and nothing comes twice.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use distlog_proto::{Kind, Outcome as TaskOutcome, RecordRef, TraceId};
use distlog_store::{ReadError, Reader};

use super::candidates::{Candidates, Rank, Test};
use super::cursor::{Cursor, Window};
use super::scan::{Collect, Place};
pub use super::trace_summary::TaskItem;
use super::trace_summary::TraceSummary;
use super::{Engine, Filter, QueryError};

/// Candidates that a scan keeps for each task that is wanted, and at least.
const CANDIDATES: (usize, usize) = (4, 2048);
/// So many traces in which a task ended as wanted are told from the others.
const MAX_ENDED: usize = 1 << 20;
/// An end may stand so long before the begin of its trace, where clocks differ.
const CLOCKS: u64 = 24 * 3_600_000_000_000;

/// Which tasks are wanted.
#[derive(Debug, Clone, Default)]
pub struct TasksAsk {
    /// Begun not before this, in ns since the epoch.
    pub from: u64,
    /// Begun before this.
    pub to: u64,
    /// `running`, `failed`, `lost`, `cancelled`: one of these; all, where there is none.
    pub states: Vec<&'static str>,
    /// Of this service.
    pub service: Option<String>,
    /// With this in its name, in lowercase.
    pub name: Option<String>,
    /// That took at least so long, in ns; of one that runs the time until now counts.
    pub min_duration: u64,
    /// The present time, in ns since the epoch.
    pub now: u64,
}

/// A page of tasks, newest begin first.
#[derive(Debug, Default)]
pub struct TasksPage {
    /// The tasks.
    pub items: Vec<TaskItem>,
    /// Where the next page begins.
    pub next: Option<Cursor>,
    /// Whether there was time for all that was to be looked at.
    pub complete: bool,
}

impl TasksAsk {
    /// Whether a trace is wanted.
    pub(super) fn takes(&self, item: &TaskItem) -> bool {
        let took = match item.outcome.as_str() {
            "running" => item.begin_ns.map(|begin| self.now.saturating_sub(begin)),
            _ => item.duration_ns,
        };
        (self.states.is_empty() || self.states.contains(&item.outcome.as_str()))
            && (self.min_duration == 0 || took.is_some_and(|took| took >= self.min_duration))
            && self
                .service
                .as_ref()
                .is_none_or(|service| *service == item.service)
            && self.has_name(&item.name)
    }

    fn has_name(&self, name: &str) -> bool {
        let wanted = self.name.as_ref();
        wanted.is_none_or(|wanted| name.to_lowercase().contains(wanted))
    }

    /// Whether a trace may be wanted if this record is its topmost one.
    fn may_take(&self, rank: Rank, record: &RecordRef<'_>) -> bool {
        match rank {
            Rank::Log => self.states.is_empty() && self.min_duration == 0 && self.name.is_none(),
            _ => self.has_name(TraceSummary::name_of(record)),
        }
    }
}

impl Engine {
    /// The newest `limit` tasks that are wanted.
    ///
    /// # Errors
    /// As [`Engine::scan`].
    pub async fn tasks(
        &self,
        ask: TasksAsk,
        cursor: Option<Cursor>,
        limit: usize,
        timeout: Duration,
    ) -> Result<TasksPage, QueryError> {
        let deadline = Instant::now() + timeout;
        let left = || deadline.saturating_duration_since(Instant::now());
        let whole = Window {
            numbers: 0..self.reader.end(),
            ..Window::ALL
        };
        let first = cursor.and_then(|cursor| cursor.windows.into_iter().next());
        let mut window = first.unwrap_or(whole);
        let ask = Arc::new(ask);
        let ended = self.ended(&ask, &window, left()).await?.map(Arc::new);
        let mut page = TasksPage::default();
        loop {
            let filter = Filter {
                window: window.clone(),
                from: ask.from,
                to: ask.to,
                service: ask.service.clone(),
                ..Filter::default()
            };
            let test: Test = {
                let (ask, ended) = (Arc::clone(&ask), ended.clone());
                Arc::new(move |rank, trace_id: TraceId, record: &RecordRef<'_>| {
                    ended.as_ref().is_none_or(|ended| ended.contains(&trace_id))
                        && ask.may_take(rank, record)
                })
            };
            let keep = limit.saturating_mul(CANDIDATES.0).max(CANDIDATES.1);
            let new = move || Candidates::new(keep, Arc::clone(&test));
            let outcome = self.begin(filter, left(), new).await?.outcome().await?;
            let timely = outcome.looked_from <= window.numbers.start;
            let bound = outcome.found.bound();
            let (reader, ask) = (self.reader.clone(), Arc::clone(&ask));
            let (end, wanted) = (window.numbers.end, limit - page.items.len());
            let looking = tokio::task::spawn_blocking(move || {
                let candidates = outcome.found.newest_first();
                look_up(&reader, &ask, candidates, end, wanted, deadline)
            });
            let found = looking.await.map_err(|_| QueryError::Failed)??;
            page.items.extend(found.items);
            let before = found.stopped_at.or(bound);
            page.complete = timely && !found.late;
            let done = found.late || page.items.len() >= limit || !timely || left().is_zero();
            match before {
                Some(before) if done => {
                    window.before = before;
                    page.next = Cursor::over(vec![window]);
                    page.complete &= page.items.len() >= limit;
                    return Ok(page);
                }
                Some(before) => window.before = before,
                None => return Ok(page),
            }
        }
    }

    /// The traces in which a task ended as wanted; `None` where others may be wanted, too, or there are too many.
    async fn ended(
        &self,
        ask: &TasksAsk,
        window: &Window,
        timeout: Duration,
    ) -> Result<Option<HashSet<TraceId>>, QueryError> {
        if ask.states.is_empty() || ask.states.contains(&"running") {
            return Ok(None);
        }
        let filter = Filter {
            window: Window {
                numbers: window.numbers.clone(),
                ..Window::ALL
            },
            from: ask.from.saturating_sub(CLOCKS),
            ..Filter::default()
        };
        let states = ask.states.clone();
        let new = move || Ended {
            states: states.clone(),
            traces: Some(HashSet::new()),
        };
        let outcome = self.begin(filter, timeout, new).await?.outcome().await?;
        let timely = outcome.looked_from <= window.numbers.start;
        Ok(outcome.found.traces.filter(|_| timely))
    }
}

/// Collects the traces in which a task ended in one of some ways.
struct Ended {
    states: Vec<&'static str>,
    /// `None`: too many.
    traces: Option<HashSet<TraceId>>,
}

impl Collect for Ended {
    fn take(&mut self, record: &RecordRef<'_>, _: Place) {
        if record.kind != Kind::End || record.outcome == TaskOutcome::Unset {
            return;
        }
        let (Some(task), Some(traces)) = (record.task, &mut self.traces) else {
            return;
        };
        if self.states.contains(&record.outcome.name()) {
            traces.insert(task.trace_id);
        }
        if traces.len() > MAX_ENDED {
            self.traces = None;
        }
    }

    fn merge(&mut self, other: Ended) {
        self.traces = match (self.traces.take(), other.traces) {
            (Some(mut traces), Some(more)) => {
                traces.extend(more);
                Some(traces)
            }
            _ => None,
        };
    }
}

/// What was found of the candidates.
struct Found {
    items: Vec<TaskItem>,
    /// Candidates before this place were not looked at.
    stopped_at: Option<Place>,
    /// Time was over.
    late: bool,
}

/// Looks up the traces of candidates, given newest first: until so many are wanted, or the deadline.
fn look_up(
    reader: &Reader,
    ask: &TasksAsk,
    candidates: Vec<(Place, TraceId)>,
    end: u64,
    wanted: usize,
    deadline: Instant,
) -> Result<Found, ReadError> {
    let mut found = Found {
        items: Vec::new(),
        stopped_at: None,
        late: false,
    };
    for (at, (place, trace_id)) in candidates.into_iter().enumerate() {
        // One is looked up whatever the time, so that each page gets on.
        found.late = at > 0 && Instant::now() >= deadline;
        if found.late {
            return Ok(found);
        }
        let summary = TraceSummary::read(reader, trace_id, end)?;
        found.stopped_at = Some(place);
        if summary.top_place() != Some(place) {
            continue;
        }
        found
            .items
            .extend(summary.item().filter(|item| ask.takes(item)));
        if found.items.len() >= wanted {
            return Ok(found);
        }
    }
    // All were looked at.
    found.stopped_at = None;
    Ok(found)
}
