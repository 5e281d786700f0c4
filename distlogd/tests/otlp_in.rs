//! OTLP comes in by gRPC and HTTP, from clients of all manners, into a real daemon.

use std::io::{Read, Write};

use distlog_bridge::otlp::collector::logs::v1::logs_service_client::LogsServiceClient;
use distlog_bridge::otlp::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use distlog_bridge::otlp::collector::trace::v1::trace_service_client::TraceServiceClient;
use distlog_bridge::otlp::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use distlog_bridge::otlp::common::v1::any_value::Value as Any;
use distlog_bridge::otlp::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use distlog_bridge::otlp::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use distlog_bridge::otlp::resource::v1::Resource;
use distlog_bridge::otlp::trace::v1::span::{Event, SpanKind};
use distlog_bridge::otlp::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use distlog_proto::{SpanId, TaskId};
use distlog_testkit::{Daemon, eventually};
use prost::Message;
use serde_json::{Value, json};
use tonic::Code;
use tonic::codec::CompressionEncoding;

const DISTLOGD: &str = env!("CARGO_BIN_EXE_distlogd");
const TRACE: &str = "e252a11f-d33d-483d-ba08-bc8f642b2f10";
const NOW: u64 = 1_700_000_000_000_000_000;
const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const JSON: (&str, &str) = ("content-type", "application/json");
const FILE: &str = "
processors: { all: { file: { path: all.jsonl } } }
rules: [{ to: [all] }]";

fn daemon(folder: &tempfile::TempDir) -> Daemon {
    Daemon::start(DISTLOGD, &[], folder.path(), FILE)
}

fn text(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: Some(AnyValue {
            value: Some(Any::StringValue(value.into())),
        }),
        ..KeyValue::default()
    }
}

fn trace_id() -> Vec<u8> {
    TRACE
        .parse::<TaskId>()
        .unwrap()
        .trace_id()
        .to_bytes()
        .to_vec()
}

