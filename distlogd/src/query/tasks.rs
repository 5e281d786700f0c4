//! Tasks that began a trace, of all that are stored, page by page.
//!
//! A record can be the topmost of its trace or not; that is known only when all of the trace was seen. So a scan
//! collects the newest records that might be, of each trace the likeliest (`candidates.rs`), and the whole trace is
//! looked up by its index then (`look_up.rs`). A candidate that is not the topmost one is dropped: the topmost one is a
//! candidate itself, at its own place. So nothing is left out, and nothing comes twice.
//!
//! Where only tasks are wanted that ended in some way, the candidates are ends (`ended.rs`), and that of the topmost
//! task tells: few blocks have any.

use std::sync::Arc;
use std::time::{Duration, Instant};

use distlog_proto::{Outcome, RecordRef};

use super::candidates::{Candidate, Candidates, Judge, Rank};
use super::cursor::{Cursor, Window};
use super::ended::EndedTasks;
use super::having::Having;
use super::look_up::{Choose, Found, LookUps};
use super::only::{Ends, Only};
use super::phrase::Phrase;
use super::scan::{Counters, Place};
use super::time::is_within;
pub use super::trace_summary::TaskItem;
use super::trace_summary::TraceSummary;
use super::{Engine, Filter, QueryError};

/// Candidates that the first scan keeps: for each task that is wanted, and as many more.
const FIRST: (usize, usize) = (2, 16);
/// Each scan keeps so many times more than the one before, at most so many for each task, or in all.
const MORE: usize = 8;
const CANDIDATES: (usize, usize) = (4, 4096);
/// By its duration a task may have begun so much earlier than its begin says, in ns: clocks are set while it runs.
const CLOCKS: u64 = 60_000_000_000;
/// The state of a task that has not ended.
const RUNNING: &str = "running";
/// Outcomes that few tasks have.
const OUTCOMES: [Outcome; 3] = [Outcome::Failed, Outcome::Lost, Outcome::Cancelled];

/// Which tasks are wanted.
#[derive(Debug, Clone, Default)]
pub struct TasksAsk {
    /// Begun not before this, in ns since the epoch.
    pub from: u64,
    /// Begun before this.
    pub to: u64,
    /// `running` or names of outcomes: one of these; all, where there is none.
    pub states: Vec<&'static str>,
    /// Of this service.
    pub service: Option<String>,
    /// With this in its name, in lowercase.
    pub name: Option<String>,
    /// That took at least so long, in ns; of one that runs the time until now counts.
    pub min_duration: u64,
    /// With a record somewhere in its trace that has all these.
    pub phrases: Vec<Phrase>,
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

    /// How tasks ended that are wanted, where few do; `None` where others are wanted, too.
    fn outcomes(&self) -> Option<Vec<Outcome>> {
        let outcome_of = |state: &&str| OUTCOMES.into_iter().find(|one| one.name() == *state);
        let all: Option<Vec<Outcome>> = self.states.iter().map(outcome_of).collect();
        all.filter(|outcomes| !outcomes.is_empty())
    }
}

/// Which traces are wanted.
struct Wanted {
    ask: TasksAsk,
    having: Having,
}

impl Wanted {
    /// What is listed of a trace, if it is wanted.
    fn item(
        &self,
        candidate: Candidate,
        summary: &TraceSummary,
    ) -> Result<Option<TaskItem>, QueryError> {
        let item = summary.item().filter(|item| self.ask.takes(item));
        let is_wanted = item.is_some() && self.having.takes(candidate.trace_id)?;
        Ok(item.filter(|_| is_wanted))
    }
}

impl Judge for Wanted {
    fn needs(&self) -> (bool, bool) {
        self.ask.needs()
    }

    fn may_take(&self, rank: Rank, record: &RecordRef<'_>) -> bool {
        let trace_id = record.task.map(|task| task.trace_id);
        trace_id.is_some_and(|trace_id| self.having.may_be(trace_id))
            && self.ask.may_take(rank, record)
    }

