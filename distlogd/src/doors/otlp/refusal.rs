//! Why a request is not taken.

use std::time::Duration;

use distlog_bridge::receive::Verdict;

use super::MAX_REQUEST;

/// When a client that is to try again should do so.
pub(super) const AGAIN: Duration = Duration::from_secs(1);

/// A request was not taken, or not all of it that should have been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// There is no room now.
    #[error("too much is on its way into the store; try again later")]
    Busy,
    /// The store does not take it now, or the daemon stops.
    #[error("{0}; try again later")]
    Away(&'static str),
    /// It cannot be read.
    #[error("the request cannot be read: {0}")]
    Malformed(String),
    /// It is larger than any request may be.
    #[error("the request has more than {} MiB; send fewer items at once", MAX_REQUEST >> 20)]
    TooLarge,
    /// It is written in a way that is not known.
    #[error("{0}")]
    Unsupported(String),
    /// It came too slowly.
    #[error("the request did not come to its end in time")]
    Slow,
    /// We are to blame.
    #[error("the daemon failed: {0}")]
    Failed(&'static str),
}

impl Refusal {
    /// Names it, for the counters.
    pub(super) fn what(&self) -> &'static str {
        match self {
            Refusal::Busy => "too much under way",
            Refusal::Away(_) => "store away",
            Refusal::Malformed(_) => "bad request",
            Refusal::TooLarge => "request too large",
            Refusal::Unsupported(_) => "unsupported request",
            Refusal::Slow => "request too slow",
            Refusal::Failed(_) => "failure",
        }
    }

    /// Code of gRPC and `google.rpc.Status`
    /// (<https://grpc.io/docs/guides/status-codes/>).
    pub(super) fn code(&self) -> i32 {
        match self {
            Refusal::Busy | Refusal::TooLarge => 8,
            Refusal::Away(_) => 14,
            Refusal::Malformed(_) | Refusal::Unsupported(_) => 3,
            Refusal::Slow => 4,
            Refusal::Failed(_) => 13,
        }
    }

    /// After what time the client should try again; `None`: it would be in vain.
    pub(super) fn again(&self) -> Option<Duration> {
        matches!(self, Refusal::Busy | Refusal::Away(_)).then_some(AGAIN)
    }
}

/// What is said of items that were refused within a request; `None` if all were taken.
pub(super) fn partial(verdict: &Verdict) -> Option<(i64, String)> {
    let reason = verdict.reason.as_ref()?;
    let refused = i64::try_from(verdict.refused).unwrap_or(i64::MAX);
    Some((refused, reason.to_string()))
}
