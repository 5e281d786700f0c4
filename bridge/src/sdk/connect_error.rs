//! [`ConnectError`]: why there are no exporters.

use distlog_client::{EndpointError, KeyError};
use distlog_spool::SpoolError;

/// The exporters cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Not a session endpoint.
    #[error(
        "`{address}` is no session endpoint of distlogd: {reason}; expected tcp://HOST:PORT or ipc://PATH"
    )]
    Address {
        /// As it was given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no endpoint.
    #[error("no session endpoint of distlogd is given: expected tcp://HOST:PORT or ipc://PATH")]
    NoEndpoint,
    /// A file of keys cannot be used, or libzmq has no CURVE.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The directory of spools cannot be used.
    #[error("no spool: {0}")]
    Spool(#[from] SpoolError),
    /// The system gives no thread, or no pipe to wake it.
    #[error("cannot start the exporters' thread: {0}")]
    Thread(#[from] std::io::Error),
}

impl From<EndpointError> for ConnectError {
    fn from(error: EndpointError) -> ConnectError {
        match error {
            EndpointError::Missing => ConnectError::NoEndpoint,
            EndpointError::Scheme(address) => ConnectError::Address {
                address,
                reason: "its scheme is not known here".to_owned(),
            },
            EndpointError::Refused { endpoint, source } => ConnectError::Address {
                address: endpoint,
                reason: source.to_string(),
            },
            EndpointError::Curve(error) => ConnectError::Keys(error),
        }
    }
}
