//! A batch, read in place.

use super::batch_head::{BatchHead, SourceRef};
use super::field::batch as field;
use super::record_ref::RecordRef;
use super::scan::{DecodeError, Field, Payload, Scan};
use super::task_ref::LastTask;

/// A `RecordBatch`, borrowed from its bytes. What the records share is read once, here.
#[derive(Debug)]
pub struct BatchRef<'a> {
    head: BatchHead<'a>,
    bytes: &'a [u8],
}

impl<'a> BatchRef<'a> {
    /// Reads source and callsites; the records are read by [`BatchRef::records`].
    ///
    /// # Errors
    /// If the bytes are no protobuf message, or the source is malformed. A malformed record or callsite is no error
    /// here, nor is an end that was cut off: the records concerned are errors of their own.
    pub fn parse(bytes: &'a [u8]) -> Result<BatchRef<'a>, DecodeError> {
        Ok(BatchRef {
            head: BatchHead::parse(bytes)?,
            bytes,
        })
    }

    /// Who logged.
    pub fn source(&self) -> &SourceRef<'a> {
        &self.head.source
    }

    /// The records in order. One that is malformed is an error of its own and spoils no other.
    pub fn records(&self) -> Records<'_> {
        Records {
            batch: self,
            scan: self.fields(),
            last: LastTask::default(),
        }
    }

    /// The records in order, each with its place: see [`BatchRef::bytes_at`].
    pub fn placed_records(
        &'a self,
    ) -> impl Iterator<Item = (usize, Result<RecordRef<'a>, DecodeError>)> {
        let (mut scan, mut last) = (self.fields(), LastTask::default());
        std::iter::from_fn(move || {
            loop {
                let at = self.bytes.len() - scan.rest.len();
                match scan.next()? {
                    Ok(item) if item.number == field::RECORDS => {
                        let record = |bytes| RecordRef::parse(&self.head, bytes, &mut last);
                        return Some((at, item.bytes().and_then(record)));
                    }
                    Ok(_) => {}
                    Err(error) => return Some((at, Err(error))),
                }
            }
        })
    }

    /// What the records share, as bytes. Followed by those of some record ([`BatchRef::bytes_at`]) it is a batch of
    /// that one, which is read without the others.
    pub fn shared(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut scan = Scan::new("RecordBatch", bytes);
        loop {
            let here = scan.rest;
            match scan.next() {
                Some(Ok(item)) if item.number == field::RECORDS => {}
                Some(Ok(_)) => out.extend_from_slice(&here[..here.len() - scan.rest.len()]),
                Some(Err(_)) | None => return out,
            }
        }
    }

    /// The bytes of the record at a place that [`BatchRef::placed_records`] gave; `None` if none begins there.
    pub fn bytes_at(bytes: &[u8], at: usize) -> Option<&[u8]> {
        let here = bytes.get(at..)?;
        let mut scan = Scan::new("RecordBatch", here);
        let item = scan.next()?.ok()?;
        (item.number == field::RECORDS).then(|| &here[..here.len() - scan.rest.len()])
    }

    /// The fields of the message, one by one.
    pub(super) fn fields(&self) -> Scan<'a> {
        Scan::new("RecordBatch", self.bytes)
    }

    /// Reads one of its records.
    pub(super) fn record(&'a self, bytes: &'a [u8]) -> Result<RecordRef<'a>, DecodeError> {
        RecordRef::parse(&self.head, bytes, &mut LastTask::default())
    }
}

/// The records of a batch: see [`BatchRef::records`].
#[derive(Debug, Clone)]
pub struct Records<'a> {
    batch: &'a BatchRef<'a>,
    scan: Scan<'a>,
    last: LastTask<'a>,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<RecordRef<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.scan.next()? {
                Ok(item) if item.number == field::RECORDS => {
                    let record = |bytes| RecordRef::parse(&self.batch.head, bytes, &mut self.last);
                    return Some(item.bytes().and_then(record));
                }
                Ok(_) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// Calls `found` with the trace id of each record that has one, and reads nothing else. Bears any bytes: what is
/// malformed is passed over.
pub fn trace_ids(batch: &[u8], found: &mut dyn FnMut([u8; 16])) {
    for record in Scan::new("RecordBatch", batch).filter_map(|item| nested(item, field::RECORDS)) {
        let task =
            Scan::new("Record", record).find_map(|item| nested(item, super::field::record::TASK));
        let trace = task.and_then(|task| {
            Scan::new("Task", task).find_map(|item| nested(item, super::field::task::TRACE_ID))
        });
        if let Some(trace) = trace.and_then(|bytes| bytes.try_into().ok()) {
            found(trace);
        }
    }
}

/// The bytes of a field, if it is the wanted one.
fn nested(item: Result<Field<'_>, DecodeError>, number: u32) -> Option<&[u8]> {
    match item {
        Ok(Field {
            number: n,
            payload: Payload::Bytes(bytes),
            ..
        }) if n == number => Some(bytes),
        _ => None,
    }
}