/// A span whose id is its number, below the span of another number.
fn span(number: u64, parent: Option<u64>, name: &str) -> Span {
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

fn resource(service: &str) -> Option<Resource> {
    Some(Resource {
        attributes: vec![text("service.name", service)],
        ..Resource::default()
    })
}

fn scope() -> Option<InstrumentationScope> {
    Some(InstrumentationScope {
        name: "shop.orders".into(),
        ..InstrumentationScope::default()
    })
}

fn traces(spans: Vec<Span>) -> ExportTraceServiceRequest {
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

fn logs(log_records: Vec<LogRecord>) -> ExportLogsServiceRequest {
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

fn log(body: &str, span: u64) -> LogRecord {
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
struct Answer {
    status: u16,
    headers: ureq::http::HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

fn post(daemon: &Daemon, path: &str, headers: &[(&str, &str)], body: impl Read) -> Answer {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let mut request = agent.post(format!("http://{}{path}", daemon.otlp_http()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut body = body;
    // The length is not known: the body comes in chunks.
    let response = request
        .send(ureq::SendBody::from_reader(&mut body))
        .unwrap();
    let (head, mut body) = response.into_parts();
    Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body: body.read_to_vec().unwrap(),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The items of a task that are records, by their messages.
fn messages(task: &Value) -> Vec<&str> {
    let items = task["items"].as_array().unwrap().iter();
    items
        .filter_map(|item| item.get("record")?.get("message")?.as_str())
        .collect()
}

fn subtasks(task: &Value) -> Vec<&Value> {
    let items = task["items"].as_array().unwrap().iter();
    items.filter_map(|item| item.get("task")).collect()
}

#[test]
fn by_http_in_whatever_form() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    let request = |number| traces(vec![span(number, None, &format!("span {number}"))]);
    let protobuf = |number| request(number).encode_to_vec();
    let json = serde_json::to_vec(&request(4)).unwrap();
    let zstd = zstd::encode_all(&protobuf(3)[..], 3).unwrap();
    let gzip_header = ("content-encoding", "gzip");
    for (headers, body, answer) in [
        (vec![PROTOBUF], protobuf(1), PROTOBUF),
        (vec![PROTOBUF, gzip_header], gzip(&protobuf(2)), PROTOBUF),
        (vec![PROTOBUF, ("content-encoding", "zstd")], zstd, PROTOBUF),
        (vec![JSON], json, JSON),
        (
            vec![
                ("content-type", "application/json; charset=utf-8"),
                gzip_header,
            ],
            gzip(&serde_json::to_vec(&request(5)).unwrap()),
            JSON,
        ),
    ] {
        let answered = post(&daemon, "/v1/traces", &headers, &body[..]);
        assert_eq!(answered.status, 200, "{headers:?}: {}", answered.text());
        assert_eq!(answered.header("content-type"), answer.1);
        match answer {
            JSON => assert_eq!(answered.text(), "{}"),
            _ => assert_eq!(
                ExportTraceServiceResponse::decode(&answered.body[..]),
                Ok(ExportTraceServiceResponse::default())
            ),
        }
        // It was answered when it was durable: there is nothing to wait for.
    }
    let tree = daemon.json(&format!("/api/v1/tasks/{TRACE}")).unwrap();
    let tasks = tree["tasks"].as_array().unwrap();
    let names: Vec<_> = tasks.iter().map(|task| &task["name"]).collect();
    assert_eq!(names, ["span 1", "span 2", "span 3", "span 4", "span 5"]);
    for task in tasks {
        assert_eq!(
            (&task["service"], &task["kind"], &task["outcome"]),
            (&json!("shop"), &json!("server"), &json!("ok"))
        );
        assert_eq!(task["begin"]["context"]["user"], "leo");
        let event = format!("event of {}", task["name"].as_str().unwrap());
        assert_eq!(messages(task), [event]);
    }

    let request = logs(vec![log("in span 1", 1)]).encode_to_vec();
    let answered = post(&daemon, "/v1/logs", &[PROTOBUF], &request[..]);
    assert_eq!(answered.status, 200);
    assert_eq!(
        ExportLogsServiceResponse::decode(&answered.body[..]),
        Ok(ExportLogsServiceResponse::default())
    );
    let tree = daemon.json(&format!("/api/v1/tasks/{TRACE}")).unwrap();
    assert_eq!(
        messages(&tree["tasks"][0]),
        ["event of span 1", "in span 1"]
    );
    let line = daemon
        .records("all.jsonl", 16)
        .into_iter()
        .find(|line| line["message"] == "in span 1")
        .unwrap();
    assert_eq!(line["levelname"], "WARNING");
    assert_eq!(line["distlog"]["otlp"]["scope_name"], "shop.orders");
}

#[test]
fn by_grpc_compressed_and_not() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    let endpoint = format!("http://{}", daemon.otlp_grpc());
    runtime().block_on(async {
        for (number, encoding) in [
            (1, None),
            (2, Some(CompressionEncoding::Gzip)),
            (3, Some(CompressionEncoding::Zstd)),
        ] {
            let mut client = TraceServiceClient::connect(endpoint.clone()).await.unwrap();
            if let Some(encoding) = encoding {
                client = client.send_compressed(encoding);
            }
            let request = traces(vec![span(number, None, &format!("span {number}"))]);
            let answer = client.export(request).await.unwrap().into_inner();
            assert_eq!(answer, ExportTraceServiceResponse::default());
        }
        let mut client = LogsServiceClient::connect(endpoint.clone()).await.unwrap();
        let request = logs(vec![log("in span 2", 2)]);
        let answer = client.export(request).await.unwrap().into_inner();
        assert_eq!(answer, ExportLogsServiceResponse::default());

        // What there is not.
        let mut grpc = tonic::client::Grpc::new(
            tonic::transport::Endpoint::new(endpoint.clone())
                .unwrap()
                .connect()
                .await
                .unwrap(),
        );
        grpc.ready().await.unwrap();
        let path = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
        let codec = tonic_prost::ProstCodec::<ExportTraceServiceRequest, ExportTraceServiceResponse>::default();
        let path = path.parse().unwrap();
        let request = tonic::Request::new(ExportTraceServiceRequest::default());
        let status = grpc.unary(request, path, codec).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented);
        assert!(status.message().contains("no metrics"), "{status}");
    });
    let tree = daemon.json(&format!("/api/v1/tasks/{TRACE}")).unwrap();
    assert_eq!(tree["tasks"].as_array().unwrap().len(), 3);
    assert_eq!(
        messages(&tree["tasks"][1]),
        ["event of span 2", "in span 2"]
    );
}

#[test]
fn spans_come_late_out_of_order_and_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = daemon(&folder);
    let send = |daemon: &Daemon, spans: Vec<Span>| {
        let body = traces(spans).encode_to_vec();
        let answered = post(daemon, "/v1/traces", &[PROTOBUF], &body[..]);
        assert_eq!((answered.status, answered.text().as_str()), (200, ""));
    };
    send(&daemon, vec![span(3, Some(2), "grandchild")]);
    send(
        &daemon,
        vec![span(2, Some(1), "child"), span(1, None, "parent")],
    );
    let whole = |daemon: &Daemon| {
        let tree = daemon.json(&format!("/api/v1/tasks/{TRACE}")).unwrap();
        let [parent] = &tree["tasks"].as_array().unwrap()[..] else {
            panic!("{tree:#}")
        };
        assert_eq!(
            (&parent["name"], messages(parent)),
            (&json!("parent"), vec!["event of parent"])
        );
        let [child] = subtasks(parent)[..] else {
            panic!("{tree:#}")
        };
        assert_eq!(
            (&child["name"], messages(child)),
            (&json!("child"), vec!["event of child"])
        );
        let [grandchild] = subtasks(child)[..] else {
            panic!("{tree:#}")
        };
        assert_eq!(grandchild["name"], "grandchild");
        assert_eq!(messages(grandchild), ["event of grandchild"]);
    };
    whole(&daemon);

    // The client did not hear the answer.
    send(
        &daemon,
        vec![span(2, Some(1), "child"), span(1, None, "parent")],
    );
    whole(&daemon);
    assert_eq!(daemon.records("all.jsonl", 9).len(), 9, "stored once");

    // The daemon is killed: what it answered is there. A client that did not hear it sends it again, and the daemon
    // does not know that any more: it is stored twice then, but the tree has it once.
    daemon.kill();
    daemon.restart();
    send(&daemon, vec![span(3, Some(2), "grandchild")]);
    whole(&daemon);
    assert_eq!(daemon.records("all.jsonl", 12).len(), 12);
}

#[test]
fn a_distlog_task_is_believed_only_if_the_span_id_follows_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    let id: TaskId = format!("{TRACE}/1/3").parse().unwrap();
    let named = |span_id: SpanId, task: &str| Span {
        span_id: span_id.to_bytes().to_vec(),
        attributes: vec![text("distlog.task", task)],
        ..span(1, None, task)
    };
    let lie = format!("{TRACE}/7");
    let foreign = "00000000-0000-0000-0000-000000000001/1";
    let other: TaskId = foreign.parse().unwrap();
    let spans = vec![
        named(id.span_id(), &id.to_string()),
        named(SpanId::new(2).unwrap(), &lie),
        named(other.span_id(), foreign),
        named(SpanId::new(4).unwrap(), "no id at all"),
    ];
    let body = traces(spans).encode_to_vec();
    assert_eq!(
        post(&daemon, "/v1/traces", &[PROTOBUF], &body[..]).status,
        200
    );
    let tree = daemon.json(&format!("/api/v1/tasks/{TRACE}")).unwrap();
    let mut ids: Vec<&str> = tree["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| task["id"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    let mut expected = [
        id.to_string(),
        format!("{TRACE}/~{}", SpanId::new(2).unwrap()),
        format!("{TRACE}/~{}", other.span_id()),
        format!("{TRACE}/~{}", SpanId::new(4).unwrap()),
    ];
    expected.sort_unstable();
    assert_eq!(ids, expected);
}

#[test]
fn what_cannot_be_taken_is_refused_alone() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    let spans = vec![
        span(1, None, "good"),
        Span {
            trace_id: vec![0; 16],
            ..span(2, None, "trace id of zeros")
        },
        Span {
            span_id: vec![1; 7],
            ..span(3, None, "short span id")
        },
        Span {
            parent_span_id: vec![1; 9],
            ..span(4, None, "long parent id")
        },
        span(5, None, "good, too"),
    ];
    let request = traces(spans);
    let answered = post(
        &daemon,
        "/v1/traces",
        &[PROTOBUF],
        &request.encode_to_vec()[..],
    );
    assert_eq!(answered.status, 200);
    let answer = ExportTraceServiceResponse::decode(&answered.body[..]).unwrap();
    let partial = answer.partial_success.unwrap();
    assert_eq!(
        (partial.rejected_spans, partial.error_message.as_str()),
        (
            3,
            "the trace id has 16 bytes or is zero; it must have 16 and not be zero"
        )
    );
    let tree = daemon.json(&format!("/api/v1/tasks/{TRACE}")).unwrap();
    assert_eq!(tree["tasks"].as_array().unwrap().len(), 2);

    // In JSON, and with logs.
    let bad = LogRecord {
        span_id: vec![1, 2, 3],
        ..log("bad", 1)
    };
    let request = serde_json::to_vec(&logs(vec![bad, log("good", 1)])).unwrap();
    let answered = post(&daemon, "/v1/logs", &[JSON], &request[..]);
    let answer: Value = serde_json::from_slice(&answered.body).unwrap();
    assert_eq!(answer["partialSuccess"]["rejectedLogRecords"], "1");
    assert_eq!(
        answer["partialSuccess"]["errorMessage"],
        "the span id has 3 bytes or is zero; it must have 8 and not be zero"
    );
    let refused =
        "distlogd_receiver_rejected_inputs_total{receiver=\"otlp_http\",reason=\"bad records\"}";
    assert_eq!(daemon.metric(refused), 2.0);
}

#[test]
fn whatever_else_comes_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    let good = traces(vec![span(1, None, "good")]).encode_to_vec();
    let gzip_header = ("content-encoding", "gzip");
    let cut = &gzip(&good)[..20];
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    type Case<'a> = (&'a str, Vec<(&'a str, &'a str)>, &'a [u8], u16, &'a str);
    let cases: Vec<Case<'_>> = vec![
        (
            "/v1/traces",
            vec![PROTOBUF],
            b"\xff\xff\xff",
            400,
            "cannot be read",
        ),
        (
            "/v1/traces",
            vec![PROTOBUF],
            &good[..good.len() - 1],
            400,
            "ends beyond",
        ),
        ("/v1/logs", vec![PROTOBUF], b"<html>", 400, "cannot be read"),
        (
            "/v1/traces",
            vec![JSON],
            b"{\"resourceSpans\": 7}",
            400,
            "`resourceSpans` must be a list at line 1 column",
        ),
        ("/v1/traces", vec![JSON], b"{", 400, "EOF"),
        (
            "/v1/logs",
            vec![JSON],
            deep.as_bytes(),
            400,
            "line 1 column",
        ),
        (
            "/v1/traces",
            vec![("content-type", "text/plain")],
            &good,
            415,
            "`text/plain`",
        ),
        ("/v1/traces", vec![], &good, 415, "application/x-protobuf"),
        (
            "/v1/traces",
            vec![PROTOBUF, ("content-encoding", "br")],
            &good,
            415,
            "`br`",
        ),
        (
            "/v1/traces",
            vec![PROTOBUF, gzip_header],
            &good,
            400,
            "decompression",
        ),
        (
            "/v1/traces",
            vec![PROTOBUF, gzip_header],
            cut,
            400,
            "decompression",
        ),
        ("/v1/metrics", vec![PROTOBUF], &good, 404, "no metrics"),
        ("/v1/trace", vec![PROTOBUF], &good, 404, "/v1/traces"),
    ];
    for (path, headers, body, status, reason) in cases {
        let answered = post(&daemon, path, &headers, body);
        assert_eq!(
            answered.status,
            status,
            "{path} {headers:?}: {}",
            answered.text()
        );
        assert!(
            answered.text().contains(reason),
            "{path} {headers:?}: {}",
            answered.text()
        );
        assert_eq!(answered.header("retry-after"), "", "it would be in vain");
    }
    assert!(
        daemon.metric(
            "distlogd_receiver_rejected_inputs_total{receiver=\"otlp_http\",reason=\"bad request\"}"
        ) >= 8.0
    );

    // Bytes that are no gRPC, and a message that is none.
    let mut stranger = std::net::TcpStream::connect(daemon.otlp_grpc()).unwrap();
    stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    runtime().block_on(async {
        let channel = tonic::transport::Endpoint::new(format!("http://{}", daemon.otlp_grpc()))
            .unwrap()
            .connect()
            .await
            .unwrap();
        let mut grpc = tonic::client::Grpc::new(channel);
        grpc.ready().await.unwrap();
        let path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
        // Another message under the same number: its bytes are no ResourceSpans.
        let codec = tonic_prost::ProstCodec::<KeyValue, ExportTraceServiceResponse>::default();
        let status = grpc
            .unary(
                tonic::Request::new(text("\u{7f}\u{7f}", "x")),
                path.parse().unwrap(),
                codec,
            )
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    });

    let answered = post(&daemon, "/v1/traces", &[PROTOBUF], &good[..]);
    assert_eq!(answered.status, 200);
    let tree = daemon.json(&format!("/api/v1/tasks/{TRACE}")).unwrap();
    assert_eq!(tree["tasks"].as_array().unwrap().len(), 1);
}

