//! What a client logs through the layer: a message and fields, in a task.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use distlog_layer::{DistlogLayer, Flush, Guard, Overflow, Task, task};
use distlog_tests::bench::results::TIMEOUT;
use tracing_subscriber::prelude::*;

use crate::client_processes::{self, Done};

/// A receiver of the daemon.
#[derive(Debug, Clone, Copy, ValueEnum, PartialEq, Eq)]
pub enum Receiver {
    /// Fire and forget.
    Push,
    /// Acknowledged.
    Session,
}

/// The work of a client.
#[derive(Debug, Clone, Args)]
pub struct Load {
    /// Where to.
    pub receiver: Receiver,
    /// Its address.
    pub address: String,
    /// So many records.
    pub records: u64,
    /// Sessions of the process, each with a layer and a thread of its own; they share the records.
    #[arg(long, default_value_t = 1)]
    pub sessions: u64,
    /// With a file that survives the process.
    #[arg(long)]
    pub spool: bool,
    /// Fields of each record, beside the message: 0, 1, 3, 10 or 30.
    #[arg(long, default_value_t = 3)]
    pub fields: usize,
    /// Tasks inside each other.
    #[arg(long, default_value_t = 1)]
    pub depth: u64,
    /// Tasks that are begun before, and stay open.
    #[arg(long, default_value_t = 0)]
    pub open: u64,
    /// Records after which a new task begins.
    #[arg(long, default_value_t = u64::MAX)]
    pub task_records: u64,
    /// Records a second; as fast as possible if nothing is said.
    #[arg(long)]
    pub rate: Option<u64>,
    /// Records that each session logs before it is ready.
    #[arg(long, default_value_t = 0)]
    pub warm_up: u64,
}

impl Load {
    /// So many records, each with a message and three fields, in one task.
    pub fn new(receiver: Receiver, address: &str, records: u64) -> Load {
        Load {
            receiver,
            address: address.to_owned(),
            records,
            sessions: 1,
            spool: false,
            fields: 3,
            depth: 1,
            open: 0,
            task_records: u64::MAX,
            rate: None,
            warm_up: 0,
        }
    }

    /// The arguments with which this program does it.
    pub fn arguments(&self) -> Vec<String> {
        let receiver = match self.receiver {
            Receiver::Push => "push",
            Receiver::Session => "session",
        };
        let mut words = vec![
            "client".to_owned(),
            receiver.to_owned(),
            self.address.clone(),
            self.records.to_string(),
            format!("--sessions={}", self.sessions),
            format!("--fields={}", self.fields),
            format!("--depth={}", self.depth),
            format!("--open={}", self.open),
            format!("--task-records={}", self.task_records),
            format!("--warm-up={}", self.warm_up),
        ];
        words.extend(self.spool.then(|| "--spool".to_owned()));
        words.extend(self.rate.map(|rate| format!("--rate={rate}")));
        words
    }

    /// Records that the daemon has of it in the end: tasks have a begin and an end, too.
    pub fn stored(&self) -> u64 {
        let each = self.records / self.sessions;
        self.sessions * (each + 2 * self.depth * each.div_ceil(self.task_records))
    }

    /// Does it, in a process of its own.
    pub fn run(&self) {
        if self.sessions > 1 {
            return self.run_sessions();
        }
        let (layer, guard) = layer(self.receiver, &self.address, self.spool);
        tracing_subscriber::registry().with(layer).init();
        let open: Vec<Task> = (0..self.open)
            .map(|n| task!(n, "wait for order {}", n))
            .collect();
        self.log(self.warm_up);
        assert_eq!(guard.flush(TIMEOUT), Flush::Flushed);
        client_processes::ready();
        let first = self.log(self.records);
        assert_eq!(guard.flush(TIMEOUT), Flush::Flushed);
        assert_eq!(guard.dropped().total(), 0);
        Done::now(first).say();
        drop(open);
    }

