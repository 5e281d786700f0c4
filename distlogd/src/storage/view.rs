//! A database that processors of other daemons fill, seen as where records lie.
//!
//! It is cut into slices of time (`slice.rs`), which are the blocks of queries. Of each the database is asked for the
//! rows that may be wanted, which become encoded batches (`encoder.rs`); the engine tests each record again. So every
//! filter works, whatever the database can test itself.

use std::ops::Range;
use std::sync::Arc;

use distlog_proto::{BatchRef, RecordRef, Severity, TraceId};
use distlog_store::{BlockBuffer, Reader, Rows, Selection};

use super::database::{Ask, Database};
use super::slice::{Narrow, Slice};
use super::view_trace::ViewTrace;
use super::{
    Block, Numbering, Place, RecordReader, Scope, Storage, StorageError, TraceBatch, TraceReader,
};
use crate::access::Services;

/// Rows of a slice, about.
const SLICE_ROWS: u64 = 20_000;
/// The newest slice is cut into some of so many rows: mostly they have all that is wanted.
const NEWEST_ROWS: u64 = 2_000;

/// A database as where records lie.
#[derive(Clone)]
pub struct View {
    database: Arc<dyn Database>,
    /// Only what these stored is seen.
    only: Option<Services>,
}

impl View {
    /// All that is in it.
    pub fn new(database: Arc<dyn Database>) -> View {
        View {
            database,
            only: None,
        }
    }

    /// What is asked of the database; `None`: nothing of it is seen.
    fn narrow(&self, scope: Option<&Scope>) -> Option<Narrow> {
        let service = scope.and_then(|scope| scope.service.as_ref());
        let services = match (service, &self.only) {
            (Some(service), Some(only)) if !only.have(service, "") => return None,
            (Some(service), _) => vec![service.clone()],
            (None, Some(only)) => only.names().to_vec(),
            (None, None) => Vec::new(),
        };
        Some(Narrow {
            services,
            only: self.only.clone(),
            severity: scope.map_or(Severity::UNSET, |scope| scope.severity),
            words: scope.map_or_else(Vec::new, |scope| scope.words.clone()),
        })
    }

    fn slice(&self, times: Range<u64>, narrow: &Arc<Narrow>) -> Slice {
        Slice {
            database: Arc::clone(&self.database),
            times,
            narrow: Arc::clone(narrow),
        }
    }

    fn trace(&self, trace: TraceId) -> ViewTrace {
        ViewTrace::new(Arc::clone(&self.database), self.whole(), trace)
    }

    /// Which services are asked for, and what is seen.
    fn whole(&self) -> Arc<Narrow> {
        // Without a scope something is always seen.
        Arc::new(self.narrow(None).unwrap_or(Narrow {
            services: Vec::new(),
            only: self.only.clone(),
            severity: Severity::UNSET,
            words: Vec::new(),
        }))
    }
}

impl Storage for View {
    fn numbering(&self) -> Numbering {
        Numbering::Time
    }

    fn positions(&self) -> Result<Range<u64>, StorageError> {
        let Some(times) = self.database.times()? else {
            return Ok(0..0);
        };
        // What says a later time than a database can hold lies at the latest one.
        let end = match *times.end() {
            newest if newest >= i64::MAX.cast_unsigned() => u64::MAX,
            newest => newest + 1,
        };
        Ok(*times.start()..end)
    }

    fn blocks(&self, scope: &Scope) -> Result<Vec<Block>, StorageError> {
        let from = scope.positions.start.max(scope.from);
        let to = scope.positions.end.min(scope.to);
        let Some(narrow) = self.narrow(Some(scope)).filter(|_| from < to) else {
            return Ok(Vec::new());
        };
        let ask = |times| Ask {
            times,
            services: &narrow.services,
            severity: narrow.severity,
            rows: Rows::All,
            words: &narrow.words,
        };
        let mut times = self.database.slices(&ask(from..to), SLICE_ROWS)?;
        if let Some(newest) = times.pop() {
            times.extend(self.database.slices(&ask(newest), NEWEST_ROWS)?);
        }
        let narrow = Arc::new(narrow);
        let slices = times.into_iter().filter(|times| !times.is_empty());
        let slices = slices.map(|times| Block::Slice(self.slice(times, &narrow)));
        Ok(slices.collect())
    }

    fn blocks_of(&self, _: &[TraceId], end: u64) -> Result<Vec<Block>, StorageError> {
        // Whoever reads it says which traces.
        Ok(vec![Block::Slice(self.slice(0..end, &self.whole()))])
    }

    fn each_batch(
        &self,
        trace: TraceId,
        positions: Range<u64>,
        take: &mut dyn FnMut(TraceBatch<'_>) -> bool,
    ) -> Result<(), StorageError> {
        self.trace(trace).each(positions, take)
    }

    fn trace_reader(&self, trace: TraceId) -> Box<dyn TraceReader> {
        Box::new(self.trace(trace))
    }

    fn record_reader(&self) -> Box<dyn RecordReader> {
        Box::new(self.clone())
    }

    fn showing(&self, services: &Services) -> Arc<dyn Storage> {
        Arc::new(View {
            database: Arc::clone(&self.database),
            only: Some(services.clone()),
        })
    }

    fn live(&self) -> Option<&Reader> {
        None
    }
}

impl RecordReader for View {
    fn read(
        &mut self,
        place: Place,
        see: &mut dyn FnMut(&RecordRef<'_>),
    ) -> Result<(), StorageError> {
        let time = place.time.min(i64::MAX.cast_unsigned());
        let slice = self.slice(time..time + 1, &self.whole());
        let mut buffer = BlockBuffer::default();
        slice.read(&Selection::ALL, &mut buffer, &mut |part| {
            let mut seen = false;
            for stored in part.batches() {
                // It was just written.
                let Ok(batch) = BatchRef::parse(stored.bytes) else {
                    continue;
                };
                let all = Selection::ALL;
                let mut records = stored.records(&batch, all.severity, all.rows);
                if let Some(record) = records.find(|r| r.store_number == place.number) {
                    see(&record);
                    seen = true;
                    break;
                }
            }
            !seen
        })
    }
}
