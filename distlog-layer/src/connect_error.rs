//! [`ConnectError`]: why there is no layer.

use distlog_client::{EndpointError, KeyError};
use distlog_spool::SpoolError;

/// The system did not give what the layer needs, or the address is none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Neither `tcp://` nor `ipc://`.
    #[error("`{0}` is no address of distlogd: expected tcp://HOST:PORT or ipc://PATH")]
    Scheme(String),
    /// There is none.
    #[error(
        "no address of distlogd is given: expected at least one, tcp://HOST:PORT or ipc://PATH"
    )]
    NoAddress,
    /// ZeroMQ refuses the address.
    #[error("cannot connect to `{address}`: {source}; expected tcp://HOST:PORT or ipc://PATH")]
    Address {
        /// As it was given.
        address: String,
        /// What ZeroMQ says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The session receiver takes batches.
    #[cfg(feature = "python")]
    #[error(
        "encoding {0:?} does not go with `connect`, which takes batches: use `connect_push` with the daemon's push receiver"
    )]
    Encoding(distlog_proto::Encoding),
    /// A part of all traces cannot be that large.
    #[error("`sample`: {0}")]
    Sample(#[from] distlog_proto::sampling::BadRatio),
    /// The directory of spools cannot be used.
    #[error("no spool: {0}")]
    Spool(#[from] SpoolError),
    /// There is no memory for the ring.
    #[error("cannot get {bytes} bytes for the ring: {source}")]
    Memory {
        /// As much was asked for.
        bytes: usize,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file of keys cannot be used, or libzmq has no CURVE.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// A thread could not be started, or the system does not give what waking it needs.
    #[error("cannot start the sender's thread: {0}")]
    Thread(std::io::Error),
}

impl From<EndpointError> for ConnectError {
    fn from(error: EndpointError) -> ConnectError {
        match error {
            EndpointError::Missing => ConnectError::NoAddress,
            EndpointError::Scheme(address) => ConnectError::Scheme(address),
            EndpointError::Refused { endpoint, source } => ConnectError::Address {
                address: endpoint,
                source: source.into(),
            },
            EndpointError::Curve(error) => ConnectError::Keys(error),
        }
    }
}
