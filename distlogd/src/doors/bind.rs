//! Opens a ZeroMQ socket.

/// The door did not open.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen for records on {endpoint}: {reason}")]
pub struct OpenError {
    endpoint: String,
    reason: String,
}

impl OpenError {
    /// Why it did not.
    pub(super) fn new(endpoint: &str, reason: impl ToString) -> OpenError {
        OpenError {
            endpoint: endpoint.to_owned(),
            reason: reason.to_string(),
        }
    }
}

/// Binds a socket that `set` has set up. `*` or 0 as port takes a free one; gives what it is bound to.
pub(super) fn bind(
    context: &zmq::Context,
    kind: zmq::SocketType,
    endpoint: &str,
    set: impl FnOnce(&zmq::Socket) -> Result<(), zmq::Error>,
) -> Result<(zmq::Socket, String), OpenError> {
    let open = || {
        let socket = context.socket(kind)?;
        set(&socket)?;
        socket.bind(endpoint)?;
        Ok(socket)
    };
    let socket: zmq::Socket = open().map_err(|error| {
        let reason = match error {
            zmq::Error::EADDRINUSE => "another program listens there already".into(),
            zmq::Error::EACCES => "not permitted".into(),
            other => zmq::Error::to_string(&other),
        };
        OpenError::new(endpoint, reason)
    })?;
    let bound = socket.get_last_endpoint().ok().and_then(Result::ok);
    Ok((socket, bound.unwrap_or_else(|| endpoint.to_owned())))
}
