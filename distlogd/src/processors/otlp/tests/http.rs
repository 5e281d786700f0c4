//! Processor `otlp` against a real receiver by HTTP.

use std::collections::VecDeque;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Delivery, Store, whole};
use crate::processor::Error;
use crate::processors::http_client::Compression;
use crate::processors::otlp::{Config, Protocol};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use distlog_bridge::otlp::collector::logs::v1::ExportLogsServiceRequest;
use distlog_bridge::otlp::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use tokio::runtime::Runtime;

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Requests>>);

#[derive(Default)]
struct Requests {
    traces: Vec<(HeaderMap, ExportTraceServiceRequest)>,
    logs: Vec<(HeaderMap, ExportLogsServiceRequest)>,
    /// What the next requests are answered; beyond these, well.
    answers: VecDeque<(&'static str, Response)>,
}

/// Runs until it is dropped.
struct Server {
    address: SocketAddr,
    seen: Seen,
    runtime: Option<Runtime>,
}

impl Server {
    fn start() -> Server {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Seen::default();
        let app = Router::new().fallback(take).with_state(seen.clone());
        runtime.spawn(async move { axum::serve(listener, app).await });
        Server {
            address,
            seen,
            runtime: Some(runtime),
        }
    }

    fn config(&self) -> Config {
        Config {
            protocol: Protocol::HttpProtobuf,
            ..Config::new(format!("http://{}", self.address))
        }
    }

    /// The next request to this path is answered so.
    fn answer(&self, path: &'static str, answer: impl IntoResponse) {
        self.seen
            .0
            .lock()
            .unwrap()
            .answers
            .push_back((path, answer.into_response()));
    }

