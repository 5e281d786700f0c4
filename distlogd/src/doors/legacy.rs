//! Makes batches of the single records that encodings J and P carry.

use std::collections::HashMap;

use distlog_proto::wire::BatchWriter;
use distlog_proto::{ProducerId, Record, Source};

use crate::intake::Batch;

/// A batch is closed at this size, in bytes.
const BATCH_BYTES: usize = 64 << 10;
/// Processes whose producer id is remembered; beyond that all are given new ones.
const MAX_SOURCES: usize = 1 << 16;

/// Says of a resource who wrote it: a task of the Python package may have no end
/// (<https://opentelemetry.io/docs/specs/semconv/resource/#telemetry-sdk>).
const LANGUAGE: &str = "telemetry.sdk.language";

/// Collects records until their source changes or a batch is full.
///
/// The Python package sends no producer id: host, process id and process name stand for the run of a process, and get
/// one from us.
#[derive(Debug, Default)]
pub struct Collector {
    known: HashMap<(String, u64, String, String), Run>,
    writer: BatchWriter,
    producer: ProducerId,
    from: u64,
    to: u64,
}

#[derive(Debug)]
struct Run {
    producer: ProducerId,
    next: u64,
}

impl Collector {
    /// Adds a record. Returns a batch if the record does not fit into the one that was being collected.
    pub fn add(&mut self, mut record: Record) -> Option<Batch> {
        self.name(&mut record);
        let full = self.writer.len() >= BATCH_BYTES
            || !self.writer.takes(&record.source)
            || record.offset < self.to;
        let ready = if full { self.finish() } else { None };
        if self.writer.is_empty() {
            self.producer = record.source.producer;
            self.from = record.offset;
        }
        self.to = record.offset.saturating_add(1);
        self.writer.push(&record);
        ready
    }

    /// The batch collected so far.
    pub fn finish(&mut self) -> Option<Batch> {
        let count = self.writer.count();
        let (from, to) = (std::mem::take(&mut self.from), std::mem::take(&mut self.to));
        (count > 0).then(|| Batch {
            producer: self.producer,
            from,
            to,
            count,
            ordered: false,
            bytes: self.writer.finish(),
        })
    }

    /// Gives a record the producer and offset that its sender did not.
    fn name(&mut self, record: &mut Record) {
        let source = &mut record.source;
        if source.producer.is_known() {
            return;
        }
        if self.known.len() >= MAX_SOURCES {
            self.known.clear();
        }
        let run = self.known.entry(key(source)).or_insert_with(|| Run {
            producer: ProducerId::random(),
            next: 0,
        });
        source.producer = run.producer;
        if source.resource.get(LANGUAGE).is_none() {
            source.resource.insert(LANGUAGE, "python");
        }
        record.offset = run.next;
        run.next += 1;
    }
}

fn key(source: &Source) -> (String, u64, String, String) {
    (
        source.host.clone(),
        source.process_id,
        source.process_name.clone(),
        source.service.clone(),
    )
}

#[cfg(test)]
mod tests {
    use distlog_proto::BatchRef;

    use super::*;

    fn record(pid: u64, message: &str) -> Record {
        let mut record = Record {
            message: message.into(),
            ..Record::default()
        };
        record.source.process_id = pid;
        record
    }

    #[test]
    fn each_process_gets_a_producer_and_its_own_offsets() {
        let mut collector = Collector::default();
        let mut batches: Vec<Batch> = [(1, "a"), (1, "b"), (2, "c"), (1, "d")]
            .into_iter()
            .filter_map(|(pid, m)| collector.add(record(pid, m)))
            .collect();
        batches.extend(collector.finish());
        assert!(collector.finish().is_none());
        let seen: Vec<_> = batches.iter().map(|b| (b.from, b.to, b.count)).collect();
        assert_eq!(seen, [(0, 2, 2), (0, 1, 1), (2, 3, 1)]);
        assert_eq!(batches[0].producer, batches[2].producer);
        assert_ne!(batches[0].producer, batches[1].producer);
        assert_eq!(
            BatchRef::parse(&batches[2].bytes)
                .unwrap()
                .records()
                .next()
                .unwrap()
                .unwrap()
                .message,
            "d"
        );
    }

    #[test]
    fn a_batch_does_not_grow_without_bound() {
        let mut collector = Collector::default();
        let long = "x".repeat(1000);
        let batches: Vec<Batch> = (0..200)
            .filter_map(|_| collector.add(record(1, &long)))
            .collect();
        assert!(batches.len() >= 2);
        assert!(
            batches
                .iter()
                .all(|batch| batch.bytes.len() < BATCH_BYTES + 2000)
        );
        let records: u32 = batches
            .iter()
            .chain(collector.finish().iter())
            .map(|batch| batch.count)
            .sum();
        assert_eq!(records, 200);
    }
}
