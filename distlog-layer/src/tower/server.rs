//! [`server()`]: incoming requests.

use std::fmt::{self, Display};
use std::task::{Context, Poll};

use http::{Extensions, Method, Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::TARGET;
use super::response::{Exchange, ResponseBody, ResponseFuture};
use crate::record::remote_parent::{RemoteParent, Trust};
use crate::task::Task;

/// Makes each incoming request a task, whose place in the tree is the one that the caller's headers say.
///
/// It fails with a status from 500, a gRPC status other than 0 (in the response's head or trailers), or an error of the
/// service. Its name is `METHOD route` where the framework tells the route (axum, with the feature `axum` and as a
/// layer of the `Router`), else `METHOD`. It ends when the last of the response has been taken, its body and trailers
/// included; what a streamed body logs belongs to it. If the caller goes before that, it is cancelled.
///
/// ```
/// use distlog_layer::{Trust, tower::server};
///
/// let app: axum::Router = axum::Router::new()
///     .route("/", axum::routing::get(|| async { "hello" }))
///     .layer(server().trust(Trust::Link)); // callers are strangers
/// # let _ = app;
/// ```
pub fn server() -> ServerLayer {
    ServerLayer {
        trust: Trust::default(),
    }
}

/// See [`server`].
#[derive(Debug, Clone, Copy)]
pub struct ServerLayer {
    trust: Trust,
}

impl ServerLayer {
    /// What to make of the place in a tree that a caller claims; [`Trust::Continue`] if nothing else is said.
    pub fn trust(mut self, trust: Trust) -> ServerLayer {
        self.trust = trust;
        self
    }
}

impl<S> Layer<S> for ServerLayer {
    type Service = Server<S>;

    fn layer(&self, inner: S) -> Server<S> {
        Server {
            inner,
            trust: self.trust,
        }
    }
}

/// See [`server`].
#[derive(Debug, Clone)]
pub struct Server<S> {
    inner: S,
    trust: Trust,
}

impl<S, B, R> Service<Request<B>> for Server<S>
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

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let import = RemoteParent::from_headers(request.headers(), self.trust);
        let (method, path) = (request.method(), request.uri().path());
        let route = route(request.extensions());
        let task = Task::from(tracing::info_span!(
            target: TARGET,
            parent: None,
            "answer {} {}",
            distlog.import = ?import,
            // Names of spans must not vary with every request, as paths do.
            otel.name = %Name { method, route },
            "http.request.method" = method.as_str(),
            "http.route" = route,
            "url.path" = path,
            "http.response.status_code" = tracing::field::Empty,
            message = format_args!("answer {method} {path}"),
        ));
        let exchange = Exchange::new(request.method(), true);
        let future = task.in_scope(|| self.inner.call(request));
        ResponseFuture::new(future, task, exchange)
    }
}

/// The name of a request's span.
struct Name<'a> {
    method: &'a Method,
    route: Option<&'a str>,
}

impl Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.method.as_str())?;
        match self.route {
            Some(route) => write!(f, " {route}"),
            None => Ok(()),
        }
    }
}

/// The route that the request goes, like `/orders/{id}`, where the framework tells it.
#[cfg(feature = "axum")]
fn route(extensions: &Extensions) -> Option<&str> {
    extensions
        .get::<axum::extract::MatchedPath>()
        .map(axum::extract::MatchedPath::as_str)
}

/// No framework is known that tells it.
#[cfg(not(feature = "axum"))]
fn route(_: &Extensions) -> Option<&str> {
    None
}
