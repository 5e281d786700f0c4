//! From records in owned form.

use super::fields::{Key, fields, value};
use super::heads::{
    CallsiteHead, LINK_ATTRIBUTES, LinkHead, OTLP_BODY, OtlpRest, SCOPE_ATTRIBUTES,
    SOURCE_RESOURCE, ScopeHead, SourceHead, TaskHead, error, link_with, scope_with, source_with,
};
use crate::record::{Callsite, ErrorInfo, Link, Otlp, Record, Source, Task};
use crate::wire::field::{batch, record, task};
use crate::wire::put;

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

/// A `Link` as a field of a record, its attributes included.
pub fn link(buf: &mut Vec<u8>, link: &Link) {
    let head = LinkHead {
        trace_id: link.trace_id,
        span_id: link.span_id,
        path: &link.path,
        flags: link.flags,
        trace_state: &link.trace_state,
        dropped_attributes: link.dropped_attributes,
    };
    link_with(buf, &head, |buf| {
        fields(buf, LINK_ATTRIBUTES, &link.attributes)
    });
}

fn otlp(buf: &mut Vec<u8>, otlp: &Otlp) {
    let scope = ScopeHead {
        name: &otlp.scope_name,
        version: &otlp.scope_version,
        dropped_attributes: otlp.scope_dropped_attributes,
        schema_url: &otlp.scope_schema_url,
    };
    put::nested(buf, record::OTLP, |buf| {
        scope_with(buf, &scope, |buf| {
            fields(buf, SCOPE_ATTRIBUTES, &otlp.scope_attributes)
        });
        let rest = OtlpRest {
            dropped_attributes: otlp.dropped_attributes,
            dropped_events: otlp.dropped_events,
            dropped_links: otlp.dropped_links,
            event_name: &otlp.event_name,
            span_event: otlp.span_event,
            no_time: otlp.no_time,
            trace_id: otlp.trace_id,
            flags: otlp.flags,
        };
        rest.put_with(buf, |buf| {
            if let Some(body) = &otlp.body {
                value(buf, OTLP_BODY, Key::None, body);
            }
        });
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
    put::varint(buf, record::LEVEL, put::zigzag(r.level));
}

/// A `Source` as a field of a batch.
pub fn source(buf: &mut Vec<u8>, s: &Source) {
    let head = SourceHead {
        producer: s.producer,
        host: &s.host,
        process_id: s.process_id,
        process_name: &s.process_name,
        service: &s.service,
        schema_url: &s.schema_url,
        environment: s.environment,
        channel: s.channel,
        dropped_attributes: s.dropped_attributes,
    };
    source_with(buf, &head, |buf| fields(buf, SOURCE_RESOURCE, &s.resource));
}

/// A `Callsite` as a field of a batch.
pub fn callsite<'n>(
    buf: &mut Vec<u8>,
    id: u32,
    c: &Callsite,
    field_names: impl IntoIterator<Item = &'n str>,
) {
    let head = CallsiteHead {
        severity: c.severity,
        target: &c.target,
        file: &c.file,
        line: c.line,
        module: &c.module,
        function: &c.function,
        template: &c.template,
    };
    put::nested(buf, batch::CALLSITES, |buf| {
        put::varint(buf, 1, id.into());
        head.put(buf);
        field_names
            .into_iter()
            .for_each(|name| put::bytes_always(buf, 9, name.as_bytes()));
    });
}
