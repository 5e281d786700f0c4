//! [`ResponseFuture`] and [`ResponseBody`]: follow a response to its end and take from it how the task went.
//!
//! The task ends when the last of the body, its trailers included, has passed, or when the response is dropped.

use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{HeaderMap, Method, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::task::Task;

/// The field that gets the response's status.
pub(super) const STATUS: &str = "http.response.status_code";

/// What is known of a request when its response comes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exchange {
    /// The lowest status that is a failure.
    pub(super) fails_from: StatusCode,
    /// The request's method is `HEAD`: what the body would be is not sent.
    pub(super) is_head: bool,
    /// A body that is dropped before its end is one that nobody took; a client may leave the rest of what it got.
    pub(super) is_server: bool,
}

impl Exchange {
    /// `server`: fails from 500, else from 400.
    pub(super) fn new(method: &Method, is_server: bool) -> Exchange {
        Exchange {
            fails_from: match is_server {
                true => StatusCode::INTERNAL_SERVER_ERROR,
                false => StatusCode::BAD_REQUEST,
            },
            is_head: *method == Method::HEAD,
            is_server,
        }
    }
}

pin_project! {
    /// The response of a [`Server`](super::Server) or [`Client`](super::Client).
    #[must_use = "futures do nothing unless polled"]
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        // `None` when it is ready.
        #[pin]
        future: Option<F>,
        task: Option<Task>,
        exchange: Exchange,
    }

    impl<F> PinnedDrop for ResponseFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Some(task) = this.task.take() {
                task.in_scope(|| this.future.set(None));
                task.cancel();
            }
        }
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(future: F, task: Task, exchange: Exchange) -> ResponseFuture<F> {
        ResponseFuture {
            future: Some(future),
            task: Some(task),
            exchange,
        }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
    E: Display,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let (Some(future), Some(task)) = (this.future.as_mut().as_pin_mut(), this.task.as_ref())
        else {
            // Polled again after it was ready, which futures need not allow.
            return Poll::Pending;
        };
        let entered = task.enter();
        let result = ready!(future.poll(context));
        this.future.set(None);
        drop(entered);
        let task = this.task.take();
        let response = match result {
            Ok(response) => response,
            Err(error) => {
                let result = Err::<(), _>(&error);
                task.inspect(|task| task.finish(&result));
                return Poll::Ready(Err(error));
            }
        };
        let status = response.status();
        if let Some(task) = &task {
            task.span().record(STATUS, status.as_u16());
            if status >= this.exchange.fails_from {
                task.failed(&status.to_string());
            } else {
                // gRPC answers a failed call with status 200 and its own in the head, if it has nothing else to say.
                grpc_status(task, response.headers());
            }
        }
        let length = response.headers().get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        let no_body = this.exchange.is_head
            || status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let is_server = this.exchange.is_server;
        Poll::Ready(Ok(response.map(|body| {
            let mut body = ResponseBody {
                left: body.size_hint().exact().or(length),
                body,
                task,
                is_server,
            };
            if no_body || body.left == Some(0) || body.body.is_end_stream() {
                finish(&mut body.task);
            }
            body
        })))
    }
}

pin_project! {
    /// The body of a response, which ends its task when it ends. What it logs while it is read belongs to the task.
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        #[pin]
        body: B,
        // `None` when the task has ended.
        task: Option<Task>,
        // Bytes to come, where that is known.
        left: Option<u64>,
        is_server: bool,
    }

    impl<B> PinnedDrop for ResponseBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(task) = this.task.take() {
                match *this.is_server {
                    true => task.cancel(),
                    false => task.finish(&()),
                }
            }
        }
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body,
    B::Error: Display,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let entered = this.task.as_ref().map(Task::enter);
        let frame = ready!(this.body.as_mut().poll_frame(context));
        drop(entered);
        let is_last = match &frame {
            None => true,
            Some(Err(error)) => {
                let result = Err::<(), _>(error);
                this.task.take().inspect(|task| task.finish(&result));
                true
            }
            Some(Ok(frame)) => {
                if let (Some(trailers), Some(task)) = (frame.trailers_ref(), &*this.task) {
                    grpc_status(task, trailers);
                }
                if let (Some(data), Some(left)) = (frame.data_ref(), this.left.as_mut()) {
                    *left = left.saturating_sub(bytes::Buf::remaining(data) as u64);
                }
                // Nobody need ask for more then.
                frame.is_trailers() || *this.left == Some(0) || this.body.is_end_stream()
            }
        };
        if is_last {
            finish(this.task);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn finish(task: &mut Option<Task>) {
    if let Some(task) = task.take() {
        task.finish(&());
    }
}

/// Takes the status of a gRPC call from the head or the trailers of its response.
fn grpc_status(task: &Task, headers: &HeaderMap) {
    let text = |name| headers.get(name).map(http::HeaderValue::as_bytes);
    let Some(code) = text("grpc-status").filter(|code| *code != b"0") else {
        return;
    };
    let code = String::from_utf8_lossy(code);
    let message = percent_encoding::percent_decode(text("grpc-message").unwrap_or_default());
    let message = message.decode_utf8_lossy();
    let colon = if message.is_empty() { "" } else { ": " };
    task.failed(&format!("gRPC status {code}{colon}{message}"));
}