/// The most memory that a process ever had, in MiB.
fn peak(daemon: &mut Daemon) -> u64 {
    let id = daemon.process().id();
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        >> 10
}

#[test]
fn bombs_and_floods_do_not_fill_the_memory() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = daemon(&folder);
    let before = peak(&mut daemon);
    let bomb = gzip(&vec![0; 1 << 30]);
    assert!(bomb.len() < 2 << 20);
    let headers = [PROTOBUF, ("content-encoding", "gzip")];
    for _ in 0..3 {
        let answered = post(&daemon, "/v1/traces", &headers, &bomb[..]);
        assert_eq!(answered.status, 413, "{}", answered.text());
    }
    // 100 MB and more, of unknown length. It is refused before all of it was sent.
    let mut stream = std::net::TcpStream::connect(daemon.otlp_http()).unwrap();
    let head = "POST /v1/logs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-protobuf\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let chunk = [
        b"100000\r\n".to_vec(),
        vec![b'x'; 1 << 20],
        b"\r\n".to_vec(),
    ]
    .concat();
    let sent = (0..128)
        .take_while(|_| stream.write_all(&chunk).is_ok())
        .count();
    assert!(sent < 128, "all of it was read");

    runtime().block_on(async {
        let endpoint = format!("http://{}", daemon.otlp_grpc());
        let mut client = TraceServiceClient::connect(endpoint).await.unwrap();
        let large = Span {
            name: "x".repeat(100 << 20),
            ..span(1, None, "")
        };
        let status = client
            .export(traces(vec![large.clone()]))
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(status.message().contains("16 MiB"), "{status}");
        let mut client = client.send_compressed(CompressionEncoding::Gzip);
        let status = client.export(traces(vec![large])).await.unwrap_err();
        assert_ne!(status.code(), Code::Ok, "{status}");
    });
    let grown = peak(&mut daemon) - before;
    assert!(grown < 200, "{grown} MiB");
    let good = traces(vec![span(1, None, "good")]).encode_to_vec();
    assert_eq!(
        post(&daemon, "/v1/traces", &[PROTOBUF], &good[..]).status,
        200
    );
}

