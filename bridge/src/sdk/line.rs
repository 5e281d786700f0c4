//! [`Line`]: one attempt to have a session with the daemon.

use std::time::{Duration, Instant};

use distlog_proto::session::{ByeReason, Client, RefusedReason, SessionEnd, ToClient, ToDaemon};

use super::handle::{Shared, lock};
use super::queue::Queue;
use super::socket::Socket;

/// A connection of its own, and where the daemon behind it stands.
pub(super) struct Line {
    socket: Socket,
    client: Client,
    epoch: u64,
    is_greeted: bool,
    /// The daemon said more than the welcome, and nothing wrong.
    is_good: bool,
    /// There is a batch for which there was no room.
    is_full: bool,
    scratch: Vec<u8>,
}

impl Line {
    /// Begins. `epoch` is higher than that of each attempt before; all before `acked` is durable.
    pub(super) fn new(
        socket: Socket,
        shared: &Shared,
        epoch: u64,
        acked: u64,
        now: Instant,
    ) -> Line {
        let heartbeat = shared.settings.heartbeat;
        Line {
            socket,
            client: Client::new(shared.producer, acked, heartbeat, now),
            epoch,
            is_greeted: false,
            is_good: false,
            is_full: false,
            scratch: Vec::new(),
        }
    }

    /// Receives what is there, and sends what is due.
    ///
    /// # Errors
    /// When the attempt is over.
    pub(super) fn work(
        &mut self,
        shared: &Shared,
        queue: &mut Queue,
        now: Instant,
    ) -> Result<(), Trial> {
        if !self.is_greeted {
            if self.socket.has_room() {
                self.greet(shared, queue, now);
            }
            return Ok(());
        }
        while let Some(heard) = self.socket.receive() {
            // What a later daemon says beyond what we know is nothing that we must know.
            let Ok(heard) = ToClient::decode(&heard) else {
                continue;
            };
            let was_joined = self.client.is_joined();
            self.client.receive(&heard, queue.limit(), now)?;
            if self.client.is_joined() {
                let next = self.client.next();
                if !queue.is_place(next) {
                    return Err(Trial::NoPlace(next));
                }
                queue.settle(self.client.acked(), next);
            }
            self.is_good |= was_joined;
        }
        let head = queue.head(self.client.next());
        if let Some(ping) = self.client.check(head, shared.dropped(), now)? {
            // One that cannot be sent is one that is not answered.
            self.say(&ToDaemon::Ping(ping), None);
        }
        self.deliver(queue);
        Ok(())
    }

    fn greet(&mut self, shared: &Shared, queue: &Queue, now: Instant) {
        let about = lock(&shared.about).clone();
        let hello = self
            .client
            .hello(self.epoch, queue.limit(), shared.dropped(), &about, now);
        self.is_greeted = self.say(&ToDaemon::Hello(hello), None);
    }

    fn deliver(&mut self, queue: &mut Queue) {
        self.is_full = false;
        while self.client.may_send() {
            let Some((to, batch)) = queue.next() else {
                return;
            };
            if !self.socket.has_room() {
                self.is_full = true;
                return;
            }
            let header = self.client.batch(to);
            // Should the connection break in between, the daemon asks for what it did not get.
            self.say(&ToDaemon::Batch(header), Some(batch));
            queue.sent(to);
        }
    }

    fn say(&mut self, what: &ToDaemon<'_>, batch: Option<&[u8]>) -> bool {
        self.scratch.clear();
        what.encode(&mut self.scratch);
        let frames = std::iter::once(&self.scratch[..]);
        self.socket.send(frames.chain(batch))
    }

    /// Leaves for good, giving libzmq so long to bring that to the daemon.
    pub(super) fn leave(mut self, shared: &Shared, linger: Duration) {
        if let Some(bye) = self.client.bye(ByeReason::Done, shared.dropped()) {
            self.say(&ToDaemon::Bye(bye), None);
            self.socket.close(linger);
        }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn is_good(&self) -> bool {
        self.is_good
    }

    /// What to wait for: a message, and whether also for room.
    pub(super) fn waits(&self) -> (&Socket, bool) {
        (&self.socket, !self.is_greeted || self.is_full)
    }
}

/// How an attempt ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trial {
    #[error("{0}")]
    SessionEnd(SessionEnd),
    #[error("it says that it has all before {0}, where no batch ends")]
    NoPlace(u64),
    #[error("no socket: {0}")]
    NoSocket(#[from] zmq::Error),
}

impl From<SessionEnd> for Trial {
    fn from(over: SessionEnd) -> Trial {
        Trial::SessionEnd(over)
    }
}

impl Trial {
    /// Whether it is what happens when daemons come and go.
    pub(super) fn is_normal(&self) -> bool {
        match self {
            Trial::SessionEnd(SessionEnd::Silent | SessionEnd::Closing) => true,
            Trial::SessionEnd(SessionEnd::Refused(refused)) => matches!(
                refused.reason,
                RefusedReason::UnknownSession | RefusedReason::Superseded
            ),
            _ => false,
        }
    }

    /// The epoch that the daemon knows, if it is too high for ours.
    pub(super) fn known_epoch(&self) -> Option<u64> {
        match self {
            Trial::SessionEnd(SessionEnd::Refused(refused))
                if refused.reason == RefusedReason::Epoch =>
            {
                Some(refused.epoch)
            }
            _ => None,
        }
    }
}
