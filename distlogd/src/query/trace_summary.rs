//! A trace in one line: its topmost task and how that ended.

use std::collections::HashMap;

use distlog_proto::wire::{TaskRef, field::record as field};
use distlog_proto::{BatchRef, Kind, Outcome, RecordRef, SpanId, TraceId};
use distlog_store::{BlockBuffer, Rows, Selection};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::candidates::Rank;
use super::scan::{Place, parts_of};
use crate::storage::{Storage, StorageError};
use crate::tree::service_of;

/// What is read of records.
const PARTS: [u32; 9] = [
    field::KIND,
    field::TASK,
    field::OUTCOME,
    field::DURATION,
    // Of these a run is told.
    field::OFFSET,
    field::NUMBER,
    field::OTLP,
    // Of these a name.
    field::NAME,
    field::MESSAGE,
];
/// Longest text, in characters; longer ones are cut.
const MAX_TEXT: usize = 256;
/// Longest id, in characters; no valid one is longer.
const MAX_ID: usize = 1024;
/// Ends of one trace that are told from each other; later ones do not count.
const MAX_ENDS: usize = 1 << 18;

/// A trace: its topmost task, as far as it has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskItem {
    /// Id of the root; that of the trace if the root has not come.
    pub id: String,
    /// Its goal; that of the earliest known task if the root has not come.
    pub name: String,
    /// The service where it began.
    pub service: String,
    /// Time of its begin, in ns since the epoch, where it is known.
    pub begin_ns: Option<u64>,
    /// `running`, or how it ended; `unknown` while only logs have come.
    pub outcome: String,
    /// In ns, where it is known.
    pub duration_ns: Option<u64>,
    /// Tasks of its trace that failed or were lost, itself included.
    pub failed: u64,
    /// Whether it is the root. Spans come when they end, that of the root last, and some roots never come.
    pub root: bool,
}

/// What is known of a trace.
#[derive(Default)]
pub(super) struct TraceSummary {
    top: Option<Top>,
    /// By span id and run: see [`RecordRef::run`].
    ends: HashMap<(SpanId, u64), End>,
}

/// How a task ended.
#[derive(Debug, Clone, Copy)]
struct End {
    outcome: Outcome,
    duration: Option<u64>,
    place: Place,
}

/// The topmost record.
struct Top {
    rank: Rank,
    place: Place,
    span: (SpanId, u64),
    item: TaskItem,
}

