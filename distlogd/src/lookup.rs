//! Finds records in the store: those of a task, by number.

use distlog_proto::{BatchRef, Record, RecordRef, SpanId, TraceId};

use distlog_store::{Batches, ReadError, Reader};

/// Read at once, in bytes.
const READ_BYTES: usize = 1 << 20;

/// Reads single records by their number in the store. Asked in ascending order it reads each part of the store once.
pub struct Numbered<'a> {
    reader: &'a Reader,
    batches: Batches,
}

impl<'a> Numbered<'a> {
    /// Of that store.
    pub fn new(reader: &'a Reader) -> Numbered<'a> {
        Numbered {
            reader,
            batches: Batches::new(),
        }
    }

    /// The record with that number, if the store still has it.
    pub fn record(&mut self, number: u64) -> Option<Record> {
        self.known(number).or_else(|| {
            let mut cursor = self.reader.cursor(number);
            cursor.next_batches(&mut self.batches, 1).ok()?;
            self.known(number)
        })
    }

    /// Out of what was read last.
    fn known(&self, number: u64) -> Option<Record> {
        let (head, bytes) = self
            .batches
            .iter()
            .find(|(head, _)| (head.first..head.end()).contains(&number))?;
        let batch = BatchRef::parse(bytes).ok()?;
        let at = usize::try_from(number - head.first).ok()?;
        let record = batch.records().nth(at)?.ok()?;
        Some(record.to_record())
    }
}

/// Hands over the records of one task, in the order in which they were stored.
///
/// # Errors
/// If the store cannot be read.
pub fn task(
    reader: &Reader,
    trace_id: TraceId,
    span_id: SpanId,
    take: &mut dyn FnMut(&RecordRef<'_>),
) -> Result<(), ReadError> {
    reader
        .trace(trace_id)
        .for_each(READ_BYTES, |head, _, batch| {
            let of_task = |record: &RecordRef<'_>| {
                record
                    .task
                    .is_some_and(|task| task.trace_id == trace_id && task.span_id == span_id)
            };
            head.records(batch)
                .filter(of_task)
                .for_each(|record| take(&record));
            true
        })
}
