//! OTLP by HTTP, in protobuf and in JSON.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, post};
use bytes::Bytes;
use distlog_bridge::receive::PartialSuccess;

use super::export_service::{ExportService, Peer};
use super::refusal::{Refusal, other_signal, partial};
use super::{body, grpc, json, refusal};
use crate::listen::{Caller, Guard, Protocol, TooMany};
use crate::rpc::{Signal, status};

pub(super) const OTLP_HTTP: &str = "otlp_http";

/// Longest time between two requests of a connection: SDKs export each minute, or less often.
const IDLE_TIMEOUT: Duration = Duration::from_secs(180);

/// How it is spoken.
pub(super) const PROTOCOL: Protocol = Protocol::Http1 {
    head_timeout: IDLE_TIMEOUT,
    max_head: None,
    too_many,
};

/// What a client reads whose connection is one too many. It retries, whichever SDK it is (`refusal.rs`).
fn too_many(_: TooMany) -> String {
    let (body, seconds) = (Refusal::Busy.to_string(), refusal::RETRY_AFTER.as_secs());
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\nretry-after: {seconds}\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Answers the requests of SDKs and Collectors.
pub(super) fn service(service: ExportService, guard: Guard) -> Router {
    Router::new()
        .route(Signal::Traces.path(), takes(Signal::Traces))
        .route(Signal::Logs.path(), takes(Signal::Logs))
        .fallback(unknown)
        .with_state(service.clone())
        .layer(from_fn_with_state((guard, service), admit))
}

/// Refuses requests of other sites' web pages and of who may not send, and answers browsers' preflight requests.
async fn admit(
    State((guard, service)): State<(Guard, ExportService)>,
    request: Request,
    next: Next,
) -> Response {
    let answer = guard.answer(&request);
    let (parts, body) = request.into_parts();
    if let Some(answer) = answer.unwrap_or_else(|refused| Some(refused.into_response())) {
        body::discard(&parts.headers, body).await;
        return answer;
    }
    let origin = guard.shares(&parts.headers).cloned();
    let mut response = match service.authorize(&parts.headers) {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        // Of somebody who may not send nothing is decoded. Who has too many requests in flight is not even read.
        Err(refusal) => {
            let caller = parts.extensions.get::<Caller>();
            if !caller.is_some_and(|caller| caller.is_one_too_many) {
                body::discard(&parts.headers, body).await;
            }
            denied(&service, &parts, &refusal)
        }
    };
    guard.mark(origin, &mut response);
    response
}

fn denied(service: &ExportService, head: &Parts, refusal: &Refusal) -> Response {
    let address = head.extensions.get::<ConnectInfo<SocketAddr>>();
    let peer = Peer {
        receiver: OTLP_HTTP,
        address: address.map(|ConnectInfo(address)| *address),
    };
    service.report(peer, refusal);
    let mut response = refused(Form::of(&head.headers).unwrap_or(Form::Json), refusal);
    if let Refusal::Denied(denied) = refusal {
        let challenge = HeaderValue::from_static(denied.challenge());
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

/// Takes the requests of a signal.
fn takes(signal: Signal) -> MethodRouter<ExportService> {
    post(
        move |State(service): State<ExportService>,
              ConnectInfo(address): ConnectInfo<SocketAddr>,
              headers: HeaderMap,
              body: Body| async move { export(signal, &service, address, &headers, body).await },
    )
}

/// Answers requests to other paths.
async fn unknown(
    State(service): State<ExportService>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    body::discard(&headers, body).await;
    let refusal = other_signal(uri.path()).unwrap_or_else(|| {
        Refusal::NotTaken(format!(
            "nothing here for {method} {}: this is distlogd's OTLP receiver, POST /v1/traces and /v1/logs",
            uri.path()
        ))
    });
    let peer = Peer {
        receiver: OTLP_HTTP,
        address: Some(address),
    };
    service.report(peer, &refusal);
    refused(Form::of(&headers).unwrap_or(Form::Json), &refusal)
}

/// How a request is written, and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Protobuf,
    Json,
}

impl Form {
    fn of(headers: &HeaderMap) -> Result<Form, Refusal> {
        let value = headers
            .get(CONTENT_TYPE)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .unwrap_or_default();
        let kind = value.split(';').next().unwrap_or_default().trim();
        if kind.eq_ignore_ascii_case("application/x-protobuf") {
            Ok(Form::Protobuf)
        } else if kind.eq_ignore_ascii_case("application/json") {
            Ok(Form::Json)
        } else {
            Err(Refusal::Unsupported(format!(
                "content type `{kind}` is not supported; send application/x-protobuf or application/json"
            )))
        }
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Form::Protobuf => "application/x-protobuf",
            Form::Json => "application/json",
        })
    }
}

async fn export(
    signal: Signal,
    service: &ExportService,
    address: SocketAddr,
    headers: &HeaderMap,
    body: Body,
) -> Response {
    let peer = Peer {
        receiver: OTLP_HTTP,
        address: Some(address),
    };
    let form = Form::of(headers);
    let taken = match &form {
        Ok(form) => take(signal, *form, service, peer, headers, body).await,
        Err(refusal) => {
            body::discard(headers, body).await;
            Err(refusal.clone())
        }
    };
    match taken {
        Ok(partial_success) => accepted(signal, form.unwrap_or(Form::Protobuf), &partial_success),
        Err(refusal) => {
            service.report(peer, &refusal);
            refused(form.unwrap_or(Form::Json), &refusal)
        }
    }
}

async fn take(
    signal: Signal,
    form: Form,
    service: &ExportService,
    peer: Peer,
    headers: &HeaderMap,
    body: Body,
) -> Result<PartialSuccess, Refusal> {
    let share = service.share();
    let mut request: Bytes = body::read(headers, body, &share).await?;
    if form == Form::Json {
        // For what it becomes, which is hardly ever longer.
        if !share.take(request.len().saturating_mul(2)) {
            return Err(Refusal::Busy);
        }
        let convert = move || json::to_protobuf(signal, &request);
        request = tokio::task::spawn_blocking(convert)
            .await
            .map_err(|_| Refusal::Failed("reading JSON panicked"))?
            .map_err(Refusal::Malformed)?
            .into();
    }
    service.export(signal, peer, request, share).await
}

fn accepted(signal: Signal, form: Form, partial_success: &PartialSuccess) -> Response {
    let refused = partial(partial_success);
    let body = match form {
        Form::Protobuf => grpc::response(refused),
        Form::Json => json::response(signal, refused).into(),
    };
    ([(CONTENT_TYPE, form.content_type())], body).into_response()
}

/// The status is the code of HTTP, the body a `google.rpc.Status` in the form of the request.
fn refused(form: Form, refusal: &Refusal) -> Response {
    let (answer, message) = (refusal.answer(), refusal.to_string());
    let code = answer.code.into();
    let body = match form {
        Form::Protobuf => status::encode(code, &message, answer.again),
        Form::Json => json::status(code, &message).into_bytes(),
    };
    let content_type = [(CONTENT_TYPE, form.content_type())];
    let mut response = (answer.status, content_type, body).into_response();
    if let Some(again) = answer.again {
        let seconds = HeaderValue::from(again.as_secs().max(1));
        response.headers_mut().insert(RETRY_AFTER, seconds);
    }
    response
}