    fn refuses(&self, outcome: Outcome, took: Option<u64>) -> bool {
        self.ask.refuses(outcome, took)
    }
}

impl TasksAsk {
    fn needs(&self) -> (bool, bool) {
        let by_end = !self.states.is_empty() || self.min_duration > 0;
        (self.name.is_some(), by_end)
    }

    fn may_take(&self, rank: Rank, record: &RecordRef<'_>) -> bool {
        match rank {
            Rank::Log => self.states.is_empty() && self.min_duration == 0 && self.name.is_none(),
            _ => self.has_name(TraceSummary::name_of(record)),
        }
    }

    fn refuses(&self, outcome: Outcome, took: Option<u64>) -> bool {
        let only_running = !self.states.is_empty() && self.states.iter().all(|s| *s == RUNNING);
        // A real end may come behind one that the daemon wrote.
        let is_last = !matches!(outcome, Outcome::Lost | Outcome::Unset);
        let is_other = !self.states.is_empty() && !self.states.contains(&outcome.name());
        let is_quick = self.min_duration > 0 && took.is_none_or(|took| took < self.min_duration);
        only_running || (is_last && (is_other || is_quick))
    }
}

/// What was found in a window.
struct Part {
    items: Vec<TaskItem>,
    /// What is before this place was not looked at; `None`: all was.
    before: Option<Place>,
    /// Records from this number on were looked at.
    looked_from: u64,
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
        counters: &Arc<Counters>,
    ) -> Result<TasksPage, QueryError> {
        let deadline = Instant::now() + timeout;
        let cursor = match cursor {
            Some(cursor) => cursor,
            None => {
                let end = self.end().await?;
                let windows = vec![Window {
                    numbers: 0..end,
                    ..Window::ALL
                }];
                Cursor { windows, end }
            }
        };
        let Cursor { mut windows, end } = cursor;
        let having = self.having(ask.phrases.clone(), end, timeout, counters);
        let wanted = Arc::new(Wanted {
            having: having.await?,
            ask,
        });
        let mut items: Vec<TaskItem> = Vec::new();
        let mut rounds = 0;
        while items.len() < limit && !windows.is_empty() {
            // A part of each page is looked at whatever the time, so that it gets on.
            if rounds > 0 && Instant::now() >= deadline {
                break;
            }
            let window = windows.remove(0);
            let left = limit - items.len();
            let keep = keep(left, rounds);
            let part = match wanted.ask.outcomes() {
                Some(outcomes) => {
                    let scan = self.ended(&wanted.ask, outcomes, &window, keep, deadline, counters);
                    let (found, looked_from) = scan.await?;
                    let told = told_by_end(Arc::clone(&wanted));
                    self.look_up((found, looked_from), end, left, deadline, told)
                        .await?
                }
                None => {
                    let scan = self.begun(&wanted, &window, keep, deadline, counters);
                    let (found, looked_from) = scan.await?;
                    let told = told_by_top(Arc::clone(&wanted));
                    self.look_up((found, looked_from), end, left, deadline, told)
                        .await?
                }
            };
            counters.add_found(part.items.len() as u64);
            items.extend(part.items);
            let Window { numbers, before } = window;
            let looked_from = part.looked_from.clamp(numbers.start, numbers.end);
            let rest = [
                part.before.map(|before| Window {
                    numbers: looked_from..numbers.end,
                    before,
                }),
                Some(Window {
                    numbers: numbers.start..looked_from,
                    before,
                }),
            ];
            let rest = rest.into_iter().flatten();
            windows.splice(0..0, rest.filter(|window| !window.numbers.is_empty()));
            rounds += 1;
        }
        let next = Cursor::until(end, windows);
        Ok(TasksPage {
            complete: next.is_none() || items.len() >= limit,
            items,
            next,
        })
    }

    /// The newest begins that may be those of wanted tasks.
    async fn begun(
        &self,
        wanted: &Arc<Wanted>,
        window: &Window,
        keep: usize,
        deadline: Instant,
        counters: &Arc<Counters>,
    ) -> Result<(Collected, u64), QueryError> {
        let ask = &wanted.ask;
        let filter = Filter {
            window: window.clone(),
            from: ask.from,
            to: ask.to,
            service: ask.service.clone(),
            ..Filter::default()
        };
        let judge = Arc::clone(wanted);
        let new = move || Candidates::new(keep, Arc::clone(&judge));
        let timeout = deadline.saturating_duration_since(Instant::now());
        let mut running = self.begin(filter, timeout, counters, new).await?;
        let outcome = running.outcome().await?;
        Ok((outcome.found.newest_first(), outcome.looked_from))
    }

    /// The newest ends that may be those of wanted tasks.
    async fn ended(
        &self,
        ask: &TasksAsk,
        outcomes: Vec<Outcome>,
        window: &Window,
        keep: usize,
        deadline: Instant,
        counters: &Arc<Counters>,
    ) -> Result<(Collected, u64), QueryError> {
        let newest = ask.to.saturating_add(CLOCKS);
        let before = window.before.min(Place {
            time: newest,
            // What has no end holds the last time, too.
            number: if newest == u64::MAX { newest } else { 0 },
        });
        let at_least = ask.min_duration;
        let filter = Filter {
            window: Window {
                numbers: window.numbers.clone(),
                ..Window::ALL
            },
            from: ask.from.saturating_sub(CLOCKS),
            only: Only::WithEnds(Ends {
                outcomes: outcomes.clone(),
                at_least,
                began_by: before.time,
            }),
            ..Filter::default()
        };
        let new = move || EndedTasks::new(keep, &outcomes, at_least, before);
        let timeout = deadline.saturating_duration_since(Instant::now());
        let mut running = self.begin(filter, timeout, counters, new).await?;
        let outcome = running.outcome().await?;
        Ok((outcome.found.newest_first(), outcome.looked_from))
    }

    /// Looks candidates up until so many are wanted.
    async fn look_up(
        &self,
        ((candidates, bound), looked_from): (Collected, u64),
        end: u64,
        wanted: usize,
        deadline: Instant,
        choose: Choose,
    ) -> Result<Part, QueryError> {
        let records = (Arc::clone(&self.storage), end);
        let (job, waiting) = LookUps::new(records, candidates, wanted, deadline, choose);
        self.pool.add(job)?;
        let Found { items, stopped_at } = waiting.outcome().await?;
        Ok(Part {
            items,
            before: stopped_at.or(bound),
            looked_from,
        })
    }
}

