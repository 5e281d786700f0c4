//! Many threads log at once, and tasks go from one to the next.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use distlog_proto::{BatchRef, Kind, Record, SpanId, Value};
use tracing::dispatcher::set_default;
use tracing::{Dispatch, info};
use tracing_subscriber::prelude::*;

use crate::ring::Ring;
use crate::send::control::Flush;
use crate::{Overflow, Task, to};

const LONG: Duration = Duration::from_secs(30);

const WORKERS: usize = 4;
const TASKS: usize = 400;
/// Records beside each task: fewer than a lease has room for.
const NOISE: i64 = 3;

/// Logs within each task that comes, and hands it on; beside them, what has no task. As if it met others all the time.
fn work(ring: &Ring, tasks: Receiver<Task>, next: Option<Sender<Task>>) {
    for task in tasks {
        ring.set_next_leases(4096);
        for n in 0..NOISE {
            info!(parent: None, n, "something else");
        }
        task.in_scope(|| {
            info!("in hand");
            to!("a part").in_scope(|| info!("deeper"));
        });
        if let Some(next) = &next {
            next.send(task).unwrap();
        }
    }
}

/// What threads write is in the stream as a whole: a begin before all of its task, an end behind it, whichever threads
/// wrote them; and what one thread wrote in its order.
#[test]
fn a_task_begins_before_and_ends_behind_what_it_logs_whatever_threads_it_visits() {
    let socket = zmq::Context::new().socket(zmq::PULL).unwrap();
    socket.bind("tcp://127.0.0.1:*").unwrap();
    let address = socket.get_last_endpoint().unwrap().unwrap();
    let builder = crate::builder().service("test");
    let (layer, guard) = builder
        .overflow(Overflow::Block(LONG))
        .connect_push(address)
        .unwrap();
    let ring = Arc::clone(layer.producer().unwrap().ring());
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    std::thread::scope(|scope| {
        let _default = set_default(&dispatch);
        let mut next = None;
        for _ in 0..WORKERS {
            let (sender, tasks) = channel();
            let then = next.replace(sender);
            let (dispatch, ring) = (&dispatch, &ring);
            scope.spawn(move || {
                let _default = set_default(dispatch);
                work(ring, tasks, then);
            });
        }
        for n in 0..TASKS {
            let task = crate::task!(n, "a whole");
            next.as_ref().unwrap().send(task).unwrap();
        }
    });
    assert_eq!(guard.close(LONG), Flush::Flushed);
    let records = received(&socket);
    let mut open: HashMap<SpanId, (usize, bool)> = HashMap::new();
    let mut numbers: HashMap<u64, i64> = HashMap::new();
    let of_tasks = records.iter().filter(|record| record.task.is_some());
    for record in of_tasks {
        let task = record.task.as_ref().unwrap();
        let parent = task.parent_span_id;
        assert!(parent.is_none_or(|parent| !open[&parent].1), "{record:#?}");
        match record.kind {
            Kind::Begin => {
                assert_eq!(open.insert(task.span_id, (0, false)), None, "{record:#?}");
            }
            Kind::End => {
                let (events, ended) = open.get_mut(&task.span_id).unwrap();
                let expected = if task.path.is_empty() { WORKERS } else { 1 };
                assert_eq!((*events, *ended), (expected, false), "{record:#?}");
                *ended = true;
            }
            _ => {
                let (events, ended) = open.get_mut(&task.span_id).unwrap();
                assert!(!*ended, "{record:#?}");
                *events += 1;
            }
        }
    }
    assert_eq!(open.len(), TASKS * (1 + WORKERS));
    assert!(open.values().all(|(_, ended)| *ended));
    for record in records
        .iter()
        .filter(|record| record.message == "something else")
    {
        let Some(&Value::I64(n)) = record.fields.get("n") else {
            panic!("no number in {record:#?}");
        };
        let before = numbers.insert(record.thread_id, n);
        assert_eq!(
            n,
            before.map_or(0, |before| (before + 1) % NOISE),
            "{record:#?}"
        );
    }
    assert_eq!(numbers.len(), WORKERS);
}

/// All that came.
fn received(socket: &zmq::Socket) -> Vec<Record> {
    let mut records = Vec::new();
    while socket.poll(zmq::POLLIN, 1000).unwrap() > 0 {
        let message = socket.recv_multipart(0).unwrap();
        let batch = BatchRef::parse(&message[1]).unwrap();
        records.extend(batch.records().map(|record| record.unwrap().to_record()));
    }
    records
}
