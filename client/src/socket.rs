//! The only file that knows ZeroMQ's sockets.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::curve::Curve;
use crate::link::{Broken, Dial, Link, SendStatus, SocketError};
use crate::waker::Waker;

use zmq::Context;

/// First pause before another attempt to connect, and the longest, in milliseconds.
const RECONNECT: (i32, i32) = (100, 2000);
/// Batches that ZeroMQ may queue; each has 64 to 128 KiB.
const QUEUE: i32 = 32;
/// Longest message of a daemon, in bytes.
const MAX_MESSAGE: i64 = 64 * 1024;

/// A ZeroMQ context, which is a thread, for each endpoint. The thread resolves names and does nothing else meanwhile: a
/// slow name server must not delay what goes to another endpoint.
#[derive(Clone)]
pub struct Contexts {
    first: Context,
    others: Vec<Context>,
}

impl Contexts {
    /// Contexts of so many endpoints. A context starts its thread with its first socket.
    pub fn new(endpoints: usize) -> Contexts {
        Contexts {
            first: Context::new(),
            others: (1..endpoints).map(|_| Context::new()).collect(),
        }
    }

    /// The context of the endpoint with the number, counted from 0.
    fn of(&self, number: usize) -> &Context {
        let other = number.checked_sub(1).and_then(|at| self.others.get(at));
        other.unwrap_or(&self.first)
    }
}

/// Connects the client's end of sessions to the session receivers of daemons.
#[derive(Clone)]
pub struct Dealers {
    /// Contexts of the endpoints.
    pub contexts: Contexts,
    /// Encrypts, with these keys.
    pub curve: Option<Curve>,
}

impl Dial for Dealers {
    type Link = Socket;

    fn dial(&self, number: usize, address: &str) -> Result<Socket, SocketError> {
        let context = self.contexts.of(number);
        let socket = context.socket(zmq::DEALER)?;
        socket.set_maxmsgsize(MAX_MESSAGE)?;
        Socket::connect(context, socket, address, QUEUE, self.curve.as_ref())
    }
}

/// A socket that connects by itself and never blocks.
pub struct Socket {
    socket: zmq::Socket,
    /// Where ZeroMQ tells what becomes of connections.
    events: zmq::Socket,
    is_encrypted: bool,
}

/// What to wait for on a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitFor {
    /// That a message comes.
    Message,
    /// That a message comes, or that one can be sent.
    Room,
}

impl Socket {
    /// The sending end of a push receiver. ZeroMQ queues up to `queue` messages.
    ///
    /// # Errors
    /// If the address cannot be one, or the system gives no socket. Whether somebody listens shows later.
    pub fn push(
        contexts: &Contexts,
        address: &str,
        queue: i32,
        curve: Option<&Curve>,
    ) -> Result<Socket, SocketError> {
        let context = &contexts.first;
        Socket::connect(context, context.socket(zmq::PUSH)?, address, queue, curve)
    }

    fn connect(
        context: &Context,
        socket: zmq::Socket,
        address: &str,
        queue: i32,
        curve: Option<&Curve>,
    ) -> Result<Socket, SocketError> {
        socket.set_linger(0)?;
        socket.set_sndhwm(queue)?;
        // Without it messages queue for a daemon that never was, and those for one that is gone reach its successor.
        socket.set_immediate(true)?;
        socket.set_reconnect_ivl(RECONNECT.0)?;
        socket.set_reconnect_ivl_max(RECONNECT.1)?;
        socket.set_tcp_keepalive(1)?;
        // With it names are looked up as addresses of IPv6 first, and of several only one is tried.
        socket.set_ipv6(address.contains('['))?;
        if let Some(Curve { server, keys }) = curve {
            socket.set_curve_serverkey(server.as_bytes())?;
            socket.set_curve_publickey(keys.public().as_bytes())?;
            socket.set_curve_secretkey(keys.expose_secret())?;
        }
        let is_encrypted = curve.is_some();
        let events = monitor(context, &socket, is_encrypted)?;
        socket.connect(address)?;
        Ok(Socket {
            socket,
            events,
            is_encrypted,
        })
    }
}

