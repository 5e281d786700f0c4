//! A push receiver for tests: a real PULL socket, whose messages are decoded. `scripted_daemon.rs` and `store.rs` are
//! session receivers, `process.rs` is for what is killed.
#![allow(dead_code, missing_docs)]

pub mod process;
pub mod scripted_daemon;
pub mod store;

use std::cell::Cell;
use std::time::{Duration, Instant};

use distlog_layer::{Builder, DistlogLayer, Flush, builder};
use distlog_proto::{BatchRef, Kind, Outcome, Record, Task, Value};
use tracing::subscriber::with_default;
use tracing_subscriber::prelude::*;

/// Nothing in these tests takes as long on any machine.
pub const LONG: Duration = Duration::from_secs(20);

pub struct Daemon {
    socket: zmq::Socket,
    pub address: String,
    /// Bytes of the batches that came.
    pub received: Cell<usize>,
}

impl Daemon {
    pub fn tcp() -> Daemon {
        Daemon::at("tcp://127.0.0.1:*")
    }

    pub fn at(address: &str) -> Daemon {
        let context = zmq::Context::new();
        let socket = context.socket(zmq::PULL).unwrap();
        socket.set_linger(0).unwrap();
        socket.bind(address).unwrap();
        let address = socket.get_last_endpoint().unwrap().unwrap();
        Daemon {
            socket,
            address,
            received: Cell::new(0),
        }
    }

    /// The next message, topic and body.
    pub fn message(&self, timeout: Duration) -> Option<Vec<Vec<u8>>> {
        (self
            .socket
            .poll(zmq::POLLIN, timeout.as_millis() as i64)
            .unwrap()
            > 0)
        .then(|| self.socket.recv_multipart(0).unwrap())
    }

    /// The next batch.
    pub fn batch(&self) -> Vec<Record> {
        let message = self.message(LONG).expect("a batch");
        assert_eq!(message.len(), 2);
        assert_eq!(message[0], b"TLB");
        self.received.set(self.received.get() + message[1].len());
        let batch = BatchRef::parse(&message[1]).unwrap();
        batch
            .records()
            .map(|record| record.unwrap().to_record())
            .collect()
    }

    /// Receives until a record fits; all but that one.
    pub fn until(&self, fits: impl Fn(&Record) -> bool) -> Vec<Record> {
        let deadline = Instant::now() + LONG;
        let mut records = Vec::new();
        loop {
            assert!(
                Instant::now() < deadline,
                "it did not come; these did: {records:#?}"
            );
            for record in self.batch() {
                if fits(&record) {
                    return records;
                }
                records.push(record);
            }
        }
    }

    pub fn until_message(&self, message: &str) -> Vec<Record> {
        self.until(|record| record.message == message)
    }
}

/// Runs `work` with a layer and returns its records.
pub fn records_of(work: impl FnOnce()) -> Vec<Record> {
    records_through(
        |builder| builder,
        |layer, work| with_default(tracing_subscriber::registry().with(layer), work),
        work,
    )
}

/// The same with a builder and a subscriber of the test's own.
pub fn records_through<W: FnOnce()>(
    build: impl FnOnce(Builder) -> Builder,
    subscribe: impl FnOnce(DistlogLayer, Box<dyn FnOnce() + '_>),
    work: W,
) -> Vec<Record> {
    let daemon = Daemon::tcp();
    let (layer, guard) = build(builder().service("test"))
        .connect_push(daemon.address.clone())
        .unwrap();
    subscribe(
        layer,
        Box::new(|| {
            work();
            tracing::error!("THE LAST");
        }),
    );
    assert_eq!(guard.close(LONG), Flush::Flushed);
    daemon.until_message("THE LAST")
}

/// Finding one's way among records.
pub trait Records {
    fn with_message(&self, message: &str) -> &Record;
    fn of_kind(&self, kind: Kind) -> Vec<&Record>;
    /// The `begin` of the task with that message.
    fn begin(&self, message: &str) -> &Record;
    /// The `end` of the task whose `begin` has that message.
    fn end(&self, message: &str) -> &Record;
    fn outcome(&self, message: &str) -> (Outcome, String);
}

impl Records for [Record] {
    fn with_message(&self, message: &str) -> &Record {
        self.iter()
            .find(|record| record.message == message)
            .unwrap_or_else(|| panic!("no `{message}` in {self:#?}"))
    }

    fn of_kind(&self, kind: Kind) -> Vec<&Record> {
        self.iter().filter(|record| record.kind == kind).collect()
    }

    fn begin(&self, message: &str) -> &Record {
        self.iter()
            .find(|record| {
                record.kind == Kind::Begin
                    && (record.message == message || record.callsite.template == message)
            })
            .unwrap_or_else(|| panic!("no begin of `{message}` in {self:#?}"))
    }

    fn end(&self, message: &str) -> &Record {
        let span = task(self.begin(message)).span_id;
        self.iter()
            .find(|record| record.kind == Kind::End && task(record).span_id == span)
            .unwrap_or_else(|| panic!("no end of `{message}` in {self:#?}"))
    }

    fn outcome(&self, message: &str) -> (Outcome, String) {
        let end = self.end(message);
        (
            end.outcome,
            end.error
                .as_ref()
                .map(|error| error.message.clone())
                .unwrap_or_default(),
        )
    }
}

pub fn task(record: &Record) -> &Task {
    record
        .task
        .as_ref()
        .unwrap_or_else(|| panic!("no task in {record:#?}"))
}

pub fn id(record: &Record) -> String {
    let task = task(record);
    if task.path.is_empty() {
        task.trace_id.to_string()
    } else {
        format!("{}/{}", task.trace_id, task.path)
    }
}

pub fn text(value: &str) -> Value {
    Value::Text(value.into())
}
