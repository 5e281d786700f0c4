//! A log record becomes an event.

use distlog_proto::wire::encode::{CallsiteHead, Key, OTLP_BODY, OtlpRest, TaskHead};
use distlog_proto::wire::field::record;
use distlog_proto::wire::scan::{DecodeError, Scan};
use distlog_proto::wire::{field_value, put};
use distlog_proto::{Severity, SpanId, TraceId};

use super::any::{Any, attribute};
use super::batches::Batches;
use super::known::Known;
use super::scope::Scope;
use super::{Fault, ids};
use crate::any_value::write_text;
use crate::names;

const NAME: &str = "LogRecord";

/// The readable form of a body that is no string is cut at this length, in bytes.
const MAX_TEXT: usize = 4 << 10;

/// The fields of a `LogRecord` that are no lists.
#[derive(Default)]
struct Head<'a> {
    time: u64,
    severity: i32,
    severity_text: &'a str,
    body: Option<Any<'a>>,
    dropped_attributes: u32,
    flags: u32,
    trace_id: &'a [u8],
    span_id: &'a [u8],
    observed_time: u64,
    event_name: &'a str,
}

impl<'a> Head<'a> {
    /// Reads a log record once: shows `attribute` the bytes of each of its attributes on the way.
    fn read(
        log: &'a [u8],
        mut attribute: impl FnMut(&'a [u8]) -> Result<(), DecodeError>,
    ) -> Result<Head<'a>, DecodeError> {
        let mut head = Head::default();
        for field in Scan::new(NAME, log) {
            let field = field?;
            match field.number {
                1 => head.time = field.fixed64()?,
                2 => head.severity = field.varint()? as i32,
                3 => head.severity_text = field.str()?,
                5 => head.body = Some(Any::read(field.bytes()?)?),
                6 => attribute(field.bytes()?)?,
                7 => head.dropped_attributes = field.u32()?,
                8 => head.flags = field.fixed32()?,
                9 => head.trace_id = field.bytes()?,
                10 => head.span_id = field.bytes()?,
                11 => head.observed_time = field.fixed64()?,
                12 => head.event_name = field.str()?,
                _ => {}
            }
        }
        Ok(head)
    }

    /// Its trace and span, if it names them. Zeros mean that there is none.
    fn ids(&self) -> Result<(Option<TraceId>, Option<SpanId>), Fault> {
        let trace_id = match self.trace_id {
            [] => None,
            zeros if *zeros == [0; 16] => None,
            bytes => Some(ids::trace(bytes)?),
        };
        let span_id = match self.span_id {
            [] => None,
            zeros if *zeros == [0; 8] => None,
            bytes => Some(ids::span("span id", bytes)?),
        };
        Ok((trace_id, span_id))
    }
}

/// Takes a `LogRecord`. `received` is when it came, in ns since the Unix epoch.
pub(super) fn take(
    log: &[u8],
    received: u64,
    scope: &Scope<'_>,
    into: &mut Batches<'_>,
) -> Result<(), Fault> {
    let mut known = Known::default();
    let mut distlog_task = None;
    let scratch = &mut into.scratch;
    scratch.fields.clear();
    let head = Head::read(log, |bytes| {
        let (name, value) = attribute(bytes, &mut scratch.fields, record::FIELDS)?;
        match name {
            names::DISTLOG_TASK => distlog_task = value.str(),
            _ => known.note(name, value),
        }
        Ok(())
    })?;
    let (trace_id, span_id) = head.ids()?;
    let task = trace_id.zip(span_id);
    if let Some((trace_id, span_id)) = task {
        scratch.set_path(distlog_task, trace_id, span_id);
    }
    let callsite = into.callsite(&CallsiteHead {
        target: scope.name,
        ..known.callsite()
    });
    into.record(|out, scratch| {
        let time = match (head.time, head.observed_time) {
            (0, 0) => received,
            (0, observed) => observed,
            (time, _) => time,
        };
        put::varint(out, record::CALLSITE, callsite.into());
        put::fixed64(out, record::TIME, time);
        put::fixed64(out, record::OBSERVED_TIME, head.observed_time);
        let severity = Severity::new(u32::try_from(head.severity).unwrap_or_default());
        put::varint(out, record::SEVERITY, severity.number().into());
        if i32::from(severity.number()) != head.severity {
            put::varint(out, record::LEVEL, put::zigzag(head.severity.into()));
        }
        put::bytes(out, record::SEVERITY_TEXT, head.severity_text.as_bytes());
        let body = body(&head, &mut scratch.text)?;
        put::bytes(out, record::MESSAGE, body.message.as_bytes());
        if let Some((trace_id, span_id)) = task {
            put::nested(out, record::TASK, |out| {
                TaskHead {
                    trace_id,
                    span_id,
                    parent_span_id: None,
                    path: &scratch.path,
                    flags: head.flags,
                    trace_state: "",
                }
                .put(out);
            });
        }
        known.put_thread(out);
        out.extend_from_slice(&scratch.fields);
        known.put_error(out);
        let rest = OtlpRest {
            dropped_attributes: head.dropped_attributes,
            event_name: head.event_name,
            no_time: head.time == 0,
            trace_id: trace_id.filter(|_| task.is_none()),
            flags: if task.is_none() { head.flags } else { 0 },
            ..OtlpRest::default()
        };
        scope.put_with(out, &rest, |out| match body.kept {
            Some(body) => body.put(out, OTLP_BODY, Key::None),
            None => Ok(()),
        })?;
        Ok(())
    })
}

/// What a log record says.
struct Body<'a> {
    /// Readably.
    message: &'a str,
    /// Its body, where the message does not tell it.
    kept: Option<Any<'a>>,
}

/// A body that is a string is the message, nothing else is to be kept then. Without a body the event's name is the
/// message.
fn body<'a>(head: &Head<'a>, text: &'a mut String) -> Result<Body<'a>, DecodeError> {
    Ok(match head.body {
        None => Body {
            message: head.event_name,
            kept: None,
        },
        Some(Any::Null) => Body {
            message: head.event_name,
            kept: head.body,
        },
        // Could be taken for no body.
        Some(Any::Str(body)) if body.is_empty() || body == head.event_name => Body {
            message: head.event_name,
            kept: head.body,
        },
        Some(Any::Str(message)) => Body {
            message,
            kept: None,
        },
        Some(body) => {
            let mut field = Vec::new();
            body.put(&mut field, OTLP_BODY, Key::None)?;
            text.clear();
            if let Some(field) = Scan::new(NAME, &field).next() {
                write_text(text, field_value(field?.bytes()?)?);
            }
            if text.len() > MAX_TEXT {
                let fits = (0..=MAX_TEXT).rev().find(|at| text.is_char_boundary(*at));
                text.truncate(fits.unwrap_or_default());
                text.push('…');
            }
            Body {
                message: text,
                kept: head.body,
            }
        }
    })
}
