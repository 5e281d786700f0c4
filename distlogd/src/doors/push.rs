//! The push door: a ZeroMQ PULL socket, fire and forget.
//!
//! Compatible with the clients of the Python package. Each message has two frames, topic and body; what is neither is
//! counted and reported, and the next message is taken.

use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use distlog_proto::session::ToDaemon;
use distlog_proto::{Encoding, Record, Topic};
use distlog_python::{json, pickle};

use super::bind::{OpenError, bind};
use super::check::check;
use super::hall::Hall;
use super::legacy::Collector;
use crate::intake::{Batch, Closed};
use distlog_store::MAX_BATCH;

const DOOR: &str = "push";
const NAME: &str = "the push door";
/// Messages waiting in the socket, per connection. They hold up to 64 KiB each as our clients send them.
const HIGH_WATER: i32 = 64;
/// How long to wait for a message before looking whether the daemon stops, in milliseconds.
const POLL_MS: i64 = 100;
/// So many messages of encodings J and P are collected before the batch goes to the store in any case.
const COLLECT: usize = 4096;

/// A push door that is bound; what comes waits in its socket.
pub struct Bound {
    socket: zmq::Socket,
    endpoint: String,
}

/// An open push door.
#[derive(Debug)]
pub struct Push {
    endpoint: String,
    thread: JoinHandle<()>,
}

impl Bound {
    /// Binds. `*` or 0 as port takes a free one.
    ///
    /// # Errors
    /// If the address is in use or is none.
    pub fn new(context: &zmq::Context, endpoint: &str) -> Result<Bound, OpenError> {
        let (socket, endpoint) = bind(context, zmq::PULL, endpoint, |socket| {
            socket.set_linger(0)?;
            socket.set_rcvhwm(HIGH_WATER)?;
            socket.set_maxmsgsize(MAX_BATCH as i64)
        })?;
        Ok(Bound { socket, endpoint })
    }

    /// Begins to take messages.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn open(self, hall: Hall) -> std::io::Result<Push> {
        let pulse = hall.vital.pulse(NAME);
        let receiver = Receiver {
            socket: self.socket,
            hall,
            collector: Collector::default(),
        };
        let thread = std::thread::Builder::new()
            .name("push".into())
            .spawn(move || {
                let _pulse = pulse;
                receiver.run();
            })?;
        Ok(Push {
            endpoint: self.endpoint,
            thread,
        })
    }
}

impl Push {
    /// The address that it listens on.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Whether it is closed.
    pub fn is_closed(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits until the door is closed, which it does on the hall's stop.
    pub fn join(self) {
        // A panic was told by the pulse.
        let _ = self.thread.join();
    }
}

struct Receiver {
    socket: zmq::Socket,
    hall: Hall,
    collector: Collector,
}

impl Receiver {
    fn run(mut self) {
        while !self.hall.stop.load(Ordering::Acquire) {
            let ready = match self.socket.poll(zmq::POLLIN, POLL_MS) {
                Ok(n) => n > 0,
                Err(zmq::Error::EINTR) => false,
                Err(error) => {
                    tracing::error!("the push door is closed: {error}");
                    self.hall.vital.fail(NAME);
                    return;
                }
            };
            if ready && self.drain().is_err() {
                return;
            }
        }
        // What the socket holds already was sent to us before we were told to stop.
        let _ = self.drain();
    }

    /// Takes messages as long as there are some, then hands over what was collected.
    fn drain(&mut self) -> Result<(), Closed> {
        for _ in 0..COLLECT {
            match self.message() {
                Ok(true) => {}
                Ok(false) => break,
                Err(closed) => return Err(closed),
            }
        }
        let hall = &self.hall;
        self.collector
            .finish()
            .try_for_each(|batch| submit(hall, batch))
    }

    /// Takes one message; false if there is none.
    fn message(&mut self) -> Result<bool, Closed> {
        let Ok(mut first) = self.socket.recv_msg(zmq::DONTWAIT) else {
            return Ok(false);
        };
        let mut body = None;
        let mut frames = 1;
        while self.socket.get_rcvmore().unwrap_or(false) {
            // Further frames are taken one by one and dropped, so that they do not pile up here.
            let Ok(frame) = self.socket.recv_bytes(0) else {
                break;
            };
            frames += 1;
            body = body.or(Some(frame).filter(|_| frames == 2));
        }
        let fault = match (Topic::parse(&first), body) {
            (Ok(topic), Some(body)) if frames == 2 => self.body(topic, body)?,
            (Ok(_), _) => Some(Fault::new(
                "wrong number of frames",
                format_args!("a message has 2 frames, topic and body; this one has {frames}"),
            )),
            (Err(_), _) if ToDaemon::decode(&first).is_ok() => Some(Fault::new(
                "a session",
                "it is to be sent to the session door, listen.session",
            )),
            (Err(error), _) => Some(Fault::new("unknown topic", error)),
        };
        if let Some(Fault { what, detail }) = fault {
            // Asked for here alone: for each message it would cost as much as taking it.
            let peer = first.gets("Peer-Address");
            self.hall.faults.report(DOOR, what, peer, detail);
        }
        Ok(true)
    }

    /// Takes the body of a message; says what is wrong with it.
    fn body(&mut self, topic: Topic, body: Vec<u8>) -> Result<Option<Fault>, Closed> {
        let encoding = match topic.encoding {
            Encoding::Json => "J",
            Encoding::Pickle => "P",
            Encoding::Batch => "B",
        };
        self.hall.received.message(DOOR, encoding, body.len());
        let record = match topic.encoding {
            Encoding::Batch => return self.batch(body),
            Encoding::Json => {
                json::decode(&body, topic).map_err(|error| Fault::new("bad JSON", error))
            }
            Encoding::Pickle => {
                pickle::decode(&body, topic).map_err(|error| Fault::new("bad pickle", error))
            }
        };
        match record {
            Ok(record) => self.record(record, encoding).map(|()| None),
            Err(fault) => Ok(Some(fault)),
        }
    }

    fn record(&mut self, record: Record, encoding: &'static str) -> Result<(), Closed> {
        self.hall.received.records(DOOR, encoding, 1);
        match self.collector.add(record) {
            Some(batch) => self.submit(batch),
            None => Ok(()),
        }
    }

    fn batch(&mut self, body: Vec<u8>) -> Result<Option<Fault>, Closed> {
        let checked = match check(body) {
            Ok(checked) => checked,
            Err(error) => return Ok(Some(Fault::new("bad batch", error))),
        };
        match checked.batch {
            Some(batch) => {
                self.hall.received.records(DOOR, "B", batch.count.into());
                self.submit(batch)?;
            }
            // A sign of life.
            None if checked.producer.is_known() => self.hall.heard.note(checked.producer),
            None => {}
        }
        Ok(checked.bad.map(|(count, error)| {
            self.hall.received.refused(DOOR, "B", count);
            Fault::new(
                "bad records",
                format_args!("{count} records of a batch were left out: {error}"),
            )
        }))
    }

    fn submit(&self, batch: Batch) -> Result<(), Closed> {
        submit(&self.hall, batch)
    }
}

/// What is wrong with a message.
struct Fault {
    what: &'static str,
    detail: String,
}

impl Fault {
    fn new(what: &'static str, detail: impl std::fmt::Display) -> Fault {
        Fault {
            what,
            detail: detail.to_string(),
        }
    }
}

fn submit(hall: &Hall, batch: Batch) -> Result<(), Closed> {
    hall.heard.note(batch.producer);
    hall.intake.submit(batch)
}
