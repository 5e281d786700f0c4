//! The only file that knows ZeroMQ.

use std::time::Duration;

use super::builder::ConnectError;
use super::handle::Waker;

/// Batches that libzmq may keep; most are of 128 KiB.
const KEEP: i32 = 32;
/// First pause before another attempt to connect, and the longest, in milliseconds.
const RECONNECT: (i32, i32) = (100, 2000);
/// A daemon says nothing longer, in bytes.
const MAX_HEARD: i64 = 64 * 1024;

/// The address of a session door.
pub(super) struct Address {
    context: zmq::Context,
    text: String,
}

impl Address {
    /// # Errors
    /// If it cannot be one. Whether somebody is there shows later.
    pub(super) fn new(text: String) -> Result<Address, ConnectError> {
        let context = zmq::Context::new();
        let known = ["tcp://", "ipc://"].iter().any(|s| text.starts_with(s));
        let address = Address { context, text };
        let reason = match address.connect() {
            Ok(_) if known => return Ok(address),
            Ok(_) => "its scheme is not known here".to_owned(),
            Err(error) => error.to_string(),
        };
        Err(ConnectError::Address {
            address: address.text,
            reason,
        })
    }

    /// A new connection.
    ///
    /// # Errors
    /// If the system gives no socket.
    pub(super) fn connect(&self) -> Result<Socket, zmq::Error> {
        let socket = self.context.socket(zmq::DEALER)?;
        socket.set_linger(0)?;
        socket.set_maxmsgsize(MAX_HEARD)?;
        socket.set_sndhwm(KEEP)?;
        // Without it messages queue for a daemon that never was, and those for one that is gone reach its successor.
        socket.set_immediate(true)?;
        socket.set_reconnect_ivl(RECONNECT.0)?;
        socket.set_reconnect_ivl_max(RECONNECT.1)?;
        socket.set_tcp_keepalive(1)?;
        // Names stand for addresses of IPv4: with it `localhost` would be ::1 alone, which an older daemon does not listen on.
        socket.set_ipv6(self.text.starts_with("tcp://["))?;
        socket.connect(&self.text)?;
        Ok(Socket(socket))
    }
}

/// A connection, made by itself as soon as somebody is there. Nothing here waits.
pub(super) struct Socket(zmq::Socket);

impl Socket {
    /// Whether somebody is there who takes a message.
    pub(super) fn has_room(&self) -> bool {
        self.0.poll(zmq::POLLOUT, 0).is_ok_and(|ready| ready > 0)
    }

    /// Sends the frames as one message; false if nobody takes it.
    pub(super) fn send<'a>(&self, frames: impl IntoIterator<Item = &'a [u8]>) -> bool {
        self.0.send_multipart(frames, zmq::DONTWAIT).is_ok()
    }

    /// The first frame of the next message that is there.
    pub(super) fn receive(&self) -> Option<Vec<u8>> {
        let message = self.0.recv_multipart(zmq::DONTWAIT).ok()?;
        message.into_iter().next()
    }

    /// Closes, giving libzmq so long to bring what it has to the daemon. Whoever drops the [`Address`] waits for that.
    pub(super) fn close(self, linger: Duration) {
        let millis = linger.as_millis().min(i32::MAX as u128) as i32;
        let _ = self.0.set_linger(millis);
    }
}

/// Waits until a message is there, or somebody who takes one if `for_room`, or the waker is used; `timeout` at most.
pub(super) fn wait(socket: Option<(&Socket, bool)>, waker: &Waker, timeout: Duration) {
    let mut items = vec![zmq::PollItem::from_fd(waker.descriptor(), zmq::POLLIN)];
    items.extend(socket.map(|(socket, for_room)| {
        socket.0.as_poll_item(match for_room {
            true => zmq::POLLIN | zmq::POLLOUT,
            false => zmq::POLLIN,
        })
    }));
    // Rounded up: a wait of no time at all would turn the caller's loop into a busy one.
    let millis = timeout.as_micros().div_ceil(1000) as i64;
    // An error is a signal that came in between.
    let _ = zmq::poll(&mut items, millis);
    if items.first().is_some_and(zmq::PollItem::is_readable) {
        waker.clear();
    }
}
