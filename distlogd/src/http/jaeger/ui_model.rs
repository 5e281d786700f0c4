//! Spans in the JSON of Jaeger's UI: what OTLP says of a span in fields of its own are tags there.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use distlog_bridge::names::SERVICE_NAME;
use distlog_bridge::otlp::common::v1::any_value::Value as AnyValue;
use distlog_bridge::otlp::common::v1::{InstrumentationScope, KeyValue};
use distlog_bridge::otlp::resource::v1::Resource;
use distlog_bridge::otlp::trace::v1::span::{Event, SpanKind};
use distlog_bridge::otlp::trace::v1::status::StatusCode as SpanStatus;
use distlog_bridge::otlp::trace::v1::{Span, TracesData};
use distlog_proto::TraceId;
use prost::Message;
use serde_json::{Map, Value, json};

use super::super::problem::Problem;
use super::answer::Face;
use super::summary::{hex, service_of};

/// Larger whole numbers are not exact in JavaScript.
const MAX_SAFE: i64 = (1 << 53) - 1;
/// The attribute of a link that says what it is.
const REF_TYPE: &str = "opentracing.ref_type";
/// What a trace ends with if nothing of it is wrong.
const NO_WARNINGS: &str = "\"warnings\":null}";
/// What stands behind the data.
pub(super) const BEHIND: &str = "\"total\":0,\"limit\":0,\"offset\":0,\"errors\":null}";

/// Traces as Jaeger's UI reads them.
pub(super) struct UiTraces {
    /// A single trace is asked for: where it is missing that is an error.
    single: bool,
    begun: bool,
    /// Of the trace that is being written.
    in_trace: bool,
    /// Processes of that trace as JSON, in the order in which they came.
    processes: Vec<String>,
}

impl UiTraces {
    pub(super) fn new(single: bool) -> UiTraces {
        UiTraces {
            single,
            begun: false,
            in_trace: false,
            processes: Vec::new(),
        }
    }

    /// The id of a process, which is told at the end of the trace.
    fn process(&mut self, resource: Option<&Resource>) -> String {
        let attributes = resource.map_or(&[][..], |resource| &resource.attributes[..]);
        let others = attributes.iter().filter(|a| a.key != SERVICE_NAME);
        let tags = tags(others);
        let process = json!({ "serviceName": service_of(resource), "tags": tags }).to_string();
        let known = self.processes.iter().position(|known| *known == process);
        let at = known.unwrap_or_else(|| {
            self.processes.push(process);
            self.processes.len() - 1
        });
        format!("p{}", at + 1)
    }
}

impl Face for UiTraces {
    fn spans(&mut self, trace: TraceId, data: &[u8], out: &mut Vec<u8>) {
        // It is what was just written.
        let Ok(data) = TracesData::decode(data) else {
            return;
        };
        for resource in &data.resource_spans {
            let process = self.process(resource.resource.as_ref());
            for scope in &resource.scope_spans {
                for span in &scope.spans {
                    if std::mem::replace(&mut self.in_trace, true) {
                        out.push(b',');
                    } else {
                        let opening = if std::mem::replace(&mut self.begun, true) {
                            ","
                        } else {
                            "{\"data\":["
                        };
                        let id = hex(&trace.to_bytes());
                        out.extend_from_slice(opening.as_bytes());
                        out.extend_from_slice(
                            format!("{{\"traceID\":\"{id}\",\"spans\":[").as_bytes(),
                        );
                    }
                    let json = span_json(span, scope.scope.as_ref(), &process);
                    out.extend_from_slice(json.to_string().as_bytes());
                }
            }
        }
    }

    fn trace_ends(&mut self, out: &mut Vec<u8>) {
        self.in_trace = false;
        let processes = std::mem::take(&mut self.processes);
        let processes: Vec<String> = processes
            .iter()
            .enumerate()
            .map(|(at, process)| format!("\"p{}\":{process}", at + 1))
            .collect();
        let processes = processes.join(",");
        out.extend_from_slice(format!("],\"processes\":{{{processes}}},{NO_WARNINGS}").as_bytes());
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("],{BEHIND}").as_bytes());
    }

    fn nothing(&self) -> Result<Vec<u8>, Problem> {
        if self.single {
            return Err(Problem::not_found("trace not found"));
        }
        Ok(format!("{{\"data\":[],{BEHIND}").into_bytes())
    }
}

fn span_json(span: &Span, scope: Option<&InstrumentationScope>, process: &str) -> Value {
    let (begin, end) = (span.start_time_unix_nano, span.end_time_unix_nano);
    json!({
        "traceID": hex(&span.trace_id),
        "spanID": hex(&span.span_id),
        "operationName": span.name,
        "references": references(span),
        "startTime": begin / 1000,
        "duration": end.saturating_sub(begin) / 1000,
        "tags": span_tags(span, scope),
        "logs": span.events.iter().map(log).collect::<Vec<Value>>(),
        "processID": process,
        "warnings": null,
    })
}

/// The span above, and links.
fn references(span: &Span) -> Vec<Value> {
    let reference = |kind: &str, trace: &[u8], span: &[u8]| json!({ "refType": kind, "traceID": hex(trace), "spanID": hex(span) });
    let above = (!span.parent_span_id.is_empty())
        .then(|| reference("CHILD_OF", &span.trace_id, &span.parent_span_id));
    let links = span.links.iter().map(|link| {
        let is_child = link.attributes.iter().any(|attribute| {
            attribute.key == REF_TYPE && text_of(attribute).as_deref() == Some("child_of")
        });
        let kind = if is_child { "CHILD_OF" } else { "FOLLOWS_FROM" };
        reference(kind, &link.trace_id, &link.span_id)
    });
    above.into_iter().chain(links).collect()
}

