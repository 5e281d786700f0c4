//! The only file that knows ZeroMQ.

use std::time::Duration;

use distlog_proto::Encoding;

/// Messages that libzmq may keep for a connected daemon, if each is a batch of 64 KiB or a single record.
const HIGH_WATER_MARKS: (i32, i32) = (32, 4096);
/// First pause before another attempt to connect, and the longest, in milliseconds.
const RECONNECT: (i32, i32) = (100, 2000);

/// The sending end of the push door.
pub(crate) struct Push {
    // Before the context: closing that waits for the socket.
    socket: zmq::Socket,
    _context: zmq::Context,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// libzmq has it.
    Taken,
    /// Nobody is connected, or he has enough. Nothing was sent.
    Busy,
}

impl Push {
    /// Begins to connect; whether somebody listens shows later.
    ///
    /// # Errors
    /// If the address cannot be one, or the system gives no socket.
    pub(crate) fn connect(address: &str, encoding: Encoding) -> Result<Push, zmq::Error> {
        let context = zmq::Context::new();
        let socket = context.socket(zmq::PUSH)?;
        socket.set_linger(0)?;
        socket.set_sndhwm(if encoding == Encoding::Batch {
            HIGH_WATER_MARKS.0
        } else {
            HIGH_WATER_MARKS.1
        })?;
        // Without it messages queue for a daemon that never was.
        socket.set_immediate(true)?;
        socket.set_reconnect_ivl(RECONNECT.0)?;
        socket.set_reconnect_ivl_max(RECONNECT.1)?;
        socket.set_tcp_keepalive(1)?;
        socket.connect(address)?;
        Ok(Push {
            socket,
            _context: context,
        })
    }

    /// Sends topic and body as one message, without waiting.
    pub(crate) fn send(&self, topic: [u8; 3], body: &[u8]) -> Sent {
        match self
            .socket
            .send_multipart([&topic[..], body], zmq::DONTWAIT)
        {
            Ok(()) => Sent::Taken,
            Err(_) => Sent::Busy,
        }
    }

    /// Waits until a message can be sent, for `timeout` at most.
    pub(crate) fn wait(&self, timeout: Duration) {
        if self
            .socket
            .poll(zmq::POLLOUT, timeout.as_millis() as i64)
            .is_err()
        {
            // Interrupted by a signal, most likely; whatever it is must not turn the caller's loop into a busy one.
            std::thread::sleep(timeout.min(Duration::from_millis(1)));
        }
    }

    /// Closes, giving libzmq so long to bring what it has to the daemon.
    pub(crate) fn close(self, linger: Duration) {
        let _ = self
            .socket
            .set_linger(linger.as_millis().min(i32::MAX as u128) as i32);
    }
}
