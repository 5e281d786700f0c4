//! [`Push`]: the push door, fire and forget. What libzmq took for a connected daemon counts as sent.

use std::time::{Duration, Instant};

use distlog_proto::{BatchRef, Encoding, RecordRef, Topic};

use crate::settings::Settings;
use crate::socket::{Context, Error, For, Sent, Socket};

/// Messages that libzmq may keep for a connected daemon, if each is a batch of 64 KiB or a single record.
const KEEP: (i32, i32) = (32, 4096);

/// See the module.
pub(crate) struct Push {
    socket: Socket,
    topic: Topic,
    heartbeat: Duration,
    /// Records of the batch that went out alone (encodings J and P).
    gone: usize,
    body: Vec<u8>,
    last_sent: Instant,
}

impl Push {
    /// Begins to connect; whether somebody listens shows later.
    ///
    /// # Errors
    /// If the address cannot be one, or the system gives no socket.
    pub(crate) fn open(
        context: &Context,
        address: &str,
        settings: &Settings,
    ) -> Result<Push, Error> {
        let keep = match encoder(settings.encoding) {
            None => KEEP.0,
            Some(_) => KEEP.1,
        };
        Ok(Push {
            socket: Socket::push(context, address, keep)?,
            topic: Topic {
                environment: settings.environment,
                channel: settings.channel,
                encoding: settings.encoding,
            },
            heartbeat: settings.heartbeat,
            gone: 0,
            body: Vec::new(),
            last_sent: Instant::now(),
        })
    }

    /// Sends a batch. What is sent again after [`Sent::Busy`] must begin with the same records.
    pub(crate) fn send(&mut self, batch: &[u8]) -> Sent {
        let sent = self.send_rest(batch);
        if sent == Sent::Taken {
            self.gone = 0;
            self.last_sent = Instant::now();
        }
        sent
    }

    fn send_rest(&mut self, batch: &[u8]) -> Sent {
        let topic = self.topic.to_bytes();
        let Some(encode) = encoder(self.topic.encoding) else {
            return self.socket.send([&topic[..], batch]);
        };
        // What this crate wrote can be read.
        let Ok(batch) = BatchRef::parse(batch) else {
            return Sent::Taken;
        };
        for record in batch.records().skip(self.gone) {
            if let Ok(record) = record {
                self.body.clear();
                encode(&record, &mut self.body);
                if self.socket.send([&topic[..], &self.body]) == Sent::Busy {
                    return Sent::Busy;
                }
            }
            self.gone += 1;
        }
        Sent::Taken
    }

    /// Tells the daemon that this process lives, if nothing else did for a while. `about`: a batch with the source
    /// alone.
    pub(crate) fn beat(&mut self, about: &[u8]) {
        if self.gone == 0 && self.last_sent.elapsed() >= self.heartbeat {
            // Only a batch can hold no records, so it is one whatever the encoding.
            let topic = Topic {
                encoding: Encoding::Batch,
                ..self.topic
            };
            let _ = self.socket.send([&topic.to_bytes()[..], about]);
            self.last_sent = Instant::now();
        }
    }

    /// Records of the batch that went out already.
    pub(crate) fn gone(&self) -> u64 {
        self.gone as u64
    }

    /// Whether somebody is there who has not enough.
    pub(crate) fn is_connected(&self) -> bool {
        self.socket.has_room()
    }

    /// What to wait for. `full`: there is a batch that could not be sent.
    pub(crate) fn waits(&self, full: bool) -> Option<(&Socket, For)> {
        full.then_some((&self.socket, For::Room))
    }

    /// Closes, giving libzmq so long to bring what it has to the daemon.
    pub(crate) fn close(self, linger: Duration) {
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
