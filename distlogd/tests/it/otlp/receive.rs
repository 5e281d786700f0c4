//! What comes in by gRPC and HTTP is stored, and makes the tree.

use distlog_bridge::otlp::collector::logs::v1::ExportLogsServiceResponse;
use distlog_bridge::otlp::collector::logs::v1::logs_service_client::LogsServiceClient;
use distlog_bridge::otlp::collector::trace::v1::trace_service_client::TraceServiceClient;
use distlog_bridge::otlp::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use distlog_bridge::otlp::trace::v1::Span;
use distlog_proto::{SpanId, TaskId};
use distlog_testkit::Daemon;
use prost::Message;
use serde_json::{Value, json};
use tonic::Code;
use tonic::codec::CompressionEncoding;

use crate::kit::otlp::*;

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
        let answered = post_chunked(&daemon, "/v1/traces", &headers, &body);
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