/// Candidates, and the place before which some may be missing.
type Collected = (Vec<Candidate>, Option<Place>);

/// How many candidates a scan keeps.
fn keep(wanted: usize, rounds: u32) -> usize {
    let first = wanted.saturating_mul(FIRST.0).saturating_add(FIRST.1);
    let most = wanted.saturating_mul(CANDIDATES.0).max(CANDIDATES.1);
    first
        .saturating_mul(MORE.saturating_pow(rounds))
        .min(most.max(first))
}

/// A trace is told where its topmost record is.
fn told_by_top(wanted: Arc<Wanted>) -> Choose {
    Box::new(move |candidate, summary| {
        if summary.top_place() != Some(candidate.place) {
            return Ok(None);
        }
        wanted.item(candidate, summary)
    })
}

/// A trace is told where its topmost task ended.
fn told_by_end(wanted: Arc<Wanted>) -> Choose {
    Box::new(move |candidate, summary| {
        let (from, to) = (wanted.ask.from, wanted.ask.to);
        let number = summary.end_place().map(|end| end.number);
        let begun = summary.top_place().map(|top| top.time);
        if number != Some(candidate.place.number)
            || !begun.is_some_and(|begun| is_within(begun, from, to))
        {
            return Ok(None);
        }
        wanted.item(candidate, summary)
    })
}
