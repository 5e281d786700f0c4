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
    set: impl Fn(&zmq::Socket) -> Result<(), zmq::Error>,
) -> Result<(zmq::Socket, String), OpenError> {
    crate::listen::bind_zmq(context, kind, endpoint, set)
        .map_err(|reason| OpenError::new(endpoint, reason))
}
