//! Nothing of a request that is refused is decoded. By gRPC no byte of its body is read: the body of the test panics
//! then. By HTTP/1 it is read and dropped, since many clients read the answer only after they have sent everything.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use tokio::runtime::Handle;
use tower_service::Service;

use super::export_service::{ExportService, State};
use super::{grpc, http};
use crate::access::{Hash, Tokens};
use crate::intake;
use crate::listen::{Caller, Guard};
use crate::receiver::ReceiverContext;
use crate::self_telemetry::{Metrics, ProducerDrops, RejectedInput};
use crate::supervisor::Supervisor;
use distlog_store::{Options, Store};

struct Untouchable;

impl http_body::Body for Untouchable {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        panic!("the body of somebody who was refused is read");
    }
}

const SENDS: &str = "distlog_sends";
const READS: &str = "distlog_reads";

/// What takes requests with a token, and what it needs.
fn service(folder: &tempfile::TempDir) -> (ExportService, intake::Writer) {
    let path = folder.path().join("tokens.yaml");
    let lines = [(SENDS, "ingest"), (READS, "read")].map(|(secret, may)| {
        let hash = Hash::of(secret);
        format!("- {{ name: {may}, hash: '{hash}', may: [{may}] }}\n")
    });
    std::fs::write(&path, lines.concat()).unwrap();
    let options = Options {
        reserve: 0,
        ..Options::default()
    };
    let store = Store::open(folder.path().join("store"), options).unwrap();
    let supervisor = Supervisor::default();
    let (intake, writer) = intake::start(store, intake::SyncPolicy::Always, &supervisor).unwrap();
    let metrics = Metrics::default();
    let context = ReceiverContext {
        intake,
        liveness: Arc::default(),
        metrics: metrics.clone(),
        rejected: Arc::new(RejectedInput::new(metrics.clone())),
        drops: ProducerDrops::new(metrics),
        levels: Arc::new(crate::levels::LevelTable::open(folder.path(), &[])),
        threads: Arc::new(crate::thread_pool::ThreadPool::new("test", 0)),
        supervisor,
        shutdown: crate::shutdown::Shutdown::default(),
        runtime: Handle::current(),
    };
    let tokens = Tokens::open(&path).unwrap();
    let service = ExportService::new(context, State::default(), Some(tokens));
    (service, writer)
}

/// Headers of who may not send, and the statuses of HTTP and gRPC.
fn refused() -> [(Option<String>, u16, &'static str); 4] {
    [
        (None, 401, "16"),
        (Some("Bearer distlog_wrong".to_owned()), 401, "16"),
        (Some("Basic YTpi".to_owned()), 401, "16"),
        (Some(format!("Bearer {READS}")), 403, "7"),
    ]
}

fn request<B>(path: &str, authorization: Option<&str>, body: B) -> ::http::Request<B> {
    let mut request = ::http::Request::post(path)
        .header("host", "localhost:4318")
        .header("content-type", "application/x-protobuf");
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    request.body(body).unwrap()
}

/// Has no end. It counts its pieces, of a MiB.
struct Endless(Arc<AtomicUsize>);

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.fetch_add(1, Ordering::AcqRel);
        Poll::Ready(Some(Ok(Frame::data(vec![0xff; 1 << 20].into()))))
    }
}

#[tokio::test]
async fn by_http_of_who_may_not_send_nothing_is_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let (service, writer) = service(&folder);
    let guard = Guard::new(http::OTLP_HTTP, &"localhost:4318".into());
    let mut app = http::service(service, guard);
    for (authorization, status, _) in refused() {
        for path in ["/v1/traces", "/v1/logs", "/v1/metrics", "/elsewhere"] {
            let read = Arc::new(AtomicUsize::new(0));
            let body = axum::body::Body::new(Endless(Arc::clone(&read)));
            let mut endless = request(path, authorization.as_deref(), body);
            // It is none.
            let gzip = ::http::HeaderValue::from_static("gzip");
            endless.headers_mut().insert("content-encoding", gzip);
            let answer = app.call(endless).await.unwrap();
            assert_eq!(answer.status(), status, "{path} {authorization:?}");
            assert!(answer.headers().contains_key("www-authenticate"));
            assert_eq!(
                read.load(Ordering::Acquire),
                33,
                "MiB, one more than the bound"
            );
            // Who asks first whether to send it is told at once.
            let body = axum::body::Body::new(Untouchable);
            let mut waits = request(path, authorization.as_deref(), body);
            let expect = ::http::HeaderValue::from_static("100-continue");
            waits.headers_mut().insert("expect", expect);
            let answer = app.call(waits).await.unwrap();
            assert_eq!(answer.status(), status, "{path} {authorization:?}");
        }
    }
    writer.close();
}

/// `UNAVAILABLE` with a time: every SDK tries that again, and not every one `RESOURCE_EXHAUSTED` (`refusal.rs`).
#[tokio::test]
async fn by_grpc_a_call_that_is_one_too_many_is_told_when_to_come_again() {
    let folder = tempfile::tempdir().unwrap();
    let (service, writer) = service(&folder);
    let mut export = grpc::service(service);
    let body = axum::body::Body::new(Untouchable);
    let authorization = format!("Bearer {SENDS}");
    let path = crate::rpc::Signal::Logs.method();
    let mut request = request(path, Some(&authorization), body);
    request.extensions_mut().insert(Caller {
        address: ([10, 0, 0, 1], 4711).into(),
        is_one_too_many: true,
    });
    let answer = export.call(request).await.unwrap();
    let status = tonic::Status::from_header_map(answer.headers()).unwrap();
    assert_eq!(status.code(), tonic::Code::Unavailable);
    assert!(status.message().contains("try again later"), "{status:?}");
    let expected = crate::rpc::status::encode(14, status.message(), Some(Duration::from_secs(1)));
    assert_eq!(status.details(), expected, "with a RetryInfo");
    writer.close();
}

#[tokio::test]
async fn by_grpc_of_who_may_not_send_nothing_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let (service, writer) = service(&folder);
    let mut export = grpc::service(service);
    for (authorization, _, code) in refused() {
        for path in [crate::rpc::Signal::Traces.method(), "/other.Service/Call"] {
            let body = axum::body::Body::new(Untouchable);
            let request = request(path, authorization.as_deref(), body);
            let answer = export.call(request).await.unwrap();
            let status = answer.headers()["grpc-status"].to_str().unwrap();
            assert_eq!(status, code, "{path} {authorization:?}");
        }
    }
    writer.close();
}
