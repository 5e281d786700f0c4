//! Ids as OTLP has them: bytes of a certain length, not all zero.

use distlog_proto::{SpanId, TraceId};

use super::Fault;

/// A trace id.
pub(super) fn trace(bytes: &[u8]) -> Result<TraceId, Fault> {
    bytes
        .try_into()
        .ok()
        .and_then(TraceId::from_bytes)
        .ok_or(Fault::BadId {
            what: "trace id",
            found: bytes.len(),
            expected: 16,
        })
}

/// A span id; `what` says of what.
pub(super) fn span(what: &'static str, bytes: &[u8]) -> Result<SpanId, Fault> {
    bytes
        .try_into()
        .ok()
        .and_then(|bytes| SpanId::new(u64::from_be_bytes(bytes)))
        .ok_or(Fault::BadId {
            what,
            found: bytes.len(),
            expected: 8,
        })
}

/// The id of a parent: absent, or written as zeros, where there is none.
pub(super) fn parent(bytes: &[u8]) -> Result<Option<SpanId>, Fault> {
    if bytes.is_empty() || bytes == [0; 8] {
        return Ok(None);
    }
    span("parent span id", bytes).map(Some)
}
