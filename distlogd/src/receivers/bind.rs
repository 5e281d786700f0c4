//! Binds ZeroMQ sockets.

use super::Receiver;
use crate::access::curve::{GuardedSocket, Zap};
use crate::config::Zmq;

/// Of so many cores one may be busy with what comes from sockets, of libzmq's threads for input and output.
const CORES_PER_IO_THREAD: usize = 4;
const MAX_IO_THREADS: usize = 4;

/// A receiver cannot be bound to its address.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen for records on {endpoint}: {reason}")]
pub struct BindError {
    endpoint: String,
    reason: String,
}

impl BindError {
    /// `reason` is for people.
    pub(super) fn new(endpoint: &str, reason: impl ToString) -> BindError {
        BindError {
            endpoint: endpoint.to_owned(),
            reason: reason.to_string(),
        }
    }
}

/// The sockets of all receivers, in one context.
pub(super) struct ZmqSockets {
    context: zmq::Context,
    /// If one of them has keys.
    zap: Option<Zap>,
}

impl ZmqSockets {
    pub(super) fn new() -> ZmqSockets {
        let context = zmq::Context::new();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // Before the first socket this cannot fail. Each connection belongs to one of them.
        let _ =
            context.set_io_threads((cores / CORES_PER_IO_THREAD).clamp(1, MAX_IO_THREADS) as i32);
        ZmqSockets { context, zap: None }
    }

    /// Binds a socket that `set` has set up; `*` or 0 as port takes a free one. Gives the address that it is bound to.
    pub(super) fn bind(
        &mut self,
        receiver: &'static str,
        kind: zmq::SocketType,
        config: &Zmq,
        set: impl Fn(&zmq::Socket) -> Result<(), zmq::Error>,
    ) -> Result<(GuardedSocket, String), BindError> {
        let endpoint = &config.bind;
        let fail = |reason: String| BindError::new(endpoint, reason);
        let Some(curve) = &config.curve else {
            let bound = crate::listen::bind_zmq(&self.context, kind, endpoint, set);
            let (socket, address) = bound.map_err(fail)?;
            return Ok((GuardedSocket::new(socket, None), address));
        };
        // Before the socket: libzmq lets everybody in for whom nobody can be asked.
        let zap = match self.zap.take() {
            Some(zap) => zap,
            None => Zap::open(&self.context).map_err(fail)?,
        };
        let zap = self.zap.insert(zap);
        let files = (curve.key.as_path(), curve.clients.as_path());
        let keys = zap.read(receiver, files).map_err(fail)?;
        let set = |socket: &zmq::Socket| {
            set(socket)?;
            keys.set_on(socket)
        };
        let bound = crate::listen::bind_zmq(&self.context, kind, endpoint, set);
        let (socket, address) = bound.map_err(fail)?;
        Ok((zap.guard(socket, keys.clone()), address))
    }

    /// What answers for their keys: to be started with the receivers, and to end after them.
    pub(super) fn into_zap(self) -> Option<Box<dyn Receiver>> {
        self.zap.map(|zap| Box::new(zap) as Box<dyn Receiver>)
    }
}