#[test]
fn a_store_that_takes_nothing_makes_clients_come_again() {
    let folder = tempfile::tempdir().unwrap();
    // No disk has so much room left.
    let config = "store: { reserve: 100000TiB }\ngrace: 1s";
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), config);
    let name = "x".repeat(3 << 20);
    let request = |number: u64| {
        let spans = (0..5).map(|n| span(10 * number + n, None, &name));
        let spans = spans.map(|span| Span {
            events: vec![],
            ..span
        });
        traces(spans.collect()).encode_to_vec()
    };
    // Four of them are as much as there is room for, and one waits in the queue of the store.
    let is_busy = |answer: &Answer| answer.text().contains("too much is on its way");
    let (answer, answers) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for number in 1..=6 {
            let (daemon, request, answer) = (&daemon, &request, answer.clone());
            scope.spawn(move || {
                let body = request(number);
                let answered = post(daemon, "/v1/traces", &[PROTOBUF], &body[..]);
                answer.send(answered).unwrap();
            });
        }
        drop(answer);
        let mut busy = 0;
        for (answered, first) in answers.iter().zip((0..).map(|n| n == 0)) {
            if first {
                assert!(is_busy(&answered), "{}", answered.text());
                too_busy_for_grpc(&daemon, &request(10));
            }
            busy += usize::from(is_busy(&answered));
            assert_eq!(answered.status, 503, "{}", answered.text());
            assert_eq!(answered.header("retry-after"), "1");
            assert!(
                answered.text().contains("try again later"),
                "{}",
                answered.text()
            );
        }
        assert!((1..6).contains(&busy), "{busy}");
    });
}

