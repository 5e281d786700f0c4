//! What cannot be read or taken is refused with the reason, and nothing else is.

use std::io::Write;

use distlog_bridge::otlp::collector::trace::v1::ExportTraceServiceResponse;
use distlog_bridge::otlp::common::v1::KeyValue;
use distlog_bridge::otlp::logs::v1::LogRecord;
use distlog_bridge::otlp::trace::v1::Span;
use prost::Message;
use serde_json::Value;
use tonic::Code;

use crate::kit::otlp::*;

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
        let answered = post_chunked(&daemon, path, &headers, body);
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
