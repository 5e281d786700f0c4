//! What the receiver makes of a request.

use std::time::Duration;

use distlog_bridge::otlp::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;

use crate::rpc::Signal;

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
