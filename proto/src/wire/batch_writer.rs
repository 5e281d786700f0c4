//! Writes a batch.

use std::collections::HashMap;

use super::{encode, field, put};
use crate::record::{Callsite, Record, Source};

/// So many of the newest callsites are compared one by one; most records are of one of them.
const NEWEST: usize = 16;

/// Builds the bytes of a `RecordBatch`: the source first, then callsites and records.
///
/// The source of the first record counts for all: the caller makes a batch for each source.
#[derive(Debug, Default)]
pub struct BatchWriter {
    buf: Vec<u8>,
    source: Option<Source>,
    callsites: Vec<Callsite>,
    /// Those that were not used just now.
    older: HashMap<Callsite, u32>,
    count: u32,
    scratch: Vec<u8>,
}

impl BatchWriter {
    /// An empty batch.
    pub fn new() -> BatchWriter {
        BatchWriter::default()
    }

    /// Whether a record of this source belongs into this batch.
    pub fn takes(&self, source: &Source) -> bool {
        self.source.as_ref().is_none_or(|known| known == source)
    }

    /// How many records were pushed.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.buf.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }

    /// Appends a record, with its callsite if the batch does not have it yet.
    pub fn push(&mut self, record: &Record) {
        if self.source.is_none() {
            encode::source(&mut self.buf, &record.source);
            self.source = Some(record.source.clone());
        }
        let callsite = self.callsite(&record.callsite);
        self.scratch.clear();
        encode::record(&mut self.scratch, record, callsite);
        self::record(&mut self.buf, record.offset, &self.scratch);
        self.count += 1;
    }

    fn callsite(&mut self, callsite: &Callsite) -> u32 {
        if *callsite == Callsite::default() {
            return 0;
        }
        let newest = self.callsites.iter().enumerate().rev().take(NEWEST);
        for (at, known) in newest {
            if known == callsite {
                return at as u32 + 1;
            }
        }
        if let Some(id) = self.older.get(callsite) {
            return *id;
        }
        self.callsites.push(callsite.clone());
        let id = self.callsites.len() as u32;
        if let Some(at) = self.callsites.len().checked_sub(NEWEST + 1) {
            // It is not among the newest any more.
            let older = std::mem::take(&mut self.callsites[at]);
            self.older.insert(older, at as u32 + 1);
        }
        encode::callsite(&mut self.buf, id, callsite, []);
        id
    }

    /// The bytes; the writer is empty again.
    pub fn finish(&mut self) -> Vec<u8> {
        self.source = None;
        self.callsites.clear();
        self.older.clear();
        self.count = 0;
        std::mem::take(&mut self.buf)
    }
}

/// Appends a record, encoded without its offset, to the bytes of a batch.
pub fn record(batch: &mut Vec<u8>, offset: u64, encoded: &[u8]) {
    let offset_len = if offset == 0 {
        0
    } else {
        1 + put::varint_len(offset)
    };
    put::raw_varint(batch, u64::from(field::batch::RECORDS << 3 | 2));
    put::raw_varint(batch, (encoded.len() + offset_len) as u64);
    put::varint(batch, field::record::OFFSET, offset);
    batch.extend_from_slice(encoded);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BatchRef;

    #[test]
    fn each_callsite_is_written_once_however_many_there_are() {
        let record = |n: u64| {
            let mut record = Record {
                offset: n,
                ..Record::default()
            };
            record.callsite.line = (n % 100) as u32 + 1;
            record
        };
        let mut writer = BatchWriter::new();
        (0..300).for_each(|n| writer.push(&record(n)));
        assert_eq!(writer.callsites.len(), 100);
        let bytes = writer.finish();
        let batch = BatchRef::parse(&bytes).unwrap();
        for (n, read) in (0..300).zip(batch.records()) {
            assert_eq!(read.unwrap().to_record(), record(n));
        }
        writer.push(&record(7));
        let bytes = writer.finish();
        let batch = BatchRef::parse(&bytes).unwrap();
        assert_eq!(
            batch.records().next().unwrap().unwrap().to_record(),
            record(7)
        );
    }
}
