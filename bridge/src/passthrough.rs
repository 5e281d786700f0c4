//! What came by OTLP leaves as it came: its records are written as the bytes of a span or log record, and nothing is
//! added.

use distlog_proto::RecordRef;
use distlog_proto::wire::scan::{self, Scan};
use distlog_proto::wire::{FieldsRef, LinkRef, OtlpRef, TaskRef, put};
use prost::Message;

use crate::protobuf::{any_value, attributes, fixed32};
use crate::span_builder::{self, MAX_EVENT_BYTES};

/// A span has room for so much at first, in bytes.
const USUAL: usize = 768;

/// Numbers of the fields of `opentelemetry.proto.trace.v1.Span`.
mod field {
    pub const TRACE_ID: u32 = 1;
    pub const SPAN_ID: u32 = 2;
    pub const TRACE_STATE: u32 = 3;
    pub const PARENT_SPAN_ID: u32 = 4;
    pub const NAME: u32 = 5;
    pub const KIND: u32 = 6;
    pub const START: u32 = 7;
    pub const END: u32 = 8;
    pub const ATTRIBUTES: u32 = 9;
    pub const DROPPED_ATTRIBUTES: u32 = 10;
    pub const EVENTS: u32 = 11;
    pub const DROPPED_EVENTS: u32 = 12;
    pub const LINKS: u32 = 13;
    pub const DROPPED_LINKS: u32 = 14;
    pub const STATUS: u32 = 15;
    pub const FLAGS: u32 = 16;
}

/// A span that is being written.
#[derive(Debug, Clone)]
pub(crate) struct Passthrough {
    bytes: Vec<u8>,
    event_bytes: usize,
    dropped_events: u32,
}

impl Passthrough {
    /// From the task's begin; `None` if the record names no task or did not come by OTLP.
    pub fn begin(record: &RecordRef<'_>) -> Option<Passthrough> {
        let (task, otlp) = (record.task?, record.otlp()?);
        let mut span = Passthrough::new(&task, record, record.time);
        let out = &mut span.bytes;
        attributes(out, field::ATTRIBUTES, task.context);
        span.set_attributes(record.fields);
        let out = &mut span.bytes;
        put::varint(
            out,
            field::DROPPED_ATTRIBUTES,
            otlp.dropped_attributes.into(),
        );
        record.links().for_each(|link| self::link(out, &link));
        put::varint(out, field::DROPPED_LINKS, otlp.dropped_links.into());
        span.dropped_events = otlp.dropped_events;
        Some(span)
    }

    /// From the end alone; [`Passthrough::end`] is still to be called.
    pub fn without_begin(end: &RecordRef<'_>) -> Option<Passthrough> {
        let task = end.task?;
        let start = end.time.saturating_sub(end.duration);
        let mut span = Passthrough::new(&task, end, start);
        attributes(&mut span.bytes, field::ATTRIBUTES, task.context);
        Some(span)
    }

    fn new(task: &TaskRef<'_>, record: &RecordRef<'_>, start: u64) -> Passthrough {
        let mut bytes = Vec::with_capacity(USUAL);
        let out = &mut bytes;
        put::bytes_always(out, field::TRACE_ID, &task.trace_id.to_bytes());
        put::bytes_always(out, field::SPAN_ID, &task.span_id.to_bytes());
        put::bytes(out, field::TRACE_STATE, task.trace_state.as_bytes());
        if let Some(parent) = task.parent_span_id {
            put::bytes_always(out, field::PARENT_SPAN_ID, &parent.to_bytes());
        }
        let name = match record.name {
            "" => record.message,
            name => name,
        };
        put::bytes(out, field::NAME, name.as_bytes());
        put::varint(out, field::KIND, record.span_kind.number());
        put::fixed64(out, field::START, start);
        fixed32(out, field::FLAGS, task.flags);
        Passthrough {
            bytes,
            event_bytes: 0,
            dropped_events: 0,
        }
    }

    /// What was added to the task: nothing does so to what comes by OTLP, but links may be added by others.
    pub fn bind(&mut self, record: &RecordRef<'_>) {
        self.set_attributes(record.fields);
        let out = &mut self.bytes;
        record.links().for_each(|link| self::link(out, &link));
    }

    /// Sets attributes, in place of those of the same names.
    fn set_attributes(&mut self, fields: FieldsRef<'_>) {
        if fields.is_empty() {
            return;
        }
        let before = std::mem::take(&mut self.bytes);
        let mut scan = Scan::new("Span", &before);
        loop {
            let here = scan.rest;
            let Some(Ok(item)) = scan.next() else { break };
            let replaced = item.number == field::ATTRIBUTES
                && name(item).is_some_and(|name| fields.get(name).is_some());
            if !replaced {
                let len = here.len() - scan.rest.len();
                self.bytes.extend_from_slice(&here[..len]);
            }
        }
        attributes(&mut self.bytes, field::ATTRIBUTES, fields);
    }

