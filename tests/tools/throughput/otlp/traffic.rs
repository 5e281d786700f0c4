//! Sends requests as a batch processor does.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use tokio::runtime::Runtime;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

/// Items of a request.
const BATCH: u64 = 512;
/// When a daemon has no room, a client waits so long.
const RETRY_DELAY: std::time::Duration = std::time::Duration::from_millis(20);

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Traces,
    Logs,
}

impl Signal {
    pub fn name(self) -> &'static str {
        match self {
            Signal::Traces => "spans",
            Signal::Logs => "logs",
        }
    }
}

/// Connections to a daemon.
pub struct Traffic {
    runtime: Runtime,
    channels: Vec<Channel>,
}

impl Traffic {
    pub fn connect(endpoint: &str, connections: usize) -> Traffic {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let endpoint = Endpoint::from_shared(endpoint.to_owned()).expect("an address");
        let channels = (0..connections)
            .map(|_| {
                runtime
                    .block_on(endpoint.connect())
                    .expect("the daemon listens")
            })
            .collect();
        Traffic { runtime, channels }
    }

    /// Sends at least so many items; each connection sends a request when the one before is answered. Gives how many.
    pub fn send(&self, signal: Signal, items: u64) -> u64 {
        let each = items.div_ceil(BATCH * self.channels.len() as u64);
        let tasks: Vec<_> = (0..)
            .zip(&self.channels)
            .map(|(connection, channel)| {
                let channel = channel.clone();
                self.runtime.spawn(async move {
                    match signal {
                        Signal::Traces => send_traces(channel, connection * each, each).await,
                        Signal::Logs => send_logs(channel, connection * each, each).await,
                    }
                })
            })
            .collect();
        for task in tasks {
            self.runtime.block_on(task).expect("all was sent");
        }
        each * BATCH * self.channels.len() as u64
    }
}

async fn send_traces(channel: Channel, first: u64, requests: u64) {
    let mut client = TraceServiceClient::new(channel);
    let mut request = traces();
    for number in first..first + requests {
        let scopes = request
            .resource_spans
            .iter_mut()
            .flat_map(|group| &mut group.scope_spans);
        let spans = scopes.flat_map(|scope| &mut scope.spans);
        for (at, span) in (number * BATCH..).zip(spans) {
            // Traces of eight spans.
            span.trace_id = (u128::from(at / 8) + 1).to_be_bytes().to_vec();
            span.span_id = (at + 1).to_be_bytes().to_vec();
        }
        while let Err(status) = client.export(request.clone()).await {
            assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
            tokio::time::sleep(RETRY_DELAY).await;
        }
    }
}

async fn send_logs(channel: Channel, first: u64, requests: u64) {
    let mut client = LogsServiceClient::new(channel);
    let mut request = logs();
    for number in first..first + requests {
        let scopes = request
            .resource_logs
            .iter_mut()
            .flat_map(|group| &mut group.scope_logs);
        let records = scopes.flat_map(|scope| &mut scope.log_records);
        for (at, log) in (number * BATCH..).zip(records) {
            log.trace_id = (u128::from(at / 8) + 1).to_be_bytes().to_vec();
            log.span_id = (at + 1).to_be_bytes().to_vec();
        }
        while let Err(status) = client.export(request.clone()).await {
            assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
            tokio::time::sleep(RETRY_DELAY).await;
        }
    }
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.into()))
}

/// What a server of HTTP says of a request.
fn attributes() -> Vec<KeyValue> {
    vec![
        text("http.request.method", "GET"),
        text("http.route", "/orders/{id}"),
        attribute("http.response.status_code", Value::IntValue(200)),
        text("server.address", "orders.example.org"),
        attribute("server.port", Value::IntValue(8080)),
        text("user_agent.original", "curl/8.5.0"),
    ]
}

fn resource() -> Option<Resource> {
    Some(Resource {
        attributes: vec![
            text("service.name", "orders"),
            text("service.version", "1.4.2"),
            text("host.name", "web1"),
            attribute("process.pid", Value::IntValue(4711)),
            text("telemetry.sdk.name", "opentelemetry"),
            text("telemetry.sdk.language", "rust"),
        ],
        ..Resource::default()
    })
}

fn scope(name: &str) -> Option<InstrumentationScope> {
    Some(InstrumentationScope {
        name: name.into(),
        version: "0.9.1".into(),
        ..InstrumentationScope::default()
    })
}

const NOW: u64 = 1_700_000_000_000_000_000;

/// Half of the items in each of two scopes.
fn halves<T>(item: impl Fn(u64) -> T) -> [Vec<T>; 2] {
    [0..BATCH / 2, BATCH / 2..BATCH].map(|range| range.map(&item).collect())
}

fn traces() -> ExportTraceServiceRequest {
    let span = |n: u64| Span {
        name: "GET /orders/{id}".into(),
        kind: 2,
        parent_span_id: if n.is_multiple_of(8) {
            Vec::new()
        } else {
            vec![7; 8]
        },
        start_time_unix_nano: NOW + n * 1000,
        end_time_unix_nano: NOW + n * 1000 + 1_500_000,
        attributes: attributes(),
        events: (0..u64::from(n.is_multiple_of(4)))
            .map(|_| Event {
                time_unix_nano: NOW + n * 1000 + 5,
                name: "cache miss".into(),
                attributes: vec![text("cache.key", "order:17")],
                ..Event::default()
            })
            .collect(),
        flags: 0x101,
        ..Span::default()
    };
    let [http, database] = halves(span);
    let scope_spans = [("otel.http", http), ("otel.sql", database)]
        .into_iter()
        .map(|(name, spans)| ScopeSpans {
            scope: scope(name),
            spans,
            ..ScopeSpans::default()
        });
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: resource(),
            scope_spans: scope_spans.collect(),
            ..ResourceSpans::default()
        }],
    }
}

fn logs() -> ExportLogsServiceRequest {
    let log = |n: u64| LogRecord {
        time_unix_nano: NOW + n * 1000,
        observed_time_unix_nano: NOW + n * 1000,
        severity_number: 9,
        severity_text: "INFO".into(),
        body: Some(AnyValue {
            value: Some(Value::StringValue("order 17 was handled in 12 ms".into())),
        }),
        attributes: attributes(),
        flags: 1,
        ..LogRecord::default()
    };
    let [shop, database] = halves(log);
    let scope_logs =
        [("shop", shop), ("shop.sql", database)]
            .into_iter()
            .map(|(name, log_records)| ScopeLogs {
                scope: scope(name),
                log_records,
                ..ScopeLogs::default()
            });
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: resource(),
            scope_logs: scope_logs.collect(),
            ..ResourceLogs::default()
        }],
    }
}
