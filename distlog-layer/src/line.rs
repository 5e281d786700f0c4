//! [`Line`]: one attempt to have a session with a daemon.

use std::sync::Arc;
use std::time::{Duration, Instant};

use distlog_proto::ProducerId;
use distlog_proto::session::{
    ByeReason, Client, Dropped, RefusedReason, SessionEnd, ToClient, ToDaemon,
};

use crate::say::Trouble;
use crate::socket::{Contexts, Error, For, Sent, Socket};
use crate::stock::Stock;

/// Batches that libzmq may keep; each is of 64 KiB.
const KEEP: i32 = 32;

/// What all attempts of a producer have in common.
pub(crate) struct Caller {
    pub(crate) contexts: Contexts,
    pub(crate) producer: ProducerId,
    /// A batch with the source alone.
    pub(crate) about: Vec<u8>,
    /// After how long a silence the daemon is told that the producer lives.
    pub(crate) heartbeat: Duration,
    /// What a human was told.
    pub(crate) trouble: Arc<Trouble>,
}

/// A connection of its own, and where the daemon behind it stands.
pub(crate) struct Line {
    socket: Socket,
    client: Client,
    /// When the attempt began, then when the hello went out.
    since: Instant,
    greeted: bool,
    /// Whether it only looks if a daemon is there.
    probes: bool,
    /// Something was heard after the welcome, and it was good.
    is_good: bool,
    scratch: Vec<u8>,
}

impl Line {
    /// Begins an attempt at the address with the number.
    ///
    /// # Errors
    /// If the address cannot be one, or the system gives no socket.
    pub(crate) fn open(
        caller: &Caller,
        (number, address): (usize, &str),
        now: Instant,
    ) -> Result<Line, Error> {
        Ok(Line {
            socket: Socket::dealer(caller.contexts.of(number), address, KEEP)?,
            client: Client::new(caller.producer, 0, caller.heartbeat, now),
            since: now,
            greeted: false,
            probes: false,
            is_good: false,
            scratch: Vec::new(),
        })
    }

    /// The same, only to see whether a daemon is there: what it says does not move the stock.
    ///
    /// # Errors
    /// As [`Line::open`].
    pub(crate) fn probe(
        caller: &Caller,
        address: (usize, &str),
        now: Instant,
    ) -> Result<Line, Error> {
        Line::open(caller, address, now).map(|line| Line {
            probes: true,
            ..line
        })
    }

    /// Receives what is there and does what is due. `patience`: for the welcome, after the hello.
    ///
    /// # Errors
    /// When the attempt is over.
    pub(crate) fn work(
        &mut self,
        caller: &Caller,
        stock: &mut impl Stock,
        patience: Duration,
        now: Instant,
    ) -> Result<(), Trial> {
        if !self.greeted {
            if self.socket.has_room() {
                self.greet(caller, stock, now);
            }
            return Ok(());
        }
        while let Some(heard) = self.socket.receive() {
            // What a later daemon says beyond what we know is nothing that we must know.
            if let Ok(heard) = ToClient::decode(&heard) {
                let was_joined = self.client.is_joined();
                self.client.receive(&heard, stock.limit(), now)?;
                self.settle(stock)?;
                self.is_good |= was_joined;
            }
        }
        if let Some(ping) = self.client.check(stock.head(), stock.dropped(), now)? {
            // One that cannot be sent is one that is not answered.
            let _ = self.say(&ToDaemon::Ping(ping), None);
        }
        if !self.client.is_joined() && now.saturating_duration_since(self.since) >= patience {
            return Err(Trial::SessionEnd(SessionEnd::Silent));
        }
        Ok(())
    }

    /// Brings the stock to where the daemon stands.
    fn settle(&self, stock: &mut impl Stock) -> Result<(), Trial> {
        if self.probes || !self.client.is_joined() {
            return Ok(());
        }
        let (acked, next) = (self.client.acked(), self.client.next());
        if next != stock.position() && !stock.seek(next) {
            return Err(Trial::NoPlace(next));
        }
        if acked > stock.acked() && !stock.free_to(acked) {
            return Err(Trial::NoPlace(acked));
        }
        Ok(())
    }

    fn greet(&mut self, caller: &Caller, stock: &mut impl Stock, now: Instant) {
        let Some(epoch) = stock.next_epoch() else {
            return;
        };
        self.client = Client::new(caller.producer, stock.acked(), caller.heartbeat, now);
        let hello = self
            .client
            .hello(epoch, stock.head(), stock.dropped(), &caller.about, now);
        self.greeted = self.say(&ToDaemon::Hello(hello), None) == Sent::Taken;
        self.since = now;
    }

    fn say(&mut self, what: &ToDaemon<'_>, batch: Option<&[u8]>) -> Sent {
        self.scratch.clear();
        what.encode(&mut self.scratch);
        self.socket
            .send(std::iter::once(&self.scratch[..]).chain(batch))
    }

    /// Sends the batch that begins at [`Client::next`] and ends at `to`, if that may be now.
    pub(crate) fn send(&mut self, to: u64, batch: &[u8]) -> Sent {
        if !self.client.may_send() || !self.socket.has_room() {
            return Sent::Busy;
        }
        let header = self.client.batch(to);
        // Should the connection break in between, the daemon asks for what it did not get.
        let _ = self.say(&ToDaemon::Batch(header), Some(batch));
        Sent::Taken
    }

    /// Leaves, giving libzmq so long to bring what was sent to the daemon.
    pub(crate) fn leave(mut self, reason: ByeReason, dropped: Dropped, linger: Duration) {
        if let Some(bye) = self.client.bye(reason, dropped) {
            let _ = self.say(&ToDaemon::Bye(bye), None);
            self.socket.close(linger);
        }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Whether the daemon said more than the welcome, and nothing wrong.
    pub(crate) fn is_good(&self) -> bool {
        self.is_good
    }

    /// How long nobody is there.
    pub(crate) fn absent_for(&self, now: Instant) -> Duration {
        match self.greeted {
            true => Duration::ZERO,
            false => now.saturating_duration_since(self.since),
        }
    }

    /// What to wait for on the socket. `full`: there is a batch that libzmq had no room for.
    pub(crate) fn waits(&self, full: bool) -> (&Socket, For) {
        let room = !self.greeted || (full && self.client.may_send());
        (&self.socket, if room { For::Room } else { For::Message })
    }
}

/// How an attempt ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trial {
    #[error("{0}")]
    SessionEnd(SessionEnd),
    #[error("it says that it has all before {0}, where no record begins")]
    NoPlace(u64),
    #[error("no socket: {0}")]
    NoSocket(Error),
}

impl Trial {
    /// Whether it is what happens when daemons come and go.
    pub(crate) fn is_normal(&self) -> bool {
        match self {
            Trial::SessionEnd(SessionEnd::Silent | SessionEnd::Closing) => true,
            Trial::SessionEnd(SessionEnd::Refused(refused)) => matches!(
                refused.reason,
                RefusedReason::UnknownSession | RefusedReason::Superseded
            ),
            _ => false,
        }
    }

    /// Whether the same daemon is the right one for the next attempt.
    pub(crate) fn stays(&self) -> bool {
        match self {
            Trial::SessionEnd(SessionEnd::Refused(refused)) => matches!(
                refused.reason,
                RefusedReason::UnknownSession | RefusedReason::Superseded | RefusedReason::Epoch
            ),
            _ => false,
        }
    }
}

impl From<SessionEnd> for Trial {
    fn from(over: SessionEnd) -> Trial {
        Trial::SessionEnd(over)
    }
}