    /// What was logged in the task, by OTLP or else.
    pub fn event(&mut self, record: &RecordRef<'_>) {
        let before = self.bytes.len();
        put::nested(&mut self.bytes, field::EVENTS, |out| match record.otlp() {
            Some(otlp) => event(out, record, &otlp),
            // Writing to a vector cannot fail for want of room.
            None => _ = span_builder::event(record).encode(out),
        });
        let added = self.bytes.len() - before;
        if self.event_bytes + added > MAX_EVENT_BYTES {
            self.bytes.truncate(before);
            self.dropped_events = self.dropped_events.saturating_add(1);
        } else {
            self.event_bytes += added;
        }
    }

    /// The task's end.
    pub fn end(&mut self, record: &RecordRef<'_>) {
        let out = &mut self.bytes;
        put::fixed64(out, field::END, record.time);
        put::varint(out, field::DROPPED_EVENTS, self.dropped_events.into());
        if !record.is_by_otlp() {
            // The daemon said it, since nobody else did.
            if let Some(status) = span_builder::status(record, None) {
                put::nested(out, field::STATUS, |out| _ = status.encode(out));
            }
        } else if record.status_code != 0 || !record.status_message.is_empty() {
            put::nested(out, field::STATUS, |out| {
                put::bytes(out, 2, record.status_message.as_bytes());
                put::varint(out, 3, i64::from(record.status_code as i32) as u64);
            });
        }
    }

    /// Its bytes; complete after [`Passthrough::end`].
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes of its events.
    pub fn event_bytes(&self) -> usize {
        self.event_bytes
    }
}

/// The name of a `KeyValue`.
fn name(key_value: scan::Field<'_>) -> Option<&str> {
    let mut fields = Scan::new("KeyValue", key_value.bytes().ok()?).map_while(Result::ok);
    fields.find(|field| field.number == 1)?.str().ok()
}

/// Appends the content of an `Event`.
fn event(out: &mut Vec<u8>, record: &RecordRef<'_>, otlp: &OtlpRef<'_>) {
    put::fixed64(out, 1, if otlp.no_time { 0 } else { record.time });
    let name = match otlp.event_name {
        "" => record.message,
        name => name,
    };
    put::bytes(out, 2, name.as_bytes());
    attributes(out, 3, record.fields);
    put::varint(out, 4, otlp.dropped_attributes.into());
}

fn link(out: &mut Vec<u8>, link: &LinkRef<'_>) {
    put::nested(out, field::LINKS, |out| {
        put::bytes_always(out, 1, &link.trace_id.to_bytes());
        put::bytes_always(out, 2, &link.span_id.to_bytes());
        put::bytes(out, 3, link.trace_state.as_bytes());
        attributes(out, 4, link.attributes);
        put::varint(out, 5, link.dropped_attributes.into());
        fixed32(out, 6, link.flags);
    });
}

/// Appends the content of a `LogRecord`.
pub(crate) fn log(out: &mut Vec<u8>, record: &RecordRef<'_>, otlp: &OtlpRef<'_>) {
    put::fixed64(out, 1, if otlp.no_time { 0 } else { record.time });
    let severity = match record.level {
        0 => record.stated_severity().number().into(),
        level => level,
    };
    put::varint(out, 2, severity as u64);
    put::bytes(out, 3, record.severity_text.as_bytes());
    match otlp.body {
        Some(body) => put::nested(out, 5, |out| any_value(out, body)),
        // The message is the event's name where there was no body.
        None if record.message.is_empty() || record.message == otlp.event_name => {}
        None => put::nested(out, 5, |out| put::bytes(out, 1, record.message.as_bytes())),
    }
    attributes(out, 6, record.fields);
    put::varint(out, 7, otlp.dropped_attributes.into());
    match &record.task {
        Some(task) => {
            fixed32(out, 8, task.flags);
            put::bytes_always(out, 9, &task.trace_id.to_bytes());
            put::bytes_always(out, 10, &task.span_id.to_bytes());
        }
        None => {
            fixed32(out, 8, otlp.flags);
            if let Some(trace_id) = otlp.trace_id {
                put::bytes_always(out, 9, &trace_id.to_bytes());
            }
        }
    }
    put::fixed64(out, 11, record.observed_time);
    put::bytes(out, 12, otlp.event_name.as_bytes());
}
