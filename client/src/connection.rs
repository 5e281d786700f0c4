//! [`Connection`]: one attempt to have a session with a daemon.

use std::time::{Duration, Instant};

use distlog_proto::session::{ByeReason, Client, Dropped, SessionEnd, ToClient, ToDaemon};

use crate::config::SessionConfig;
use crate::error::SessionError;
use crate::link::{Dial, Link, SendStatus, SocketError};
use crate::socket::WaitFor;
use crate::unacked::{Offsets, UnackedRecords};

/// A link of its own, and the state of the session on it.
pub(crate) struct Connection<L> {
    link: L,
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

impl<L: Link> Connection<L> {
    /// Begins an attempt at the endpoint with the number.
    ///
    /// # Errors
    /// If the address cannot be one, or the system gives no socket.
    pub(crate) fn open(
        config: &SessionConfig<impl Dial<Link = L>>,
        (number, address): (usize, &str),
        now: Instant,
    ) -> Result<Connection<L>, SocketError> {
        Ok(Connection {
            link: config.dial.dial(number, address)?,
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
        config: &SessionConfig<impl Dial<Link = L>>,
        endpoint: (usize, &str),
        now: Instant,
    ) -> Result<Connection<L>, SocketError> {
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
        config: &SessionConfig<impl Dial<Link = L>>,
        records: &mut dyn UnackedRecords,
        welcome_within: Duration,
        now: Instant,
    ) -> Result<(), SessionError> {
        if let Some(broken) = self.link.broken() {
            return Err(SessionError::NoConnection(broken));
        }
        if !self.hello_sent {
            if self.link.has_room() {
                self.send_hello(config, records, now);
            }
            return Ok(());
        }
        while let Some(message) = self.link.receive() {
            // Unknown messages of newer protocol versions are ignored.
            if let Ok(message) = ToClient::decode(&message) {
                let was_joined = self.client.is_joined();
                self.client
                    .receive(&message, records.offsets().limit, now)?;
                self.apply(records)?;
                self.is_good |= was_joined;
                self.apply_levels(config, now);
            }
        }
        let has_filter = config.levels.as_ref().is_some_and(|sink| sink.has_filter());
        self.client.set_levels_filter(has_filter && !self.is_probe);
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

    /// Hands over what the daemon said about levels.
    fn apply_levels(&mut self, config: &SessionConfig<impl Dial<Link = L>>, now: Instant) {
        let sink = config.levels.as_ref().filter(|_| !self.is_probe);
        if let Some((sink, levels)) = sink.zip(self.client.take_levels()) {
            sink.apply(&levels, now);
        }
    }

    fn send_hello(
        &mut self,
        config: &SessionConfig<impl Dial<Link = L>>,
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
        self.link
            .send(std::iter::once(&self.scratch[..]).chain(batch))
    }

    /// Sends the batch that begins at [`Client::next`] and ends at `to`, if that may be now.
    pub(crate) fn send(&mut self, to: u64, batch: &[u8]) -> SendStatus {
        if !self.client.may_send() || !self.link.has_room() {
            return SendStatus::Full;
        }
        let header = self.client.batch(to);
        // Should the connection break in between, the daemon asks for what it did not get.
        let _ = self.post(&ToDaemon::Batch(header), Some(batch));
        SendStatus::Sent
    }

    /// Says bye. What was sent gets the time `linger` to leave.
    pub(crate) fn close(mut self, reason: ByeReason, dropped: Dropped, linger: Duration) {
        if let Some(bye) = self.client.bye(reason, dropped) {
            let _ = self.post(&ToDaemon::Bye(bye), None);
            self.link.close(linger);
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

    /// What to wait for on the link. `blocked`: a batch could not be sent.
    pub(crate) fn waits(&self, blocked: bool) -> (&L, WaitFor) {
        let room = !self.hello_sent || (blocked && self.client.may_send());
        (
            &self.link,
            if room {
                WaitFor::Room
            } else {
                WaitFor::Message
            },
        )
    }
}
