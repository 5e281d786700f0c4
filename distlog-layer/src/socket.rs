//! The only file that knows ZeroMQ.

use std::time::Duration;

use crate::waker::Waker;

/// First pause before another attempt to connect, and the longest, in milliseconds.
const RECONNECT: (i32, i32) = (100, 2000);
/// A daemon says nothing longer, in bytes.
const MAX_HEARD: i64 = 64 * 1024;

pub(crate) use zmq::{Context, Error};

/// For each address a context, which is a thread of libzmq's. It resolves names, and does nothing else meanwhile: a name
/// that nobody answers for must not hold up what goes to another address.
#[derive(Clone)]
pub(crate) struct Contexts {
    first: Context,
    others: Vec<Context>,
}

impl Contexts {
    /// For so many addresses. A context has its thread once there is a socket in it.
    pub(crate) fn new(addresses: usize) -> Contexts {
        Contexts {
            first: Context::new(),
            others: (1..addresses).map(|_| Context::new()).collect(),
        }
    }

    /// That of the address with the number, counted from 0.
    pub(crate) fn of(&self, number: usize) -> &Context {
        let other = number.checked_sub(1).and_then(|at| self.others.get(at));
        other.unwrap_or(&self.first)
    }
}

/// A socket that connects by itself and never blocks.
pub(crate) struct Socket(zmq::Socket);

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// libzmq has it.
    Taken,
    /// Nobody is connected, or he has enough. Nothing was sent.
    Busy,
}

/// What to wait for on a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    /// That a message comes.
    Message,
    /// That a message comes, or that one can be sent.
    Room,
}

impl Socket {
    /// The sending end of a push door, for which libzmq keeps so many messages.
    ///
    /// # Errors
    /// If the address cannot be one, or the system gives no socket. Whether somebody listens shows later.
    pub(crate) fn push(context: &Context, address: &str, keep: i32) -> Result<Socket, Error> {
        Socket::connect(context.socket(zmq::PUSH)?, address, keep)
    }

    /// The client's end of a session door.
    ///
    /// # Errors
    /// As [`Socket::push`].
    pub(crate) fn dealer(context: &Context, address: &str, keep: i32) -> Result<Socket, Error> {
        let socket = context.socket(zmq::DEALER)?;
        socket.set_maxmsgsize(MAX_HEARD)?;
        Socket::connect(socket, address, keep)
    }

    fn connect(socket: zmq::Socket, address: &str, keep: i32) -> Result<Socket, Error> {
        socket.set_linger(0)?;
        socket.set_sndhwm(keep)?;
        // Without it messages queue for a daemon that never was, and those for one that is gone reach its successor.
        socket.set_immediate(true)?;
        socket.set_reconnect_ivl(RECONNECT.0)?;
        socket.set_reconnect_ivl_max(RECONNECT.1)?;
        socket.set_tcp_keepalive(1)?;
        // With it names are looked up as addresses of IPv6 first, and of several only one is tried.
        socket.set_ipv6(address.contains('['))?;
        socket.connect(address)?;
        Ok(Socket(socket))
    }

    /// Sends the frames as one message, without waiting.
    pub(crate) fn send<'a>(&self, frames: impl IntoIterator<Item = &'a [u8]>) -> Sent {
        match self.0.send_multipart(frames, zmq::DONTWAIT) {
            Ok(()) => Sent::Taken,
            Err(_) => Sent::Busy,
        }
    }

    /// Whether somebody is there who takes a message.
    pub(crate) fn has_room(&self) -> bool {
        self.0.poll(zmq::POLLOUT, 0).is_ok_and(|ready| ready > 0)
    }

    /// The first frame of the next message that is there.
    pub(crate) fn receive(&self) -> Option<Vec<u8>> {
        let message = self.0.recv_bytes(zmq::DONTWAIT).ok()?;
        while self.0.get_rcvmore().unwrap_or(false) {
            if self.0.recv_bytes(zmq::DONTWAIT).is_err() {
                break;
            }
        }
        Some(message)
    }

    /// Closes, giving libzmq so long to bring what it has to the daemon. Whoever drops the context waits for that.
    pub(crate) fn close(self, linger: Duration) {
        let millis = linger.as_millis().min(i32::MAX as u128) as i32;
        let _ = self.0.set_linger(millis);
    }
}

/// Waits until something is there on a socket or the waker is used, for `timeout` at most. Says whether it was the
/// waker.
pub(crate) fn wait<'a>(
    sockets: impl IntoIterator<Item = (&'a Socket, For)>,
    waker: Option<&Waker>,
    timeout: Duration,
) -> bool {
    let mut items: Vec<zmq::PollItem<'_>> = sockets
        .into_iter()
        .map(|(socket, what)| {
            socket.0.as_poll_item(match what {
                For::Message => zmq::POLLIN,
                For::Room => zmq::POLLIN | zmq::POLLOUT,
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
