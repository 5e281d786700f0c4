//! The records of a task, one after the other, become a span: those that did not come by OTLP.

use distlog_proto::wire::{LinkRef, TaskRef};
use distlog_proto::{Outcome, RecordRef, SpanKind};
use prost::Message;

use crate::any_value::{set_fields, string};
use crate::attributes::Attributes;
use crate::code_attributes;
use crate::names;
use crate::otlp::trace::v1::span::{self, Event, Link};
use crate::otlp::trace::v1::status::StatusCode;
use crate::otlp::trace::v1::{Span, Status};

/// Bytes that the events of one span may have in a request; those beyond it are counted as dropped.
pub(crate) const MAX_EVENT_BYTES: usize = 1 << 20;

/// So many attributes a span has room for at first.
const USUAL_ATTRIBUTES: usize = 12;

/// What a status says about a task whose end never arrived, where nothing else is known.
const LOST: &str = "lost: the end of the task never arrived";

/// The span of a task that came from distlog's own clients, as far as it is known.
#[derive(Debug, Clone)]
pub(crate) struct SpanBuilder {
    span: Span,
    attributes: Attributes,
    /// Bytes of its events.
    event_bytes: usize,
}

impl SpanBuilder {
    /// From the task's begin; `None` if the record names no task.
    pub fn begin(record: &RecordRef<'_>) -> Option<SpanBuilder> {
        let task = record.task.as_ref()?;
        let mut open = SpanBuilder::new(task, record, record.time);
        open.add(task, record);
        open.describe(task, record);
        if !record.message.is_empty() && record.message != open.span.name {
            open.attributes
                .set_default(names::DISTLOG_MESSAGE, || string(record.message));
        }
        Some(open)
    }

    /// From the end alone, for a task whose begin is not known any more; [`SpanBuilder::end`] is still to be called.
    /// `None` if the record names no task.
    pub fn without_begin(end: &RecordRef<'_>) -> Option<SpanBuilder> {
        let task = end.task.as_ref()?;
        let mut open = SpanBuilder::new(task, end, end.time.saturating_sub(end.duration));
        open.describe(task, end);
        Some(open)
    }

    fn new(task: &TaskRef<'_>, record: &RecordRef<'_>, start: u64) -> SpanBuilder {
        let name = match record.task_name() {
            "" => "unknown",
            name => name,
        };
        let span = Span {
            trace_id: task.trace_id.to_bytes().to_vec(),
            span_id: task.span_id.to_bytes().to_vec(),
            trace_state: task.trace_state.to_owned(),
            parent_span_id: task
                .parent_span_id
                .map(|id| id.to_bytes().to_vec())
                .unwrap_or_default(),
            flags: task.flags,
            name: name.to_owned(),
            kind: span::SpanKind::Internal as i32,
            start_time_unix_nano: start,
            ..Span::default()
        };
        SpanBuilder {
            span,
            attributes: Attributes::with_capacity(USUAL_ATTRIBUTES),
            event_bytes: 0,
        }
    }

    /// What was added to the task meanwhile.
    pub fn bind(&mut self, record: &RecordRef<'_>) {
        if let Some(task) = &record.task {
            self.add(task, record);
            self.rename(record);
        }
    }

    /// What was logged in the task.
    pub fn event(&mut self, record: &RecordRef<'_>) {
        self.push_event(event(record));
    }

    /// The task's end: time, status and what else it tells.
    pub fn end(&mut self, record: &RecordRef<'_>) {
        let Some(task) = &record.task else { return };
        self.add(task, record);
        self.rename(record);
        let start = self.span.start_time_unix_nano;
        self.span.end_time_unix_nano = match record.duration {
            // Python does not say how long its tasks took.
            0 => record.time.max(start),
            duration => start.saturating_add(duration),
        };
        self.span.status = status(record, self.span.status.take());
        if record.outcome != Outcome::Unset {
            self.attributes
                .set_default(names::DISTLOG_OUTCOME, || string(record.outcome.name()));
        }
        if let Some(error) = record.error() {
            if !error.kind.is_empty() {
                self.attributes
                    .set_default(names::ERROR_TYPE, || string(error.kind));
            }
            let mut attributes = Attributes::default();
            code_attributes::exception(&mut attributes, &error);
            self.push_event(Event {
                time_unix_nano: record.time,
                name: names::EXCEPTION_EVENT.to_owned(),
                attributes: attributes.take(),
                ..Event::default()
            });
        }
        self.span.attributes = self.attributes.take();
    }

    /// The span; complete after [`SpanBuilder::end`].
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// Bytes it will have in a request, about.
    pub fn bytes(&self) -> usize {
        self.span.encoded_len()
    }

