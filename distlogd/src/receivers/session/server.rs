//! The thread of the session receiver.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use distlog_proto::session::ToClient;

use super::handler::Handler;
use super::message::Message;
use super::router_socket::{RouterSocket, Unsent};
use crate::self_telemetry::Metrics;
use crate::shutdown::{Phase, Shutdown, Waker};
use crate::thread_pool::ThreadPool;

/// How often sessions are checked for silence, and how long to wait for messages.
const TICK: Duration = Duration::from_millis(100);
/// Time for clients to disconnect when the daemon stops.
const CLOSING_TIMEOUT: Duration = Duration::from_millis(300);
/// Messages that are read before the replies are sent.
const MAX_READ: usize = 256;
/// So many bytes of them, too. One message may be larger.
const MAX_READ_BYTES: usize = 4 << 20;
/// Batches of so many bytes take a thread longer than it takes to ask others for help.
const WORTH_HELP: usize = 128 << 10;

pub(super) struct Server {
    pub(super) socket: RouterSocket,
    pub(super) handler: Handler,
    /// They help to read batches.
    pub(super) threads: Arc<ThreadPool>,
    pub(super) metrics: Metrics,
    pub(super) waker: Arc<Waker>,
    pub(super) shutdown: Shutdown,
    /// Set once no more batches are read.
    pub(super) stopped: Arc<OnceLock<()>>,
}

impl Server {
    /// Runs until the store is closed.
    ///
    /// # Errors
    /// If the socket fails.
    pub(super) fn run(mut self) -> Result<(), zmq::Error> {
        let mut ticked = Instant::now();
        loop {
            let closed = self.shutdown.reached(Phase::Workers);
            let stopping = self.shutdown.reached(Phase::Receivers);
            if stopping {
                self.stopped.get_or_init(|| ());
            }
            let reads = !stopping && !self.handler.is_full();
            let timeout = if closed { Duration::ZERO } else { TICK };
            let ready = self.socket.wait(&self.waker, reads, timeout)?;
            self.handler.store_events();
            if ready {
                self.receive();
            }
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                self.handler.tick();
            }
            self.send();
            if closed {
                return self.close_sessions();
            }
        }
    }

    /// Tells all clients that the daemon stops, until they have disconnected or the time is up. It is sent repeatedly:
    /// a client that has not read it when the connection ends never does.
    fn close_sessions(&mut self) -> Result<(), zmq::Error> {
        let deadline = Instant::now() + CLOSING_TIMEOUT;
        while !self.handler.is_empty() && Instant::now() < deadline {
            self.handler.closing();
            self.send();
            self.socket.wait(&self.waker, false, CLOSING_TIMEOUT / 20)?;
        }
        Ok(())
    }

    /// Takes the messages that are there, up to a limit. Their batches are read by several threads if that is worth it,
    /// and handled here, in order.
    fn receive(&mut self) {
        let (mut messages, mut bytes) = (Vec::new(), 0);
        while messages.len() < MAX_READ && bytes < MAX_READ_BYTES {
            let Some(message) = self.socket.message() else {
                break;
            };
            bytes += message.bytes();
            messages.push(message);
        }
        let alone = ThreadPool::new("", 0);
        let threads = match bytes {
            0..WORTH_HELP => &alone,
            _ => &*self.threads,
        };
        let mut batches = Vec::with_capacity(messages.len());
        let Ok(()) = threads.in_order(&messages, Message::check, |batch| {
            batches.push(batch);
            Ok::<_, Infallible>(())
        });
        for (message, batch) in messages.into_iter().zip(batches) {
            // What is not handled when the daemon stops is not acknowledged.
            if self.handler.handle(message, batch).is_err() {
                return;
            }
        }
    }

    /// Sends the replies. One that cannot be sent now is dropped: the client asks again, or is gone.
    fn send(&mut self) {
        let mut frame = Vec::new();
        for (peer, reply) in self.handler.replies() {
            match &reply {
                ToClient::Refused(refused) => {
                    self.metrics.session_refused.add([refused.reason.name()], 1);
                }
                ToClient::Ack(_) => _ = self.metrics.session_acks.inc(),
                ToClient::Welcome(_)
                | ToClient::Rewind(_)
                | ToClient::Closing(_)
                | ToClient::Levels(_) => {}
            }
            frame.clear();
            reply.encode(&mut frame);
            match self.socket.send(&peer, &frame) {
                Ok(()) => {}
                Err(Unsent::Gone) => self.handler.cut(&peer),
                Err(Unsent::Busy) => _ = self.metrics.session_unsent_replies.inc(),
            }
        }
    }
}
