//! The list of the newest traces.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use distlog_proto::wire::TaskRef;
use distlog_proto::{Outcome, RecordRef, SpanId, TraceId};
use serde::Serialize;

/// Traces in the list.
const MAX_TRACES: usize = 1000;
/// Traces that left the list, in one generation. Late records do not put them there again.
const MAX_REMOVED: usize = 1 << 16;
/// Longest text, in characters; longer ones are cut.
const MAX_TEXT: usize = 256;
/// Longest id, in characters; no valid one is longer.
const MAX_ID: usize = 1024;

/// A trace: its topmost task, as far as it has come.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Id of the root; that of the trace until the root has come.
    pub id: String,
    /// Its goal; that of the earliest known task until the root has come.
    pub name: String,
    /// The service where it began.
    pub service: String,
    /// Time of its begin, in ns since the epoch, where it is known.
    pub begin_ns: Option<u64>,
    /// `running`, or how it ended; `unknown` while only logs have come.
    pub outcome: &'static str,
    /// In ns, where it is known.
    pub duration_ns: Option<u64>,
    /// Tasks of its trace that failed or were lost, itself included.
    pub failed: u32,
    /// Whether it is the root. Spans come when they end, that of the root last, and some roots never come.
    pub root: bool,
    #[serde(skip)]
    span_id: Option<SpanId>,
    /// See [`RecordRef::run`].
    #[serde(skip)]
    run: u64,
    #[serde(skip)]
    rank: Rank,
}

/// How sure it is that a task is the root of its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// There is one above it.
    Inner,
    /// Another system's span is above it (`~x/n`), which may never come.
    Imported,
    Root,
}

/// The newest traces.
#[derive(Debug, Default)]
pub struct Recent(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Tasks that failed in traces of which no begin is known yet.
    early: HashMap<TraceId, u32>,
    by_trace: HashMap<TraceId, Summary>,
    order: VecDeque<TraceId>,
    /// Traces that left the list, in two generations.
    removed: [HashSet<TraceId>; 2],
}

impl State {
    fn failed_early(&mut self, trace_id: TraceId) {
        // Traces whose top-level task never comes would stay forever.
        if self.early.len() >= MAX_TRACES && !self.early.contains_key(&trace_id) {
            self.early.clear();
        }
        let failed = self.early.entry(trace_id).or_default();
        *failed = failed.saturating_add(1);
    }

    fn is_removed(&self, trace_id: &TraceId) -> bool {
        self.removed
            .iter()
            .any(|removed| removed.contains(trace_id))
    }

    fn insert(&mut self, trace_id: TraceId, mut summary: Summary) {
        if let Some(known) = self.by_trace.get_mut(&trace_id) {
            summary.failed = known.failed;
            *known = summary;
            return;
        }
        if self.order.len() >= MAX_TRACES
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_trace.remove(&oldest);
            if self.removed[0].len() >= MAX_REMOVED {
                self.removed[1] = std::mem::take(&mut self.removed[0]);
            }
            self.removed[0].insert(oldest);
        }
        summary.failed = self.early.remove(&trace_id).unwrap_or(0);
        self.order.push_back(trace_id);
        self.by_trace.insert(trace_id, summary);
    }
}

impl Recent {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the list has the root of a trace, or had the trace: a task below another one adds nothing.
    pub(super) fn has_root(&self, trace_id: TraceId) -> bool {
        let state = self.lock();
        match state.by_trace.get(&trace_id) {
            Some(known) => known.root,
            None => state.is_removed(&trace_id),
        }
    }

    /// Whether a trace is, or was, in the list.
    pub(super) fn is_known(&self, trace_id: TraceId) -> bool {
        let state = self.lock();
        state.by_trace.contains_key(&trace_id) || state.is_removed(&trace_id)
    }

    /// Notes a begin.
    pub(super) fn begin(&self, record: &RecordRef<'_>, task: &TaskRef<'_>, run: u64) {
        let imported = task.path.starts_with('~') && task.path.matches('/').count() == 1;
        let rank = match task.parent_span_id {
            None => Rank::Root,
            Some(_) if imported => Rank::Imported,
            Some(_) => Rank::Inner,
        };
        let begin_ns = (record.time > 0).then_some(record.time);
        let mut state = self.lock();
        match state.by_trace.get(&task.trace_id) {
            // A second service that continues the same foreign trace does not replace the first, nor does a second
            // root.
            Some(known) if known.rank > rank || (known.rank == rank && known.root) => return,
            Some(known) if known.rank == rank && known.span_id.is_some() => {
                // Of those that have another one above them the earliest is the topmost as a rule.
                let earlier = match (begin_ns, known.begin_ns) {
                    (Some(new), Some(known)) => new < known,
                    (new, None) => new.is_some(),
                    (None, _) => false,
                };
                if !earlier {
                    return;
                }
            }
            Some(_) => {}
            None if state.is_removed(&task.trace_id) => return,
            None => {}
        }
        let name = match record.message {
            "" => record.task_name(),
            message => message,
        };
        let root = rank > Rank::Inner;
        let summary = Summary {
            id: match task.path {
                path if root && !path.is_empty() => {
                    format!("{}/{}", task.trace_id, cut(path, MAX_ID))
                }
                _ => task.trace_id.to_string(),
            },
            name: cut(name, MAX_TEXT).to_owned(),
            service: cut(crate::tree::service_of(record), MAX_TEXT).to_owned(),
            begin_ns,
            outcome: "running",
            duration_ns: None,
            failed: 0,
            root,
            span_id: Some(task.span_id),
            run,
            rank,
        };
        state.insert(task.trace_id, summary);
    }

    /// Adds a trace of which only a log record has come.
    pub(super) fn log(&self, trace_id: TraceId, record: &RecordRef<'_>) {
        let mut state = self.lock();
        if state.by_trace.contains_key(&trace_id) || state.is_removed(&trace_id) {
            return;
        }
        let summary = Summary {
            id: trace_id.to_string(),
            name: String::new(),
            service: cut(crate::tree::service_of(record), MAX_TEXT).to_owned(),
            begin_ns: (record.time > 0).then_some(record.time),
            outcome: "unknown",
            duration_ns: None,
            failed: 0,
            root: false,
            span_id: None,
            run: 0,
            rank: Rank::Inner,
        };
        state.insert(trace_id, summary);
    }

    /// Notes the end of a task, and how long it took, in ns.
    pub(super) fn end(
        &self,
        (trace_id, span_id): (TraceId, SpanId),
        run: u64,
        outcome: Outcome,
        duration: Option<u64>,
    ) {
        let mut state = self.lock();
        let failed = outcome.is_failure();
        let Some(summary) = state.by_trace.get_mut(&trace_id) else {
            if failed {
                state.failed_early(trace_id);
            }
            return;
        };
        summary.failed += u32::from(failed);
        let same_run = run == summary.run || run == 0 || summary.run == 0;
        if summary.span_id == Some(span_id) && same_run {
            summary.outcome = if outcome == Outcome::Unset {
                "ended"
            } else {
                outcome.name()
            };
            summary.duration_ns = duration.filter(|_| summary.begin_ns.is_some());
        }
    }

    /// The newest first.
    pub fn list(&self, limit: usize) -> Vec<Summary> {
        let state = self.lock();
        state
            .order
            .iter()
            .rev()
            .filter_map(|id| state.by_trace.get(id))
            .take(limit)
            .cloned()
            .collect()
    }
}

fn cut(text: &str, limit: usize) -> &str {
    text.char_indices()
        .nth(limit)
        .map_or(text, |(at, _)| &text[..at])
}
