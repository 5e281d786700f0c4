//! Ids of distlog as those of OpenTelemetry, and back.
//!
//! Both have the same bytes. A task's id holds more, its path; on the way to OpenTelemetry only the span id that
//! follows from it is left, and what comes back is an anchor: a span that only OpenTelemetry knows.
//!
//! ```
//! use distlog_bridge::ids;
//! use distlog_proto::{TaskId, trace_context::SAMPLED};
//! use opentelemetry::{Context, trace::TraceContextExt};
//!
//! // Spans below a task of distlog:
//! let task: TaskId = "e252a11f-d33d-483d-ba08-bc8f642b2f10/1".parse()?;
//! let context = Context::new().with_remote_span_context(ids::span_context(&task, SAMPLED));
//!
//! // A task of distlog below a span:
//! let anchor = ids::task_id(context.span().span_context()).unwrap();
//! assert_eq!(anchor.to_string(), "e252a11f-d33d-483d-ba08-bc8f642b2f10/~99134579e8496ab7");
//! assert_eq!(anchor.span_id(), task.span_id());
//! # Ok::<(), distlog_proto::ParseIdError>(())
//! ```

use distlog_proto::{SpanId, TaskId, TraceId, trace_context};
use opentelemetry::trace::{self as otel, SpanContext, TraceFlags, TraceState};

/// The trace id for OpenTelemetry.
pub fn otel_trace_id(id: TraceId) -> otel::TraceId {
    otel::TraceId::from_bytes(id.to_bytes())
}

/// The span id for OpenTelemetry.
pub fn otel_span_id(id: SpanId) -> otel::SpanId {
    otel::SpanId::from_bytes(id.to_bytes())
}

/// A trace id of OpenTelemetry; `None` for the invalid one.
pub fn trace_id(id: otel::TraceId) -> Option<TraceId> {
    TraceId::from_bytes(id.to_bytes())
}

/// A span id of OpenTelemetry; `None` for the invalid one.
pub fn span_id(id: otel::SpanId) -> Option<SpanId> {
    SpanId::new(u64::from_be_bytes(id.to_bytes()))
}

/// A task as the parent of spans. It counts as remote: no span of this program's SDK. Of `flags` (those of
/// [`trace_context`]), sampled and random are kept.
pub fn span_context(task: &TaskId, flags: u8) -> SpanContext {
    SpanContext::new(
        otel_trace_id(task.trace_id()),
        otel_span_id(task.span_id()),
        TraceFlags::new(flags & trace_context::NEW_TRACE),
        true,
        TraceState::NONE,
    )
}

/// A span as a task: `trace/~span`; `None` for an invalid context.
pub fn task_id(span: &SpanContext) -> Option<TaskId> {
    Some(TaskId::anchor(
        trace_id(span.trace_id())?,
        span_id(span.span_id())?,
    ))
}
