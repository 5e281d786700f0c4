//! Writes the messages of `distlog/v1/*.proto`.
//!
//! The layer writes its records piece by piece with these functions; whole records in owned form go through
//! [`super::BatchWriter`].

use super::field::{record, task};
use super::put;
use super::value_ref::field;
use crate::id::{SpanId, TraceId};
use crate::record::{Callsite, ErrorInfo, Link, Otlp, Record, Source, Task};
use crate::task_id::TaskId;
use crate::value::{Map, Value};

/// What a field is called.
#[derive(Debug, Clone, Copy)]
pub enum Key<'a> {
    /// Its place among the field names of the record's callsite, counted from 0.
    Index(u32),
    /// Its name.
    Name(&'a str),
    /// Nothing: an item of a list.
    None,
}

impl Key<'_> {
    #[inline]
    fn put(self, buf: &mut Vec<u8>) {
        match self {
            Key::Index(index) => put::varint(buf, field::KEY, u64::from(index) + 1),
            Key::Name(name) => put::bytes(buf, field::NAME, name.as_bytes()),
            Key::None => {}
        }
    }
}

/// A value that is no list and no map.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)] // As in Value.
pub enum Scalar<'a> {
    Null,
    Bool(bool),
    I64(i64),
    U64(u64),
    F64(f64),
    Str(&'a str),
    Text(&'a str),
    Bytes(&'a [u8]),
}

/// A `Field` message as field `number` of the message being written.
#[inline]
pub fn scalar(buf: &mut Vec<u8>, number: u32, key: Key<'_>, value: Scalar<'_>) {
    put::nested(buf, number, |buf| {
        key.put(buf);
        match value {
            Scalar::Null => {}
            Scalar::Bool(v) => put::varint_always(buf, field::BOOL, v.into()),
            Scalar::I64(v) => put::varint_always(buf, field::INT, put::zigzag(v)),
            Scalar::U64(v) => match i64::try_from(v) {
                Ok(v) => put::varint_always(buf, field::INT, put::zigzag(v)),
                Err(_) => put::varint_always(buf, field::UINT, v),
            },
            Scalar::F64(v) => put::fixed64_always(buf, field::DOUBLE, v.to_bits()),
            Scalar::Str(v) => put::bytes_always(buf, field::STRING, v.as_bytes()),
            Scalar::Text(v) => put::bytes_always(buf, field::TEXT, v.as_bytes()),
            Scalar::Bytes(v) => put::bytes_always(buf, field::BYTES, v),
        }
    });
}

/// A `Field` whose text `write` appends in place; it must append UTF-8.
#[inline]
pub fn text_with(buf: &mut Vec<u8>, number: u32, key: Key<'_>, write: impl FnOnce(&mut Vec<u8>)) {
    put::nested(buf, number, |buf| {
        key.put(buf);
        put::nested(buf, field::TEXT, write);
    });
}

/// A `Field` that is a list; `write` appends the items with [`scalar`], [`list_with`] or [`map_with`], field number 1.
pub fn list_with(buf: &mut Vec<u8>, number: u32, key: Key<'_>, write: impl FnOnce(&mut Vec<u8>)) {
    put::nested(buf, number, |buf| {
        key.put(buf);
        put::nested(buf, field::LIST, write);
    });
}

/// A `Field` that is a map; `write` appends the entries with their names, field number 1.
pub fn map_with(buf: &mut Vec<u8>, number: u32, key: Key<'_>, write: impl FnOnce(&mut Vec<u8>)) {
    put::nested(buf, number, |buf| {
        key.put(buf);
        put::nested(buf, field::MAP, write);
    });
}

/// A `Field` from a value in owned form.
pub fn value(buf: &mut Vec<u8>, number: u32, key: Key<'_>, value: &Value) {
    let scalar_value = match value {
        Value::Null => Scalar::Null,
        Value::Bool(v) => Scalar::Bool(*v),
        Value::I64(v) => Scalar::I64(*v),
        Value::U64(v) => Scalar::U64(*v),
        Value::F64(v) => Scalar::F64(*v),
        Value::Str(v) => Scalar::Str(v),
        Value::Text(v) => Scalar::Text(v),
        Value::Bytes(v) => Scalar::Bytes(v),
        Value::List(items) => {
            return list_with(buf, number, key, |buf| {
                items
                    .iter()
                    .for_each(|item| self::value(buf, field::ITEMS, Key::None, item))
            });
        }
        Value::Map(map) => return map_with(buf, number, key, |buf| fields(buf, field::ITEMS, map)),
    };
    scalar(buf, number, key, scalar_value);
}

/// Each entry of a map as a `Field` with number `number`.
pub fn fields(buf: &mut Vec<u8>, number: u32, map: &Map) {
    map.iter()
        .for_each(|(name, v)| value(buf, number, Key::Name(name), v));
}

/// Who a task is: the part of a `Task` message without its context.
#[derive(Debug, Clone, Copy)]
pub struct TaskHead<'a> {
    /// Its trace.
    pub trace_id: TraceId,
    /// Its span id.
    pub span_id: SpanId,
    /// The task above.
    pub parent_span_id: Option<SpanId>,
    /// Its path.
    pub path: &'a str,
    /// Flags, as in [`Task::flags`].
    pub flags: u32,
    /// The other members of `tracestate`.
    pub trace_state: &'a str,
}

impl<'a> TaskHead<'a> {
    /// Of a task with this id.
    pub fn new(id: &'a TaskId, flags: u8, trace_state: &'a str) -> TaskHead<'a> {
        TaskHead {
            trace_id: id.trace_id(),
            span_id: id.span_id(),
            parent_span_id: id.parent_span_id(),
            path: id.path(),
            flags: flags.into(),
            trace_state,
        }
    }

    /// Appends its fields, but no tag or length: the caller appends the context (`field::task::CONTEXT`) behind it and
    /// wraps both as `field::record::TASK`.
    pub fn put(&self, buf: &mut Vec<u8>) {
        put::bytes_always(buf, task::TRACE_ID, &self.trace_id.to_bytes());
        put::fixed64(buf, task::SPAN_ID, self.span_id.get());
        put::fixed64(
            buf,
            task::PARENT_SPAN_ID,
            self.parent_span_id.map_or(0, SpanId::get),
        );
        put::bytes(buf, task::PATH, self.path.as_bytes());
        put::varint(buf, task::FLAGS, self.flags.into());
        put::bytes(buf, task::TRACE_STATE, self.trace_state.as_bytes());
    }
}

