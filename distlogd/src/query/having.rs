//! Traces that have a record with some words.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use distlog_proto::wire::{Parts, field::record as field};
use distlog_proto::{BatchRef, RecordRef, TraceId};
use distlog_store::{BlockBuffer, Rows, Selection};

use super::cursor::Window;
use super::phrase::Phrase;
use super::scan::{Collect, Counters, Place, parts_of};
use super::{Engine, Filter, QueryError};
use crate::storage::{Storage, StorageError};

/// Traces that are remembered; where more have the words, each trace is looked at by itself.
const MAX_TRACES: usize = if cfg!(test) { 64 } else { 1 << 18 };

/// Which traces have a record with all phrases.
pub(super) enum Having {
    /// All: there are no phrases.
    All,
    /// These.
    These(HashSet<TraceId>),
    /// Many: each is looked at, up to this position.
    Many {
        phrases: Vec<Phrase>,
        storage: Arc<dyn Storage>,
        end: u64,
    },
}

impl Having {
    /// Whether a trace may be one of them, without looking at it.
    pub(super) fn may_be(&self, trace_id: TraceId) -> bool {
        match self {
            Having::These(these) => these.contains(&trace_id),
            Having::All | Having::Many { .. } => true,
        }
    }

    /// Whether a trace is one of them.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub(super) fn takes(&self, trace_id: TraceId) -> Result<bool, StorageError> {
        let Having::Many {
            phrases,
            storage,
            end,
        } = self
        else {
            return Ok(self.may_be(trace_id));
        };
        let traces = [trace_id];
        let wanted = Selection {
            rows: Rows::OfTraces(&traces),
            ..Selection::ALL
        };
        let numbers_before = storage.numbering().numbers_before(*end);
        let is_wanted = |record: &RecordRef<'_>| {
            record.store_number < numbers_before
                && record.is_of_trace(trace_id)
                && phrases.iter().all(|phrase| phrase.is_in(record))
        };
        let has_one = |part: &BlockBuffer| {
            part.batches().any(|stored| {
                // Valid when it was stored.
                BatchRef::parse(stored.bytes).is_ok_and(|batch| {
                    let mut records = stored.records(&batch, wanted.severity, wanted.rows);
                    records.any(|record| is_wanted(&record))
                })
            })
        };
        let (mut buffer, mut found) = (BlockBuffer::default(), false);
        for block in storage.blocks_of(&traces, *end)? {
            block.read(&wanted, &mut buffer, |part| {
                found = has_one(part);
                !found
            })?;
            if found {
                break;
            }
        }
        Ok(found)
    }
}

impl Engine {
    /// The traces that have a record with all phrases, of the records before a position.
    ///
    /// # Errors
    /// As [`Engine::scan`].
    pub(super) async fn having(
        &self,
        phrases: Vec<Phrase>,
        end: u64,
        timeout: Duration,
        counters: &Arc<Counters>,
    ) -> Result<Having, QueryError> {
        if phrases.is_empty() {
            return Ok(Having::All);
        }
        let filter = Filter {
            window: Window {
                numbers: 0..end,
                ..Window::ALL
            },
            phrases: phrases.clone(),
            ..Filter::default()
        };
        let mut running = self
            .begin(filter, timeout, counters, Traces::default)
            .await?;
        let outcome = running.outcome().await?;
        if outcome.looked_from > 0 || outcome.found.too_many {
            let storage = Arc::clone(&self.storage);
            return Ok(Having::Many {
                phrases,
                storage,
                end,
            });
        }
        Ok(Having::These(outcome.found.traces))
    }
}

/// Collects traces.
#[derive(Default)]
struct Traces {
    traces: HashSet<TraceId>,
    too_many: bool,
}

impl Traces {
    fn add(&mut self, trace_id: TraceId) {
        if self.traces.len() < MAX_TRACES {
            self.traces.insert(trace_id);
        } else {
            self.too_many |= !self.traces.contains(&trace_id);
        }
    }
}

impl Collect for Traces {
    const COUNTED: bool = false;

    fn parts(&self) -> Parts {
        parts_of(&[field::TASK, field::OTLP])
    }

    fn take(&mut self, record: &RecordRef<'_>, _: Place) {
        if let Some(trace_id) = record.trace_id() {
            self.add(trace_id);
        }
    }

    fn merge(&mut self, other: Traces) {
        self.too_many |= other.too_many;
        other
            .traces
            .into_iter()
            .for_each(|trace_id| self.add(trace_id));
    }

    fn enough(&self) -> u64 {
        // What is older changes nothing any more.
        if self.too_many { u64::MAX } else { 0 }
    }
}