fn too_busy_for_grpc(daemon: &Daemon, request: &[u8]) {
    runtime().block_on(async {
        let endpoint = format!("http://{}", daemon.otlp_grpc());
        let mut client = TraceServiceClient::connect(endpoint).await.unwrap();
        let request = ExportTraceServiceRequest::decode(request).unwrap();
        let status = client.export(request).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        assert!(
            status.message().contains("too much is on its way"),
            "{status}"
        );
        let retry = b"type.googleapis.com/google.rpc.RetryInfo";
        let mut details = status.details().windows(retry.len());
        assert!(details.any(|part| part == retry), "{status:?}");
    });
}

#[test]
fn a_failed_span_looks_like_a_failed_task() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    let stack =
        "Traceback (most recent call last):\n  File \"shop.py\", line 7\nValueError: no money";
    let failed = Span {
        status: Some(Status {
            code: 2,
            message: "no money".into(),
        }),
        attributes: vec![text("user", "leo"), text("code.function.name", "pay")],
        events: vec![Event {
            time_unix_nano: NOW + 2,
            name: "exception".into(),
            attributes: vec![
                text("exception.type", "ValueError"),
                text("exception.message", "no money"),
                text("exception.stacktrace", stack),
            ],
            ..Event::default()
        }],
        ..span(1, None, "pay")
    };
    let body = traces(vec![failed]).encode_to_vec();
    assert_eq!(
        post(&daemon, "/v1/traces", &[PROTOBUF], &body[..]).status,
        200
    );
    let drawn = daemon
        .get(&format!("/api/v1/tasks/{TRACE}?format=text"))
        .unwrap();
    let expected = format!(
        "{TRACE}\n✗ pay · shop (server)  1.00ms  no money  user=leo\n\
         └─ 2023-11-14 22:13:20.000 ERROR ValueError: no money\n   \
         ┆ Traceback (most recent call last):\n   ┆   File \"shop.py\", line 7\n   ┆ ValueError: no money\n"
    );
    assert_eq!(drawn, expected);
}