/// A whole `Task` as a field of a record.
pub fn task(buf: &mut Vec<u8>, t: &Task) {
    put::nested(buf, record::TASK, |buf| {
        let head = TaskHead {
            trace_id: t.trace_id,
            span_id: t.span_id,
            parent_span_id: t.parent_span_id,
            path: &t.path,
            flags: t.flags,
            trace_state: &t.trace_state,
        };
        head.put(buf);
        fields(buf, task::CONTEXT, &t.context);
    });
}

/// An `Error` as a field of a record.
pub fn error<'c>(
    buf: &mut Vec<u8>,
    kind: &str,
    message: &str,
    chain: impl IntoIterator<Item = &'c str>,
    traceback: &str,
) {
    put::nested(buf, record::ERROR, |buf| {
        put::bytes(buf, 1, kind.as_bytes());
        put::bytes(buf, 2, message.as_bytes());
        chain
            .into_iter()
            .for_each(|cause| put::bytes_always(buf, 3, cause.as_bytes()));
        put::bytes(buf, 4, traceback.as_bytes());
    });
}

/// A `Link` as a field of a record.
pub fn link(buf: &mut Vec<u8>, link: &Link) {
    put::nested(buf, record::LINKS, |buf| {
        put::bytes_always(buf, 1, &link.trace_id.to_bytes());
        put::fixed64(buf, 2, link.span_id.get());
        put::bytes(buf, 3, link.path.as_bytes());
        put::varint(buf, 4, link.flags.into());
        put::bytes(buf, 5, link.trace_state.as_bytes());
        fields(buf, 6, &link.attributes);
        put::varint(buf, 7, link.dropped_attributes.into());
    });
}

