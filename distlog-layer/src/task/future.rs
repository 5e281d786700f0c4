//! [`InTask`]: a future that is a task.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::task::Task;
use crate::task::outcome::TaskOutcome;

/// Runs futures as tasks.
pub trait FutureExt: Future + Sized {
    /// Makes the future's work the task's. The task ends when the future is ready, and has failed if that is an `Err`;
    /// if the future is dropped before, it ends then, cancelled. Whatever still holds its span (a connection pool, a
    /// future that was spawned in it) does not keep it running; what that logs later still belongs to it.
    ///
    /// ```
    /// # async fn fetch() -> Result<(), std::io::Error> { Ok(()) }
    /// use distlog_layer::{FutureExt, to};
    ///
    /// # async fn example() -> Result<(), std::io::Error> {
    /// fetch().in_task(to!("fetch the price")).await?;
    /// # Ok(())
    /// # }
    /// ```
    fn in_task(self, task: Task) -> InTask<Self> {
        InTask::new(self, task)
    }
}

impl<F: Future> FutureExt for F {}

pin_project! {
    /// What [`FutureExt::in_task`] returns.
    #[must_use = "futures do nothing unless polled"]
    #[derive(Debug)]
    pub struct InTask<F> {
        // `None` when it is ready.
        #[pin]
        future: Option<F>,
        task: Option<Task>,
    }

    impl<F> PinnedDrop for InTask<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Some(task) = this.task.take() {
                // What the future logs while it is dropped belongs to the task.
                task.in_scope(|| this.future.set(None));
                task.cancel();
            }
        }
    }
}

impl<F> InTask<F> {
    pub(crate) fn new(future: F, task: Task) -> InTask<F> {
        InTask {
            future: Some(future),
            task: Some(task),
        }
    }
}

impl<F> Future for InTask<F>
where
    F: Future,
    F::Output: TaskOutcome,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let (Some(future), Some(task)) = (this.future.as_mut().as_pin_mut(), this.task.as_ref())
        else {
            // Polled again after it was ready, which futures need not allow.
            return Poll::Pending;
        };
        let entered = task.enter();
        let Poll::Ready(output) = future.poll(context) else {
            return Poll::Pending;
        };
        this.future.set(None);
        drop(entered);
        task.finish(&output);
        *this.task = None;
        Poll::Ready(output)
    }
}
