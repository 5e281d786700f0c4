//! The receiver `session`: a ZeroMQ ROUTER socket that acknowledges.
//!
//! The protocol is in [`distlog_proto::session`]; here are the socket and the way to the store. One thread gives
//! messages to the state machine, batches to the intake, and replies to the socket; the daemon's other threads help it
//! to read batches where many come. The thread that writes the store puts events into a list (`store_events.rs`) and
//! wakes it. Nothing here waits for the store: the credit that clients have bounds what is in flight.
//!
//! `router_socket.rs` is the socket, `message.rs` what comes from it, `handler.rs` handles messages, `server.rs` is the
//! thread.

mod handler;
mod message;
mod router_socket;
mod server;
mod store_events;

use std::io;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use distlog_store::MAX_BATCH;

use super::bind::{BindError, ZmqSockets};
use crate::access::curve::GuardedSocket;
use crate::config::Zmq;
use crate::receiver::{Endpoint, Receiver, ReceiverContext};
use handler::Handler;
use router_socket::RouterSocket;
use server::Server;
use store_events::StoreEvents;

const NAME: &str = "the session receiver";
/// Messages waiting in the socket for each connection. Our clients send up to 64 KiB in each.
const RECEIVE_HIGH_WATER_MARK: i32 = 64;
/// Replies waiting in the socket for each connection. Clients ask again for one that does not fit.
const SEND_HIGH_WATER_MARK: i32 = 256;
/// The system asks a silent connection whether it still is, after so long and at this interval, in seconds. Not
/// libzmq's heartbeats: libzmq 4.3.5 aborts the process (`!_io_error`) when one is due of a connection that broke while
/// its input was stopped.
const KEEPALIVE_SECONDS: i32 = 5;
/// Questions without an answer after which it is closed.
const KEEPALIVE_PROBES: i32 = 3;
/// Time for the last replies to leave, in milliseconds.
const LINGER_MS: i32 = 1_000;

/// The receiver `session`.
pub(super) struct Session {
    endpoint: String,
    /// Until it is started.
    socket: Option<GuardedSocket>,
    thread: Option<JoinHandle<()>>,
    stopped: Arc<OnceLock<()>>,
}

impl Session {
    /// Binds. `*` or 0 as port takes a free one.
    ///
    /// # Errors
    /// If the address is in use or is none, or its keys cannot be read.
    pub(super) fn bind(sockets: &mut ZmqSockets, config: &Zmq) -> Result<Session, BindError> {
        let (socket, endpoint) = sockets.bind("session", zmq::ROUTER, config, |socket| {
            socket.set_linger(LINGER_MS)?;
            socket.set_rcvhwm(RECEIVE_HIGH_WATER_MARK)?;
            socket.set_sndhwm(SEND_HIGH_WATER_MARK)?;
            socket.set_maxmsgsize(MAX_BATCH as i64)?;
            socket.set_tcp_keepalive(1)?;
            socket.set_tcp_keepalive_idle(KEEPALIVE_SECONDS)?;
            socket.set_tcp_keepalive_intvl(KEEPALIVE_SECONDS)?;
            socket.set_tcp_keepalive_cnt(KEEPALIVE_PROBES)?;
            // A reply to a client that is gone is an error, not dropped in silence.
            socket.set_router_mandatory(true)
        })?;
        Ok(Session {
            endpoint,
            socket: Some(socket),
            thread: None,
            stopped: Arc::default(),
        })
    }
}

impl Receiver for Session {
    fn endpoints(&self) -> Vec<Endpoint> {
        vec![Endpoint {
            receiver: "session",
            address: self.endpoint.clone(),
        }]
    }

    fn start(&mut self, context: ReceiverContext) -> io::Result<()> {
        let Some(socket) = self.socket.take() else {
            return Ok(());
        };
        let waker = context.shutdown.waker()?;
        let events = Arc::new(StoreEvents::new(Arc::clone(&waker)));
        let supervisor = context.supervisor.clone();
        let server = Server {
            socket: RouterSocket::new(socket),
            threads: Arc::clone(&context.threads),
            metrics: context.metrics.clone(),
            shutdown: context.shutdown.clone(),
            handler: Handler::new(context, events),
            waker,
            stopped: Arc::clone(&self.stopped),
        };
        let thread = std::thread::Builder::new().name("session".into());
        self.thread = Some(thread.spawn(move || {
            let _watched = supervisor.watch(NAME);
            if let Err(error) = server.run() {
                tracing::error!("{NAME} has failed: {error}");
                supervisor.fail(NAME);
            }
        })?);
        Ok(())
    }

    fn is_stopped(&self) -> bool {
        let ended = self.thread.as_ref().is_none_or(JoinHandle::is_finished);
        ended || self.stopped.get().is_some()
    }

    fn wait(&mut self) {
        // The supervisor hears of a panic.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
