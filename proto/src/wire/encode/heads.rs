//! What stands around fields: tasks, links, sources, callsites, all borrowed.

use crate::id::{ProducerId, SpanId, TraceId};
use crate::record::{Channel, Environment};
use crate::severity::Severity;
use crate::task_id::TaskId;
use crate::wire::field::{batch, record, task};
use crate::wire::put;

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
    /// Flags, as in [`Task::flags`](crate::Task::flags).
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
        // Each span writes one, so its ids are put together first.
        let mut ids = [0; 36];
        ids[0] = (task::TRACE_ID << 3 | 2) as u8;
        ids[1] = 16;
        ids[2..18].copy_from_slice(&self.trace_id.to_bytes());
        ids[18] = (task::SPAN_ID << 3 | 1) as u8;
        ids[19..27].copy_from_slice(&self.span_id.get().to_le_bytes());
        let parent = self.parent_span_id.map_or(0, SpanId::get);
        ids[27] = (task::PARENT_SPAN_ID << 3 | 1) as u8;
        ids[28..].copy_from_slice(&parent.to_le_bytes());
        let length = if parent == 0 { 27 } else { 36 };
        buf.extend_from_slice(&ids[..length]);
        put::bytes(buf, task::PATH, self.path.as_bytes());
        put::varint(buf, task::FLAGS, self.flags.into());
        put::bytes(buf, task::TRACE_STATE, self.trace_state.as_bytes());
    }
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

/// A link without its attributes.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)] // As in Link.
pub struct LinkHead<'a> {
    pub trace_id: TraceId,
    pub span_id: SpanId,
    pub path: &'a str,
    pub flags: u32,
    pub trace_state: &'a str,
    pub dropped_attributes: u32,
}

/// Number of the attributes in a `Link`.
pub const LINK_ATTRIBUTES: u32 = 6;

/// A `Link` as a field of a record; `attributes` appends them as fields number [`LINK_ATTRIBUTES`].
pub fn link_with<R>(
    buf: &mut Vec<u8>,
    link: &LinkHead<'_>,
    attributes: impl FnOnce(&mut Vec<u8>) -> R,
) -> R {
    put::nested(buf, record::LINKS, |buf| {
        put::bytes_always(buf, 1, &link.trace_id.to_bytes());
        put::fixed64(buf, 2, link.span_id.get());
        put::bytes(buf, 3, link.path.as_bytes());
        put::varint(buf, 4, link.flags.into());
        put::bytes(buf, 5, link.trace_state.as_bytes());
        let result = attributes(buf);
        put::varint(buf, 7, link.dropped_attributes.into());
        result
    })
}

/// An instrumentation scope without its attributes.
#[derive(Debug, Clone, Copy, Default)]
#[allow(missing_docs)] // As in Otlp.
pub struct ScopeHead<'a> {
    pub name: &'a str,
    pub version: &'a str,
    pub dropped_attributes: u32,
    pub schema_url: &'a str,
}

/// Number of the scope's attributes in an `Otlp`.
pub const SCOPE_ATTRIBUTES: u32 = 3;
/// Number of the body in an `Otlp`.
pub const OTLP_BODY: u32 = 10;

/// The first fields of an `Otlp`: its scope; `attributes` appends those as fields number [`SCOPE_ATTRIBUTES`].
pub fn scope_with<R>(
    buf: &mut Vec<u8>,
    scope: &ScopeHead<'_>,
    attributes: impl FnOnce(&mut Vec<u8>) -> R,
) -> R {
    put::bytes(buf, 1, scope.name.as_bytes());
    put::bytes(buf, 2, scope.version.as_bytes());
    let result = attributes(buf);
    put::varint(buf, 4, scope.dropped_attributes.into());
    put::bytes(buf, 5, scope.schema_url.as_bytes());
    result
}

