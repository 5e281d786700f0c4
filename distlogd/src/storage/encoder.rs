//! Records of a database as encoded batches, as those read them who read the store.

use std::collections::HashMap;
use std::mem;

use distlog_proto::wire::BatchWriter;
use distlog_proto::{ProducerId, Record};

use super::database::time_of;

/// The low bits of a number are those of the offset at the producer, the others tell producers apart.
const OFFSET_BITS: u32 = 40;
/// So far below the first record of a batch numbers may be, as offsets need not be in the order of time.
const BELOW: u64 = 1 << 31;

/// A number of a record that depends on nothing else: the same whatever else is read. Two records of one time have
/// different ones, but for a chance of one to 16 million if they are of different producers and have the same offset.
pub(super) fn number_of(record: &Record) -> u64 {
    let id = u128::from_be_bytes(record.source.producer.to_bytes());
    let mixed = ((id >> 64) as u64 ^ id as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let offset = record.offset & ((1 << OFFSET_BITS) - 1);
    (mixed >> OFFSET_BITS << OFFSET_BITS) | offset
}

/// A batch of one source.
pub(super) struct Encoded {
    pub(super) producer: ProducerId,
    /// When its records were received that say no time, in ns since the epoch.
    pub(super) received: u64,
    /// The number of each record is so much above this as `places` says.
    pub(super) first: u64,
    pub(super) places: Vec<u32>,
    pub(super) bytes: Vec<u8>,
}

/// Sorts records into batches, one for each source.
#[derive(Default)]
pub(super) struct Encoder {
    open: Vec<Open>,
    by_producer: HashMap<ProducerId, usize>,
    done: Vec<Encoded>,
    bytes: usize,
}

struct Open {
    producer: ProducerId,
    writer: BatchWriter,
    received: Option<u64>,
    first: u64,
    places: Vec<u32>,
}

impl Encoder {
    /// Bytes of what was pushed and not taken.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a record.
    pub(super) fn push(&mut self, record: &Record) {
        let producer = record.source.producer;
        let number = number_of(record);
        let received = (record.time == 0).then(|| time_of(record));
        let at = *self.by_producer.entry(producer).or_insert_with(|| {
            self.open.push(Open::new(producer, number));
            self.open.len() - 1
        });
        let Some(open) = self.open.get_mut(at) else {
            return;
        };
        if !open.takes(record, number, received) {
            let full = mem::replace(open, Open::new(producer, number));
            self.done.extend(full.finish());
        }
        let before = open.writer.len();
        open.received = open.received.or(received);
        // It was looked at just now.
        open.places.push((number.wrapping_sub(open.first)) as u32);
        open.writer.push(record);
        self.bytes += open.writer.len() - before;
    }

    /// Takes all batches; those of one producer are in the order of its records.
    pub(super) fn take(&mut self) -> Vec<Encoded> {
        self.bytes = 0;
        self.by_producer.clear();
        let mut all = mem::take(&mut self.done);
        all.extend(self.open.drain(..).filter_map(Open::finish));
        all
    }
}

impl Open {
    fn new(producer: ProducerId, number: u64) -> Open {
        Open {
            producer,
            writer: BatchWriter::new(),
            received: None,
            first: number.saturating_sub(BELOW),
            places: Vec::new(),
        }
    }

    /// Whether a record can be in the same batch.
    fn takes(&self, record: &Record, number: u64, received: Option<u64>) -> bool {
        let place = number.checked_sub(self.first);
        place.is_some_and(|place| u32::try_from(place).is_ok())
            && (received.is_none() || self.received.is_none() || received == self.received)
            && self.writer.takes(&record.source)
    }

    fn finish(mut self) -> Option<Encoded> {
        (!self.places.is_empty()).then(|| Encoded {
            producer: self.producer,
            received: self.received.unwrap_or_default(),
            first: self.first,
            places: self.places,
            bytes: self.writer.finish(),
        })
    }
}

#[cfg(test)]
mod tests {
    use distlog_proto::{BatchRef, Source};

    use super::*;

    fn record(producer: u8, offset: u64, time: u64) -> Record {
        Record {
            offset,
            time,
            observed_time: 7,
            source: Source {
                producer: ProducerId::from_bytes([producer; 16]),
                ..Source::default()
            },
            ..Record::default()
        }
    }

    #[test]
    fn each_record_keeps_its_number_and_its_time() {
        let mut records = Vec::new();
        for n in 0..50_u64 {
            let offset = match n % 7 {
                0 => u64::MAX - n,
                1 => n << 33,
                _ => 50 - n,
            };
            let time = if n % 5 == 0 { 0 } else { n };
            records.push(record((n % 3) as u8 + 1, offset, time));
            if let Some(last) = records.last_mut() {
                last.observed_time = n / 10;
            }
        }
        let mut encoder = Encoder::default();
        records.iter().for_each(|record| encoder.push(record));
        let mut found = Vec::new();
        for batch in encoder.take() {
            let parsed = BatchRef::parse(&batch.bytes).unwrap();
            for (place, record) in batch.places.iter().zip(parsed.records()) {
                let record = record.unwrap();
                let number = batch.first + u64::from(*place);
                found.push((number, record.time_or(batch.received), record.offset));
            }
        }
        let expected = |record: &Record| (number_of(record), time_of(record), record.offset);
        let mut expected: Vec<_> = records.iter().map(expected).collect();
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected);
        assert_eq!((encoder.bytes(), encoder.take().len()), (0, 0));
    }
}