fn text_of(attribute: &KeyValue) -> Option<String> {
    match attribute.value.as_ref()?.value.as_ref()? {
        AnyValue::StringValue(text) => Some(text.clone()),
        _ => None,
    }
}

/// Attributes, and what OTLP says of a span beside them; by name.
fn span_tags(span: &Span, scope: Option<&InstrumentationScope>) -> Vec<Value> {
    let mut tags = BTreeMap::new();
    let mut text = |name: &str, value: &str| {
        if !value.is_empty() {
            tags.insert(name.to_owned(), tag(name, "string", value.into()));
        }
    };
    if let Some(scope) = scope {
        text("otel.scope.name", &scope.name);
        text("otel.scope.version", &scope.version);
    }
    let kind = match span.kind() {
        SpanKind::Unspecified => "",
        SpanKind::Internal => "internal",
        SpanKind::Server => "server",
        SpanKind::Client => "client",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
    };
    text("span.kind", kind);
    text("w3c.tracestate", &span.trace_state);
    if let Some(status) = &span.status {
        let (code, failed) = match status.code() {
            SpanStatus::Unset => ("", false),
            SpanStatus::Ok => ("OK", false),
            SpanStatus::Error => ("ERROR", true),
        };
        text("otel.status_code", code);
        text("otel.status_description", &status.message);
        if failed {
            tags.insert("error".to_owned(), tag("error", "bool", true.into()));
        }
    }
    for attribute in &span.attributes {
        tags.insert(attribute.key.clone(), tag_of(attribute));
    }
    tags.into_values().collect()
}

/// An event: its name is a field, where none of its attributes is called so.
fn log(event: &Event) -> Value {
    let named = event.attributes.iter().any(|a| a.key == "event");
    let name = (!named && !event.name.is_empty())
        .then(|| tag("event", "string", event.name.as_str().into()));
    let fields: Vec<Value> = name.into_iter().chain(tags(&event.attributes)).collect();
    json!({ "timestamp": event.time_unix_nano / 1000, "fields": fields })
}

/// Attributes, by name.
fn tags<'a>(attributes: impl IntoIterator<Item = &'a KeyValue>) -> Vec<Value> {
    let tags = attributes.into_iter().map(|a| (a.key.as_str(), tag_of(a)));
    let tags: BTreeMap<&str, Value> = tags.collect();
    tags.into_values().collect()
}

fn tag(key: &str, kind: &str, value: Value) -> Value {
    json!({ "key": key, "type": kind, "value": value })
}

fn tag_of(attribute: &KeyValue) -> Value {
    let value = attribute.value.as_ref().and_then(|v| v.value.as_ref());
    let (kind, value) = match value {
        Some(AnyValue::BoolValue(value)) => ("bool", (*value).into()),
        Some(AnyValue::IntValue(value)) if (-MAX_SAFE..=MAX_SAFE).contains(value) => {
            ("int64", (*value).into())
        }
        Some(AnyValue::IntValue(value)) => ("int64", value.to_string().into()),
        Some(AnyValue::DoubleValue(value)) => ("float64", number(*value)),
        Some(AnyValue::BytesValue(bytes)) => ("binary", STANDARD.encode(bytes).into()),
        Some(value @ (AnyValue::ArrayValue(_) | AnyValue::KvlistValue(_))) => {
            ("string", plain(value).to_string().into())
        }
        Some(AnyValue::StringValue(text)) => ("string", text.as_str().into()),
        Some(_) | None => ("string", "".into()),
    };
    tag(&attribute.key, kind, value)
}

/// A number as JavaScript writes it: `2`, not `2.0`.
fn number(value: f64) -> Value {
    let whole = value as i64;
    if whole as f64 == value && (-MAX_SAFE..=MAX_SAFE).contains(&whole) {
        return whole.into();
    }
    serde_json::Number::from_f64(value).map_or_else(|| value.to_string().into(), Value::Number)
}

/// A value in a list or a map.
fn plain(value: &AnyValue) -> Value {
    let inner = |value: &Option<distlog_bridge::otlp::common::v1::AnyValue>| {
        let value = value.as_ref().and_then(|value| value.value.as_ref());
        value.map_or(Value::Null, plain)
    };
    match value {
        AnyValue::StringValue(text) => text.as_str().into(),
        AnyValue::BoolValue(value) => (*value).into(),
        AnyValue::IntValue(value) => (*value).into(),
        AnyValue::DoubleValue(value) => number(*value),
        AnyValue::BytesValue(bytes) => STANDARD.encode(bytes).into(),
        AnyValue::ArrayValue(list) => {
            let values = list.values.iter();
            values
                .map(|value| value.value.as_ref().map_or(Value::Null, plain))
                .collect()
        }
        AnyValue::KvlistValue(list) => {
            let values = list.values.iter();
            let map: Map<String, Value> = values
                .map(|value| (value.key.clone(), inner(&value.value)))
                .collect();
            Value::Object(map)
        }
        _ => Value::Null,
    }
}