/// What an `Otlp` has beside its scope and its body.
#[derive(Debug, Clone, Copy, Default)]
#[allow(missing_docs)] // As in Otlp.
pub struct OtlpRest<'a> {
    pub dropped_attributes: u32,
    pub dropped_events: u32,
    pub dropped_links: u32,
    pub event_name: &'a str,
    pub span_event: bool,
    pub no_time: bool,
    pub trace_id: Option<TraceId>,
    pub flags: u32,
}

impl OtlpRest<'_> {
    /// Appends its fields behind those of [`scope_with`]; `body` appends that as field number [`OTLP_BODY`], if there
    /// is one.
    pub fn put_with<R>(&self, buf: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        put::varint(buf, 6, self.dropped_attributes.into());
        put::varint(buf, 7, self.dropped_events.into());
        put::varint(buf, 8, self.dropped_links.into());
        put::bytes(buf, 9, self.event_name.as_bytes());
        let result = body(buf);
        put::varint(buf, 11, self.span_event.into());
        put::varint(buf, 12, self.no_time.into());
        if let Some(trace_id) = self.trace_id {
            put::bytes_always(buf, 13, &trace_id.to_bytes());
        }
        put::varint(buf, 14, self.flags.into());
        result
    }
}

/// A source without the attributes of its resource.
#[derive(Debug, Clone, Copy, Default)]
#[allow(missing_docs)] // As in Source.
pub struct SourceHead<'a> {
    pub producer: ProducerId,
    pub host: &'a str,
    pub process_id: u64,
    pub process_name: &'a str,
    pub service: &'a str,
    pub schema_url: &'a str,
    pub environment: Environment,
    pub channel: Channel,
    pub dropped_attributes: u32,
}

/// Number of the resource's attributes in a `Source`.
pub const SOURCE_RESOURCE: u32 = 6;

/// A `Source` as a field of a batch; `resource` appends its attributes as fields number [`SOURCE_RESOURCE`].
pub fn source_with<R>(
    buf: &mut Vec<u8>,
    s: &SourceHead<'_>,
    resource: impl FnOnce(&mut Vec<u8>) -> R,
) -> R {
    put::nested(buf, batch::SOURCE, |buf| {
        if s.producer.is_known() {
            put::bytes_always(buf, 1, &s.producer.to_bytes());
        }
        put::bytes(buf, 2, s.host.as_bytes());
        put::varint(buf, 3, s.process_id);
        put::bytes(buf, 4, s.process_name.as_bytes());
        put::bytes(buf, 5, s.service.as_bytes());
        let result = resource(buf);
        put::bytes(buf, 7, s.schema_url.as_bytes());
        put::varint(buf, 8, s.environment.letter().into());
        put::varint(buf, 9, s.channel.letter().into());
        put::varint(buf, 10, s.dropped_attributes.into());
        result
    })
}

/// A place in the code, borrowed.
#[derive(Debug, Clone, Copy, Default)]
#[allow(missing_docs)] // As in Callsite.
pub struct CallsiteHead<'a> {
    pub severity: Severity,
    pub target: &'a str,
    pub file: &'a str,
    pub line: u32,
    pub module: &'a str,
    pub function: &'a str,
    pub template: &'a str,
}

impl CallsiteHead<'_> {
    /// Appends its fields; no id, no tag or length.
    pub fn put(&self, buf: &mut Vec<u8>) {
        put::varint(buf, 2, self.severity.number().into());
        put::bytes(buf, 3, self.target.as_bytes());
        put::bytes(buf, 4, self.file.as_bytes());
        put::varint(buf, 5, self.line.into());
        put::bytes(buf, 6, self.module.as_bytes());
        put::bytes(buf, 7, self.function.as_bytes());
        put::bytes(buf, 8, self.template.as_bytes());
    }
}

/// A callsite as a field of a batch, of which `head` is what [`CallsiteHead::put`] gave.
pub fn callsite_of(buf: &mut Vec<u8>, id: u32, head: &[u8]) {
    put::nested(buf, batch::CALLSITES, |buf| {
        put::varint(buf, 1, id.into());
        buf.extend_from_slice(head);
    });
}
