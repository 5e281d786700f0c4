//! What a layer of another tracing system says of a span, where it stands beside distlog's in one subscriber.
//!
//! The crate with our layer and the crate that knows OpenTelemetry both stand on this one, and on nothing of each
//! other.

use crate::id::{SpanId, TraceId};

/// The span that the other system keeps of the same work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalSpan {
    /// Its trace.
    pub trace_id: TraceId,
    /// Its id.
    pub span_id: SpanId,
    /// The span above it, in this process or the caller's.
    pub parent_span_id: Option<SpanId>,
    /// Flags of trace context: [`crate::trace_context::SAMPLED`], [`crate::trace_context::RANDOM`].
    pub flags: u8,
    /// The members of `tracestate` that are not distlog's, joined by commas.
    pub trace_state: String,
}

/// What the other layer has of a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExternalSpanState {
    /// A span; its ids do not change any more.
    Known(ExternalSpan),
    /// Nothing, and that will stay so: it does not see the span.
    None,
    /// This thread is in the middle of making it. Ask again.
    Pending,
}

/// The caller of a span that begins what another process has asked for. Our layer leaves it in the extensions of such a
/// span, so that the other one can continue the caller's trace, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerSpan {
    /// The caller's trace.
    pub trace_id: TraceId,
    /// The caller's span.
    pub span_id: SpanId,
    /// As those of [`ExternalSpan`].
    pub flags: u8,
    /// As that of [`ExternalSpan`].
    pub trace_state: String,
}
