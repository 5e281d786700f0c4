//! The only file that knows ZeroMQ.

use std::time::Duration;

use crate::waker::Waker;

/// First pause before another attempt to connect, and the longest, in milliseconds.
const RECONNECT: (i32, i32) = (100, 2000);
/// Longest message of a daemon, in bytes.
const MAX_MESSAGE: i64 = 64 * 1024;

use zmq::Context;
/// What ZeroMQ says of a socket.
pub use zmq::Error as SocketError;

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

/// A socket that connects by itself and never blocks.
pub struct Socket(zmq::Socket);

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendStatus {
    /// ZeroMQ has it.
    Sent,
    /// No daemon is connected, or the queue is full. Nothing was sent.
    Full,
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
    pub fn push(contexts: &Contexts, address: &str, queue: i32) -> Result<Socket, SocketError> {
        Socket::connect(contexts.first.socket(zmq::PUSH)?, address, queue)
    }

    /// The client's end of a session receiver.
    ///
    /// # Errors
    /// As [`Socket::push`].
    pub(crate) fn dealer(
        contexts: &Contexts,
        (number, address): (usize, &str),
        queue: i32,
    ) -> Result<Socket, SocketError> {
        let socket = contexts.of(number).socket(zmq::DEALER)?;
        socket.set_maxmsgsize(MAX_MESSAGE)?;
        Socket::connect(socket, address, queue)
    }

    fn connect(socket: zmq::Socket, address: &str, queue: i32) -> Result<Socket, SocketError> {
        socket.set_linger(0)?;
        socket.set_sndhwm(queue)?;
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
    pub fn send<'a>(&self, frames: impl IntoIterator<Item = &'a [u8]>) -> SendStatus {
        match self.0.send_multipart(frames, zmq::DONTWAIT) {
            Ok(()) => SendStatus::Sent,
            Err(_) => SendStatus::Full,
        }
    }

    /// Whether a daemon is connected and the queue has room.
    pub fn has_room(&self) -> bool {
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

    /// Closes. ZeroMQ gets the time `linger` to send what it has; dropping the context waits for that.
    pub fn close(self, linger: Duration) {
        let millis = linger.as_millis().min(i32::MAX as u128) as i32;
        let _ = self.0.set_linger(millis);
    }
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
            socket.0.as_poll_item(match what {
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
