//! The newest top-level tasks, for people who look for one.

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
    #[serde(skip)]
    span_id: Option<SpanId>,
}

/// The newest top-level tasks.
#[derive(Debug, Default)]
pub struct Recent(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Tasks that failed in traces whose top-level task is not known yet: by OTLP it comes last, as spans come when they end.
    early: HashMap<TraceId, u32>,
    by_trace: HashMap<TraceId, Summary>,
    order: VecDeque<TraceId>,
}

impl State {
    fn failed_early(&mut self, trace_id: TraceId) {
        // Those of traces that have no top-level task here would stay for ever.
        if self.early.len() >= KEPT && !self.early.contains_key(&trace_id) {
            self.early.clear();
        }
        let failed = self.early.entry(trace_id).or_default();
        *failed = failed.saturating_add(1);
    }
}

impl Recent {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a begin.
    pub(super) fn begin(&self, record: &RecordRef<'_>, task: &TaskRef<'_>) {
        let imported = task.path.starts_with('~') && task.path.matches('/').count() == 1;
        if task.parent_span_id.is_some() && !imported {
            return;
        }
        let mut state = self.lock();
        // A second service that continues the same foreign trace does not replace the first.
        if state.by_trace.contains_key(&task.trace_id) {
            return;
        }
        if state.order.len() >= KEPT
            && let Some(oldest) = state.order.pop_front()
        {
            state.by_trace.remove(&oldest);
        }
        let name = match record.message {
            "" => record.task_name(),
            message => message,
        };
        let summary = Summary {
            id: match task.path {
                "" => task.trace_id.to_string(),
                path => format!("{}/{}", task.trace_id, cut(path, MAX_ID)),
            },
            name: cut(name, MAX_TEXT).to_owned(),
            service: cut(crate::tree::service_of(record), MAX_TEXT).to_owned(),
            begin_ns: record.time,
            outcome: "running",
            duration_ns: None,
            failed: state.early.remove(&task.trace_id).unwrap_or(0),
            span_id: Some(task.span_id),
        };
        state.order.push_back(task.trace_id);
        state.by_trace.insert(task.trace_id, summary);
    }

    /// Notes the end of a task, and how long it took, in ns.
    pub(super) fn end(&self, (trace_id, span_id): &Key, outcome: Outcome, duration: u64) {
        let mut state = self.lock();
        let failed = outcome.is_failure();
        let Some(summary) = state.by_trace.get_mut(trace_id) else {
            if failed {
                state.failed_early(*trace_id);
            }
            return;
        };
        summary.failed += u32::from(failed);
        if summary.span_id == Some(*span_id) {
            summary.outcome = if outcome == Outcome::Unset {
                "ended"
            } else {
                outcome.name()
            };
            summary.duration_ns = Some(duration);
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
