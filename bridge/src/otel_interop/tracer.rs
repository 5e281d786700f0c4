//! A tracer around the program's: it knows the parent of each span, which the API of OpenTelemetry does not tell.

use std::borrow::Cow;
use std::cell::Cell;
use std::time::SystemTime;

use opentelemetry::trace::{
    self as otel, SpanBuilder, SpanContext, SpanId, SpanRef, Status, TraceContextExt,
};
use opentelemetry::{Context, KeyValue};

thread_local! {
    /// How many calls into the program's tracer and spans this thread is in.
    static INSIDE: Cell<u32> = const { Cell::new(0) };
    /// The caller of the span that this thread is about to start.
    static CALLER: Cell<Option<SpanContext>> = const { Cell::new(None) };
    /// This thread asks a span for its parent.
    static ASKING: Cell<bool> = const { Cell::new(false) };
    /// What the span has answered.
    static PARENT: Cell<SpanId> = const { Cell::new(SpanId::INVALID) };
}

/// Whether this thread is inside the program's tracer: in a sampler, say, or a span processor. The layer of
/// `tracing-opentelemetry` then holds the lock of a span, and waiting for it would not end.
pub(super) fn is_inside() -> bool {
    INSIDE.get() > 0
}

/// Runs `work`; the span that it starts, if any, has this caller, unless the program has given it a remote parent.
pub(super) fn called_by<T>(caller: Option<SpanContext>, work: impl FnOnce() -> T) -> T {
    CALLER.set(caller);
    let result = work();
    CALLER.set(None);
    result
}

/// The parent of a span of [`Tracer`]; invalid for a root.
pub(super) fn parent(span: &SpanRef<'_>) -> SpanId {
    PARENT.set(SpanId::INVALID);
    ASKING.set(true);
    // The one question that a span is asked without being changed.
    span.is_recording();
    ASKING.set(false);
    PARENT.get()
}

/// This thread is inside until it is dropped, also by a panic.
struct Inside;

impl Inside {
    fn enter() -> Inside {
        INSIDE.set(INSIDE.get() + 1);
        Inside
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(INSIDE.get().saturating_sub(1));
    }
}

#[derive(Debug, Clone)]
pub(super) struct Tracer<T>(pub(super) T);

impl<T: otel::Tracer> otel::Tracer for Tracer<T> {
    type Span = Span<T::Span>;

    fn build_with_context(&self, builder: SpanBuilder, parent: &Context) -> Span<T::Span> {
        let caller = CALLER
            .take()
            .filter(|_| !parent.span().span_context().is_remote())
            .map(|caller| parent.with_remote_span_context(caller));
        let parent = caller.as_ref().unwrap_or(parent);
        let above = parent.span();
        let above = Some(above.span_context()).filter(|context| context.is_valid());
        let _inside = Inside::enter();
        Span {
            parent: above.map_or(SpanId::INVALID, SpanContext::span_id),
            span: self.0.build_with_context(builder, parent),
        }
    }
}

/// A span that knows its parent.
pub(super) struct Span<S> {
    span: S,
    parent: SpanId,
}

impl<S: otel::Span> otel::Span for Span<S> {
    fn is_recording(&self) -> bool {
        if ASKING.get() {
            PARENT.set(self.parent);
        }
        self.span.is_recording()
    }

    fn end_with_timestamp(&mut self, timestamp: SystemTime) {
        let _inside = Inside::enter();
        self.span.end_with_timestamp(timestamp);
    }

    fn add_event_with_timestamp<N: Into<Cow<'static, str>>>(
        &mut self,
        name: N,
        timestamp: SystemTime,
        attributes: Vec<KeyValue>,
    ) {
        self.span
            .add_event_with_timestamp(name, timestamp, attributes);
    }

    fn span_context(&self) -> &SpanContext {
        self.span.span_context()
    }

    fn set_attribute(&mut self, attribute: KeyValue) {
        self.span.set_attribute(attribute);
    }

    fn set_status(&mut self, status: Status) {
        self.span.set_status(status);
    }

    fn update_name<N: Into<Cow<'static, str>>>(&mut self, name: N) {
        self.span.update_name(name);
    }

    fn add_link(&mut self, context: SpanContext, attributes: Vec<KeyValue>) {
        self.span.add_link(context, attributes);
    }
}
