//! OTLP by gRPC.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body as RequestBody;
use bytes::Bytes;
use distlog_bridge::otlp::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use http_body::{Frame, SizeHint};
use prost::Message;
use tonic::body::Body;
use tonic::codec::{CompressionEncoding, EnabledCompressionEncodings};
use tonic::server::{Grpc, UnaryService};
use tonic::{Code, Request, Response, Status};
use tower_service::Service;

use super::MAX_REQUEST;
use super::budget::Share;
use super::export_service::{ExportService, Peer};
use super::refusal::{Refusal, other_signal, partial};
use crate::listen::{Caller, Protocol};
use crate::rpc::{BytesCodec, Signal, status};

pub(super) const OTLP_GRPC: &str = "otlp_grpc";
/// Time for a request, from its first byte to its answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// How it is spoken.
///
/// Only HTTP/2 with prior knowledge is spoken, which no browser does in plain text (nor gRPC-Web, which is not served):
/// no web page gets here, so `:authority` is not checked as `Host` is for HTTP.
pub(super) const PROTOCOL: Protocol = Protocol::Http2 { max_streams: 64 };

/// Answers the requests of SDKs and Collectors.
pub(super) fn service(service: ExportService) -> Export {
    Export { service }
}

/// All methods.
#[derive(Clone)]
pub(super) struct Export {
    service: ExportService,
}

type Answer = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

impl Service<http::Request<RequestBody>> for Export {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<RequestBody>) -> Answer {
        let path = request.uri().path();
        let signals = [Signal::Traces, Signal::Logs];
        let caller = request.extensions().get::<Caller>();
        let peer = Peer {
            receiver: OTLP_GRPC,
            address: caller.map(|caller| caller.address),
        };
        let admitted = match caller {
            Some(caller) if caller.is_one_too_many => Err(Refusal::Busy),
            _ => self.service.authorize(request.headers()),
        };
        if let Err(refusal) = admitted {
            let answer = refused(&self.service, peer, refusal).into_http();
            return Box::pin(async move { Ok(answer) });
        }
        let Some(signal) = signals.into_iter().find(|signal| signal.method() == path) else {
            let answer = refused(&self.service, peer, unknown(path)).into_http();
            return Box::pin(async move { Ok(answer) });
        };
        let service = self.service.clone();
        let share = service.share();
        let called = Arc::new(AtomicBool::new(false));
        let method = Method {
            service: service.clone(),
            signal,
            peer,
            share: Arc::clone(&share),
            called: Arc::clone(&called),
        };
        let request = request.map(|body| Metered { body, share });
        let mut known = EnabledCompressionEncodings::default();
        known.enable(CompressionEncoding::Gzip);
        known.enable(CompressionEncoding::Zstd);
        Box::pin(async move {
            let mut grpc = Grpc::new(BytesCodec)
                .apply_compression_config(known, EnabledCompressionEncodings::default())
                .apply_max_message_size_config(Some(MAX_REQUEST), None);
            let answer = tokio::time::timeout(REQUEST_TIMEOUT, grpc.unary(method, request)).await;
            let Ok(answer) = answer else {
                return Ok(refused(&service, peer, Refusal::Slow).into_http());
            };
            if called.load(Ordering::Acquire) {
                return Ok(answer);
            }
            // The message was not read. The library's status is not what the specification of OTLP wants.
            let refusal = Status::from_header_map(answer.headers()).and_then(unread);
            Ok(match refusal {
                Some(refusal) => refused(&service, peer, refusal).into_http(),
                None => answer,
            })
        })
    }
}

/// The answer to a caller of another method.
fn unknown(path: &str) -> Refusal {
    other_signal(path).unwrap_or_else(|| {
        Refusal::NotTaken(format!(
            "distlogd has no method {path}: it takes OTLP traces and logs"
        ))
    })
}

/// Why a message was not read.
fn unread(status: Status) -> Option<Refusal> {
    let text = status.message().to_owned();
    match status.code() {
        Code::OutOfRange | Code::ResourceExhausted => Some(Refusal::TooLarge),
        Code::Unimplemented => Some(Refusal::Unsupported(text)),
        Code::Internal | Code::InvalidArgument => Some(Refusal::Malformed(text)),
        // As `Metered` said.
        Code::Unavailable if text == Refusal::Busy.to_string() => Some(Refusal::Busy),
        // The client is gone.
        _ => None,
    }
}

/// Counts a refusal; gives the answer to the client.
fn refused(service: &ExportService, peer: Peer, refusal: Refusal) -> Status {
    service.report(peer, &refusal);
    refusal.into()
}

/// One call.
struct Method {
    service: ExportService,
    signal: Signal,
    peer: Peer,
    share: Arc<Share>,
    /// Whether the message was read.
    called: Arc<AtomicBool>,
}

impl UnaryService<Bytes> for Method {
    type Response = Bytes;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Bytes>, Status>> + Send>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let (service, signal, peer) = (self.service.clone(), self.signal, self.peer);
        let share = Arc::clone(&self.share);
        self.called.store(true, Ordering::Release);
        Box::pin(async move {
            let request = request.into_inner();
            let taken = if share.take(request.len()) {
                service.export(signal, peer, request, share).await
            } else {
                Err(Refusal::Busy)
            };
            match taken {
                Ok(partial_success) => Ok(Response::new(response(partial(&partial_success)))),
                Err(refusal) => Err(refused(&service, peer, refusal)),
            }
        })
    }
}

/// The bytes of an answer. `ExportLogsServiceResponse` has the same fields under the same numbers.
pub(super) fn response(refused: Option<(i64, String)>) -> Bytes {
    let partial_success =
        refused.map(
            |(rejected_spans, error_message)| ExportTracePartialSuccess {
                rejected_spans,
                error_message,
            },
        );
    ExportTraceServiceResponse { partial_success }
        .encode_to_vec()
        .into()
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Status {
        let (answer, message) = (refusal.answer(), refusal.to_string());
        let details = status::encode(answer.code.into(), &message, answer.again);
        Status::with_details(answer.code, message, details.into())
    }
}

/// A body that may take only as much memory as there is.
struct Metered {
    body: RequestBody,
    share: Arc<Share>,
}

impl http_body::Body for Metered {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
            && !self.share.take(data.len())
        {
            return Poll::Ready(Some(Err(Refusal::Busy.into())));
        }
        polled.map_err(|error| Status::from_error(Box::new(error)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
