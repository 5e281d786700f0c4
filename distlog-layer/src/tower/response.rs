//! Waits for a response and takes from it how the task went.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Response, StatusCode};
use pin_project_lite::pin_project;

use crate::future::InTask;
use crate::outcome::TaskOutcome;
use crate::task::Task;

/// The field that gets the response's status.
pub(super) const STATUS: &str = "http.response.status_code";

pin_project! {
    /// The response of a [`Server`](super::Server) or [`Client`](super::Client).
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        future: InTask<Watch<F>>,
    }
}

impl<F> ResponseFuture<F> {
    /// `fails_from`: the lowest status that is a failure.
    pub(super) fn new(future: F, task: Task, fails_from: StatusCode) -> ResponseFuture<F> {
        let watch = Watch {
            future,
            task: task.clone(),
            fails_from,
        };
        ResponseFuture {
            future: InTask::new(watch, task),
        }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    Result<Response<B>, E>: TaskOutcome,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.project().future.poll(context)
    }
}

pin_project! {
    #[derive(Debug)]
    struct Watch<F> {
        #[pin]
        future: F,
        task: Task,
        fails_from: StatusCode,
    }
}

impl<F, B, E> Future for Watch<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let result = ready!(this.future.poll(context));
        if let Ok(response) = &result {
            let status = response.status();
            this.task.span().record(STATUS, status.as_u16());
            if status >= *this.fails_from {
                this.task.failed(&status.to_string());
            } else if let Some(code) = response
                .headers()
                .get("grpc-status")
                .filter(|code| *code != "0")
            {
                // gRPC answers a failed call with status 200 and this header, if it has nothing else to say.
                this.task.failed(&format!(
                    "gRPC status {}",
                    String::from_utf8_lossy(code.as_bytes())
                ));
            }
        }
        Poll::Ready(result)
    }
}
