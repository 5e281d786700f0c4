//! What the tests of processor `otlp` share: records, a store in memory, and the part of the worker.

mod config;
mod grpc;
mod http;
mod rotel;
mod tasks;
mod tls;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::processor::{Error, Processor};
use crate::processors::otlp::{Config, FindError, FindTask, Otlp, open};
use crate::self_telemetry::Metrics;
use crate::thread_pool::ThreadPool;
use distlog_proto::wire::BatchWriter;
use distlog_proto::{
    BatchRef, Callsite, Kind, Outcome, ProducerId, Record, RecordRef, Severity, Source, SpanId,
    Task, TaskId, TraceId,
};

pub const NOW: u64 = 1_700_000_000_000_000_000;

/// What was received, each with its number: its place, counted from 1.
#[derive(Debug, Clone, Default)]
pub struct Store(Arc<Mutex<Vec<Record>>>);

impl Store {
    pub fn of(records: &[Record]) -> Store {
        let store = Store::default();
        store.add(records);
        store
    }

    pub fn add(&self, records: &[Record]) {
        self.0.lock().unwrap().extend_from_slice(records);
    }

    /// Reads the records with these numbers as they come from the wire.
    pub fn read<R>(&self, from: usize, to: usize, then: impl FnOnce(&[RecordRef<'_>]) -> R) -> R {
        let records = self.0.lock().unwrap()[from - 1..to - 1].to_vec();
        // As in the store: a batch for each source.
        let mut batches = Vec::new();
        let mut writer = BatchWriter::new();
        for record in &records {
            if !writer.takes(&record.source) {
                batches.push(writer.finish());
            }
            writer.push(record);
        }
        batches.push(writer.finish());
        let batches: Vec<_> = batches
            .iter()
            .map(|bytes| BatchRef::parse(bytes).unwrap())
            .collect();
        let mut refs: Vec<_> = batches
            .iter()
            .flat_map(|batch| batch.records().map(Result::unwrap))
            .collect();
        for (record, number) in refs.iter_mut().zip(from..) {
            record.store_number = number as u64;
        }
        then(&refs)
    }

    pub fn end(&self) -> usize {
        self.0.lock().unwrap().len() + 1
    }

    pub fn open(&self, config: &Config) -> Otlp {
        self.open_with(config, &threads())
    }

    pub fn open_with(&self, config: &Config, threads: &Arc<ThreadPool>) -> Otlp {
        let metrics = Metrics::default();
        let find = Box::new(self.clone());
        open("test", config, &metrics, threads, &runtime(), find).unwrap()
    }
}

/// The tokio runtime that processors are given.
pub fn runtime() -> tokio::runtime::Handle {
    static RUNTIME: std::sync::LazyLock<tokio::runtime::Runtime> =
        std::sync::LazyLock::new(|| tokio::runtime::Runtime::new().unwrap());
    RUNTIME.handle().clone()
}

/// The threads that processors are given.
pub fn threads() -> Arc<ThreadPool> {
    Arc::new(ThreadPool::new("test", 2))
}

impl FindTask for Store {
    fn find(
        &mut self,
        trace: TraceId,
        span: SpanId,
        take: &mut dyn FnMut(&RecordRef<'_>),
    ) -> Result<(), FindError> {
        self.read(1, self.end(), |records| {
            for record in records {
                if record
                    .task
                    .is_some_and(|task| (task.trace_id, task.span_id) == (trace, span))
                {
                    take(record);
                }
            }
        });
        Ok(())
    }
}

/// Does what the worker does: from a cursor on, again after a failure, halves of what is refused.
pub struct Delivery<'s> {
    pub store: &'s Store,
    pub otlp: Otlp,
    pub next: usize,
    /// Why it had to be done again.
    pub retries: Vec<String>,
    /// Numbers of records that were refused.
    pub refused: Vec<usize>,
}

impl<'s> Delivery<'s> {
    pub fn new(store: &'s Store, config: &Config) -> Delivery<'s> {
        Delivery {
            store,
            otlp: store.open(config),
            next: 1,
            retries: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// Presents and flushes these once.
    pub fn attempt(&mut self, from: usize, to: usize) -> Result<(), Error> {
        self.store
            .read(from, to, |records| self.otlp.process(records))?;
        self.otlp.flush().map(drop)
    }

    /// Until all is delivered.
    pub fn run(&mut self) -> &mut Self {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut ends = vec![self.store.end()];
        while let Some(end) = ends.last().copied() {
            assert!(
                Instant::now() < deadline,
                "not delivered in time: {:?}",
                self.retries
            );
            if self.next == end {
                ends.pop();
                continue;
            }
            match self.attempt(self.next, end) {
                Ok(()) => self.next = end,
                Err(Error::Retry { reason, .. }) => self.retries.push(reason),
                Err(Error::Again) => self.retries.push("again".into()),
                Err(Error::Refused { .. }) if end - self.next == 1 => {
                    self.refused.push(self.next);
                    self.next = end;
                }
                Err(Error::Refused { .. }) => ends.push(self.next + (end - self.next) / 2),
                Err(Error::Reject { .. }) => panic!("this processor rejects nothing by number"),
            }
        }
        self
    }
}

pub fn source() -> Source {
    Source {
        producer: ProducerId::from_bytes([7; 16]),
        service: "shop".into(),
        process_id: 4711,
        ..Source::default()
    }
}

/// The `number`-th task of a trace.
pub fn task(number: u64) -> Task {
    let top: TaskId = "e252a11f-d33d-483d-ba08-bc8f642b2f10".parse().unwrap();
    Task::from(&top.child(number.try_into().unwrap()))
}

pub fn record(kind: Kind, task: Task, message: &str) -> Record {
    Record {
        source: source(),
        callsite: Callsite {
            severity: Severity::INFO,
            target: "shop::orders".into(),
            ..Callsite::default()
        },
        kind,
        time: NOW,
        message: message.into(),
        task: Some(task),
        ..Record::default()
    }
}

/// Begin, one event and end of the `number`-th task.
pub fn whole(number: u64) -> Vec<Record> {
    let mut begin = record(Kind::Begin, task(number), &format!("task {number}"));
    begin.fields.insert("user", "leo");
    let event = record(Kind::Event, task(number), &format!("event of {number}"));
    vec![begin, event, end(number, Outcome::Ok)]
}

pub fn end(number: u64, outcome: Outcome) -> Record {
    Record {
        duration: 1_000_000,
        outcome,
        ..record(Kind::End, task(number), "")
    }
}
