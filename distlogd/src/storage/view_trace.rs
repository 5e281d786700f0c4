//! The batches of a trace in a database, read more than once.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use distlog_proto::{BatchRef, Kind, ProducerId, Record, SpanId, TraceId};
use distlog_store::Rows;

use super::database::{Ask, Database, time_of};
use super::encoder::{Encoded, Encoder, number_of};
use super::slice::Narrow;
use super::{StorageError, TraceBatch, TraceReader};

/// Read at once, in bytes.
const READ_BYTES: usize = 1 << 20;
/// Numbers begin at the time in units of 2 to the power of this ns, about a microsecond: numbers of programs that know
/// but floating-point ones, as browsers, hold them.
const NUMBER_BITS: u32 = 10;

/// Batches that are read together: those of all sources in a time.
struct Group {
    times: Range<u64>,
    /// The numbers of its records, sorted: what comes later is not among them.
    records: Vec<u64>,
    /// Of each batch the number of its first record, and a hash of its bytes.
    batches: Vec<(u64, u64)>,
}

/// Reads the batches of a trace.
pub(super) struct ViewTrace {
    database: Arc<dyn Database>,
    narrow: Arc<Narrow>,
    trace: TraceId,
    groups: Vec<Group>,
}

fn hash_of(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

impl ViewTrace {
    pub(super) fn new(
        database: Arc<dyn Database>,
        narrow: Arc<Narrow>,
        trace: TraceId,
    ) -> ViewTrace {
        ViewTrace {
            database,
            narrow,
            trace,
            groups: Vec::new(),
        }
    }

    /// Hands over the batches of these times.
    pub(super) fn each(
        &self,
        times: Range<u64>,
        take: &mut dyn FnMut(TraceBatch<'_>) -> bool,
    ) -> Result<(), StorageError> {
        self.read(times, None, take)
    }

    /// Hands over the batches of these times, group by group; where `groups` is given, it is noted what they have.
    fn read(
        &self,
        times: Range<u64>,
        mut groups: Option<&mut Vec<Group>>,
        take: &mut dyn FnMut(TraceBatch<'_>) -> bool,
    ) -> Result<(), StorageError> {
        let mut reading = Reading {
            sorter: Sorter::default(),
            records: Vec::new(),
            times: 0..0,
            next: 0,
            notes: groups.is_some(),
        };
        let mut more = true;
        self.each_record(times, &mut |record| {
            let time = time_of(record);
            // All of one time are in one group, so that the next one has a position of its own.
            if reading.sorter.bytes() >= READ_BYTES && time >= reading.times.end {
                more = reading.hand_over(groups.as_deref_mut(), take);
            }
            reading.push(record, time);
            more
        })?;
        if more {
            reading.hand_over(groups, take);
        }
        Ok(())
    }

    fn each_record(
        &self,
        times: Range<u64>,
        take: &mut dyn FnMut(&Record) -> bool,
    ) -> Result<(), StorageError> {
        let traces = [self.trace];
        let ask = Ask {
            times,
            services: &self.narrow.services,
            rows: Rows::OfTraces(&traces),
            ..Ask::ALL
        };
        // There may be more than was asked for, and not the same each time.
        let is_wanted =
            |record: &Record| record.trace_id() == Some(self.trace) && self.narrow.sees(record);
        self.database
            .records(&ask, &mut |record| !is_wanted(&record) || take(&record))?;
        Ok(())
    }
}

/// Sorts the records of a group into batches. Of a task that ends in another process than it began in, as where a
/// daemon says that it is lost, the begin comes first.
#[derive(Default)]
struct Sorter {
    encoder: Encoder,
    begun: HashMap<SpanId, ProducerId>,
    /// Of others than those who began.
    ends: Encoder,
}

impl Sorter {
    fn bytes(&self) -> usize {
        self.encoder.bytes() + self.ends.bytes()
    }

    fn push(&mut self, record: &Record) {
        let producer = record.source.producer;
        let span = record.task.as_ref().map(|task| task.span_id);
        let began = span.and_then(|span| self.begun.get(&span));
        match (record.kind, began) {
            (Kind::End, Some(other)) if *other != producer => return self.ends.push(record),
            (Kind::Begin, None) => self.begun.extend(span.map(|span| (span, producer))),
            _ => {}
        }
        self.encoder.push(record);
    }

    fn take(&mut self) -> Vec<Encoded> {
        self.begun.clear();
        let mut all = self.encoder.take();
        all.extend(self.ends.take());
        all
    }
}

/// A group that is being read.
struct Reading {
    sorter: Sorter,
    records: Vec<u64>,
    times: Range<u64>,
    /// The least number that the next batch begins with.
    next: u64,
    /// What it has is noted.
    notes: bool,
}

impl Reading {
    fn push(&mut self, record: &distlog_proto::Record, time: u64) {
        if self.sorter.bytes() == 0 {
            self.times.start = time;
        }
        self.times.end = time + 1;
        if self.notes {
            self.records.push(number_of(record));
        }
        self.sorter.push(record);
    }

    /// Hands over the batches of the group; false if no more is wanted.
    fn hand_over(
        &mut self,
        groups: Option<&mut Vec<Group>>,
        take: &mut dyn FnMut(TraceBatch<'_>) -> bool,
    ) -> bool {
        let mut batches = Vec::new();
        let mut more = true;
        for batch in self.sorter.take() {
            // It was just written.
            let Ok(parsed) = BatchRef::parse(&batch.bytes) else {
                continue;
            };
            let first = self.next.max(self.times.start >> NUMBER_BITS);
            self.next = first + batch.places.len() as u64;
            batches.push((first, hash_of(&batch.bytes)));
            more = take(TraceBatch {
                position: self.times.start,
                first,
                received: batch.received,
                bytes: &batch.bytes,
                parsed: &parsed,
            });
            if !more {
                break;
            }
        }
        if let Some(groups) = groups {
            self.records.sort_unstable();
            groups.push(Group {
                times: self.times.clone(),
                records: std::mem::take(&mut self.records),
                batches,
            });
        }
        more
    }
}

impl TraceReader for ViewTrace {
    fn each_batch(
        &mut self,
        positions: Range<u64>,
        take: &mut dyn FnMut(TraceBatch<'_>) -> bool,
    ) -> Result<(), StorageError> {
        let mut groups = std::mem::take(&mut self.groups);
        groups.clear();
        let read = self.read(positions, Some(&mut groups), take);
        self.groups = groups;
        read
    }

    fn again(&mut self, first: u64, take: &mut dyn FnMut(u64, &[u8])) -> Result<(), StorageError> {
        let at = |group: &Group| group.batches.first().is_some_and(|(of, _)| *of <= first);
        let before = self.groups.partition_point(at);
        let Some(group) = before.checked_sub(1).and_then(|at| self.groups.get(at)) else {
            return Ok(());
        };
        let mut sorter = Sorter::default();
        self.each_record(group.times.clone(), &mut |record| {
            if group.records.binary_search(&number_of(record)).is_ok() {
                sorter.push(record);
            }
            true
        })?;
        // Where retention took some, the others stand elsewhere in their batch.
        for (batch, (first, hash)) in sorter.take().iter().zip(&group.batches) {
            if hash_of(&batch.bytes) == *hash {
                take(*first, &batch.bytes);
            }
        }
        Ok(())
    }
}
