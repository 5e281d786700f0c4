//! A span becomes the begin of a task, its events, and the end.

use distlog_proto::wire::encode::{self, CallsiteHead, LinkHead, OtlpRest, TaskHead};
use distlog_proto::wire::field::{record, task};
use distlog_proto::wire::put;
use distlog_proto::wire::scan::{DecodeError, Scan};
use distlog_proto::{Kind, Outcome, Severity, SpanId, SpanKind, TraceId};

use super::any::{Any, attributes};
use super::batches::{Batches, Scratch};
use super::known::Known;

use super::scope::Scope;
use super::{Fault, ids};
use crate::names;

/// Events carry the attributes of their span up to this size, in bytes: else many small events of one large span would
/// be many times as large as they came.
const MAX_CONTEXT: usize = 1 << 10;

/// The end of a task repeats its name up to this length, in bytes, as that of any other.
const MAX_REPEATED: usize = 1 << 10;

const NAME: &str = "Span";
const ATTRIBUTES: u32 = 9;
const EVENTS: u32 = 11;
const LINKS: u32 = 13;

/// The fields of a `Span` that are no lists.
#[derive(Default)]
struct Head<'a> {
    trace_id: &'a [u8],
    span_id: &'a [u8],
    parent_span_id: &'a [u8],
    trace_state: &'a str,
    flags: u32,
    name: &'a str,
    kind: u32,
    start: u64,
    end: u64,
    dropped_attributes: u32,
    dropped_events: u32,
    dropped_links: u32,
    status_code: u32,
    status_message: &'a str,
}

