//! The push door: a ZeroMQ PULL socket, fire and forget.
//!
//! Compatible with the clients of the Python package. Each message has two frames, topic and body; what is neither is
//! counted and reported, and the next message is taken.

use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use distlog_proto::session::ToDaemon;
use distlog_proto::{Encoding, Record, Topic, json, pickle};

use super::bind::{OpenError, bind};
use super::check::check;
use super::hall::Hall;
use super::legacy::Collector;
use crate::intake::{Batch, Closed};
use crate::store::MAX_BATCH;

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
        let Ok(mut topic) = self.socket.recv_msg(zmq::DONTWAIT) else {
            return Ok(false);
        };
        let peer = topic.gets("Peer-Address").map(str::to_owned);
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
        let fault = |what, detail: &dyn std::fmt::Display| {
            self.hall.faults.report(DOOR, what, peer.as_deref(), detail)
        };
        let topic = match Topic::parse(&topic) {
            Ok(topic) => topic,
            Err(_) if ToDaemon::decode(&topic).is_ok() => {
                fault(
                    "a session",
                    &"it is to be sent to the session door, listen.session",
                );
                return Ok(true);
            }
            Err(error) => {
                fault("unknown topic", &error);
                return Ok(true);
            }
        };
        match body {
            Some(body) if frames == 2 => self.body(topic, body, peer.as_deref())?,
            _ => fault(
                "wrong number of frames",
                &format_args!("a message has 2 frames, topic and body; this one has {frames}"),
            ),
        }
        Ok(true)
    }

    fn body(&mut self, topic: Topic, body: Vec<u8>, peer: Option<&str>) -> Result<(), Closed> {
        let encoding = match topic.encoding {
            Encoding::Json => "J",
            Encoding::Pickle => "P",
            Encoding::Batch => "B",
        };
        self.hall.received.message(DOOR, encoding, body.len());
        let record = match topic.encoding {
            Encoding::Batch => return self.batch(body, peer),
            Encoding::Json => json::decode(&body, topic).map_err(|error| error.to_string()),
            Encoding::Pickle => pickle::decode(&body, topic).map_err(|error| error.to_string()),
        };
        match record {
            Ok(record) => self.record(record, encoding),
            Err(error) => {
                let what = if encoding == "J" {
                    "bad JSON"
                } else {
                    "bad pickle"
                };
                self.hall.faults.report(DOOR, what, peer, error);
                Ok(())
            }
        }
    }

    fn record(&mut self, record: Record, encoding: &'static str) -> Result<(), Closed> {
        self.hall.received.records(DOOR, encoding, 1);
        match self.collector.add(record) {
            Some(batch) => self.submit(batch),
            None => Ok(()),
        }
    }

    fn batch(&mut self, body: Vec<u8>, peer: Option<&str>) -> Result<(), Closed> {
        match check(body) {
            Ok(checked) => {
                if let Some((count, error)) = checked.bad {
                    self.hall.faults.report(
                        DOOR,
                        "bad records",
                        peer,
                        format_args!("{count} records of a batch were left out: {error}"),
                    );
                }
                match checked.batch {
                    Some(batch) => {
                        self.hall.received.records(DOOR, "B", batch.count.into());
                        self.submit(batch)
                    }
                    None => {
                        // A sign of life.
                        if checked.producer.is_known() {
                            self.hall.heard.note(checked.producer);
                        }
                        Ok(())
                    }
                }
            }
            Err(error) => {
                self.hall.faults.report(DOOR, "bad batch", peer, error);
                Ok(())
            }
        }
    }

    fn submit(&self, batch: Batch) -> Result<(), Closed> {
        submit(&self.hall, batch)
    }
}

fn submit(hall: &Hall, batch: Batch) -> Result<(), Closed> {
    hall.heard.note(batch.producer);
    hall.intake.submit(batch)
}