    /// Does it with several sessions.
    fn run_sessions(&self) {
        let sessions: Vec<_> = (0..self.sessions)
            .map(|_| layer(self.receiver, &self.address, self.spool))
            .collect();
        let warm = Barrier::new(sessions.len() + 1);
        std::thread::scope(|scope| {
            for (layer, guard) in sessions {
                let warm = &warm;
                scope.spawn(move || {
                    let subscriber = tracing_subscriber::registry().with(layer);
                    tracing::subscriber::with_default(subscriber, || {
                        self.log(self.warm_up);
                        let flush = guard.flush(TIMEOUT);
                        // Once when all are, and once more when they may go.
                        warm.wait();
                        warm.wait();
                        assert_eq!(flush, Flush::Flushed);
                        self.log(self.records / self.sessions);
                        assert_eq!(guard.flush(TIMEOUT), Flush::Flushed);
                        assert_eq!(guard.dropped().total(), 0);
                    });
                });
            }
            warm.wait();
            client_processes::ready();
            warm.wait();
        });
        Done::now(None).say();
    }

    /// Logs so many records; returns the first task.
    fn log(&self, records: u64) -> Option<String> {
        let log = event(self.fields);
        let pace = Pace::new(self.rate);
        let mut first = None;
        let mut numbers = 0..records;
        while !numbers.is_empty() {
            let end = numbers
                .start
                .saturating_add(self.task_records)
                .min(numbers.end);
            inside(self.depth, &mut || {
                let id = || distlog_layer::current().id().map(|id| id.to_string());
                first = first.take().or_else(id);
                for n in numbers.start..end {
                    pace.keep(n);
                    log(n);
                }
            });
            numbers.start = end;
        }
        first
    }
}

/// A layer that waits for room in its ring.
pub fn layer(receiver: Receiver, address: &str, spool: bool) -> (DistlogLayer, Guard) {
    let mut builder = distlog_layer::builder()
        .service("load")
        .overflow(Overflow::Block(TIMEOUT))
        .flush_on_drop(TIMEOUT);
    if spool {
        builder = builder.spool("spool");
    }
    match receiver {
        Receiver::Push => builder.connect_push(address),
        Receiver::Session => builder.connect(address),
    }
    .expect("the daemon's address is good")
}

/// What all clients of all daemons log: every tenth is a warning.
pub fn order(n: u64) {
    if n.is_multiple_of(10) {
        tracing::warn!(n, user = "leo", amount = 12.5, "handled order {}", n);
    } else {
        tracing::info!(n, user = "leo", amount = 12.5, "handled order {}", n);
    }
}

fn inside(depth: u64, work: &mut dyn FnMut()) {
    task!("put the daemon to work").in_scope(|| match depth {
        0 | 1 => work(),
        deeper => inside(deeper - 1, work),
    });
}

/// An event with so many fields, which must stand in the code.
fn event(fields: usize) -> fn(u64) {
    macro_rules! with {
        ($($name:ident)*) => {
            |n| tracing::info!($($name = n,)* "handled order {}", n)
        };
    }
    match fields {
        0 => with!(),
        1 => with!(a),
        10 => with!(a b c d e f g h i j),
        30 => with!(a b c d e f g h i j k l m n o p q r s t u v w x y z aa bb cc dd),
        _ => order,
    }
}

/// Keeps a client from being faster than it is told.
struct Pace {
    begun: Instant,
    rate: Option<u64>,
}

impl Pace {
    /// So often in a second it looks at the clock.
    const LOOKS: u64 = 100;

    fn new(rate: Option<u64>) -> Pace {
        Pace {
            begun: Instant::now(),
            rate,
        }
    }

    /// Waits until the record with this number is due.
    fn keep(&self, number: u64) {
        let Some(rate) = self.rate else { return };
        if number.is_multiple_of((rate / Pace::LOOKS).max(1)) {
            let due = Duration::from_secs_f64(number as f64 / rate as f64);
            std::thread::sleep(due.saturating_sub(self.begun.elapsed()));
        }
    }
}
