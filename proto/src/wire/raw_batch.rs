//! Collects records that are encoded already.

use std::collections::HashSet;

use super::batch_writer::record as put_record;

/// A batch takes no further record beyond this length, in bytes.
const FULL: usize = 64 * 1024;
/// Callsites up to this number are remembered in an array. Programs have some thousands; numbers out of a damaged file
/// must not cost memory.
const NEAR: usize = 1 << 16;

/// Builds the bytes of a `RecordBatch` from a source, records and callsites that are encoded already.
///
/// Unlike [`super::BatchWriter`] it compares nothing and allocates nothing per record; it is used again and again for
/// one source.
#[derive(Debug)]
pub struct RawBatch {
    bytes: Vec<u8>,
    /// Length of the source in front.
    source: usize,
    records: u64,
    /// For each callsite the number of the batch that has it.
    known: Vec<u64>,
    /// The callsites beyond [`NEAR`] that this batch has.
    far: HashSet<u32>,
    number: u64,
}

impl RawBatch {
    /// An empty batch of a source, which is encoded as a field of the batch ([`super::encode::source`]).
    pub fn new(source: Vec<u8>) -> RawBatch {
        RawBatch {
            source: source.len(),
            bytes: source,
            records: 0,
            known: Vec::new(),
            far: HashSet::new(),
            number: 1,
        }
    }

    /// Takes a record, encoded without its offset, that names the callsite `tag` (0: none). `None` if the batch is
    /// full: at 64 KiB, but it takes one record of any length.
    ///
    /// `callsite` finds the callsite as a field of the batch ([`super::encode::callsite`]); it is asked once per
    /// callsite and batch.
    pub fn take<C: AsRef<[u8]>>(
        &mut self,
        offset: u64,
        tag: u32,
        record: &[u8],
        callsite: impl FnOnce(u32) -> Option<C>,
    ) -> Option<()> {
        if self.records > 0 && self.bytes.len() + record.len() > FULL {
            return None;
        }
        if tag != 0
            && self.is_new(tag)
            && let Some(encoded) = callsite(tag)
        {
            self.bytes.extend_from_slice(encoded.as_ref());
        }
        put_record(&mut self.bytes, offset, record);
        self.records += 1;
        Some(())
    }

    /// Whether the batch does not have this callsite yet. From now on it does.
    fn is_new(&mut self, tag: u32) -> bool {
        let at = tag as usize;
        if at >= NEAR {
            return self.far.insert(tag);
        }
        if self.known.len() <= at {
            self.known.resize(at + 1, 0);
        }
        match self.known.get_mut(at) {
            Some(known) if *known != self.number => {
                *known = self.number;
                true
            }
            _ => false,
        }
    }

    /// The batch so far.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many records it has.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Forgets the records, not the source.
    pub fn clear(&mut self) {
        self.bytes.truncate(self.source);
        self.far.clear();
        self.records = 0;
        self.number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::encode;
    use crate::{BatchRef, Callsite, Record, Source};

    fn source() -> Vec<u8> {
        let mut out = Vec::new();
        let source = Source {
            service: "shop".into(),
            ..Source::default()
        };
        encode::source(&mut out, &source);
        out
    }

    fn callsite(id: u32) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let callsite = Callsite {
            line: id,
            ..Callsite::default()
        };
        encode::callsite(&mut out, id, &callsite, []);
        Some(out)
    }

    fn record(tag: u32, message: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let record = Record {
            message: message.into(),
            ..Record::default()
        };
        encode::record(&mut out, &record, tag);
        out
    }

    #[test]
    fn each_batch_has_its_source_and_each_callsite_once() {
        let mut batch = RawBatch::new(source());
        let far = u32::MAX - 1;
        for _ in 0..3 {
            let mut asked = Vec::new();
            for (offset, tag) in [(0, 3), (32, 0), (64, far), (96, 3), (128, far)] {
                let taken = batch.take(offset, tag, &record(tag, "m"), |id| {
                    asked.push(id);
                    callsite(id)
                });
                assert_eq!(taken, Some(()));
            }
            assert_eq!(asked, [3, far]);
            assert_eq!(batch.records(), 5);
            let read = BatchRef::parse(batch.bytes()).unwrap();
            assert_eq!(read.source().service, "shop");
            let records: Vec<_> = read
                .records()
                .map(|record| record.map(|r| (r.offset, r.callsite.line)).unwrap())
                .collect();
            assert_eq!(records, [(0, 3), (32, 0), (64, far), (96, 3), (128, far)]);
            batch.clear();
            assert_eq!(batch.bytes(), source());
        }
    }

    #[test]
    fn it_is_full_at_64_kib_but_takes_one_record_of_any_length() {
        let mut batch = RawBatch::new(source());
        let long = record(0, &"x".repeat(100_000));
        assert_eq!(batch.take(0, 0, &long, callsite), Some(()));
        assert_eq!(batch.take(1, 0, &record(0, "short"), callsite), None);
        assert_eq!(batch.records(), 1);
        batch.clear();
        let short = record(0, &"x".repeat(1000));
        while batch.take(0, 0, &short, callsite).is_some() {}
        assert_eq!(batch.bytes().len() / 1024, 63);
    }
}