    /// Bytes of its events, which only ever become more.
    pub fn event_bytes(&self) -> usize {
        self.event_bytes
    }

    /// What any record may add.
    fn add(&mut self, task: &TaskRef<'_>, record: &RecordRef<'_>) {
        set_fields(&mut self.attributes, task.context);
        set_fields(&mut self.attributes, record.fields);
        self.span.links.extend(record.links().map(link));
        if record.span_kind != SpanKind::Unset {
            self.span.kind = record.span_kind.number() as i32;
        }
        if record.status_code != 0 {
            self.span.status = status(record, None);
        }
    }

    /// A name that was given later.
    fn rename(&mut self, record: &RecordRef<'_>) {
        if !record.name.is_empty() && record.name != self.span.name {
            record.name.clone_into(&mut self.span.name);
        }
    }

    /// What distlog knows by itself.
    fn describe(&mut self, task: &TaskRef<'_>, record: &RecordRef<'_>) {
        self.attributes
            .set_default(names::DISTLOG_TASK, || string(task.to_string()));
        code_attributes::code(&mut self.attributes, record.callsite);
        code_attributes::thread(&mut self.attributes, record);
    }

    fn push_event(&mut self, event: Event) {
        let bytes = event.encoded_len();
        if self.event_bytes + bytes > MAX_EVENT_BYTES {
            self.span.dropped_events_count = self.span.dropped_events_count.saturating_add(1);
            return;
        }
        self.event_bytes += bytes;
        self.span.events.push(event);
    }
}

/// What an end says about how it went; `earlier` is what was said before it.
pub(crate) fn status(record: &RecordRef<'_>, earlier: Option<Status>) -> Option<Status> {
    let error = |message: &str| {
        Some(Status {
            code: StatusCode::Error as i32,
            message: message.to_owned(),
        })
    };
    if record.outcome == Outcome::Lost {
        return error(if record.status_message.is_empty() {
            LOST
        } else {
            record.status_message
        });
    }
    match record.status_code {
        1 => {
            return Some(Status {
                code: StatusCode::Ok as i32,
                message: record.status_message.to_owned(),
            });
        }
        2 => return error(explanation(record)),
        _ => {}
    }
    match record.outcome {
        Outcome::Success => Some(Status {
            code: StatusCode::Ok as i32,
            ..Status::default()
        }),
        Outcome::Failed => earlier
            .filter(|earlier| !earlier.message.is_empty())
            .or_else(|| error(explanation(record))),
        _ => earlier,
    }
}

/// Why it failed.
fn explanation<'a>(record: &RecordRef<'a>) -> &'a str {
    if !record.status_message.is_empty() {
        return record.status_message;
    }
    match record.error() {
        Some(error) if !error.message.is_empty() => error.message,
        Some(error) if !error.kind.is_empty() => error.kind,
        _ => record.message,
    }
}

/// An event of a span.
pub(crate) fn event(record: &RecordRef<'_>) -> Event {
    let mut attributes = Attributes::default();
    set_fields(&mut attributes, record.fields);
    let mut event = Event {
        time_unix_nano: record.time,
        name: record.message.to_owned(),
        ..Event::default()
    };
    match record.otlp() {
        Some(otlp) => {
            if !otlp.event_name.is_empty() {
                otlp.event_name.clone_into(&mut event.name);
            }
            event.dropped_attributes_count = otlp.dropped_attributes;
            if otlp.no_time {
                event.time_unix_nano = 0;
            }
        }
        None => {
            if !record.event_name().is_empty() {
                record.event_name().clone_into(&mut event.name);
                if !record.message.is_empty() && record.message != event.name {
                    attributes.set_default(names::DISTLOG_MESSAGE, || string(record.message));
                }
            }
            if record.severity.number() != 0 {
                attributes.set_default(names::LEVEL, || string(record.severity.name()));
            }
            if !record.callsite.target.is_empty() {
                attributes.set_default(names::TARGET, || string(record.callsite.target));
            }
            code_attributes::code(&mut attributes, record.callsite);
            if let Some(error) = record.error() {
                code_attributes::exception(&mut attributes, &error);
            }
        }
    }
    event.attributes = attributes.take();
    event
}

fn link(link: LinkRef<'_>) -> Link {
    let mut attributes = Attributes::default();
    set_fields(&mut attributes, link.attributes);
    Link {
        trace_id: link.trace_id.to_bytes().to_vec(),
        span_id: link.span_id.to_bytes().to_vec(),
        trace_state: link.trace_state.to_owned(),
        attributes: attributes.take(),
        dropped_attributes_count: link.dropped_attributes,
        flags: link.flags,
    }
}
