//! Why a request is not taken.

use std::time::Duration;

use axum::http::StatusCode;
use distlog_bridge::receive::PartialSuccess;
use tonic::Code;

use super::MAX_REQUEST;
use crate::access::Denied;

/// When a client that is to retry should do so.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A request was not taken, or not all of it that should have been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// There is no room now.
    #[error("too much is on its way into the store; try again later")]
    Busy,
    /// The store does not take it now.
    #[error("the store takes nothing now; try again later")]
    Away,
    /// The daemon stops.
    #[error("the daemon is shutting down; try again later")]
    Stopping,
    /// It cannot be read.
    #[error("the request cannot be read: {0}")]
    Malformed(String),
    /// It is larger than any request may be.
    #[error("the request has more than {} MiB; send fewer items at once", MAX_REQUEST >> 20)]
    TooLarge,
    /// It is written in a way that is not known.
    #[error("{0}")]
    Unsupported(String),
    /// It is something else than traces and logs.
    #[error("{0}")]
    NotTaken(String),
    /// It is not known who sends it, or he may not.
    #[error("{0}")]
    Denied(#[from] Denied),
    /// Its client went away before all of it was there.
    #[error("the request broke off: {0}")]
    BrokeOff(String),
    /// It came too slowly.
    #[error("the request did not come to its end in time; try again later")]
    Slow,
    /// We are to blame.
    #[error("the daemon failed: {0}")]
    Failed(&'static str),
}

/// What is answered, by either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    /// The value of the label `reason`.
    pub(super) reason: &'static str,
    /// Code of gRPC, also in the `google.rpc.Status` of a body by HTTP.
    pub(super) code: Code,
    /// Status of HTTP.
    pub(super) status: StatusCode,
    /// After what time the client should try again; `None`: it would be in vain, and no client of OTLP does.
    pub(super) again: Option<Duration>,
}

impl Refusal {
    /// The one table of refusals: how each is answered.
    ///
    /// Clients retry what the specification says (<https://opentelemetry.io/docs/specs/otlp/>): by gRPC `CANCELLED`,
    /// `DEADLINE_EXCEEDED`, `ABORTED`, `OUT_OF_RANGE`, `UNAVAILABLE` and `DATA_LOSS`, by HTTP 429, 502, 503 and 504.
    /// Not all do only that: the SDK for Python also retries `RESOURCE_EXHAUSTED` and every status from 500 on, but not
    /// 429. So what is to be retried is `UNAVAILABLE` and 503, which all retry, and what is not avoids what some retry.
    pub(super) fn answer(&self) -> Answer {
        let retry = |reason| Answer {
            reason,
            code: Code::Unavailable,
            status: StatusCode::SERVICE_UNAVAILABLE,
            again: Some(RETRY_AFTER),
        };
        let never = |reason, code, status| Answer {
            reason,
            code,
            status,
            again: None,
        };
        match self {
            Refusal::Busy => retry("too much under way"),
            Refusal::Away => retry("store away"),
            Refusal::Stopping => retry("shutting down"),
            Refusal::BrokeOff(_) => retry("request broke off"),
            // Nothing is wrong with what was sent, but with the way.
            Refusal::Slow => retry("request too slow"),
            Refusal::Malformed(_) => never(
                "bad request",
                Code::InvalidArgument,
                StatusCode::BAD_REQUEST,
            ),
            Refusal::TooLarge => never(
                "request too large",
                Code::InvalidArgument,
                StatusCode::PAYLOAD_TOO_LARGE,
            ),
            Refusal::Unsupported(_) => never(
                "unsupported request",
                Code::Unimplemented,
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ),
            Refusal::NotTaken(_) => {
                never("not taken here", Code::Unimplemented, StatusCode::NOT_FOUND)
            }
            Refusal::Denied(denied) if denied.is_unauthenticated() => never(
                denied.reason(),
                Code::Unauthenticated,
                StatusCode::UNAUTHORIZED,
            ),
            Refusal::Denied(denied) => never(
                denied.reason(),
                Code::PermissionDenied,
                StatusCode::FORBIDDEN,
            ),
            // It would fail again.
            Refusal::Failed(_) => {
                never("failure", Code::Internal, StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}

/// What is said of items that were refused within a request; `None` if all were taken.
pub(super) fn partial(partial_success: &PartialSuccess) -> Option<(i64, String)> {
    let reason = partial_success.reason.as_ref()?;
    let refused = i64::try_from(partial_success.refused).unwrap_or(i64::MAX);
    Some((refused, reason.to_string()))
}

/// What else than traces and logs comes, by the path of its method by gRPC or its path by HTTP.
pub(super) fn other_signal(path: &str) -> Option<Refusal> {
    let what = ["metrics", "profiles"].into_iter().find(|what| {
        path.contains(&format!(".{what}."))
            || path.ends_with(&format!("/v1/{what}"))
            || path.ends_with(&format!("/v1development/{what}"))
    })?;
    Some(Refusal::NotTaken(format!(
        "distlogd takes traces and logs, but no {what}: send them elsewhere"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the specification.
    const RETRIED: [Code; 6] = [
        Code::Cancelled,
        Code::DeadlineExceeded,
        Code::Aborted,
        Code::OutOfRange,
        Code::Unavailable,
        Code::DataLoss,
    ];

    #[test]
    fn clients_retry_what_may_succeed_and_nothing_else() {
        let all = [
            (Refusal::Busy, true),
            (Refusal::Away, true),
            (Refusal::Stopping, true),
            (Refusal::BrokeOff("x".into()), true),
            (Refusal::Slow, true),
            (Refusal::Malformed("x".into()), false),
            (Refusal::TooLarge, false),
            (Refusal::Unsupported("x".into()), false),
            (Refusal::NotTaken("x".into()), false),
            (Refusal::Denied(Denied::Missing), false),
            (Refusal::Failed("x"), false),
        ];
        for (refusal, retried) in all {
            let answer = refusal.answer();
            assert_eq!(answer.again.is_some(), retried, "{refusal:?}");
            assert_eq!(RETRIED.contains(&answer.code), retried, "{refusal:?}");
            let by_http = [429, 502, 503, 504].contains(&answer.status.as_u16());
            assert_eq!(by_http, retried, "{refusal:?}");
            // The SDK for Python, and others.
            assert!(answer.code != Code::ResourceExhausted, "{refusal:?}");
            assert!(
                answer.status != StatusCode::TOO_MANY_REQUESTS
                    && answer.status != StatusCode::REQUEST_TIMEOUT
            );
        }
    }
}
