//! [`client()`]: outgoing requests.

use std::fmt::Display;
use std::task::{Context, Poll};

use distlog_proto::trace_context::{TRACEPARENT, TRACESTATE};
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::TARGET;
use super::response::{Exchange, ResponseBody, ResponseFuture};
use crate::task::Task;

/// Makes each outgoing request a task below the current one, and adds the headers by which the called service takes the
/// child that is reserved for it there.
///
/// It fails with a status from 400, a gRPC status other than 0 (in the response's head or trailers), or an error of the
/// connection. It ends when the response was read to its end, or is dropped; a connection that is kept for the next
/// request does not keep it running. A request that is dropped before its response came is cancelled.
///
/// ```
/// use tower::ServiceBuilder;
///
/// # fn example<C>(http_client: C) -> distlog_layer::tower::Client<C> {
/// let client = ServiceBuilder::new()
///     // a layer that retries goes here
///     .layer(distlog_layer::tower::client())
///     .service(http_client);
/// # client
/// # }
/// ```
pub fn client() -> ClientLayer {
    ClientLayer { _private: () }
}

/// See [`client`].
#[derive(Debug, Clone, Copy)]
pub struct ClientLayer {
    _private: (),
}

impl<S> Layer<S> for ClientLayer {
    type Service = Client<S>;

    fn layer(&self, inner: S) -> Client<S> {
        Client { inner }
    }
}

/// See [`client`].
#[derive(Debug, Clone)]
pub struct Client<S> {
    inner: S,
}

impl<S, B, R> Service<Request<B>> for Client<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
    S::Error: Display,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let (method, uri) = (request.method(), request.uri());
        let (host, path) = (uri.host().unwrap_or_default(), uri.path());
        let task = Task::from(tracing::info_span!(
            target: TARGET,
            "call {} {}{}",
            otel.name = method.as_str(),
            otel.kind = "client",
            "http.request.method" = method.as_str(),
            "server.address" = host,
            "server.port" = uri.port_u16(),
            "url.path" = path,
            "http.response.status_code" = tracing::field::Empty,
            message = format_args!("call {method} {host}{path}"),
        ));
        let headers = request.headers_mut();
        headers.remove(TRACEPARENT);
        headers.remove(TRACESTATE);
        headers.extend(task.foreign_headers());
        let exchange = Exchange::new(request.method(), false);
        let future = task.in_scope(|| self.inner.call(request));
        ResponseFuture::new(future, task, exchange)
    }
}
