//! A batch, read in place.

use super::batch_head::{BatchHead, SourceRef};
use super::field::{batch as field, record as record_field};
use super::record_ref::{RecordRef, is_less_severe};
use super::scan::{DecodeError, Field, Payload, Scan};
use super::task_ref::LastTask;
use crate::id::TraceId;
use crate::severity::Severity;

/// A `RecordBatch`, borrowed from its bytes. What the records share is read once, here.
#[derive(Debug)]
pub struct BatchRef<'a> {
    pub(super) head: BatchHead<'a>,
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

    /// The records in order, each with how many stand before it. Those that are known to be less severe without
    /// being read are left out, and those for whose bytes `may_be` does not hold; so there may be others that are.
    pub fn records_from(
        &self,
        least: Severity,
        may_be: impl Fn(&[u8]) -> bool,
    ) -> impl Iterator<Item = (usize, Result<RecordRef<'_>, DecodeError>)> {
        let mut last = LastTask::default();
        let items = self.fields().filter_map(|item| match item {
            Ok(item) if item.number == field::RECORDS => Some(item.bytes()),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        });
        let is_less =
            move |bytes: &[u8]| least > Severity::UNSET && is_less_severe(&self.head, bytes, least);
        let may_be = move |(_, bytes): &(usize, Result<&[u8], DecodeError>)| {
            !bytes.is_ok_and(|bytes| is_less(bytes) || !may_be(bytes))
        };
        items.enumerate().filter(may_be).map(move |(at, bytes)| {
            let record = |bytes| RecordRef::parse(&self.head, bytes, &mut last);
            (at, bytes.and_then(record))
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

    /// The places of a batch's records in order, marks of deleted ones included, without reading them: see
    /// [`BatchRef::bytes_at`].
    pub fn places(bytes: &[u8]) -> impl Iterator<Item = usize> {
        let mut scan = Scan::new("RecordBatch", bytes);
        std::iter::from_fn(move || {
            loop {
                let at = bytes.len() - scan.rest.len();
                match scan.next()? {
                    Ok(item) if item.number == field::RECORDS => return Some(at),
                    Ok(_) => {}
                    Err(_) => return None,
                }
            }
        })
    }

    /// The bytes of the record at a place that [`BatchRef::places`] gave; `None` if none begins there.
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

    /// Those before it are passed over without being read.
    fn nth(&mut self, n: usize) -> Option<Self::Item> {
        let is_one = |item: &Result<Field<'_>, DecodeError>| match item {
            Ok(item) => item.number == field::RECORDS,
            // In the place of a record.
            Err(_) => true,
        };
        if n > 0 {
            _ = self.scan.by_ref().filter(is_one).nth(n - 1)?;
        }
        self.next()
    }
}

/// Calls `found` with the trace id of each record that has one, of its task or only by OTLP, and reads nothing else.
/// Bears any bytes: what is malformed is passed over.
pub fn trace_ids(batch: &[u8], found: &mut dyn FnMut(TraceId)) {
    let records = Scan::new("RecordBatch", batch).filter_map(|item| nested(item, field::RECORDS));
    records.filter_map(trace_id).for_each(found);
}

/// As [`RecordRef::trace_id`] reads it: by the task, which decides alone, else by what OTLP says last.
fn trace_id(record: &[u8]) -> Option<TraceId> {
    let mut otlp = None;
    for item in Scan::new("Record", record) {
        match item {
            Ok(item) if item.number == record_field::TASK => {
                return ids("Task", item, super::field::task::TRACE_ID).next();
            }
            Ok(item) if item.number == record_field::OTLP => otlp = Some(item),
            _ => {}
        }
    }
    ids("Otlp", otlp?, super::field::OTLP_TRACE_ID).last()
}

/// The good trace ids in a field of a message.
fn ids<'a>(
    message: &'static str,
    item: Field<'a>,
    number: u32,
) -> impl Iterator<Item = TraceId> + 'a {
    let fields = Scan::new(message, item.bytes().unwrap_or_default());
    let bytes = fields.filter_map(move |item| nested(item, number));
    bytes.filter_map(|bytes| TraceId::from_bytes(bytes.try_into().ok()?))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Record;
    use crate::wire::{BatchWriter, without_records};

    #[test]
    fn records_that_are_less_severe_are_not_read() {
        let mut writer = BatchWriter::new();
        // The record's own severity, that of its callsite, its text; whether it is read.
        let records = [
            (9, 0, "", false),
            (17, 0, "", true),
            (0, 9, "", false),
            (0, 17, "", true),
            (9, 17, "", false),
            (17, 9, "", true),
            (0, 0, "ERROR", true),
            (0, 0, "", true),
            (24, 0, "", true),
        ];
        for (own, callsite, text, _) in records {
            let mut record = Record {
                severity: Severity::new(own),
                severity_text: text.into(),
                message: "what it says".into(),
                ..Record::default()
            };
            record.callsite.severity = Severity::new(callsite);
            record.callsite.line = callsite;
            writer.push(&record);
        }
        let bytes = writer.finish();
        let batch = BatchRef::parse(&bytes).unwrap();
        let read = batch.records_from(Severity::ERROR, |_| true);
        let places: Vec<usize> = read
            .map(|(at, record)| record.map(|_| at).unwrap())
            .collect();
        let expected: Vec<usize> = (0..records.len()).filter(|at| records[*at].3).collect();
        assert_eq!(places, expected);
        assert_eq!(
            batch.records_from(Severity::UNSET, |_| true).count(),
            records.len()
        );
        let long = batch.records_from(Severity::UNSET, |bytes| bytes.len() > 20);
        assert!(long.count() < records.len());
        // What was cut off is an error in any case.
        let cut = BatchRef::parse(&bytes[..bytes.len() - 1]).unwrap();
        assert!(
            cut.records_from(Severity::FATAL, |_| false)
                .any(|(_, record)| record.is_err())
        );
    }

    #[test]
    fn records_that_are_passed_over_count() {
        let mut writer = BatchWriter::new();
        let record = |n: u64| Record {
            message: n.to_string(),
            offset: n,
            ..Record::default()
        };
        (0..20).for_each(|n| writer.push(&record(n)));
        let bytes = writer.finish();
        // Whole, with its last record cut off, and with one deleted.
        let (removed, _) = without_records(&bytes, |record| record.offset == 7).unwrap();
        for bytes in [&bytes[..], &bytes[..bytes.len() - 1], &removed] {
            let batch = BatchRef::parse(bytes).unwrap();
            for n in 0..22 {
                let rest: Vec<_> = batch.records().skip(n).map(offset).collect();
                let mut all = batch.records();
                (0..n).for_each(|_| _ = all.next());
                assert_eq!(rest, all.map(offset).collect::<Vec<_>>(), "from {n}");
            }
        }
    }

    fn offset(record: Result<RecordRef<'_>, DecodeError>) -> Result<u64, DecodeError> {
        record.map(|record| record.offset)
    }
}
