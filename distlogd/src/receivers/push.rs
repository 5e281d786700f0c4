//! The receiver `push`: a ZeroMQ PULL socket that acknowledges nothing.
//!
//! Clients of the Python package send to it. Each message has two frames, topic and body; anything else is counted and
//! reported, and the next message is taken.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use distlog_proto::session::ToDaemon;
use distlog_proto::{Encoding, Topic};
use distlog_python::{json, pickle};
use distlog_store::MAX_BATCH;

use super::bind::{BindError, ZmqSockets};
use super::python_batches::PythonBatches;
use crate::access::curve::{GuardedSocket, REVOKED};
use crate::config::Zmq;
use crate::intake::Closed;
use crate::receiver::{Endpoint, Receiver, ReceiverContext, SubmitError};
use crate::shutdown::Waker;

const PUSH: &str = "push";
const NAME: &str = "the push receiver";
/// Messages waiting in the socket for each connection. Our clients send up to 64 KiB in each.
const HIGH_WATER_MARK: i32 = 64;
/// Messages of encodings J and P that are collected before their batches go to the store in any case.
const MAX_COLLECTED: usize = 4096;

/// The receiver `push`.
pub(super) struct Push {
    endpoint: String,
    /// Until it is started.
    socket: Option<GuardedSocket>,
    thread: Option<JoinHandle<()>>,
}

impl Push {
    /// Binds. `*` or 0 as port takes a free one.
    ///
    /// # Errors
    /// If the address is in use or is none, or its keys cannot be read.
    pub(super) fn bind(sockets: &mut ZmqSockets, config: &Zmq) -> Result<Push, BindError> {
        let (socket, endpoint) = sockets.bind(PUSH, zmq::PULL, config, |socket| {
            socket.set_linger(0)?;
            socket.set_rcvhwm(HIGH_WATER_MARK)?;
            socket.set_maxmsgsize(MAX_BATCH as i64)
        })?;
        Ok(Push {
            endpoint,
            socket: Some(socket),
            thread: None,
        })
    }
}

impl Receiver for Push {
    fn endpoints(&self) -> Vec<Endpoint> {
        vec![Endpoint {
            receiver: PUSH,
            address: self.endpoint.clone(),
        }]
    }

    fn start(&mut self, context: ReceiverContext) -> io::Result<()> {
        let Some(socket) = self.socket.take() else {
            return Ok(());
        };
        let watched = context.supervisor.watch(NAME);
        let server = Server {
            socket,
            waker: context.shutdown.waker()?,
            context,
            batches: PythonBatches::default(),
            json: json::Decoder::default(),
            pickle: pickle::Decoder::default(),
            taken: [Taken::new("J"), Taken::new("P")],
        };
        let thread = std::thread::Builder::new().name(PUSH.into());
        self.thread = Some(thread.spawn(move || {
            let _watched = watched;
            server.run();
        })?);
        Ok(())
    }

