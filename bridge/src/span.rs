//! The records of a task, one after the other, become a span.

use distlog_proto::RecordRef;
use prost::Message;

use crate::otlp::trace::v1::Span;
use crate::passthrough::Passthrough;
use crate::span_builder::SpanBuilder;

/// A task that has begun: what its span has so far.
///
/// Give it the task's records in order: [`OpenSpan::begin`], [`OpenSpan::bind`] and [`OpenSpan::event`] for each, and
/// [`OpenSpan::end`], whereupon it is complete.
#[derive(Debug, Clone)]
pub struct OpenSpan(Form);

#[derive(Debug, Clone)]
enum Form {
    SpanBuilder(Box<SpanBuilder>),
    /// It came by OTLP, and leaves as it came.
    Passthrough(Passthrough),
}

impl OpenSpan {
    /// From the task's begin; `None` if the record names no task.
    pub fn begin(record: &RecordRef<'_>) -> Option<OpenSpan> {
        OpenSpan::new(record, SpanBuilder::begin, Passthrough::begin)
    }

    /// From the end alone, for a task whose begin is not known any more; [`OpenSpan::end`] is still to be called.
    /// `None` if the record names no task.
    pub fn without_begin(end: &RecordRef<'_>) -> Option<OpenSpan> {
        OpenSpan::new(end, SpanBuilder::without_begin, Passthrough::without_begin)
    }

    fn new<'a>(
        record: &RecordRef<'a>,
        built: impl FnOnce(&RecordRef<'a>) -> Option<SpanBuilder>,
        verbatim: impl FnOnce(&RecordRef<'a>) -> Option<Passthrough>,
    ) -> Option<OpenSpan> {
        Some(OpenSpan(if record.is_by_otlp() {
            Form::Passthrough(verbatim(record)?)
        } else {
            Form::SpanBuilder(Box::new(built(record)?))
        }))
    }

    /// What was added to the task meanwhile.
    pub fn bind(&mut self, record: &RecordRef<'_>) {
        match &mut self.0 {
            Form::SpanBuilder(span) => span.bind(record),
            Form::Passthrough(span) => span.bind(record),
        }
    }

    /// What was logged in the task.
    pub fn event(&mut self, record: &RecordRef<'_>) {
        match &mut self.0 {
            Form::SpanBuilder(span) => span.event(record),
            Form::Passthrough(span) => span.event(record),
        }
    }

    /// The task's end: time, status and what else it tells.
    pub fn end(&mut self, record: &RecordRef<'_>) {
        match &mut self.0 {
            Form::SpanBuilder(span) => span.end(record),
            Form::Passthrough(span) => span.end(record),
        }
    }

    /// Appends the bytes of the span, without its length; complete after [`OpenSpan::end`].
    pub fn put(&self, out: &mut Vec<u8>) {
        match &self.0 {
            // Writing to a vector cannot fail for want of room.
            Form::SpanBuilder(span) => _ = span.span().encode(out),
            Form::Passthrough(span) => out.extend_from_slice(span.bytes()),
        }
    }

    /// The span as a message; complete after [`OpenSpan::end`].
    pub fn to_span(&self) -> Span {
        match &self.0 {
            Form::SpanBuilder(span) => span.span().clone(),
            // What we wrote can be read.
            Form::Passthrough(span) => Span::decode(span.bytes()).unwrap_or_default(),
        }
    }

    /// Bytes it will have in a request, about.
    pub fn bytes(&self) -> usize {
        match &self.0 {
            Form::SpanBuilder(span) => span.bytes(),
            Form::Passthrough(span) => span.bytes().len(),
        }
    }

    /// Bytes of its events, which only ever become more.
    pub fn event_bytes(&self) -> usize {
        match &self.0 {
            Form::SpanBuilder(span) => span.event_bytes(),
            Form::Passthrough(span) => span.event_bytes(),
        }
    }
}
