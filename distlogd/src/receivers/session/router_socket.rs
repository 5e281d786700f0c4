//! The ROUTER socket: messages in, replies out.

use std::time::Duration;

use super::message::{Message, Peer};
use crate::access::curve::GuardedSocket;
use crate::shutdown::Waker;

/// The receiver's socket.
pub(super) struct RouterSocket {
    socket: GuardedSocket,
}

/// Why a reply was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unsent {
    /// The connection is gone.
    Gone,
    /// Its send queue is full.
    Busy,
}

impl RouterSocket {
    pub(super) fn new(socket: GuardedSocket) -> RouterSocket {
        RouterSocket { socket }
    }

    /// Waits for messages (if `reads`) or the waker. True if there are messages.
    pub(super) fn wait(
        &self,
        waker: &Waker,
        reads: bool,
        timeout: Duration,
    ) -> Result<bool, zmq::Error> {
        let mut items = [
            zmq::PollItem::from_fd(waker.fd(), zmq::POLLIN),
            self.socket.as_poll_item(zmq::POLLIN),
        ];
        let watched = if reads { 2 } else { 1 };
        match zmq::poll(&mut items[..watched], timeout.as_millis() as i64) {
            Ok(_) => Ok(reads && items[1].is_readable()),
            Err(zmq::Error::EINTR) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The next message, if there is one.
    pub(super) fn message(&self) -> Option<Message> {
        let peer = self.socket.recv_bytes(zmq::DONTWAIT).ok()?;
        let mut message = Message {
            peer: peer.into(),
            address: None,
            refused: None,
            head: zmq::Message::new(),
            body: None,
            frames: 0,
        };
        while self.socket.get_rcvmore().unwrap_or(false) {
            // Further frames are dropped one by one, so that they use no memory.
            let Ok(mut frame) = self.socket.recv_msg(0) else {
                break;
            };
            message.frames += 1;
            match message.frames {
                1 => {
                    message.address = frame.gets("Peer-Address").map(str::to_owned);
                    message.refused = self.socket.check(&mut frame).err();
                    message.head = frame;
                }
                2 => message.body = Some(frame.to_vec()),
                _ => {}
            }
        }
        Some(message)
    }

    /// Sends a frame at once, or not at all.
    pub(super) fn send(&self, peer: &Peer, frame: &[u8]) -> Result<(), Unsent> {
        self.socket
            .send(&peer[..], zmq::SNDMORE | zmq::DONTWAIT)
            .and_then(|()| self.socket.send(frame, zmq::DONTWAIT))
            .map_err(|error| match error {
                zmq::Error::EHOSTUNREACH => Unsent::Gone,
                _ => Unsent::Busy,
            })
    }
}
