//! Every refusal of OTLP, by gRPC and by HTTP: clients try again what may succeed later and nothing else, whether they
//! keep to the specification or are OpenTelemetry's SDK for Python, which does not.

use std::io::{Read, Write};
use std::net::TcpStream;

use bytes::Bytes;
use distlog_bridge::otlp::trace::v1::Span;
use distlog_testkit::{Daemon, eventually};
use http_body_util::{BodyExt, Full};
use prost::Message;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tower_service::Service;

use crate::DISTLOGD;
use crate::kit::otlp::*;

const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const RETRY_INFO: &[u8] = b"type.googleapis.com/google.rpc.RetryInfo";

/// What clients retry by the specification, and what the SDK for Python does beyond it.
fn retried_by_grpc(code: Code) -> [bool; 2] {
    let by_specification = [
        Code::Cancelled,
        Code::DeadlineExceeded,
        Code::Aborted,
        Code::OutOfRange,
        Code::Unavailable,
        Code::DataLoss,
    ]
    .contains(&code);
    [
        by_specification,
        by_specification || code == Code::ResourceExhausted,
    ]
}

fn retried_by_http(status: u16) -> [bool; 2] {
    [
        [429, 502, 503, 504].contains(&status),
        status == 408 || status >= 500,
    ]
}

fn request(name: &str) -> Vec<u8> {
    let span = Span {
        events: Vec::new(),
        ..span(1, None, name)
    };
    traces(vec![span]).encode_to_vec()
}

struct Refused {
    /// Code of gRPC, status of HTTP.
    number: u16,
    text: String,
    retried: [bool; 2],
    /// When to come again, if the daemon says so.
    says_when: bool,
}