#[test]
fn a_span_whose_logs_come_first_is_running_also_in_python() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    let mut early = logs(vec![log("on it", 1)]);
    let resource = early.resource_logs[0].resource.as_mut().unwrap();
    // What OpenTelemetry's SDK for Python says of itself. Tasks of the package `distlog` for Python may have no end.
    resource
        .attributes
        .push(text("telemetry.sdk.language", "python"));
    let body = early.encode_to_vec();
    assert_eq!(
        post(&daemon, "/v1/logs", &[PROTOBUF], &body[..]).status,
        200
    );
    let tree = daemon.json(&format!("/api/v1/tasks/{TRACE}")).unwrap();
    assert_eq!(tree["tasks"][0]["outcome"], "running", "{tree:#}");
}

#[test]
fn a_part_that_failed_before_its_whole_came_is_counted_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    let failed = Span {
        status: Some(Status {
            code: 2,
            ..Status::default()
        }),
        ..span(2, Some(1), "pay")
    };
    for spans in [vec![failed], vec![span(1, None, "order")]] {
        let body = traces(spans).encode_to_vec();
        let answered = post(&daemon, "/v1/traces", &[PROTOBUF], &body[..]);
        assert_eq!(answered.status, 200);
    }
    eventually("the task in the list", || {
        let tasks = daemon.json("/api/v1/tasks")?;
        let (name, failed) = (&tasks[0]["name"], &tasks[0]["failed"]);
        if name == "order" && failed == 1 {
            Ok(())
        } else {
            Err(tasks.to_string())
        }
    });
}
