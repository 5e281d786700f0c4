//! [`Propagator`]: the headers `traceparent` and `tracestate` for programs that use the SDK of OpenTelemetry.

use std::sync::LazyLock;

use distlog_proto::TaskId;
use distlog_proto::trace_context::{self, Incoming, Outgoing, TRACEPARENT, TRACESTATE};
use opentelemetry::Context;
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{SpanContext, TraceContextExt, TraceFlags, TraceState};

use crate::ids;

static FIELDS: LazyLock<[String; 2]> =
    LazyLock::new(|| [TRACEPARENT.to_owned(), TRACESTATE.to_owned()]);

/// [W3C Trace Context, Level 2](https://www.w3.org/TR/trace-context-2/), read and written as every program of distlog
/// does.
///
/// ```
/// opentelemetry::global::set_text_map_propagator(distlog_bridge::Propagator::new());
/// ```
///
/// It takes the place of the SDK's `TraceContextPropagator`. It is stricter with `traceparent` (several headers, signs,
/// digits that are missing), reads all `tracestate` headers, keeps the flag that says that the trace id is random, and
/// knows the member `distlog` of `tracestate`: the place in the tree that the calling *task* has reserved. Where
/// headers go on as they came (a proxy that makes no span) that member goes on with them; where a span of the SDK has
/// come in between it is left out, since the reserved place is no child of that span. The members of other systems go
/// on in order.
///
/// Headers that are not valid leave the context as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Propagator(());

impl Propagator {
    /// The only one there is.
    pub const fn new() -> Propagator {
        Propagator(())
    }
}

impl TextMapPropagator for Propagator {
    fn inject_context(&self, context: &Context, injector: &mut dyn Injector) {
        let Some(headers) = outgoing(context.span().span_context()) else {
            return;
        };
        injector.set(TRACEPARENT, headers.traceparent);
        if let Some(trace_state) = headers.tracestate {
            injector.set(TRACESTATE, trace_state);
        }
    }

    fn extract_with_context(&self, context: &Context, extractor: &dyn Extractor) -> Context {
        let values = |name| extractor.get_all(name).unwrap_or_default();
        let (parents, states) = (values(TRACEPARENT), values(TRACESTATE));
        let incoming = Incoming::parse(
            parents.into_iter().map(str::as_bytes),
            states.into_iter().map(str::as_bytes),
        );
        match incoming {
            Some(incoming) => context.with_remote_span_context(caller(&incoming)),
            None => context.clone(),
        }
    }

    fn fields(&self) -> FieldIter<'_> {
        FieldIter::new(&*FIELDS)
    }
}

/// The caller's span.
fn caller(incoming: &Incoming) -> SpanContext {
    SpanContext::new(
        ids::otel_trace_id(incoming.trace_id),
        ids::otel_span_id(incoming.parent_id),
        TraceFlags::new(incoming.flags),
        true,
        trace_state(incoming),
    )
}

/// What `tracestate` said, our member first.
fn trace_state(incoming: &Incoming) -> TraceState {
    let own = incoming
        .reserved()
        .map(|id| (trace_context::KEY, id.path()));
    let others = incoming
        .trace_state
        .split(',')
        .filter_map(|member| member.split_once('='));
    // A few keys that the recommendation allows are none to `TraceState`; they cost no other member.
    let members = own
        .into_iter()
        .chain(others)
        .filter(|member| TraceState::from_key_value([*member]).is_ok());
    TraceState::from_key_value(members).unwrap_or_default()
}

/// The headers of a call from this span; `None` if it is invalid.
fn outgoing(span: &SpanContext) -> Option<Outgoing> {
    let (trace_id, span_id) = (
        ids::trace_id(span.trace_id())?,
        ids::span_id(span.span_id())?,
    );
    let flags = span.trace_flags().to_u8();
    let state = span.trace_state();
    let header = state.header();
    let reserved = state
        .get(trace_context::KEY)
        .and_then(|path| format!("{trace_id}/{path}").parse::<TaskId>().ok())
        .filter(|id| id.parent_span_id() == Some(span_id));
    Some(match reserved {
        Some(id) => Outgoing::new(&id, flags, &header),
        None => Outgoing::from_span(trace_id, span_id, flags, &header),
    })
}
