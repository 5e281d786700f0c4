//! Collects records of the ring into a `RecordBatch`.

use distlog_proto::wire;

use crate::callsite::Callsites;
use crate::ring::Entry;

/// A batch takes no further record beyond this length, in bytes.
const FULL: usize = 64 * 1024;

/// The batch that goes out next.
pub(crate) struct Batch {
    bytes: Vec<u8>,
    /// Length of the source in front.
    source: usize,
    records: u64,
    /// For each callsite the number of the batch that has it.
    known: Vec<u64>,
    number: u64,
}

impl Batch {
    /// An empty batch of a source, which is encoded as a field of the batch.
    pub(crate) fn new(source: Vec<u8>) -> Batch {
        Batch {
            source: source.len(),
            bytes: source,
            records: 0,
            known: Vec::new(),
            number: 1,
        }
    }

    /// Takes a record, or `None` if the batch is full.
    pub(crate) fn take(&mut self, entry: Entry<'_>, callsites: &Callsites) -> Option<()> {
        if self.records > 0 && self.bytes.len() + entry.bytes.len() > FULL {
            return None;
        }
        let callsite = entry.tag as usize;
        if self.known.len() <= callsite {
            self.known.resize(callsite + 1, 0);
        }
        if callsite != 0 && self.known[callsite] != self.number {
            self.known[callsite] = self.number;
            if let Some(encoded) = callsites.encoded(entry.tag) {
                self.bytes.extend_from_slice(&encoded);
            }
        }
        wire::put_record(&mut self.bytes, entry.offset, entry.bytes);
        self.records += 1;
        Some(())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    /// Forgets the records.
    pub(crate) fn clear(&mut self) {
        self.bytes.truncate(self.source);
        self.records = 0;
        self.number += 1;
    }
}
