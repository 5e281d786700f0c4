//! [`Push`]: fire and forget, to a push receiver. What ZeroMQ took for a connected daemon counts as durable.

use std::sync::Arc;
use std::time::{Duration, Instant};

use distlog_client::internal_log::Reporter;
use distlog_client::{
    Broken, Contexts, Curve, EncodedBatch, EndpointError, Link, Progress, SendStatus, Socket,
    SocketError, Transport, UnackedRecords, WaitFor, Waker, wait,
};
use distlog_proto::session::{ByeReason, Dropped};
use distlog_proto::{BatchRef, Encoding, RecordRef, Topic};

use crate::settings::Settings;

/// Messages that ZeroMQ may queue, if each is a batch of 64 KiB.
const BATCH_QUEUE: i32 = 32;
/// The same if each is a single record.
const RECORD_QUEUE: i32 = 4096;

/// Pause after a connection whose handshake failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Where to connect, and how.
struct Target {
    contexts: Contexts,
    address: String,
    queue: i32,
    curve: Option<Curve>,
}

impl Target {
    fn connect(&self) -> Result<Socket, SocketError> {
        let curve = self.curve.as_ref();
        Socket::push(&self.contexts, &self.address, self.queue, curve)
    }
}

/// A socket of a push receiver.
pub(crate) struct Push {
    target: Target,
    socket: Socket,
    /// Set: ZeroMQ has given the socket up, and another one takes its place then.
    replace_at: Option<Instant>,
    /// Gets what a user must know.
    reporter: Arc<Reporter>,
    is_reported: bool,
    topic: Topic,
    heartbeat: Duration,
    /// Records of the batch that went out alone (encodings J and P).
    partly_sent: usize,
    body: Vec<u8>,
    last_sent: Instant,
}

impl Push {
    /// Begins to connect; whether somebody listens shows later.
    ///
    /// # Errors
    /// If the address cannot be one, libzmq has no CURVE for its keys, or the system gives no socket.
    pub(crate) fn open(
        contexts: &Contexts,
        address: &str,
        settings: &Settings,
        reporter: &Arc<Reporter>,
    ) -> Result<Push, EndpointError> {
        if settings.curve.is_some() {
            Curve::check_supported()?;
        }
        let queue = match encoder(settings.encoding) {
            None => BATCH_QUEUE,
            Some(_) => RECORD_QUEUE,
        };
        let target = Target {
            contexts: contexts.clone(),
            address: address.to_owned(),
            queue,
            curve: settings.curve.clone(),
        };
        let socket = target.connect().map_err(|source| EndpointError::Refused {
            endpoint: address.to_owned(),
            source,
        })?;
        Ok(Push {
            target,
            socket,
            replace_at: None,
            reporter: Arc::clone(reporter),
            is_reported: false,
            topic: Topic {
                environment: settings.environment,
                channel: settings.channel,
                encoding: settings.encoding,
            },
            heartbeat: settings.heartbeat,
            partly_sent: 0,
            body: Vec::new(),
            last_sent: Instant::now(),
        })
    }

    /// Replaces a socket that ZeroMQ has given up, after a pause if the daemon refused it.
    fn mend(&mut self, now: Instant) {
        match self.socket.broken() {
            Some(Broken::Disconnected) => self.replace_at = Some(now),
            Some(broken) => {
                let address = &self.target.address;
                self.reporter.report(format_args!(
                    "no connection with {address}: {broken}; trying again"
                ));
                self.is_reported = true;
                self.replace_at = Some(now + RETRY_AFTER);
            }
            None => {}
        }
        if self.replace_at.is_some_and(|at| now >= at)
            && let Ok(socket) = self.target.connect()
        {
            self.socket = socket;
            self.replace_at = None;
        }
        if self.is_reported && self.socket.has_room() {
            self.is_reported = false;
            self.reporter.recovered();
        }
    }

    fn send_rest(&mut self, batch: &[u8]) -> SendStatus {
        let topic = self.topic.to_bytes();
        let Some(encode) = encoder(self.topic.encoding) else {
            return self.socket.send([&topic[..], batch]);
        };
        // What this crate wrote can be read.
        let Ok(batch) = BatchRef::parse(batch) else {
            return SendStatus::Sent;
        };
        for record in batch.records().skip(self.partly_sent) {
            if let Ok(record) = record {
                self.body.clear();
                encode(&record, &mut self.body);
                if self.socket.send([&topic[..], &self.body]) == SendStatus::Full {
                    return SendStatus::Full;
                }
            }
            self.partly_sent += 1;
        }
        SendStatus::Sent
    }

    /// Tells the daemon that this process lives, if nothing else did for a while.
    fn beat(&mut self, source: &[u8]) {
        if self.partly_sent == 0 && self.last_sent.elapsed() >= self.heartbeat {
            // Only a batch can hold no records, so it is one whatever the encoding.
            let topic = Topic {
                encoding: Encoding::Batch,
                ..self.topic
            };
            let _ = self.socket.send([&topic.to_bytes()[..], source]);
            self.last_sent = Instant::now();
        }
    }
}

impl Transport for Push {
    fn work(&mut self, records: &mut dyn UnackedRecords, now: Instant) -> Progress {
        self.mend(now);
        let Some(EncodedBatch { to, bytes }) = records.next_batch() else {
            self.beat(&records.source());
            return Progress::Idle;
        };
        // After `Full` the next batch begins with the same records.
        if self.send_rest(bytes) == SendStatus::Full {
            return Progress::Blocked;
        }
        self.partly_sent = 0;
        self.last_sent = Instant::now();
        records.sent(to);
        records.ack(to);
        Progress::Sent
    }

    fn is_connected(&self) -> bool {
        self.socket.has_room()
    }

    fn partly_sent(&self) -> u64 {
        self.partly_sent as u64
    }

    fn wait(&self, blocked: bool, waker: Option<&Waker>, timeout: Duration) -> bool {
        let socket = blocked.then_some((&self.socket, WaitFor::Room));
        wait(socket, waker, timeout)
    }

    fn close(self: Box<Self>, _: Option<ByeReason>, _: Dropped, linger: Duration) {
        self.socket.close(linger);
    }
}

/// Writes one record as one message.
type Encode = fn(&RecordRef<'_>, &mut Vec<u8>);

/// The encoder of a single record; `None` for batches, which are sent as they are.
fn encoder(encoding: Encoding) -> Option<Encode> {
    match encoding {
        #[cfg(feature = "python")]
        Encoding::Json => Some(distlog_python::json::encode),
        #[cfg(feature = "python")]
        Encoding::Pickle => Some(distlog_python::pickle::encode),
        // Without the feature no other can be asked for.
        _ => None,
    }
}
