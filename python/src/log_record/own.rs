//! The key `distlog`.

use std::collections::HashSet;
use std::str::FromStr;

use super::typed::{Read, bool, i64, list, map, parsed, set, string, u32, u64};
use distlog_proto::Severity;
use distlog_proto::{Channel, Environment, ErrorInfo, Kind, Link, Otlp, Outcome, Record, SpanKind};
use distlog_proto::{Map, Value};
use distlog_proto::{ProducerId, SpanId, TraceId};

/// The content of the key `distlog` that is not put into the record as it is.
#[derive(Debug, Default)]
pub(super) struct Own {
    pub severity: Option<Severity>,
    pub callsite_severity: Option<Severity>,
    pub level: Option<i64>,
    pub trace_id: Option<TraceId>,
    pub span_id: Option<SpanId>,
    pub parent_span_id: Option<SpanId>,
    pub flags: u32,
    pub trace_state: String,
    /// The message is its template, too.
    pub literal: bool,
    /// The error, and whether `exc_text` is its traceback.
    pub error: Option<(ErrorInfo, bool)>,
    pub text: Vec<String>,
    pub context_text: Vec<String>,
    /// Unknown entries, and those of the wrong type.
    pub odd: Vec<(String, Value)>,
}

impl Own {
    /// Reads the entries; those of the record go there.
    pub(super) fn read(entries: Map, record: &mut Record) -> Own {
        let mut own = Own::default();
        for (name, value) in entries {
            if let Some(odd) = own.entry(&name, value, record) {
                own.odd.push((name, odd));
            }
        }
        own
    }

    fn entry(&mut self, name: &str, value: Value, r: &mut Record) -> Option<Value> {
        match name {
            "kind" => set(&mut r.kind, value, |v| parsed(v, Kind::from_name)),
            "outcome" => set(&mut r.outcome, value, |v| parsed(v, Outcome::from_name)),
            "duration" => set(&mut r.duration, value, u64),
            "service" => set(&mut r.source.service, value, string),
            "task" | "event_name" => set(&mut r.name, value, string),
            "error" => set(&mut self.error, value, |v| {
                map(v).map(|entries| Some(error(entries)))
            }),
            "trace_id" => set(&mut self.trace_id, value, id),
            "span_id" => set(&mut self.span_id, value, id),
            "parent_span_id" => set(&mut self.parent_span_id, value, id),
            "flags" => set(&mut self.flags, value, u32),
            "trace_state" => set(&mut self.trace_state, value, string),
            "number" => set(&mut r.number, value, u64),
            "span_kind" => set(&mut r.span_kind, value, |v| parsed(v, SpanKind::from_name)),
            "status_code" => set(&mut r.status_code, value, u32),
            "status_message" => set(&mut r.status_message, value, string),
            "links" => set(&mut r.links, value, |v| list(v, link)),
            "time" => set(&mut r.time, value, u64),
            "observed_time" => set(&mut r.observed_time, value, u64),
            "severity" => set(&mut self.severity, value, severity),
            "callsite_severity" => set(&mut self.callsite_severity, value, severity),
            "level" => set(&mut self.level, value, |v| i64(v).map(Some)),
            "severity_text" => set(&mut r.severity_text, value, string),
            "literal" => set(&mut self.literal, value, bool),
            "offset" => set(&mut r.offset, value, u64),
            "producer" => set(&mut r.source.producer, value, |v| parsed(v, producer)),
            "system" => set(&mut r.source.environment, value, |v| {
                parsed(v, Environment::from_name)
            }),
            "stream" => set(&mut r.source.channel, value, |v| {
                parsed(v, Channel::from_name)
            }),
            "resource" => set(&mut r.source.resource, value, map),
            "schema_url" => set(&mut r.source.schema_url, value, string),
            "resource_dropped_attributes" => set(&mut r.source.dropped_attributes, value, u32),
            "otlp" => set(&mut r.otlp, value, |v| {
                map(v).map(|entries| Some(Box::new(otlp(entries))))
            }),
            "text" => set(&mut self.text, value, strings),
            "context_text" => set(&mut self.context_text, value, strings),
            _ => Some(value),
        }
    }
}

