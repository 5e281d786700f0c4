//! [`external_span`]: the span that OpenTelemetry keeps for a span of `tracing`.

use distlog_proto::trace_context::{KEY, NEW_TRACE};
use distlog_proto::{CallerSpan, ExternalSpan, ExternalSpanState};
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt, TraceFlags, TraceState};
use tracing_core::Dispatch;
use tracing_core::span::Id;
use tracing_subscriber::registry::{LookupSpan, Registry};

use super::tracer::{called_by, is_inside, parent};
use crate::ids;

/// What the layer that [`layer`](super::layer) made has of a span, for `Builder::external_spans` of distlog-layer. From
/// then on the span cannot be given another parent.
pub fn external_span(id: &Id, dispatch: &Dispatch) -> ExternalSpanState {
    if is_inside() {
        return ExternalSpanState::Pending;
    }
    let Some(span) = dispatch
        .downcast_ref::<Registry>()
        .and_then(|registry| registry.span(id))
    else {
        return ExternalSpanState::None;
    };
    // The layer of OpenTelemetry was called first when the span closed, and has forgotten it.
    if let Some(span) = span.extensions_mut().remove::<ExternalSpan>() {
        return ExternalSpanState::Known(span);
    }
    span.extensions_mut().replace(Told);
    let caller = span.extensions_mut().remove::<CallerSpan>();
    let caller = caller.as_ref().map(caller_context);
    let context = called_by(caller, || {
        tracing_opentelemetry::get_otel_context(id, dispatch)
    });
    match context.and_then(|context| described(&context)) {
        Some(span) => ExternalSpanState::Known(span),
        None => ExternalSpanState::None,
    }
}

/// In the extensions of a span: distlog has asked for its external span.
pub(super) struct Told;

fn described(context: &Context) -> Option<ExternalSpan> {
    let span = context.span();
    let own = span.span_context();
    let parent_span_id = ids::span_id(parent(&span));
    let state = own.trace_state().delete(KEY).unwrap_or_default();
    Some(ExternalSpan {
        trace_id: ids::trace_id(own.trace_id())?,
        // A tracer that does nothing repeats the parent.
        span_id: ids::span_id(own.span_id()).filter(|id| Some(*id) != parent_span_id)?,
        parent_span_id,
        flags: own.trace_flags().to_u8() & NEW_TRACE,
        trace_state: state.header(),
    })
}

fn caller_context(caller: &CallerSpan) -> SpanContext {
    SpanContext::new(
        ids::otel_trace_id(caller.trace_id),
        ids::otel_span_id(caller.span_id),
        TraceFlags::new(caller.flags),
        true,
        caller.trace_state.parse::<TraceState>().unwrap_or_default(),
    )
}