impl TraceSummary {
    /// Reads the records of some traces before the position `end`. A block that several are in is read once.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub(super) fn read_all(
        storage: &dyn Storage,
        traces: &[TraceId],
        end: u64,
        buffer: &mut BlockBuffer,
    ) -> Result<HashMap<TraceId, TraceSummary>, StorageError> {
        let mut all = read(storage, traces, Rows::TasksOf(traces), end, buffer)?;
        // Where a task has begun none of the logs is the topmost record, and most records are logs.
        let rest = all.iter().filter(|(_, summary)| !summary.has_begun());
        let rest: Vec<TraceId> = rest.map(|(trace, _)| *trace).collect();
        if !rest.is_empty() {
            all.extend(read(storage, &rest, Rows::OfTraces(&rest), end, buffer)?);
        }
        Ok(all)
    }

    fn has_begun(&self) -> bool {
        self.top.as_ref().is_some_and(|top| top.rank > Rank::Log)
    }

    /// What a task is called.
    pub(super) fn name_of<'a>(record: &RecordRef<'a>) -> &'a str {
        match record.message {
            "" => record.task_name(),
            message => message,
        }
    }

    fn take(&mut self, task: &TaskRef<'_>, record: &RecordRef<'_>, received: u64) {
        let place = Place {
            time: record.time_or(received),
            number: record.store_number,
        };
        if record.kind == Kind::End {
            let end = End {
                outcome: record.outcome,
                duration: record.took(),
                place,
            };
            self.end((task.span_id, record.run()), end);
        }
        self.consider(task, record, place);
    }

    fn end(&mut self, span: (SpanId, u64), end: End) {
        if self.ends.len() >= MAX_ENDS && !self.ends.contains_key(&span) {
            return;
        }
        let known = self.ends.entry(span).or_insert(end);
        // A real end replaces one that the daemon wrote.
        if matches!(known.outcome, Outcome::Lost | Outcome::Unset) {
            *known = end;
        }
    }

    /// Takes a record for the topmost one if it is that.
    fn consider(&mut self, task: &TaskRef<'_>, record: &RecordRef<'_>, place: Place) {
        let Some(rank) = Rank::of(record) else {
            return;
        };
        let known = self.top.as_ref().map(|top| (top.rank, top.place));
        if known.is_some_and(|known| rank < known.0 || (rank == known.0 && place >= known.1)) {
            return;
        }
        let root = rank >= Rank::Imported;
        let trace_id = task.trace_id;
        let id = match task.path {
            path if root && !path.is_empty() => format!("{trace_id}/{}", cut(path, MAX_ID)),
            _ => trace_id.to_string(),
        };
        let name = if record.kind == Kind::Begin {
            TraceSummary::name_of(record)
        } else {
            ""
        };
        self.top = Some(Top {
            rank,
            place,
            span: (task.span_id, record.run()),
            item: TaskItem {
                id,
                name: cut(name, MAX_TEXT).to_owned(),
                service: service_of(record).to_owned(),
                begin_ns: (record.time > 0).then_some(record.time),
                outcome: String::new(),
                duration_ns: None,
                failed: 0,
                root,
            },
        });
    }

    /// Where its topmost record is.
    pub(super) fn top_place(&self) -> Option<Place> {
        self.top.as_ref().map(|top| top.place)
    }

    /// How its topmost task ended.
    fn end_of_top(&self) -> Option<&End> {
        let (span_id, run) = self.top.as_ref().filter(|top| top.rank > Rank::Log)?.span;
        // An end that the daemon wrote has no run.
        let exact = self.ends.get(&(span_id, run));
        let exact = exact.or_else(|| self.ends.get(&(span_id, 0)));
        exact.or_else(|| {
            let any = self
                .ends
                .iter()
                .filter(|((of, _), _)| run == 0 && *of == span_id);
            any.map(|(_, end)| end).min_by_key(|end| end.place)
        })
    }

    /// Where the record is that tells how its topmost task ended.
    pub(super) fn end_place(&self) -> Option<Place> {
        Some(self.end_of_top()?.place)
    }

    /// As it is answered.
    pub(super) fn item(&self) -> Option<TaskItem> {
        let end = self.end_of_top().copied();
        let failed = self.ends.values().filter(|end| end.outcome.is_failure());
        let failed = failed.count() as u64;
        let top = self.top.as_ref()?;
        let mut item = top.item.clone();
        item.failed = failed;
        item.outcome = match end {
            _ if top.rank == Rank::Log => "unknown",
            None => "running",
            Some(End {
                outcome: Outcome::Unset,
                ..
            }) => "ended",
            Some(end) => end.outcome.name(),
        }
        .to_owned();
        let took = end.and_then(|end| end.duration);
        item.duration_ns = took.filter(|_| item.begin_ns.is_some());
        Some(item)
    }
}

fn read(
    storage: &dyn Storage,
    traces: &[TraceId],
    rows: Rows<'_>,
    end: u64,
    buffer: &mut BlockBuffer,
) -> Result<HashMap<TraceId, TraceSummary>, StorageError> {
    let parts = parts_of(&PARTS);
    let wanted = Selection {
        rows,
        parts: &parts,
        ..Selection::ALL
    };
    let each = traces.iter().map(|trace| (*trace, TraceSummary::default()));
    let mut all: HashMap<_, _> = each.collect();
    let numbers_before = storage.numbering().numbers_before(end);
    for block in storage.blocks_of(traces, end)? {
        block.read(&wanted, buffer, |part| {
            for stored in part.batches() {
                // Valid when it was stored.
                let Ok(batch) = BatchRef::parse(stored.bytes) else {
                    continue;
                };
                for record in stored.records(&batch, wanted.severity, wanted.rows) {
                    if record.store_number < numbers_before
                        && let Some(task) = &record.task
                        && let Some(summary) = all.get_mut(&task.trace_id)
                    {
                        summary.take(task, &record, stored.head.received);
                    }
                }
            }
            true
        })?;
    }
    Ok(all)
}

fn cut(text: &str, limit: usize) -> &str {
    text.char_indices()
        .nth(limit)
        .map_or(text, |(at, _)| &text[..at])
}