impl<'a> Head<'a> {
    fn read(span: &'a [u8]) -> Result<Head<'a>, DecodeError> {
        let mut head = Head::default();
        for field in Scan::new(NAME, span) {
            let field = field?;
            match field.number {
                1 => head.trace_id = field.bytes()?,
                2 => head.span_id = field.bytes()?,
                3 => head.trace_state = field.str()?,
                4 => head.parent_span_id = field.bytes()?,
                5 => head.name = field.str()?,
                6 => head.kind = field.u32()?,
                7 => head.start = field.fixed64()?,
                8 => head.end = field.fixed64()?,
                10 => head.dropped_attributes = field.u32()?,
                12 => head.dropped_events = field.u32()?,
                14 => head.dropped_links = field.u32()?,
                15 => (head.status_code, head.status_message) = status(field.bytes()?)?,
                16 => head.flags = field.fixed32()?,
                _ => {}
            }
        }
        Ok(head)
    }

    /// How long it took, in ns. `None`: it has no start or no end, or ends before it starts.
    fn duration(&self) -> Option<u64> {
        let known = self.start > 0 && self.end >= self.start;
        known.then(|| self.end - self.start)
    }

    /// `said`: the attribute by which distlog tells what a status cannot.
    fn outcome(&self, said: Outcome) -> Outcome {
        match (self.status_code, said) {
            (0, Outcome::Cancelled) | (2, Outcome::Lost) => said,
            (1, _) => Outcome::Success,
            (2, _) => Outcome::Failed,
            _ => Outcome::Ok,
        }
    }
}

fn status(bytes: &[u8]) -> Result<(u32, &str), DecodeError> {
    let (mut code, mut message) = (0, "");
    for field in Scan::new("Status", bytes) {
        let field = field?;
        match field.number {
            2 => message = field.str()?,
            3 => code = field.u32()?,
            _ => {}
        }
    }
    Ok((code, message))
}

/// Takes a `Span`.
pub(super) fn take(span: &[u8], scope: &Scope<'_>, into: &mut Batches<'_>) -> Result<(), Fault> {
    let head = Head::read(span)?;
    let trace_id = ids::trace(head.trace_id)?;
    let span_id = ids::span("span id", head.span_id)?;
    let parent_span_id = ids::parent(head.parent_span_id)?;

    let mut known = Known::default();
    let mut distlog_task = None;
    let mut outcome = Outcome::Unset;
    let scratch = &mut into.scratch;
    scratch.context.clear();
    attributes(
        (NAME, span, ATTRIBUTES),
        &mut scratch.context,
        task::CONTEXT,
        |name, value| match name {
            names::DISTLOG_TASK => distlog_task = value.str(),
            names::DISTLOG_OUTCOME => {
                outcome = value.str().and_then(Outcome::from_name).unwrap_or_default();
            }
            _ => known.note(name, value),
        },
    )?;
    put_task(
        &head,
        (trace_id, span_id, parent_span_id),
        distlog_task,
        scratch,
    );
    let callsite = into.callsite(&CallsiteHead {
        severity: Severity::INFO,
        target: scope.name,
        ..known.callsite()
    });

    let kind = SpanKind::from_number(head.kind.into()).number();
    let mut number = 0;
    into.record(|out, scratch| {
        put::varint(out, record::KIND, Kind::Begin.number());
        put::varint(out, record::CALLSITE, callsite.into());
        put::fixed64(out, record::TIME, head.start);
        put::bytes(out, record::MESSAGE, head.name.as_bytes());
        put::bytes(out, record::TASK, &scratch.task);
        known.put_thread(out);
        let dropped_links = links(span, out)?;
        put::varint(out, record::SPAN_KIND, kind);
        scope.put(
            out,
            &OtlpRest {
                dropped_attributes: head.dropped_attributes,
                dropped_events: head.dropped_events,
                dropped_links: head.dropped_links.saturating_add(dropped_links),
                ..OtlpRest::default()
            },
        );
        Ok(())
    })?;
    for event in super::parts(NAME, span, EVENTS) {
        number += 1;
        self::event(event?, &head, (callsite, number), scope, into)?;
    }
    into.record(|out, scratch| {
        put::varint(out, record::KIND, Kind::End.number());
        put::varint(out, record::CALLSITE, callsite.into());
        put::fixed64(out, record::TIME, head.end);
        put::bytes(out, record::MESSAGE, cut(head.name).as_bytes());
        put::bytes(out, record::TASK, &scratch.task);
        put::varint(out, record::NUMBER, number + 1);
        known.put_thread(out);
        put::varint(out, record::OUTCOME, head.outcome(outcome).number());
        if let Some(duration) = head.duration() {
            // Also where it is 0: without it the duration is not known.
            put::varint_always(out, record::DURATION, duration);
        }
        put::varint(out, record::SPAN_KIND, kind);
        put::varint(out, record::STATUS_CODE, head.status_code.into());
        put::bytes(out, record::STATUS_MESSAGE, head.status_message.as_bytes());
        scope.put(out, &OtlpRest::default());
        Ok(())
    })
}

/// The end of a task repeats its name up to a length.
fn cut(name: &str) -> &str {
    let fits = (0..=MAX_REPEATED.min(name.len())).rev();
    let at = fits.into_iter().find(|at| name.is_char_boundary(*at));
    &name[..at.unwrap_or_default()]
}

/// Writes the task of the span's records.
fn put_task(
    span: &Head<'_>,
    (trace_id, span_id, parent_span_id): (TraceId, SpanId, Option<SpanId>),
    distlog_task: Option<&str>,
    scratch: &mut Scratch,
) {
    scratch.set_path(distlog_task, trace_id, span_id);
    let head = TaskHead {
        trace_id,
        span_id,
        parent_span_id,
        path: &scratch.path,
        flags: span.flags,
        trace_state: span.trace_state,
    };
    scratch.bare_task.clear();
    head.put(&mut scratch.bare_task);
    scratch.task.clear();
    scratch.task.extend_from_slice(&scratch.bare_task);
    scratch.task.extend_from_slice(&scratch.context);
}

/// Writes the links of a span. Gives how many were left out, since they name no span.
fn links(span: &[u8], out: &mut Vec<u8>) -> Result<u32, DecodeError> {
    let mut left_out = 0;
    for link in super::parts(NAME, span, LINKS) {
        let link = link?;
        let (mut trace_id, mut span_id, mut trace_state): (&[u8], &[u8], _) = (&[], &[], "");
        let (mut dropped_attributes, mut flags) = (0, 0);
        for field in Scan::new("Link", link) {
            let field = field?;
            match field.number {
                1 => trace_id = field.bytes()?,
                2 => span_id = field.bytes()?,
                3 => trace_state = field.str()?,
                5 => dropped_attributes = field.u32()?,
                6 => flags = field.fixed32()?,
                _ => {}
            }
        }
        let (Ok(trace_id), Ok(span_id)) = (ids::trace(trace_id), ids::span("span id", span_id))
        else {
            left_out += 1;
            continue;
        };
        let head = LinkHead {
            trace_id,
            span_id,
            path: "",
            flags,
            trace_state,
            dropped_attributes,
        };
        encode::link_with(out, &head, |out| {
            attributes(("Link", link, 4), out, encode::LINK_ATTRIBUTES, |_, _| {})
        })?;
    }
    Ok(left_out)
}

/// Takes an event of the span.
fn event(
    event: &[u8],
    span: &Head<'_>,
    (callsite, number): (u32, u64),
    scope: &Scope<'_>,
    into: &mut Batches<'_>,
) -> Result<(), Fault> {
    const NAME: &str = "Event";
    let (mut time, mut name, mut dropped_attributes) = (0, "", 0);
    for field in Scan::new(NAME, event) {
        let field = field?;
        match field.number {
            1 => time = field.fixed64()?,
            2 => name = field.str()?,
            4 => dropped_attributes = field.u32()?,
            _ => {}
        }
    }
    into.record(|out, scratch| {
        let mut known = Known::default();
        let mut level = Severity::UNSET;
        scratch.fields.clear();
        attributes(
            (NAME, event, 3),
            &mut scratch.fields,
            record::FIELDS,
            |name, value| match (name, value) {
                // As tracing-opentelemetry has it.
                (names::LEVEL, Any::Str(text)) => {
                    level = Severity::from_text(text).unwrap_or_default();
                }
                _ => known.note(name, value),
            },
        )?;
        if name == names::EXCEPTION_EVENT {
            level = Severity::ERROR;
        }
        put::varint(out, record::CALLSITE, callsite.into());
        put::fixed64(out, record::TIME, if time == 0 { span.start } else { time });
        put::varint(out, record::SEVERITY, level.number().into());
        put::bytes(
            out,
            record::MESSAGE,
            known.message(name, &mut scratch.text).as_bytes(),
        );
        let task = if scratch.context.len() > MAX_CONTEXT {
            &scratch.bare_task
        } else {
            &scratch.task
        };
        put::bytes(out, record::TASK, task);
        put::varint(out, record::NUMBER, number);
        known.put_thread(out);
        out.extend_from_slice(&scratch.fields);
        known.put_error(out);
        let rest = OtlpRest {
            dropped_attributes,
            event_name: name,
            span_event: true,
            no_time: time == 0,
            ..OtlpRest::default()
        };
        scope.put(out, &rest);
        Ok(())
    })
}
