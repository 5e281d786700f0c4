//! [`GuardedSocket`]: the socket of a receiver, with or without keys.

use std::ops::Deref;
use std::sync::Arc;

use super::clients::Clients;

/// A bound socket. If it has keys, messages are checked as well: a connection stays open when its key is removed.
pub(crate) struct GuardedSocket {
    socket: zmq::Socket,
    clients: Option<Arc<Clients>>,
}

impl GuardedSocket {
    /// Without `clients` every connection may send.
    pub(crate) fn new(socket: zmq::Socket, clients: Option<Arc<Clients>>) -> GuardedSocket {
        GuardedSocket { socket, clients }
    }

    /// Checks the key of a message's sender. `frame` is the first one after the sender's address.
    ///
    /// # Errors
    /// Why it is not to be read.
    pub(crate) fn check(&self, frame: &mut zmq::Message) -> Result<(), String> {
        let Some(clients) = &self.clients else {
            return Ok(());
        };
        let key = frame.gets("User-Id").and_then(|text| text.parse().ok());
        match key {
            Some(key) if clients.has(key) => Ok(()),
            Some(key) => Err(format!(
                "the key {key} is no longer in {}",
                clients.folder().display()
            )),
            None => Err("the connection has no key".to_owned()),
        }
    }
}

impl Deref for GuardedSocket {
    type Target = zmq::Socket;

    fn deref(&self) -> &zmq::Socket {
        &self.socket
    }
}