impl Link for Socket {
    /// ZeroMQ does not connect again after most faults: the socket is to be replaced.
    fn broken(&self) -> Option<Broken> {
        let mut broken = None;
        while let Some(event) = receive(&self.events) {
            let event = event.get(..2)?.try_into().map(u16::from_ne_bytes).ok()?;
            let found = if event == KEY_REFUSED {
                Broken::KeyRefused
            } else if event == DISCONNECTED {
                Broken::Disconnected
            } else {
                let has_keys = self.is_encrypted;
                Broken::Handshake { has_keys }
            };
            // Each ends with a disconnection.
            broken = broken
                .filter(|_| found == Broken::Disconnected)
                .or(Some(found));
        }
        broken
    }

    fn send<'a>(&self, frames: impl IntoIterator<Item = &'a [u8]>) -> SendStatus {
        match self.socket.send_multipart(frames, zmq::DONTWAIT) {
            Ok(()) => SendStatus::Sent,
            Err(_) => SendStatus::Full,
        }
    }

    fn has_room(&self) -> bool {
        let ready = self.socket.poll(zmq::POLLOUT, 0);
        ready.is_ok_and(|ready| ready > 0)
    }

    fn receive(&self) -> Option<Vec<u8>> {
        receive(&self.socket)
    }

    /// Dropping the context waits for the linger.
    fn close(self, linger: Duration) {
        let millis = linger.as_millis().min(i32::MAX as u128) as i32;
        let _ = self.socket.set_linger(millis);
    }
}

impl Drop for Socket {
    /// An event for which nobody is there would stop ZeroMQ's thread.
    fn drop(&mut self) {
        let _ = self.socket.monitor(&monitor_address(), 0);
    }
}

const KEY_REFUSED: u16 = zmq::SocketEvent::HANDSHAKE_FAILED_AUTH as u16;
const DISCONNECTED: u16 = zmq::SocketEvent::DISCONNECTED as u16;
/// Without keys only that a daemon wants some.
const PLAIN_EVENTS: u16 = zmq::SocketEvent::HANDSHAKE_FAILED_PROTOCOL as u16;
const ALL_EVENTS: u16 =
    PLAIN_EVENTS | KEY_REFUSED | DISCONNECTED | zmq::SocketEvent::HANDSHAKE_FAILED_NO_DETAIL as u16;

/// Gives a socket on which ZeroMQ tells what becomes of the connections of another one.
fn monitor(
    context: &Context,
    socket: &zmq::Socket,
    is_encrypted: bool,
) -> Result<zmq::Socket, SocketError> {
    let address = monitor_address();
    let events = if is_encrypted {
        ALL_EVENTS
    } else {
        PLAIN_EVENTS
    };
    socket.monitor(&address, events.into())?;
    let events = context.socket(zmq::PAIR)?;
    events.set_linger(0)?;
    events.connect(&address)?;
    Ok(events)
}

/// A new one each time.
fn monitor_address() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("inproc://distlog-events-{number}")
}

/// The first frame of the next message that is there.
fn receive(socket: &zmq::Socket) -> Option<Vec<u8>> {
    let message = socket.recv_bytes(zmq::DONTWAIT).ok()?;
    while socket.get_rcvmore().unwrap_or(false) {
        if socket.recv_bytes(zmq::DONTWAIT).is_err() {
            break;
        }
    }
    Some(message)
}

/// Waits until something is there on a socket or the waker is used, for `timeout` at most. Returns whether
/// the waker was used.
pub fn wait<'a>(
    sockets: impl IntoIterator<Item = (&'a Socket, WaitFor)>,
    waker: Option<&Waker>,
    timeout: Duration,
) -> bool {
    let mut items: Vec<zmq::PollItem<'_>> = sockets
        .into_iter()
        .map(|(socket, what)| {
            socket.socket.as_poll_item(match what {
                WaitFor::Message => zmq::POLLIN,
                WaitFor::Room => zmq::POLLIN | zmq::POLLOUT,
            })
        })
        .collect();
    let descriptor = waker.map(Waker::descriptor);
    items.extend(descriptor.map(|descriptor| zmq::PollItem::from_fd(descriptor, zmq::POLLIN)));
    // Rounded up: a wait of no time at all would turn the caller's loop into a busy one.
    let millis = timeout.as_micros().div_ceil(1000) as i64;
    if zmq::poll(&mut items, millis).is_err() {
        // Interrupted by a signal, most likely.
        std::thread::sleep(timeout.min(Duration::from_millis(1)));
        return false;
    }
    descriptor.is_some_and(|fd| {
        items
            .iter()
            .any(|item| item.has_fd(fd) && item.is_readable())
    })
}