fn otlp(buf: &mut Vec<u8>, otlp: &Otlp) {
    put::nested(buf, record::OTLP, |buf| {
        put::bytes(buf, 1, otlp.scope_name.as_bytes());
        put::bytes(buf, 2, otlp.scope_version.as_bytes());
        fields(buf, 3, &otlp.scope_attributes);
        put::varint(buf, 4, otlp.scope_dropped_attributes.into());
        put::bytes(buf, 5, otlp.scope_schema_url.as_bytes());
        put::varint(buf, 6, otlp.dropped_attributes.into());
        put::varint(buf, 7, otlp.dropped_events.into());
        put::varint(buf, 8, otlp.dropped_links.into());
        put::bytes(buf, 9, otlp.event_name.as_bytes());
        if let Some(body) = &otlp.body {
            value(buf, 10, Key::None, body);
        }
        put::varint(buf, 11, otlp.span_event.into());
        put::varint(buf, 12, otlp.no_time.into());
        if let Some(trace_id) = otlp.trace_id {
            put::bytes_always(buf, 13, &trace_id.to_bytes());
        }
        put::varint(buf, 14, otlp.flags.into());
    });
}

/// The fields of a `Record` except its offset, with the callsite's id in the batch; no tag or length.
pub fn record(buf: &mut Vec<u8>, r: &Record, callsite: u32) {
    put::varint(buf, record::KIND, r.kind.number());
    put::varint(buf, record::CALLSITE, callsite.into());
    put::fixed64(buf, record::TIME, r.time);
    put::fixed64(buf, record::OBSERVED_TIME, r.observed_time);
    put::varint(buf, record::SEVERITY, r.severity.number().into());
    put::bytes(buf, record::SEVERITY_TEXT, r.severity_text.as_bytes());
    put::bytes(buf, record::MESSAGE, r.message.as_bytes());
    if let Some(t) = &r.task {
        task(buf, t);
    }
    put::varint(buf, record::NUMBER, r.number);
    put::varint(buf, record::THREAD_ID, r.thread_id);
    put::bytes(buf, record::THREAD_NAME, r.thread_name.as_bytes());
    fields(buf, record::FIELDS, &r.fields);
    put::varint(buf, record::OUTCOME, r.outcome.number());
    put::varint(buf, record::DURATION, r.duration);
    if let Some(ErrorInfo {
        kind,
        message,
        chain,
        traceback,
    }) = &r.error
    {
        error(
            buf,
            kind,
            message,
            chain.iter().map(String::as_str),
            traceback,
        );
    }
    put::bytes(buf, record::STACK, r.stack.as_bytes());
    r.links.iter().for_each(|l| link(buf, l));
    put::varint(buf, record::SPAN_KIND, r.span_kind.number());
    put::varint(buf, record::STATUS_CODE, r.status_code.into());
    put::bytes(buf, record::STATUS_MESSAGE, r.status_message.as_bytes());
    put::bytes(buf, record::NAME, r.name.as_bytes());
    if let Some(o) = &r.otlp {
        otlp(buf, o);
    }
}

/// A `Source` as a field of a batch.
pub fn source(buf: &mut Vec<u8>, s: &Source) {
    put::nested(buf, super::field::batch::SOURCE, |buf| {
        if s.producer.is_known() {
            put::bytes_always(buf, 1, &s.producer.to_bytes());
        }
        put::bytes(buf, 2, s.host.as_bytes());
        put::varint(buf, 3, s.process_id);
        put::bytes(buf, 4, s.process_name.as_bytes());
        put::bytes(buf, 5, s.service.as_bytes());
        fields(buf, 6, &s.resource);
        put::bytes(buf, 7, s.schema_url.as_bytes());
        put::varint(buf, 8, s.system.letter().into());
        put::varint(buf, 9, s.stream.letter().into());
        put::varint(buf, 10, s.dropped_attributes.into());
    });
}

/// A `Callsite` as a field of a batch.
pub fn callsite<'n>(
    buf: &mut Vec<u8>,
    id: u32,
    c: &Callsite,
    field_names: impl IntoIterator<Item = &'n str>,
) {
    put::nested(buf, super::field::batch::CALLSITES, |buf| {
        put::varint(buf, 1, id.into());
        put::varint(buf, 2, c.severity.number().into());
        put::bytes(buf, 3, c.target.as_bytes());
        put::bytes(buf, 4, c.file.as_bytes());
        put::varint(buf, 5, c.line.into());
        put::bytes(buf, 6, c.module.as_bytes());
        put::bytes(buf, 7, c.function.as_bytes());
        put::bytes(buf, 8, c.template.as_bytes());
        field_names
            .into_iter()
            .for_each(|name| put::bytes_always(buf, 9, name.as_bytes()));
    });
}
