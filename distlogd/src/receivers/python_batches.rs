//! Makes batches of single records, which is what encodings J and P carry.

use hashbrown::HashMap;

use distlog_proto::wire::BatchWriter;
use distlog_proto::{ProducerId, Record, Source, TraceId};

use super::producer_ids::{ProducerIds, SenderKey};
use crate::intake::{Batch, note_trace};

/// A batch is closed at this size, in bytes.
const BATCH_BYTES: usize = 64 << 10;
/// Resource attribute that marks records of the Python package, whose tasks may have no end
/// (<https://opentelemetry.io/docs/specs/semconv/resource/#telemetry-sdk>).
const LANGUAGE: &str = "telemetry.sdk.language";

/// Collects records of many processes into a batch for each.
///
/// The Python package sends no producer id: each combination of host, process id, process name and service gets one
/// here.
#[derive(Debug, Default)]
pub(super) struct PythonBatches {
    producers: ProducerIds,
    /// Who sent the last record without a producer: mostly it is who sent the next one.
    last: Option<Sender>,
    /// The batch of each process since the last [`PythonBatches::finish`].
    open: HashMap<ProducerId, Open>,
}

/// A process that sends no producer id.
#[derive(Debug)]
struct Sender {
    host: String,
    process_id: u64,
    process_name: String,
    service: String,
    key: SenderKey,
}

impl Sender {
    fn new(source: &Source, producers: &ProducerIds) -> Sender {
        Sender {
            host: source.host.clone(),
            process_id: source.process_id,
            process_name: source.process_name.clone(),
            service: source.service.clone(),
            key: producers.key((
                &source.host,
                source.process_id,
                &source.process_name,
                &source.service,
            )),
        }
    }

    fn is_of(&self, source: &Source) -> bool {
        self.process_id == source.process_id
            && self.host == source.host
            && self.process_name == source.process_name
            && self.service == source.service
    }
}

/// The batch of one process.
#[derive(Debug, Default)]
struct Open {
    writer: BatchWriter,
    /// The source of its records, as it was sent.
    sent: Source,
    traces: Vec<TraceId>,
    from: u64,
    to: u64,
}

impl Open {
    fn finish(&mut self, producer: ProducerId) -> Option<Batch> {
        let count = self.writer.count();
        let offsets = self.from..self.to;
        (count > 0).then(|| Batch {
            traces: Some(std::mem::take(&mut self.traces)),
            ..Batch::new(producer, offsets, count, self.writer.finish())
        })
    }
}

impl PythonBatches {
    /// Adds a record. Gives the batch before it if the record does not fit into that.
    pub(super) fn add(&mut self, record: &mut Record) -> Option<Batch> {
        let is_named = self.identify(record);
        let producer = record.source.producer;
        let open = self.open.entry(producer).or_default();
        let full = open.writer.len() >= BATCH_BYTES
            || open.sent != record.source
            || record.offset < open.to;
        let ready = if full { open.finish(producer) } else { None };
        if open.writer.is_empty() {
            open.from = record.offset;
            open.sent.clone_from(&record.source);
            let resource = &mut record.source.resource;
            if !is_named && resource.get(LANGUAGE).is_none() {
                resource.insert(LANGUAGE, "python");
            }
        }
        open.to = record.offset.saturating_add(1);
        open.writer.push(record);
        if let Some(trace) = record.trace_id() {
            note_trace(&mut open.traces, trace);
        }
        ready
    }

    /// The batches collected so far.
    pub(super) fn finish(&mut self) -> impl Iterator<Item = Batch> {
        self.open
            .drain()
            .filter_map(|(producer, mut open)| open.finish(producer))
    }

    /// Gives a record the producer and offset that its sender left out; whether it named them.
    fn identify(&mut self, record: &mut Record) -> bool {
        let source = &mut record.source;
        // The last offset cannot be stored: there is none after it.
        if source.producer.is_known() && record.offset < u64::MAX {
            return true;
        }
        let last = self.last.take().filter(|last| last.is_of(source));
        let sender = last.unwrap_or_else(|| Sender::new(source, &self.producers));
        (source.producer, record.offset) = self.producers.offsets(sender.key, 1);
        self.last = Some(sender);
        false
    }
}

#[cfg(test)]
mod tests {
    use distlog_proto::{BatchRef, Task, TaskId};

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
    fn each_process_gets_a_producer_its_own_offsets_and_one_batch() {
        let mut collector = PythonBatches::default();
        for (pid, message) in [(1, "a"), (1, "b"), (2, "c"), (1, "d")] {
            assert!(collector.add(&mut record(pid, message)).is_none());
        }
        let mut batches: Vec<Batch> = collector.finish().collect();
        assert_eq!(collector.finish().count(), 0);
        batches.sort_by_key(|batch| batch.count);
        let seen: Vec<_> = batches.iter().map(|b| (b.from, b.to, b.count)).collect();
        assert_eq!(seen, [(0, 1, 1), (0, 3, 3)]);
        assert_ne!(batches[0].producer, batches[1].producer);
        let messages: Vec<_> = BatchRef::parse(&batches[1].bytes)
            .unwrap()
            .records()
            .map(|record| record.unwrap().message.to_owned())
            .collect();
        assert_eq!(messages, ["a", "b", "d"]);
        // The next batch goes on where this one ended.
        assert!(collector.add(&mut record(1, "e")).is_none());
        let next = collector.finish().next().unwrap();
        assert_eq!(
            (next.producer, next.from, next.to),
            (batches[1].producer, 3, 4)
        );
    }

    #[test]
    fn a_batch_names_the_traces_of_its_records() {
        let mut collector = PythonBatches::default();
        let mut traces = Vec::new();
        for _ in 0..2 {
            let task = Task::from(&TaskId::random());
            traces.push(task.trace_id);
            for task in [Some(task.clone()), Some(task), None] {
                let mut record = record(1, "of a task");
                record.task = task;
                assert!(collector.add(&mut record).is_none());
            }
        }
        let batch = collector.finish().next().unwrap();
        assert_eq!(batch.traces, Some(traces));
        let _ = collector.add(&mut record(1, "of none"));
        let batch = collector.finish().next().unwrap();
        assert_eq!(batch.traces, Some(Vec::new()));
    }

    #[test]
    fn the_last_offset_that_there_is_costs_no_record() {
        let mut collector = PythonBatches::default();
        let mut odd = record(1, "odd");
        odd.source.producer = ProducerId::from_bytes([7; 16]);
        odd.offset = u64::MAX;
        assert!(collector.add(&mut odd).is_none());
        let batch = collector.finish().next().unwrap();
        assert!(batch.from < batch.to && batch.to - batch.from == 1);
    }

    #[test]
    fn a_batch_does_not_grow_without_bound() {
        let mut collector = PythonBatches::default();
        let long = "x".repeat(1000);
        let batches: Vec<Batch> = (0..200)
            .filter_map(|_| collector.add(&mut record(1, &long)))
            .collect();
        assert!(batches.len() >= 2);
        assert!(
            batches
                .iter()
                .all(|batch| batch.bytes.len() < BATCH_BYTES + 2000)
        );
        let records: u32 = batches
            .into_iter()
            .chain(collector.finish())
            .map(|batch| batch.count)
            .sum();
        assert_eq!(records, 200);
    }
}