    fn names(&self) -> Vec<String> {
        let seen = self.seen.0.lock().unwrap();
        let spans = seen
            .traces
            .iter()
            .flat_map(|(_, request)| &request.resource_spans[0].scope_spans[0].spans);
        spans
            .map(|span| format!("{} with {} events", span.name, span.events.len()))
            .collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

async fn take(State(seen): State<Seen>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let mut seen = seen.0.lock().unwrap();
    if let Some(at) = seen
        .answers
        .iter()
        .position(|(path, _)| *path == uri.path())
    {
        return seen.answers.remove(at).unwrap().1;
    }
    let mut plain = Vec::new();
    match headers
        .get("content-encoding")
        .map(|value| value.to_str().unwrap())
    {
        None => plain.extend_from_slice(&body),
        Some("gzip") => {
            _ = flate2::read::GzDecoder::new(&body[..])
                .read_to_end(&mut plain)
                .unwrap()
        }
        Some("zstd") => plain = zstd::decode_all(&body[..]).unwrap(),
        Some(other) => panic!("{other}"),
    }
    assert_eq!(headers["content-type"], "application/x-protobuf");
    match uri.path() {
        "/v1/traces" | "/under/here/v1/traces" => seen.traces.push((
            headers,
            ExportTraceServiceRequest::decode(&plain[..]).unwrap(),
        )),
        "/v1/logs" | "/under/here/v1/logs" => seen.logs.push((
            headers,
            ExportLogsServiceRequest::decode(&plain[..]).unwrap(),
        )),
        other => panic!("{other}"),
    }
    StatusCode::OK.into_response()
}

#[test]
fn spans_and_log_records_arrive_whatever_the_compression() {
    for (compression, name) in [
        (Compression::None, None),
        (Compression::Gzip, Some("gzip")),
        (Compression::Zstd, Some("zstd")),
    ] {
        let server = Server::start();
        let mut config = Config {
            compression,
            ..server.config()
        };
        config
            .headers
            .insert("x-scope-orgid", "tenant 1".parse().unwrap());
        let store = Store::of(&whole(1));
        let mut delivery = Delivery::new(&store, &config);
        delivery.run();
        assert_eq!(delivery.retries, Vec::<String>::new());
        assert_eq!(server.names(), ["task 1 with 0 events"]);
        let seen = server.seen.0.lock().unwrap();
        assert_eq!(
            seen.logs[0].1.resource_logs[0].scope_logs[0]
                .log_records
                .len(),
            1
        );
        for headers in [&seen.traces[0].0, &seen.logs[0].0] {
            assert_eq!(headers["x-scope-orgid"], "tenant 1");
            assert_eq!(
                headers
                    .get("content-encoding")
                    .map(|value| value.to_str().unwrap()),
                name
            );
        }
    }
}

#[test]
fn an_endpoint_may_have_a_path() {
    let server = Server::start();
    let store = Store::of(&whole(1));
    let config = Config {
        endpoint: format!("http://{}/under/here/", server.address)
            .parse()
            .unwrap(),
        ..server.config()
    };
    assert!(Delivery::new(&store, &config).run().retries.is_empty());
    assert_eq!(server.names(), ["task 1 with 0 events"]);
}

#[test]
fn where_log_records_are_not_taken_events_go_to_their_spans() {
    for status in [
        StatusCode::NOT_FOUND,
        StatusCode::METHOD_NOT_ALLOWED,
        StatusCode::NOT_IMPLEMENTED,
    ] {
        let server = Server::start();
        server.answer("/v1/logs", status);
        let store = Store::of(&whole(1));
        let mut delivery = Delivery::new(&store, &server.config());
        delivery.run();
        store.add(&whole(2));
        delivery.run();
        assert_eq!(delivery.retries.len(), 1);
        assert_eq!(
            server.names(),
            ["task 1 with 1 events", "task 2 with 1 events"]
        );
        assert!(server.seen.0.lock().unwrap().logs.is_empty());
    }
}

#[test]
fn what_is_to_be_tried_again_is_tried_again_when_the_receiver_says() {
    let server = Server::start();
    let store = Store::of(&whole(1));
    let mut delivery = Delivery::new(&store, &server.config());
    for status in [
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::BAD_GATEWAY,
        StatusCode::SERVICE_UNAVAILABLE,
        StatusCode::GATEWAY_TIMEOUT,
    ] {
        server.answer("/v1/traces", (status, [("retry-after", "7")], "later"));
        match delivery.attempt(1, 4) {
            Err(Error::Retry { reason, after }) => {
                assert!(reason.contains("later"), "{reason}");
                assert_eq!(after, Some(Duration::from_secs(7)));
            }
            other => panic!("{other:?}"),
        }
    }
    server.answer(
        "/v1/traces",
        (
            StatusCode::SERVICE_UNAVAILABLE,
            [("retry-after", "1000000000")],
        ),
    );
    assert!(
        matches!(delivery.attempt(1, 4), Err(Error::Retry { after: Some(after),
            .. }) if after == Duration::from_secs(300))
    );
    delivery.run();
    assert_eq!(server.names(), ["task 1 with 0 events"]);
}

#[test]
fn a_request_that_is_wrong_is_refused_and_the_reason_is_told() {
    let server = Server::start();
    let store = Store::of(&whole(1));
    let mut delivery = Delivery::new(&store, &server.config());
    // google.rpc.Status { message: "no" }
    server.answer(
        "/v1/traces",
        (
            StatusCode::BAD_REQUEST,
            [("content-type", "application/x-protobuf")],
            vec![2 << 3 | 2, 2, b'n', b'o'],
        ),
    );
    match delivery.attempt(1, 4) {
        Err(Error::Refused { reason }) => {
            assert_eq!(reason, "the receiver answers 400 Bad Request: no")
        }
        other => panic!("{other:?}"),
    }
    server.answer("/v1/traces", StatusCode::UNAUTHORIZED);
    assert!(matches!(
        delivery.attempt(1, 4),
        Err(Error::Retry { after: Some(_), .. })
    ));
}

#[test]
fn partial_success_is_counted_and_not_sent_again() {
    let server = Server::start();
    let partial = ExportTracePartialSuccess {
        rejected_spans: 1,
        error_message: "too old".into(),
    };
    let answer = ExportTraceServiceResponse {
        partial_success: Some(partial),
    }
    .encode_to_vec();
    server.answer(
        "/v1/traces",
        ([("content-type", "application/x-protobuf")], answer),
    );
    let store = Store::of(&whole(1));
    let mut delivery = Delivery::new(&store, &server.config());
    assert!(delivery.run().retries.is_empty());
    assert_eq!(delivery.otlp.counters().rejected_items.get(), 1);
    assert_eq!(delivery.otlp.counters().spans.get(), 0);
    assert!(
        server.names().is_empty(),
        "the answer above was the only request"
    );
}

#[test]
fn nobody_there_is_a_reason_to_try_again() {
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let store = Store::of(&whole(1));
    let config = Config {
        protocol: Protocol::HttpProtobuf,
        ..Config::new(format!("http://{address}"))
    };
    match Delivery::new(&store, &config).attempt(1, 4) {
        Err(Error::Retry { reason, .. }) => assert!(reason.contains("refused"), "{reason}"),
        other => panic!("{other:?}"),
    }
}
