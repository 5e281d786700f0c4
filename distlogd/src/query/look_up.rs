//! Looks up the traces of candidates, the newest first, on the threads of the pool. Traces of one time are looked up
//! together, as they are in the same blocks.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use distlog_proto::TraceId;
use distlog_store::BlockBuffer;
use tokio::sync::oneshot;

use super::QueryError;
use super::candidates::Candidate;
use super::pool::Job;
use super::scan::Place;
use super::trace_summary::{TaskItem, TraceSummary};
use crate::storage::Storage;

/// Candidates that are looked up together.
const GROUP: usize = 8;

/// Tells what is listed for a candidate, if anything is.
pub(super) type Choose =
    Box<dyn Fn(Candidate, &TraceSummary) -> Result<Option<TaskItem>, QueryError> + Send + Sync>;

/// What was found of the candidates.
pub(super) struct Found {
    pub items: Vec<TaskItem>,
    /// Candidates before this place were not looked at.
    pub stopped_at: Option<Place>,
}

/// Candidates that are looked up.
pub(super) struct LookUps {
    storage: Arc<dyn Storage>,
    /// Records from this position on do not count.
    end: u64,
    /// The newest first.
    candidates: Vec<Candidate>,
    wanted: usize,
    deadline: Instant,
    choose: Choose,
    cancelled: Arc<AtomicBool>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The candidates before this one were taken.
    next: usize,
    in_work: usize,
    /// What is listed for each that was taken; `None` while it is looked up.
    results: Vec<Option<Option<TaskItem>>>,
    /// So many of the first ones are done; so many of them are listed.
    done: usize,
    listed: usize,
    over: bool,
    error: Option<QueryError>,
    answer: Option<oneshot::Sender<Result<Found, QueryError>>>,
}

/// Waits for the end. Dropping it cancels the work.
pub(super) struct Waiting {
    outcome: oneshot::Receiver<Result<Found, QueryError>>,
    cancelled: Arc<AtomicBool>,
}

impl Waiting {
    /// # Errors
    /// If the store cannot be read.
    pub(super) async fn outcome(mut self) -> Result<Found, QueryError> {
        (&mut self.outcome).await.unwrap_or(Err(QueryError::Failed))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

/// Held while a thread looks some up, so that a panic fails the query.
struct Work<'l> {
    of: &'l LookUps,
    places: Range<usize>,
    results: Result<Vec<Option<TaskItem>>, QueryError>,
}

impl LookUps {
    /// Looks up until so many are wanted, or the deadline: at least one in any case.
    pub(super) fn new(
        (storage, end): (Arc<dyn Storage>, u64),
        candidates: Vec<Candidate>,
        wanted: usize,
        deadline: Instant,
        choose: Choose,
    ) -> (Arc<LookUps>, Waiting) {
        let (answer, outcome) = oneshot::channel();
        let cancelled = Arc::<AtomicBool>::default();
        let look_ups = LookUps {
            storage,
            end,
            candidates,
            wanted,
            deadline,
            choose,
            cancelled: Arc::clone(&cancelled),
            state: Mutex::new(State {
                answer: Some(answer),
                ..State::default()
            }),
        };
        (Arc::new(look_ups), Waiting { outcome, cancelled })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Work<'_>> {
        let mut state = self.state();
        let late = state.next > 0 && Instant::now() >= self.deadline;
        let enough = state.listed >= self.wanted || state.next >= self.candidates.len();
        if state.over || late || enough || !self.is_wanted() {
            state.over = true;
            self.finish(&mut state);
            return None;
        }
        let places = state.next..self.candidates.len().min(state.next + GROUP);
        state.next = places.end;
        state.in_work += 1;
        state.results.resize_with(places.end, || None);
        Some(Work {
            of: self,
            places,
            results: Err(QueryError::Failed),
        })
    }

    fn look_up(
        &self,
        candidates: &[Candidate],
        buffer: &mut BlockBuffer,
    ) -> Result<Vec<Option<TaskItem>>, QueryError> {
        let traces: Vec<TraceId> = candidates.iter().map(|one| one.trace_id).collect();
        let summaries = TraceSummary::read_all(&*self.storage, &traces, self.end, buffer)?;
        let chosen = |one: &Candidate| match summaries.get(&one.trace_id) {
            Some(summary) => (self.choose)(*one, summary),
            None => Ok(None),
        };
        candidates.iter().map(chosen).collect()
    }

    /// Answers, if nothing is in work any more.
    fn finish(&self, state: &mut State) {
        if state.in_work > 0 || !state.over {
            return;
        }
        let Some(answer) = state.answer.take() else {
            return;
        };
        let all = std::mem::take(&mut state.results);
        let mut found = Found {
            items: Vec::new(),
            stopped_at: None,
        };
        for (candidate, result) in self.candidates.iter().zip(all) {
            if found.items.len() >= self.wanted {
                break;
            }
            found.stopped_at = Some(candidate.place);
            found.items.extend(result.flatten());
        }
        let last = self.candidates.last().map(|last| last.place);
        if found.stopped_at == last {
            found.stopped_at = None;
        }
        // Nobody may wait any more.
        let _ = answer.send(state.error.take().map_or(Ok(found), Err));
    }
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        let mut state = self.of.state();
        match std::mem::replace(&mut self.results, Ok(Vec::new())) {
            Ok(results) => {
                for (place, result) in self.places.clone().zip(results) {
                    state.results[place] = Some(result);
                }
            }
            Err(error) => {
                state.error.get_or_insert(error);
                state.over = true;
            }
        }
        while let Some(Some(result)) = state.results.get(state.done) {
            let listed = usize::from(result.is_some());
            state.listed += listed;
            state.done += 1;
        }
        state.in_work -= 1;
        self.of.finish(&mut state);
    }
}

impl Job for LookUps {
    fn step(&self, _: usize, buffer: &mut BlockBuffer) -> bool {
        let Some(mut work) = self.next() else {
            return false;
        };
        work.results = self.look_up(&self.candidates[work.places.clone()], buffer);
        true
    }

    fn is_wanted(&self) -> bool {
        !self.cancelled.load(Ordering::Relaxed)
    }
}
