//! Requests of OTLP, by HTTP and gRPC.

use std::io::Write;

use distlog_bridge::otlp::collector::logs::v1::ExportLogsServiceRequest;
use distlog_bridge::otlp::collector::trace::v1::ExportTraceServiceRequest;
use distlog_bridge::otlp::common::v1::any_value::Value as Any;
use distlog_bridge::otlp::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use distlog_bridge::otlp::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use distlog_bridge::otlp::resource::v1::Resource;
use distlog_bridge::otlp::trace::v1::span::{Event, SpanKind};
use distlog_bridge::otlp::trace::v1::{ResourceSpans, ScopeSpans, Span};
use distlog_proto::TaskId;
use distlog_testkit::Daemon;
use serde_json::Value;

use crate::DISTLOGD;

pub const TRACE: &str = "e252a11f-d33d-483d-ba08-bc8f642b2f10";
pub const NOW: u64 = 1_700_000_000_000_000_000;
pub const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
pub const JSON: (&str, &str) = ("content-type", "application/json");
pub const TO_FILE: &str = "
processors: { all: { file: { path: all.jsonl } } }
rules: [{ to: [all] }]";

pub fn daemon(folder: &tempfile::TempDir) -> Daemon {
    Daemon::start(DISTLOGD, &[], folder.path(), TO_FILE)
}

pub fn text(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: Some(AnyValue {
            value: Some(Any::StringValue(value.into())),
        }),
        ..KeyValue::default()
    }
}

pub fn trace_id() -> Vec<u8> {
    TRACE
        .parse::<TaskId>()
        .unwrap()
        .trace_id()
        .to_bytes()
        .to_vec()
}

/// A span whose id is its number, below the span of another number.
pub fn span(number: u64, parent: Option<u64>, name: &str) -> Span {
    Span {
        trace_id: trace_id(),
        span_id: number.to_be_bytes().to_vec(),
        parent_span_id: parent.map_or(Vec::new(), |id| id.to_be_bytes().to_vec()),
        name: name.into(),
        kind: SpanKind::Server as i32,
        start_time_unix_nano: NOW + number,
        end_time_unix_nano: NOW + number + 1_000_000,
        attributes: vec![text("user", "leo")],
        events: vec![Event {
            time_unix_nano: NOW + number + 1,
            name: format!("event of {name}"),
            ..Event::default()
        }],
        ..Span::default()
    }
}

pub fn resource(service: &str) -> Option<Resource> {
    Some(Resource {
        attributes: vec![text("service.name", service)],
        ..Resource::default()
    })
}

pub fn scope() -> Option<InstrumentationScope> {
    Some(InstrumentationScope {
        name: "shop.orders".into(),
        ..InstrumentationScope::default()
    })
}

pub fn traces(spans: Vec<Span>) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: resource("shop"),
            scope_spans: vec![ScopeSpans {
                scope: scope(),
                spans,
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
}

pub fn logs(log_records: Vec<LogRecord>) -> ExportLogsServiceRequest {
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: resource("shop"),
            scope_logs: vec![ScopeLogs {
                scope: scope(),
                log_records,
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    }
}

pub fn log(body: &str, span: u64) -> LogRecord {
    LogRecord {
        time_unix_nano: NOW + 5,
        severity_number: 13,
        body: Some(AnyValue {
            value: Some(Any::StringValue(body.into())),
        }),
        trace_id: trace_id(),
        span_id: span.to_be_bytes().to_vec(),
        ..LogRecord::default()
    }
}

/// What the daemon answered by HTTP.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

/// Posts a body; its length is told before if it is known.
pub fn post(
    daemon: &Daemon,
    path: &str,
    headers: &[(&str, &str)],
    body: impl ureq::AsSendBody,
) -> Answer {
    let url = format!("http://{}{path}", daemon.otlp_http());
    post_to(&url, headers, body)
}

/// As [`post`], to any URL.
pub fn post_to(url: &str, headers: &[(&str, &str)], body: impl ureq::AsSendBody) -> Answer {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let mut request = agent.post(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request
        .send(body)
        .unwrap_or_else(|error| panic!("{url} {headers:?}: {error}"));
    let (head, mut body) = response.into_parts();
    Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body: body.read_to_vec().unwrap(),
    }
}

/// Posts a body in chunks: its length is not told before.
pub fn post_chunked(
    daemon: &Daemon,
    path: &str,
    headers: &[(&str, &str)],
    mut body: &[u8],
) -> Answer {
    let body = ureq::SendBody::from_reader(&mut body);
    post(daemon, path, headers, body)
}

/// Posts JSON, all of which is taken.
pub fn post_json(daemon: &Daemon, path: &str, body: &str) {
    let answer = post(daemon, path, &[JSON], body);
    assert_eq!((answer.status, answer.text().as_str()), (200, "{}"));
}

/// For one call after the other.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The items of a task that are records, by their messages.
pub fn messages(task: &Value) -> Vec<&str> {
    let items = task["items"].as_array().unwrap().iter();
    items
        .filter_map(|item| item.get("record")?.get("message")?.as_str())
        .collect()
}
