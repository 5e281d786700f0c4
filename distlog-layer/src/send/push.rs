//! [`Push`]: fire and forget, to a push receiver. What ZeroMQ took for a connected daemon counts as durable.

use std::time::{Duration, Instant};

use distlog_client::{
    Contexts, EncodedBatch, EndpointError, Progress, SendStatus, Socket, Transport, UnackedRecords,
    WaitFor, Waker, wait,
};
use distlog_proto::session::{ByeReason, Dropped};
use distlog_proto::{BatchRef, Encoding, RecordRef, Topic};

use crate::settings::Settings;

/// Messages that ZeroMQ may queue, if each is a batch of 64 KiB.
const BATCH_QUEUE: i32 = 32;
/// The same if each is a single record.
const RECORD_QUEUE: i32 = 4096;

/// A socket of a push receiver.
pub(crate) struct Push {
    socket: Socket,
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
    /// If the address cannot be one, or the system gives no socket.
    pub(crate) fn open(
        contexts: &Contexts,
        address: &str,
        settings: &Settings,
    ) -> Result<Push, EndpointError> {
        let queue = match encoder(settings.encoding) {
            None => BATCH_QUEUE,
            Some(_) => RECORD_QUEUE,
        };
        let socket =
            Socket::push(contexts, address, queue).map_err(|source| EndpointError::Refused {
                endpoint: address.to_owned(),
                source,
            })?;
        Ok(Push {
            socket,
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
    fn work(&mut self, records: &mut dyn UnackedRecords, _: Instant) -> Progress {
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
