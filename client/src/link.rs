//! [`Dial`] and [`Link`]: what a session needs of the network.

use std::time::Duration;

/// What ZeroMQ says of a socket.
pub use zmq::Error as SocketError;

/// Opens links to daemons: ZeroMQ's sockets ([`Dealers`](crate::Dealers)), or the ones of a simulation.
pub trait Dial {
    /// What it opens.
    type Link: Link;

    /// Begins to connect to an endpoint, the one with this number, counted from 0. Whether a daemon answers shows
    /// later.
    ///
    /// # Errors
    /// If the address cannot be one, or the system gives no socket.
    fn dial(&self, number: usize, address: &str) -> Result<Self::Link, SocketError>;
}

/// One attempt to reach a daemon. Nothing here waits.
pub trait Link {
    /// Why there is no connection and may never be one, if something was wrong since this was asked last.
    fn broken(&self) -> Option<Broken>;

    /// Whether a daemon is connected and the queue has room.
    fn has_room(&self) -> bool;

    /// The first frame of the next message that is there.
    fn receive(&self) -> Option<Vec<u8>>;

    /// Sends the frames as one message.
    fn send<'a>(&self, frames: impl IntoIterator<Item = &'a [u8]>) -> SendStatus;

    /// Closes. What was sent gets the time `linger` to leave.
    fn close(self, linger: Duration);
}

/// Why ZeroMQ has no connection, and may never have one on this socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The daemon does not know the program's key.
    #[error(
        "the daemon does not take the key of this program: its public half belongs into the folder that `clients:` of \
         the daemon's configuration names"
    )]
    KeyRefused,
    /// The daemon and the program do not agree on keys, or on whether there are any.
    #[error(
        "{}",
        match has_keys {
            true => "the daemon has another key than this program expects, or none (`curve:` of its configuration)",
            false => "the daemon takes only connections with keys: `curve(…)` gives them to this program",
        }
    )]
    Handshake {
        /// Whether the program has keys.
        has_keys: bool,
    },
    /// It ended.
    #[error("the connection has ended")]
    Disconnected,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendStatus {
    /// ZeroMQ has it.
    Sent,
    /// No daemon is connected, or the queue is full. Nothing was sent.
    Full,
}
