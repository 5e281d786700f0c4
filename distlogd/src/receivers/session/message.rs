//! A message of a client, and the batch in it.

use std::sync::Arc;

use distlog_proto::wire::DecodeError;

use crate::receiver::{Checked, check};

/// A connection, by the routing id that the socket gave it.
pub(super) type Peer = Arc<[u8]>;

/// A message of a connection, and the connection's address.
pub(super) struct Message {
    pub(super) peer: Peer,
    pub(super) address: Option<String>,
    /// Why it is not to be read: its sender's key was removed.
    pub(super) refused: Option<String>,
    /// The first frame.
    pub(super) head: zmq::Message,
    /// The second one.
    pub(super) body: Option<Vec<u8>>,
    /// How many there were.
    pub(super) frames: usize,
}

impl Message {
    /// The bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        self.head.len() + self.body.as_ref().map_or(0, Vec::len)
    }

    /// Reads every record of its batch, if it has one: the most of what a message costs, for which nothing needs to be
    /// known of the session.
    pub(super) fn check(&self) -> Option<Result<Checked, DecodeError>> {
        let body = self.body.as_ref().filter(|_| self.refused.is_none());
        body.map(|bytes| check(bytes))
    }
}
