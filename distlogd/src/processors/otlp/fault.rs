//! Why there is no way to the receiver.

use crate::processors::http_client::TlsError;

/// Why no client can be made of a configuration.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The endpoint is no address.
    #[error(
        "`{endpoint}` is no endpoint: expected one like http://127.0.0.1:4317 or https://collector:4317 ({reason})"
    )]
    Endpoint {
        /// What was configured.
        endpoint: String,
        /// What is wrong.
        reason: String,
    },
    /// Certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The operating system gives no thread.
    #[error("no thread for sending: {0}")]
    Thread(#[from] std::io::Error),
}