/// Makes the strings of these names text again.
pub(super) fn mark_text(fields: Vec<(String, Value)>, names: &[String]) -> Vec<(String, Value)> {
    if names.is_empty() {
        return fields;
    }
    let names: HashSet<&str> = names.iter().map(String::as_str).collect();
    let mark = |(name, value): (String, Value)| match value {
        Value::Str(text) if names.contains(name.as_str()) => (name, Value::Text(text)),
        value => (name, value),
    };
    fields.into_iter().map(mark).collect()
}

/// The program's own `key` is written as `$key`, since `key` is the label of the record.
pub(super) fn own_key(name: String) -> String {
    match name.strip_prefix('$') {
        Some(rest) if rest.trim_start_matches('$') == "key" => rest.to_owned(),
        _ => name,
    }
}

fn severity(value: Value) -> Read<Option<Severity>> {
    u32(value).map(|number| Some(Severity::new(number)))
}

fn id<T: FromStr>(value: Value) -> Read<Option<T>> {
    parsed(value, |text| text.parse().ok().map(Some))
}

fn producer(text: &str) -> Option<ProducerId> {
    let id: TraceId = text.parse().ok()?;
    Some(ProducerId::from_bytes(id.to_bytes()))
}

fn strings(value: Value) -> Read<Vec<String>> {
    list(value, |item| match item {
        Value::Str(text) => Some(text.clone()),
        _ => None,
    })
}

fn error(entries: Map) -> (ErrorInfo, bool) {
    let mut error = ErrorInfo::default();
    let mut traceback = false;
    for (name, value) in entries {
        match name.as_str() {
            "kind" => drop(set(&mut error.kind, value, string)),
            "message" => drop(set(&mut error.message, value, string)),
            "chain" => drop(set(&mut error.chain, value, strings)),
            "traceback" => drop(set(&mut traceback, value, bool)),
            _ => {}
        }
    }
    (error, traceback)
}

/// A link without ids is none.
fn link(value: &Value) -> Option<Link> {
    let Value::Map(entries) = value else {
        return None;
    };
    let text = |name| match entries.get(name) {
        Some(Value::Str(text)) => Some(text.as_str()),
        _ => None,
    };
    let number = |name| {
        entries
            .get(name)
            .cloned()
            .and_then(|value| u32(value).ok())
            .unwrap_or_default()
    };
    Some(Link {
        trace_id: text("trace_id")?.parse().ok()?,
        span_id: text("span_id")?.parse().ok()?,
        path: text("path").unwrap_or_default().to_owned(),
        flags: number("flags"),
        trace_state: text("trace_state").unwrap_or_default().to_owned(),
        attributes: entries
            .get("attributes")
            .cloned()
            .and_then(|value| map(value).ok())
            .unwrap_or_default(),
        dropped_attributes: number("dropped_attributes"),
    })
}

fn otlp(entries: Map) -> Otlp {
    let mut otlp = Otlp::default();
    for (name, value) in entries {
        match name.as_str() {
            "scope_name" => drop(set(&mut otlp.scope_name, value, string)),
            "scope_version" => drop(set(&mut otlp.scope_version, value, string)),
            "scope_attributes" => drop(set(&mut otlp.scope_attributes, value, map)),
            "scope_dropped_attributes" => drop(set(&mut otlp.scope_dropped_attributes, value, u32)),
            "scope_schema_url" => drop(set(&mut otlp.scope_schema_url, value, string)),
            "dropped_attributes" => drop(set(&mut otlp.dropped_attributes, value, u32)),
            "dropped_events" => drop(set(&mut otlp.dropped_events, value, u32)),
            "dropped_links" => drop(set(&mut otlp.dropped_links, value, u32)),
            "event_name" => drop(set(&mut otlp.event_name, value, string)),
            "body" => otlp.body = Some(value),
            "span_event" => drop(set(&mut otlp.span_event, value, bool)),
            "no_time" => drop(set(&mut otlp.no_time, value, bool)),
            "trace_id" => drop(set(&mut otlp.trace_id, value, id)),
            "flags" => drop(set(&mut otlp.flags, value, u32)),
            _ => {}
        }
    }
    otlp
}