fn by_http(daemon: &Daemon, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Refused {
    let answer = post(daemon, path, headers, body);
    Refused {
        number: answer.status,
        text: answer.text(),
        retried: retried_by_http(answer.status),
        says_when: answer.headers.contains_key("retry-after"),
    }
}

async fn channel(daemon: &Daemon) -> Channel {
    let endpoint = Endpoint::new(format!("http://{}", daemon.otlp_grpc())).unwrap();
    endpoint.connect().await.unwrap()
}

/// One message, whatever its bytes are; `flag`: whether it is said to be compressed.
async fn call(mut channel: Channel, path: &str, encoding: Option<&str>, message: &[u8]) -> Refused {
    let mut frame = vec![u8::from(encoding.is_some())];
    frame.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
    frame.extend_from_slice(message);
    let mut request = http::Request::post(path)
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if let Some(encoding) = encoding {
        request = request.header("grpc-encoding", encoding);
    }
    let body = Body::new(Full::new(Bytes::from(frame)).map_err(|never| match never {}));
    std::future::poll_fn(|context| channel.poll_ready(context))
        .await
        .unwrap();
    let answer = channel.call(request.body(body).unwrap()).await.unwrap();
    let (head, body) = answer.into_parts();
    let status = match Status::from_header_map(&head.headers) {
        Some(status) => status,
        None => {
            let trailers = body.collect().await.unwrap().trailers().cloned();
            Status::from_header_map(&trailers.unwrap()).unwrap()
        }
    };
    Refused {
        number: i32::from(status.code()) as u16,
        text: status.message().to_owned(),
        retried: retried_by_grpc(status.code()),
        says_when: status
            .details()
            .windows(RETRY_INFO.len())
            .any(|part| part == RETRY_INFO),
    }
}

fn by_grpc(daemon: &Daemon, path: &str, encoding: Option<&str>, message: &[u8]) -> Refused {
    runtime().block_on(async { call(channel(daemon).await, path, encoding, message).await })
}

#[track_caller]
fn check(refused: &Refused, number: u16, again: bool, text: &str) {
    let Refused {
        number: was,
        text: said,
        ..
    } = refused;
    assert_eq!(*was, number, "{said}");
    assert!(said.contains(text), "{said} does not say: {text}");
    assert_eq!(refused.retried, [again; 2], "{number}: {said}");
    assert_eq!(refused.says_when, again, "{number}: {said}");
}

#[test]
fn what_is_wrong_with_a_request_is_said_and_not_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
    let good = request("good");
    let large = request(&"x".repeat(17 << 20));
    let (invalid, unimplemented) = (3, 12);
    for (what, path, encoding, message, code, text) in [
        (
            "request too large",
            TRACES,
            None,
            &large[..],
            invalid,
            "more than 16 MiB",
        ),
        (
            "bad request",
            TRACES,
            None,
            b"\xff\xff\xff",
            invalid,
            "cannot be read",
        ),
        (
            "bad request",
            TRACES,
            Some("gzip"),
            &good[..],
            invalid,
            "cannot be read",
        ),
        (
            "unsupported request",
            TRACES,
            Some("deflate"),
            &good[..],
            unimplemented,
            "deflate",
        ),
        (
            "not taken here",
            "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            None,
            &good[..],
            unimplemented,
            "no metrics",
        ),
        (
            "not taken here",
            "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export",
            None,
            &good[..],
            unimplemented,
            "no profiles",
        ),
        (
            "not taken here",
            "/shop.Orders/Put",
            None,
            &good[..],
            unimplemented,
            "/shop.Orders/Put",
        ),
    ] {
        let counter = format!(
            "distlogd_receiver_rejected_inputs_total{{receiver=\"otlp_grpc\",reason=\"{what}\"}}"
        );
        let before = daemon.metric(&counter);
        check(
            &by_grpc(&daemon, path, encoding, message),
            code,
            false,
            text,
        );
        assert_eq!(daemon.metric(&counter), before + 1.0, "{counter}");
    }
    for (what, path, headers, message, status, text) in [
        (
            "request too large",
            "/v1/traces",
            vec![PROTOBUF],
            &large[..],
            413,
            "more than 16 MiB",
        ),
        (
            "bad request",
            "/v1/traces",
            vec![PROTOBUF],
            b"\xff\xff\xff",
            400,
            "cannot be read",
        ),
        (
            "bad request",
            "/v1/traces",
            vec![PROTOBUF, ("content-encoding", "gzip")],
            &good[..],
            400,
            "decompression",
        ),
        (
            "unsupported request",
            "/v1/traces",
            vec![PROTOBUF, ("content-encoding", "br")],
            &good[..],
            415,
            "`br`",
        ),
        (
            "unsupported request",
            "/v1/logs",
            vec![("content-type", "text/plain")],
            &good[..],
            415,
            "text/plain",
        ),
        (
            "not taken here",
            "/v1/metrics",
            vec![PROTOBUF],
            &good[..],
            404,
            "no metrics",
        ),
        (
            "not taken here",
            "/v1development/profiles",
            vec![PROTOBUF],
            &good[..],
            404,
            "no profiles",
        ),
        (
            "not taken here",
            "/orders",
            vec![PROTOBUF],
            &good[..],
            404,
            "/v1/traces",
        ),
    ] {
        let counter = format!(
            "distlogd_receiver_rejected_inputs_total{{receiver=\"otlp_http\",reason=\"{what}\"}}"
        );
        let before = daemon.metric(&counter);
        check(
            &by_http(&daemon, path, &headers, message),
            status,
            false,
            text,
        );
        assert_eq!(daemon.metric(&counter), before + 1.0, "{counter}");
    }
}

#[test]
fn what_is_wrong_with_the_daemon_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    // No disk has so much room left: requests wait for the store.
    let config = "store: { reserve: 100000TiB }\ngrace: 1s";
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), config);
    let small = request("small");
    let mut stuck = TcpStream::connect(daemon.otlp_http()).unwrap();
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        small.len()
    );
    stuck
        .write_all(&[head.as_bytes(), &small].concat())
        .unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let channel = runtime.block_on(channel(&daemon));
    let other = request("other");
    let waiting = runtime.spawn(async move { call(channel, TRACES, None, &other).await });
    eventually("both are on their way", || {
        let received = ["otlp_grpc", "otlp_http"].map(|receiver| {
            daemon.metric(&format!(
                "distlogd_receiver_messages_total{{receiver=\"{receiver}\",encoding=\"otlp traces\"}}"
            ))
        });
        if received == [1.0; 2] {
            Ok(())
        } else {
            Err(received)
        }
    });
    daemon.stop();
    check(
        &runtime.block_on(waiting).unwrap(),
        14,
        true,
        "try again later",
    );
    let mut answer = String::new();
    stuck.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(
        answer.to_lowercase().contains("\r\nretry-after: 1\r\n"),
        "{answer}"
    );
    assert!(answer.contains("try again later"), "{answer}");
}
