//! Divides a batch: copies some of its records into another one.

use std::collections::HashSet;

use super::record_ref::RecordRef;
use super::{encode, field, put};

/// Builds the bytes of a `RecordBatch` from some of the records of another one, which are copied as they are.
///
/// The records between two calls of [`BatchPart::finish`] are of one batch ([`RecordRef::is_beside`]): their numbers
/// of callsites hold.
#[derive(Debug, Default)]
pub struct BatchPart {
    bytes: Vec<u8>,
    /// The callsites that stand in it.
    callsites: HashSet<u32>,
    last: u32,
    count: u32,
}

impl BatchPart {
    /// An empty batch.
    pub fn new() -> BatchPart {
        BatchPart::default()
    }

    /// How many records were pushed.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was pushed.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Appends a record, with what it needs of its batch, unless that makes more than `limit` bytes: it tells how
    /// many, and nothing has changed.
    ///
    /// # Errors
    /// The bytes that there would be.
    pub fn push(&mut self, record: &RecordRef<'_>, limit: usize) -> Result<(), usize> {
        let before = self.bytes.len();
        if self.count == 0 {
            self.bytes.clear();
            encode::source(&mut self.bytes, &record.source.to_source());
        }
        let callsite = record.callsite;
        let is_new = callsite.id != 0
            && (self.count == 0 || callsite.id != self.last)
            && self.callsites.insert(callsite.id);
        if is_new {
            let names = record.names().iter().copied();
            encode::callsite(&mut self.bytes, callsite.id, &callsite.to_callsite(), names);
        }
        put::bytes_always(&mut self.bytes, field::batch::RECORDS, record.encoded());
        let bytes = self.bytes.len();
        if bytes > limit {
            self.bytes.truncate(before);
            if is_new {
                self.callsites.remove(&callsite.id);
            }
            return Err(bytes);
        }
        self.last = callsite.id;
        self.count += 1;
        Ok(())
    }

    /// The bytes; the batch is empty again.
    pub fn finish(&mut self) -> Vec<u8> {
        self.callsites.clear();
        self.last = 0;
        self.count = 0;
        std::mem::take(&mut self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::BatchWriter;
    use crate::{BatchRef, Record, Value};

    fn record(n: u64) -> Record {
        let mut record = Record {
            offset: 100 + n,
            message: format!("message {n}"),
            ..Record::default()
        };
        record.source.service = "shop".into();
        record.callsite.line = (n % 5) as u32;
        record.fields.insert("n", Value::from(n));
        record
    }

    #[test]
    fn parts_have_the_records_as_they_were() {
        let mut whole = BatchWriter::new();
        (0..100).for_each(|n| whole.push(&record(n)));
        let bytes = whole.finish();
        let batch = BatchRef::parse(&bytes).unwrap();
        let mut parts = [BatchPart::new(), BatchPart::new(), BatchPart::new()];
        for round in 0..2 {
            for (n, record) in batch.records().enumerate() {
                parts[n % 3].push(&record.unwrap(), usize::MAX).unwrap();
            }
            for (at, part) in parts.iter_mut().enumerate() {
                assert_eq!(part.count() as usize, (100 - at).div_ceil(3));
                let bytes = part.finish();
                assert_eq!((part.count(), part.len()), (0, 0));
                let read = BatchRef::parse(&bytes).unwrap();
                let read: Vec<Record> = read.records().map(|r| r.unwrap().to_record()).collect();
                let expected: Vec<Record> = (0..100).skip(at).step_by(3).map(record).collect();
                assert_eq!(read, expected, "{round}");
            }
        }
    }

    /// Field names of encoding B stand with the callsite, once for all its records.
    #[test]
    fn names_that_stand_with_a_callsite_are_there_whoever_comes_first() {
        let mut bytes = Vec::new();
        encode::source(&mut bytes, &crate::Source::default());
        let callsite = crate::Callsite {
            target: "t".into(),
            ..crate::Callsite::default()
        };
        encode::callsite(&mut bytes, 7, &callsite, ["amount"]);
        for fields in [0, 1, 1] {
            let mut record = Vec::new();
            put::varint(&mut record, field::record::CALLSITE, 7);
            for _ in 0..fields {
                let key = encode::Key::Index(0);
                encode::scalar(
                    &mut record,
                    field::record::FIELDS,
                    key,
                    encode::Scalar::U64(5),
                );
            }
            crate::wire::put_record(&mut bytes, 3, &record);
        }
        let batch = BatchRef::parse(&bytes).unwrap();
        let mut part = BatchPart::new();
        for record in batch.records() {
            part.push(&record.unwrap(), usize::MAX).unwrap();
        }
        let divided = part.finish();
        assert_eq!(divided, bytes);
    }

    #[test]
    fn what_is_beyond_the_limit_changes_nothing() {
        let mut whole = BatchWriter::new();
        (0..3).for_each(|n| whole.push(&record(n)));
        let bytes = whole.finish();
        let batch = BatchRef::parse(&bytes).unwrap();
        let records: Vec<_> = batch.records().map(Result::unwrap).collect();
        let mut part = BatchPart::new();
        let needed = part.push(&records[0], 10).unwrap_err();
        assert_eq!((part.count(), part.len()), (0, 0));
        part.push(&records[0], needed).unwrap();
        assert_eq!(part.len(), needed);
        assert!(part.push(&records[1], needed + 5).unwrap_err() > needed + 5);
        part.push(&records[2], usize::MAX).unwrap();
        part.push(&records[1], usize::MAX).unwrap();
        let bytes = part.finish();
        let read = BatchRef::parse(&bytes).unwrap();
        let read: Vec<Record> = read.records().map(|r| r.unwrap().to_record()).collect();
        assert_eq!(read, [0, 2, 1].map(record));
    }
}
