//! The session door: a ZeroMQ ROUTER socket that acknowledges.
//!
//! What is said, and who decides what, is in [`distlog_proto::session`]; here are the socket and the way to the store.
//! One thread does all: it gives what comes to the state machine, batches to the intake, and the answers to the socket. The
//! thread that writes the store tells it what is durable (`notices.rs`) and wakes it. Nothing here waits for the store: what
//! is under way is bounded by the credit that the clients were given.
//!
//! `line.rs` is the socket, `desk.rs` does what is asked, `counts.rs` counts, `door.rs` is the thread.

mod counts;
mod desk;
mod door;
mod line;
mod notices;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use prometheus_client::registry::Registry;

use super::bind::{OpenError, bind};
use super::hall::Hall;
use counts::Counts;
use desk::Desk;
use distlog_store::MAX_BATCH;
use door::{Door, Ends};
use line::Line;
use notices::Notices;

const NAME: &str = "the session door";
/// Messages waiting in the socket, per connection. They hold up to 64 KiB each as our clients send them.
const RECEIVE_HIGH_WATER: i32 = 64;
/// Answers waiting in the socket, per connection. Each can be said again.
const SEND_HIGH_WATER: i32 = 256;
/// A connection over which nothing comes is asked so often, and given up after three times that, in milliseconds.
const HEARTBEAT_MS: i32 = 5_000;
/// The last answers have so long to leave, in milliseconds.
const LINGER_MS: i32 = 1_000;

/// A session door that is bound; what comes waits in its socket.
pub struct Bound {
    socket: zmq::Socket,
    endpoint: String,
}

/// An open session door.
#[derive(Debug)]
pub struct Session {
    endpoint: String,
    ends: Arc<Ends>,
    notices: Arc<Notices>,
    thread: Option<JoinHandle<()>>,
}

impl Bound {
    /// Binds. `*` or 0 as port takes a free one.
    ///
    /// # Errors
    /// If the address is in use or is none.
    pub fn new(context: &zmq::Context, endpoint: &str) -> Result<Bound, OpenError> {
        let (socket, endpoint) = bind(context, zmq::ROUTER, endpoint, |socket| {
            socket.set_linger(LINGER_MS)?;
            socket.set_rcvhwm(RECEIVE_HIGH_WATER)?;
            socket.set_sndhwm(SEND_HIGH_WATER)?;
            socket.set_maxmsgsize(MAX_BATCH as i64)?;
            socket.set_heartbeat_ivl(HEARTBEAT_MS)?;
            socket.set_heartbeat_timeout(3 * HEARTBEAT_MS)?;
            // Else it would not say that a client has gone.
            socket.set_router_mandatory(true)
        })?;
        Ok(Bound { socket, endpoint })
    }

    /// Begins to take messages.
    ///
    /// # Errors
    /// If the system gives no thread or no way to wake it.
    pub fn open(self, hall: Hall, registry: &mut Registry) -> std::io::Result<Session> {
        let notices = Arc::new(Notices::new()?);
        let ends = Arc::new(Ends::default());
        let vital = hall.vital.clone();
        let counts = Counts::new(registry);
        let door = Door {
            line: Line::new(self.socket),
            stop: Arc::clone(&hall.stop),
            desk: Desk::new(hall, counts.clone(), Arc::clone(&notices)),
            counts,
            notices: Arc::clone(&notices),
            ends: Arc::clone(&ends),
        };
        let thread = std::thread::Builder::new()
            .name("session".into())
            .spawn(move || {
                let _pulse = vital.pulse(NAME);
                if let Err(error) = door.run() {
                    tracing::error!("{NAME} is closed: {error}");
                    vital.fail(NAME);
                }
            })?;
        Ok(Session {
            endpoint: self.endpoint,
            ends,
            notices,
            thread: Some(thread),
        })
    }
}

impl Session {
    /// The address that it listens on.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Whether it takes no more batches, which begins with the hall's stop.
    pub fn is_quiet(&self) -> bool {
        let ended = self.thread.as_ref().is_none_or(JoinHandle::is_finished);
        ended || self.ends.quiet.load(Ordering::Acquire)
    }

    /// Says what became durable, tells all clients that the daemon stops, and closes the door. To be called after the
    /// store was closed.
    pub fn close(self) {
        drop(self);
    }
}

impl Drop for Session {
    /// As [`Session::close`].
    fn drop(&mut self) {
        self.ends.finish.store(true, Ordering::Release);
        self.notices.wake();
        if let Some(thread) = self.thread.take() {
            // A panic was told by the pulse.
            let _ = thread.join();
        }
    }
}
