//! The newest traces, for people who look for one: by the task that begins them, or for want of it by another.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use distlog_proto::wire::TaskRef;
use distlog_proto::{Outcome, RecordRef, SpanId, TraceId};
use serde::Serialize;

use super::open::Key;

/// So many are remembered.
const KEPT: usize = 1000;
/// Texts are kept up to this length, in characters: strangers may send longer ones.
const MAX_TEXT: usize = 256;
/// Likewise ids; no valid one is longer.
const MAX_ID: usize = 1024;

/// A top-level task.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Its id.
    pub id: String,
    /// What it wants to achieve.
    pub name: String,
    /// The service where it began.
    pub service: String,
    /// Time of its begin, in ns since the epoch.
    pub begin_ns: u64,
    /// `running`, or how it ended.
    pub outcome: &'static str,
    /// How long it took, in ns.
    pub duration_ns: Option<u64>,
    /// Tasks of its trace that failed or were lost, itself included.
    pub failed: u32,
    /// Whether it begins the trace. Otherwise that task has not come yet, and this is the first one that has.
    pub root: bool,
    #[serde(skip)]
    span_id: Option<SpanId>,
}

/// The newest top-level tasks.
#[derive(Debug, Default)]
pub struct Recent(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    by_trace: HashMap<TraceId, Summary>,
    order: VecDeque<TraceId>,
}

impl Recent {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a begin.
    pub(super) fn begin(&self, record: &RecordRef<'_>, task: &TaskRef<'_>) {
        let imported = task.path.starts_with('~') && task.path.matches('/').count() == 1;
        let root = task.parent_span_id.is_none() || imported;
        let mut state = self.lock();
        // A second service that continues the same foreign trace does not replace the first.
        let known = state.by_trace.get(&task.trace_id);
        if known.is_some_and(|known| known.root || !root) {
            return;
        }
        let failed = known.map_or(0, |known| known.failed);
        let is_new = known.is_none();
        if is_new {
            if state.order.len() >= KEPT
                && let Some(oldest) = state.order.pop_front()
            {
                state.by_trace.remove(&oldest);
            }
            state.order.push_back(task.trace_id);
        }
        let name = match record.message {
            "" => record.task_name(),
            message => message,
        };
        let summary = Summary {
            // One whose root is not here is asked for as a whole.
            id: match task.path {
                path if root && !path.is_empty() => {
                    format!("{}/{}", task.trace_id, cut(path, MAX_ID))
                }
                _ => task.trace_id.to_string(),
            },
            name: cut(name, MAX_TEXT).to_owned(),
            service: cut(crate::tree::service_of(record), MAX_TEXT).to_owned(),
            begin_ns: record.time,
            outcome: "running",
            duration_ns: None,
            failed,
            root,
            span_id: Some(task.span_id),
        };
        state.by_trace.insert(task.trace_id, summary);
    }

    /// Whether a begin of this trace that is not its root would be news.
    pub(super) fn is_unknown(&self, trace_id: &TraceId) -> bool {
        !self.lock().by_trace.contains_key(trace_id)
    }

    /// Notes the end of a task, and how long it took, in ns; 0: that is not known.
    pub(super) fn end(&self, (trace_id, span_id): &Key, outcome: Outcome, duration: u64) {
        let mut state = self.lock();
        let Some(summary) = state.by_trace.get_mut(trace_id) else {
            return;
        };
        summary.failed += u32::from(outcome.is_failure());
        // Of two spans that share an id the first one counts; a real end replaces one that was said for want of it.
        let is_open = matches!(summary.outcome, "running" | "lost" | "ended");
        if summary.span_id == Some(*span_id) && is_open {
            summary.outcome = match outcome {
                Outcome::Unset => "ended",
                outcome => outcome.name(),
            };
            summary.duration_ns = Some(duration).filter(|duration| *duration > 0);
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
