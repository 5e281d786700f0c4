//! [`Dial`] and [`Link`]: what a session needs of the network.

use std::time::Duration;

use crate::socket::{Broken, SendStatus, SocketError};

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