    fn is_stopped(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    fn wait(&mut self) {
        // The supervisor hears of a panic.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

struct Server {
    socket: GuardedSocket,
    waker: Arc<Waker>,
    context: ReceiverContext,
    batches: PythonBatches,
    json: json::Decoder,
    pickle: pickle::Decoder,
    /// Of the messages in JSON and as pickles that are being taken.
    taken: [Taken; 2],
}

/// What was taken in an encoding and is not counted yet. Counters are found by their labels, which for each message
/// would cost a tenth of taking it.
#[derive(Debug, Clone, Copy)]
struct Taken {
    encoding: &'static str,
    messages: u64,
    bytes: usize,
    records: u64,
}

impl Taken {
    fn new(encoding: &'static str) -> Taken {
        Taken {
            encoding,
            messages: 0,
            bytes: 0,
            records: 0,
        }
    }
}

impl Server {
    fn run(mut self) {
        while !self.context.is_stopping() {
            // The waker is readable from the next phase on: this ends then.
            let mut items = [
                zmq::PollItem::from_fd(self.waker.fd(), zmq::POLLIN),
                self.socket.as_poll_item(zmq::POLLIN),
            ];
            let ready = match zmq::poll(&mut items, -1) {
                Ok(_) => items[1].is_readable(),
                Err(zmq::Error::EINTR) => false,
                Err(error) => {
                    tracing::error!("{NAME} has failed: {error}");
                    self.context.supervisor.fail(NAME);
                    return;
                }
            };
            if ready && self.drain().is_err() {
                return;
            }
        }
        // Messages that the socket holds were sent before the daemon stopped.
        let _ = self.drain();
    }

    /// Takes the messages that are there, then hands over what was collected.
    fn drain(&mut self) -> Result<(), Closed> {
        let mut left = MAX_COLLECTED;
        let taken = loop {
            match self.message() {
                Ok(true) if left > 1 => left -= 1,
                other => break other,
            }
        };
        self.count();
        taken?;
        self.batches
            .finish()
            .try_for_each(|batch| self.context.submit_batch(batch))
    }

    /// Counts what was taken since the last time.
    fn count(&mut self) {
        for taken in &mut self.taken {
            let new = Taken::new(taken.encoding);
            let Taken {
                encoding,
                messages,
                bytes,
                records,
            } = std::mem::replace(taken, new);
            if messages > 0 {
                self.context.received(PUSH, encoding, messages, bytes);
                self.context.accepted(PUSH, encoding, records);
            }
        }
    }

    /// Takes one message; false if there is none.
    fn message(&mut self) -> Result<bool, Closed> {
        let Ok(mut first) = self.socket.recv_msg(zmq::DONTWAIT) else {
            return Ok(false);
        };
        let mut body = None;
        let mut frames = 1;
        let mut has_more = first.get_more();
        while has_more {
            // Further frames are dropped one by one, so that they use no memory.
            let Ok(frame) = self.socket.recv_msg(0) else {
                break;
            };
            has_more = frame.get_more();
            frames += 1;
            body = body.or(Some(frame).filter(|_| frames == 2));
        }
        if let Err(detail) = self.socket.check(&mut first) {
            let peer = first.gets("Peer-Address");
            self.context.rejected.report(PUSH, REVOKED, peer, detail);
            return Ok(true);
        }
        let fault = match (Topic::parse(&first), body) {
            (Ok(topic), Some(body)) if frames == 2 => self.body(topic, &body)?,
            (Ok(_), _) => Some(Fault::new(
                "wrong number of frames",
                format_args!("a message has 2 frames, topic and body; this one has {frames}"),
            )),
            (Err(_), _) if ToDaemon::decode(&first).is_ok() => Some(Fault::new(
                "a session",
                "send it to the session receiver, listen.session",
            )),
            (Err(error), _) => Some(Fault::new("unknown topic", error)),
        };
        if let Some(Fault { reason, detail }) = fault {
            // Looked up here only: for each message it would cost as much as taking it.
            let peer = first.gets("Peer-Address");
            self.context.rejected.report(PUSH, reason, peer, detail);
        }
        Ok(true)
    }

    /// Takes the body of a message; gives what is wrong with it.
    fn body(&mut self, topic: Topic, body: &[u8]) -> Result<Option<Fault>, Closed> {
        let [json, pickle] = &mut self.taken;
        let (taken, record) = match topic.encoding {
            Encoding::Batch => {
                self.context.received(PUSH, "B", 1, body.len());
                return self.batch(body.to_vec());
            }
            Encoding::Json => {
                let record = self.json.decode(body, topic);
                (json, record.map_err(|error| Fault::new("bad JSON", error)))
            }
            Encoding::Pickle => {
                let record = self.pickle.decode(body, topic);
                let record = record.map_err(|error| Fault::new("bad pickle", error));
                (pickle, record)
            }
        };
        taken.messages += 1;
        taken.bytes += body.len();
        match record {
            Ok(record) => {
                taken.records += 1;
                if let Some(batch) = self.batches.add(record) {
                    self.context.submit_batch(batch)?;
                }
                Ok(None)
            }
            Err(fault) => Ok(Some(fault)),
        }
    }

    fn batch(&mut self, body: Vec<u8>) -> Result<Option<Fault>, Closed> {
        match self.context.submit(PUSH, body) {
            Ok(left_out) => Ok(left_out.map(|left_out| Fault::new("bad records", left_out))),
            Err(SubmitError::Malformed(error)) => Ok(Some(Fault::new("bad batch", error))),
            Err(SubmitError::ShuttingDown(closed)) => Err(closed),
        }
    }
}

/// What is wrong with a message.
struct Fault {
    reason: &'static str,
    detail: String,
}

impl Fault {
    fn new(reason: &'static str, detail: impl std::fmt::Display) -> Fault {
        Fault {
            reason,
            detail: detail.to_string(),
        }
    }
}
