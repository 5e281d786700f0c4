//! Why there is no way to the receiver, and the causes of errors as text.

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
    /// A certificate or key cannot be used.
    #[error("{what} {path} cannot be used: {reason}")]
    Tls {
        /// What it is.
        what: &'static str,
        /// Its file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// Only one of certificate and key is there.
    #[error("`cert` and `key` belong together: one of them is missing")]
    HalfAnIdentity,
    /// The operating system gives no thread.
    #[error("no thread for sending: {0}")]
    Thread(#[from] std::io::Error),
}

/// The innermost cause of an error: what the system said.
pub(super) fn root_cause(mut error: &dyn std::error::Error) -> String {
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}

/// An error with all its causes, which are often more telling than itself.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
