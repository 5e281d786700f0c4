//! Binds a ZeroMQ socket.

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

/// Binds a socket that `set` has set up; `*` or 0 as port takes a free one. Gives the address that it is bound to.
pub(super) fn bind(
    context: &zmq::Context,
    kind: zmq::SocketType,
    endpoint: &str,
    set: impl Fn(&zmq::Socket) -> Result<(), zmq::Error>,
) -> Result<(zmq::Socket, String), BindError> {
    crate::listen::bind_zmq(context, kind, endpoint, set)
        .map_err(|reason| BindError::new(endpoint, reason))
}
