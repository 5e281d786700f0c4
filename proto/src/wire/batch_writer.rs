//! Writes a batch.

use super::{encode, field, put};
use crate::record::{Callsite, Record, Source};

/// Builds the bytes of a `RecordBatch`: the source first, then callsites and records.
///
/// The source of the first record counts for all: the caller makes a batch for each source.
#[derive(Debug, Default)]
pub struct BatchWriter {
    buf: Vec<u8>,
    source: Option<Source>,
    callsites: Vec<Callsite>,
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
        if let Some(at) = self.callsites.iter().rposition(|known| known == callsite) {
            return at as u32 + 1;
        }
        self.callsites.push(callsite.clone());
        let id = self.callsites.len() as u32;
        encode::callsite(&mut self.buf, id, callsite, []);
        id
    }

    /// The bytes; the writer is empty again.
    pub fn finish(&mut self) -> Vec<u8> {
        self.source = None;
        self.callsites.clear();
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
