//! The sender: one thread that takes committed records in order, forms batches, sends them, frees the ring.

use std::sync::Arc;
use std::time::{Duration, Instant};

use distlog_proto::{BatchRef, Encoding, Topic, json, pickle};
use fastant::Instant as Tick;

use crate::batch::Batch;
use crate::control::{Flush, Orders};
use crate::overflow::Reporter;
use crate::ring::Reader;
use crate::settings::Settings;
use crate::shared::Shared;
use crate::socket::{Push, Sent};

/// A record waits so long for others to travel with, at most.
const LINGER: Duration = Duration::from_millis(20);
/// How often the sender looks at its orders while nobody takes what it has.
const LOOK: Duration = Duration::from_millis(20);
/// Between two records about losses, and between two looks at the system's clock.
const EVERY: Duration = Duration::from_millis(500);

/// What the thread owns.
pub(crate) struct Sender {
    shared: Arc<Shared>,
    reader: Reader,
    push: Push,
    batch: Batch,
    topic: Topic,
    heartbeat: Duration,
    /// Records of the batch that went out alone (encodings J and P).
    gone: usize,
    body: Vec<u8>,
    reporter: Reporter,
    /// When the oldest record of the batch was taken.
    since: Instant,
    last_sent: Instant,
    last_look: Instant,
}

impl Sender {
    pub(crate) fn new(
        shared: Arc<Shared>,
        reader: Reader,
        push: Push,
        source: Vec<u8>,
        settings: &Settings,
    ) -> Sender {
        let now = Instant::now();
        Sender {
            shared,
            reader,
            push,
            batch: Batch::new(source),
            topic: Topic {
                system: settings.system,
                stream: settings.stream,
                encoding: settings.encoding,
            },
            heartbeat: settings.heartbeat,
            gone: 0,
            body: Vec::new(),
            reporter: Reporter::default(),
            since: now,
            last_sent: now,
            last_look: now,
        }
    }

    /// Works until it is told to stop; returns what was left then.
    pub(crate) fn run(mut self) -> Flush {
        let deadline = loop {
            let orders = self.shared.control.orders();
            let full = self.fill();
            let hurry = orders.stop.is_some() || orders.flush.is_some();
            if full || (self.batch.records() > 0 && (hurry || self.since.elapsed() >= LINGER)) {
                self.deliver();
            }
            self.look(hurry);
            self.answer(orders);
            if let Some(deadline) = orders.stop
                && (self.is_idle() || Instant::now() >= deadline)
            {
                break deadline;
            }
            if self.batch.records() == 0 && !self.reader.is_ready() {
                self.beat();
                self.shared.control.sleep(LINGER);
            } else if !full && !hurry {
                self.shared.control.sleep(LINGER / 4);
            }
        };
        let left = self.left();
        self.shared.control.answer(left);
        self.shared.control.close();
        self.shared.losses.room();
        self.push
            .close(deadline.saturating_duration_since(Instant::now()));
        left
    }

    /// Takes what is committed; says whether the batch is full.
    fn fill(&mut self) -> bool {
        let Sender {
            reader,
            batch,
            shared,
            since,
            ..
        } = self;
        if batch.records() == 0 {
            *since = Instant::now();
        }
        while reader
            .next(|entry| batch.take(entry, &shared.callsites))
            .is_some()
        {}
        reader.is_ready()
    }

    /// Sends the batch if somebody takes it; if not, waits a little.
    fn deliver(&mut self) {
        match self.send() {
            Sent::Taken => {
                self.batch.clear();
                self.gone = 0;
                self.reader.free();
                self.shared.losses.room();
                self.last_sent = Instant::now();
            }
            Sent::Busy => self.push.wait(LOOK),
        }
    }

    fn send(&mut self) -> Sent {
        let topic = self.topic.to_bytes();
        let encode = match self.topic.encoding {
            Encoding::Batch => return self.push.send(topic, self.batch.bytes()),
            Encoding::Json => json::encode,
            Encoding::Pickle => pickle::encode,
        };
        // What the sender wrote itself can be read.
        let Ok(batch) = BatchRef::parse(self.batch.bytes()) else {
            return Sent::Taken;
        };
        for record in batch.records().skip(self.gone) {
            if let Ok(record) = record {
                self.body.clear();
                encode(&record, &mut self.body);
                if self.push.send(topic, &self.body) == Sent::Busy {
                    return Sent::Busy;
                }
            }
            self.gone += 1;
        }
        Sent::Taken
    }

    /// What is done now and then.
    fn look(&mut self, hurry: bool) {
        let shared = &self.shared;
        let due = self.last_look.elapsed() >= EVERY;
        if due {
            shared.clock.adjust();
            self.last_look = Instant::now();
        }
        if (due || hurry) && self.reporter.is_due(&shared.ring) {
            self.reporter.report(
                &shared.ring,
                &shared.losses,
                shared.clock.unix_nanos(Tick::now()),
            );
        }
    }

    /// Tells the daemon that this process lives, if nothing else did for a while.
    fn beat(&mut self) {
        if self.batch.records() == 0 && self.last_sent.elapsed() >= self.heartbeat {
            // Only a batch can hold no records, so it is one whatever the encoding.
            let topic = Topic {
                encoding: Encoding::Batch,
                ..self.topic
            };
            let _ = self.push.send(topic.to_bytes(), self.batch.bytes());
            self.last_sent = Instant::now();
        }
    }

    /// Whether everything went out, reports of losses included.
    fn is_idle(&mut self) -> bool {
        self.batch.records() == 0
            && !self.reader.is_ready()
            && !self.reporter.is_due(&self.shared.ring)
    }

    fn answer(&mut self, orders: Orders) {
        let Some((target, deadline)) = orders.flush else {
            return;
        };
        if self.shared.ring.tail() >= target {
            self.shared.control.answer(Flush::Flushed);
        } else if Instant::now() >= deadline {
            let left = self.left();
            self.shared.control.answer(left);
        }
    }

    /// What is in the ring.
    fn left(&self) -> Flush {
        let mut records = self.batch.records() - self.gone as u64;
        let mut rest = self.reader.look_ahead();
        while rest.next(|_| Some(())).is_some() {
            records += 1;
        }
        match records {
            0 => Flush::Flushed,
            records => Flush::Left {
                records,
                bytes: self.shared.ring.used(),
            },
        }
    }
}
