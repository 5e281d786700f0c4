//! [`Connection`]: one attempt to have a session with a daemon.

use std::time::{Duration, Instant};

use distlog_proto::session::{ByeReason, Client, Dropped, SessionEnd, ToClient, ToDaemon};

use crate::config::SessionConfig;
use crate::error::SessionError;
use crate::socket::{SendStatus, Socket, SocketError, WaitFor};
use crate::unacked::{Offsets, UnackedRecords};

/// Batches that ZeroMQ may queue; each has 64 to 128 KiB.
const QUEUE: i32 = 32;

/// A socket of its own, and the state of the session on it.
pub(crate) struct Connection {
    socket: Socket,
    client: Client,
    /// When the attempt began, then when the hello went out.
    since: Instant,
    hello_sent: bool,
    /// It only looks whether a daemon answers.
    is_probe: bool,
    /// The daemon sent more than the welcome, all of it valid.
    is_good: bool,
    scratch: Vec<u8>,
}

impl Connection {
    /// Begins an attempt at the endpoint with the number.
    ///
    /// # Errors
    /// If the address cannot be one, or the system gives no socket.
    pub(crate) fn open(
        config: &SessionConfig,
        endpoint: (usize, &str),
        now: Instant,
    ) -> Result<Connection, SocketError> {
        Ok(Connection {
            socket: Socket::dealer(&config.contexts, endpoint, QUEUE, config.curve.as_ref())?,
            client: Client::new(config.producer, 0, config.heartbeat, now),
            since: now,
            hello_sent: false,
            is_probe: false,
            is_good: false,
            scratch: Vec::new(),
        })
    }

    /// Begins a probe: only whether a daemon answers counts, the records are not moved.
    ///
    /// # Errors
    /// As [`Connection::open`].
    pub(crate) fn probe(
        config: &SessionConfig,
        endpoint: (usize, &str),
        now: Instant,
    ) -> Result<Connection, SocketError> {
        Connection::open(config, endpoint, now).map(|line| Connection {
            is_probe: true,
            ..line
        })
    }

    /// Receives what is there and does what is due. `welcome_within`: after the hello.
    ///
    /// # Errors
    /// When the attempt is over.
    pub(crate) fn work(
        &mut self,
        config: &SessionConfig,
        records: &mut dyn UnackedRecords,
        welcome_within: Duration,
        now: Instant,
    ) -> Result<(), SessionError> {
        if let Some(broken) = self.socket.broken() {
            return Err(SessionError::NoConnection(broken));
        }
        if !self.hello_sent {
            if self.socket.has_room() {
                self.send_hello(config, records, now);
            }
            return Ok(());
        }
        while let Some(message) = self.socket.receive() {
            // Unknown messages of newer protocol versions are ignored.
            if let Ok(message) = ToClient::decode(&message) {
                let was_joined = self.client.is_joined();
                self.client
                    .receive(&message, records.offsets().limit, now)?;
                self.apply(records)?;
                self.is_good |= was_joined;
            }
        }
        if let Some(ping) = self
            .client
            .check(records.offsets().head, records.dropped(), now)?
        {
            // One that cannot be sent is one that is not answered.
            let _ = self.post(&ToDaemon::Ping(ping), None);
        }
        if !self.client.is_joined() && now.saturating_duration_since(self.since) >= welcome_within {
            return Err(SessionError::Ended(SessionEnd::Silent));
        }
        Ok(())
    }

    /// Moves the records to what the daemon has.
    fn apply(&self, records: &mut dyn UnackedRecords) -> Result<(), SessionError> {
        if self.is_probe || !self.client.is_joined() {
            return Ok(());
        }
        let (acked, next) = (self.client.acked(), self.client.next());
        let known = records.offsets();
        if next != known.position && !records.seek(next) {
            return Err(SessionError::NoBoundary(next));
        }
        if acked > known.acked && !records.ack(acked) {
            return Err(SessionError::NoBoundary(acked));
        }
        Ok(())
    }

    fn send_hello(
        &mut self,
        config: &SessionConfig,
        records: &mut dyn UnackedRecords,
        now: Instant,
    ) {
        let Some(epoch) = records.next_epoch() else {
            return;
        };
        let Offsets { acked, head, .. } = records.offsets();
        self.client = Client::new(config.producer, acked, config.heartbeat, now);
        let source = records.source();
        let hello = self
            .client
            .hello(epoch, head, records.dropped(), &source, now);
        self.hello_sent = self.post(&ToDaemon::Hello(hello), None) == SendStatus::Sent;
        self.since = now;
    }

    fn post(&mut self, message: &ToDaemon<'_>, batch: Option<&[u8]>) -> SendStatus {
        self.scratch.clear();
        message.encode(&mut self.scratch);
        self.socket
            .send(std::iter::once(&self.scratch[..]).chain(batch))
    }

    /// Sends the batch that begins at [`Client::next`] and ends at `to`, if that may be now.
    pub(crate) fn send(&mut self, to: u64, batch: &[u8]) -> SendStatus {
        if !self.client.may_send() || !self.socket.has_room() {
            return SendStatus::Full;
        }
        let header = self.client.batch(to);
        // Should the connection break in between, the daemon asks for what it did not get.
        let _ = self.post(&ToDaemon::Batch(header), Some(batch));
        SendStatus::Sent
    }

    /// Says bye. ZeroMQ gets the time `linger` to send what it has.
    pub(crate) fn close(mut self, reason: ByeReason, dropped: Dropped, linger: Duration) {
        if let Some(bye) = self.client.bye(reason, dropped) {
            let _ = self.post(&ToDaemon::Bye(bye), None);
            self.socket.close(linger);
        }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Whether the daemon sent more than the welcome, all of it valid.
    pub(crate) fn is_good(&self) -> bool {
        self.is_good
    }

    /// How long no daemon accepts the connection.
    pub(crate) fn absent_for(&self, now: Instant) -> Duration {
        match self.hello_sent {
            true => Duration::ZERO,
            false => now.saturating_duration_since(self.since),
        }
    }

    /// What to wait for on the socket. `blocked`: a batch could not be sent.
    pub(crate) fn waits(&self, blocked: bool) -> (&Socket, WaitFor) {
        let room = !self.hello_sent || (blocked && self.client.may_send());
        (
            &self.socket,
            if room {
                WaitFor::Room
            } else {
                WaitFor::Message
            },
        )
    }
}
