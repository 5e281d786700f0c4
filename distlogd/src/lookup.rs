//! Finds records in the store: those of a trace, of a task, by number.

use distlog_proto::{BatchRef, Record, RecordRef, SpanId, TraceId};

use crate::store::{Batches, ReadError, Reader};

/// Read at once, in bytes.
const READ_BYTES: usize = 1 << 20;

/// The batches that hold a trace, up to a bound.
#[derive(Debug, Default)]
pub struct Trace {
    /// Each with the number of its first record.
    batches: Vec<(u64, Vec<u8>)>,
    /// Records with lower numbers were not asked for.
    from: u64,
    /// The number of the first record beyond what the bound allows.
    pub next: Option<u64>,
}

/// Reads the batches of a trace, oldest first, with the records from number `from` on, until they have `max_bytes`.
///
/// # Errors
/// If the store cannot be read.
pub fn trace(
    reader: &Reader,
    trace_id: TraceId,
    from: u64,
    max_bytes: usize,
) -> Result<Trace, ReadError> {
    let mut found = Trace {
        from,
        ..Trace::default()
    };
    let mut cursor = reader.trace(trace_id.to_bytes());
    let mut batches = Batches::new();
    let mut bytes = 0;
    loop {
        cursor.next_batches(&mut batches, READ_BYTES)?;
        if batches.is_empty() {
            return Ok(found);
        }
        for (head, batch) in batches.iter().filter(|(head, _)| head.end() > from) {
            if bytes > max_bytes {
                found.next = Some(head.first);
                return Ok(found);
            }
            bytes += batch.len();
            found.batches.push((head.first, batch.to_vec()));
        }
    }
}

impl Trace {
    /// Their sources and callsites, read.
    pub fn parse(&self) -> Parsed<'_> {
        Parsed {
            batches: self
                .batches
                .iter()
                .map(|(first, bytes)| (*first, BatchRef::parse(bytes).ok()))
                .filter_map(|(first, batch)| Some((first, batch?)))
                .collect(),
            from: self.from,
        }
    }
}

/// Batches of a trace, ready to be read.
#[derive(Debug)]
pub struct Parsed<'a> {
    batches: Vec<(u64, BatchRef<'a>)>,
    from: u64,
}

/// The records of a trace, in the order in which they were stored, with their numbers.
pub fn records_of<'a>(
    parsed: &'a Parsed<'a>,
    trace_id: TraceId,
) -> impl Iterator<Item = RecordRef<'a>> {
    let of_trace =
        move |record: &RecordRef<'a>| record.task.is_some_and(|task| task.trace_id == trace_id);
    parsed
        .batches
        .iter()
        .flat_map(|(first, batch)| records_from(*first, batch))
        .filter(move |record| record.store_number >= parsed.from)
        .filter(of_trace)
}

/// The records of a batch that was read from the store, with their numbers there; `first` is that of the first one.
pub fn records_from<'a>(
    first: u64,
    batch: &'a BatchRef<'a>,
) -> impl Iterator<Item = RecordRef<'a>> {
    (first..)
        .zip(batch.records())
        .filter_map(|(number, record)| {
            // Batches were checked when they came in.
            let mut record = record.ok()?;
            record.store_number = number;
            Some(record)
        })
}

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
    let mut cursor = reader.trace(trace_id.to_bytes());
    let mut batches = Batches::new();
    loop {
        cursor.next_batches(&mut batches, READ_BYTES)?;
        if batches.is_empty() {
            return Ok(());
        }
        for (head, bytes) in batches.iter() {
            let Ok(batch) = BatchRef::parse(bytes) else {
                continue;
            };
            let of_task = |record: &RecordRef<'_>| {
                record
                    .task
                    .is_some_and(|task| task.trace_id == trace_id && task.span_id == span_id)
            };
            records_from(head.first, &batch)
                .filter(of_task)
                .for_each(|record| take(&record));
        }
    }
}
