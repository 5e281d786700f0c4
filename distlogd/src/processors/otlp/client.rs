//! Sends one request and says what became of it, whichever way it travels.

use std::time::Duration;

use bytes::Bytes;
use distlog_bridge::otlp::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;

use super::config::{Config, Protocol};
use super::grpc::Grpc;
use super::http::Http;

/// Seconds to wait where only a person can help: a wrong address, wrong credentials.
pub(super) const NEEDS_A_PERSON: Duration = Duration::from_secs(30);

/// What a request holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    Traces,
    Logs,
}

impl Signal {
    pub fn items(self) -> &'static str {
        match self {
            Signal::Traces => "spans",
            Signal::Logs => "log records",
        }
    }
}

/// The receiver took the request, perhaps not all of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Accepted {
    /// Items that it did not take and never will.
    pub rejected: u64,
    /// What it has to say, if anything.
    pub message: String,
}

impl Accepted {
    /// From a response. `ExportLogsServiceResponse` has the same fields under the same numbers.
    pub fn decode(response: &[u8]) -> Accepted {
        // A receiver that answers something else has taken it all the same, as the status says.
        let partial = ExportTraceServiceResponse::decode(response)
            .ok()
            .and_then(|response| response.partial_success);
        let partial = partial.unwrap_or_default();
        Accepted {
            rejected: u64::try_from(partial.rejected_spans).unwrap_or(0),
            message: partial.error_message,
        }
    }
}

/// The receiver did not take the request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Later it may.
    Retry {
        reason: String,
        after: Option<Duration>,
    },
    /// It never will.
    Refused { reason: String },
    /// It does not know this signal.
    Unimplemented { signal: Signal, reason: String },
}

/// The way to the receiver.
#[derive(Debug)]
pub(super) enum Client {
    Grpc(Grpc),
    Http(Box<Http>),
}

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

impl Client {
    /// Must be called where a runtime of tokio is entered. Connects at the first request.
    pub fn new(config: &Config) -> Result<Client, OpenError> {
        match config.protocol {
            Protocol::Grpc => Grpc::new(config).map(Client::Grpc),
            Protocol::HttpProtobuf => {
                Http::new(config).map(|client| Client::Http(Box::new(client)))
            }
        }
    }

    /// Sends a request.
    pub async fn send(&self, signal: Signal, request: Bytes) -> Result<Accepted, Failure> {
        match self {
            Client::Grpc(client) => client.send(signal, request).await,
            Client::Http(client) => client.send(signal, request).await,
        }
    }
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
