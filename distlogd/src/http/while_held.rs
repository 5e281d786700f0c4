//! [`WhileHeld`]: a stream ends with the right to read it. A tail may be read for days.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// So often it is checked where nothing is sent.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// A body that breaks off when who reads it may not any more: before anything further is sent, and within
/// [`CHECK_INTERVAL`] if nothing is.
pub(super) struct WhileHeld<F> {
    body: Body,
    holds: F,
    check: Interval,
}

impl<F: Fn() -> bool> WhileHeld<F> {
    /// `holds`: whether who reads it still may.
    pub(super) fn new(body: Body, holds: F) -> WhileHeld<F> {
        let mut check = interval(CHECK_INTERVAL);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        WhileHeld { body, holds, check }
    }
}

impl<F: Fn() -> bool + Unpin> http_body::Body for WhileHeld<F> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let check = match &polled {
            Poll::Ready(Some(Ok(_))) => true,
            Poll::Ready(_) => false,
            Poll::Pending => {
                let mut due = false;
                // Polled until it is pending, so that it wakes this up again.
                while self.check.poll_tick(context).is_ready() {
                    due = true;
                }
                due
            }
        };
        if check && !(self.holds)() {
            let why = "who reads this may not any more: the token or the session is over";
            return Poll::Ready(Some(Err(axum::Error::new(why))));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use http_body_util::BodyExt as _;
    use tokio::sync::mpsc;
    use tokio_stream::wrappers::ReceiverStream;

    use super::*;

    #[tokio::test]
    async fn a_stream_ends_with_the_right_to_read_it_also_when_nothing_is_sent() {
        let (pieces, stream) = mpsc::channel::<Result<&str, std::io::Error>>(4);
        let right = Arc::new(AtomicBool::new(true));
        let held = Arc::clone(&right);
        let body = Body::from_stream(ReceiverStream::new(stream));
        let mut body = WhileHeld::new(body, move || held.load(Ordering::Acquire));
        pieces.send(Ok("one")).await.unwrap();
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "one");
        right.store(false, Ordering::Release);
        // Nothing is sent, and the sender stays.
        assert!(body.frame().await.unwrap().is_err());
        pieces.send(Ok("two")).await.unwrap();
        assert!(body.frame().await.unwrap().is_err());
    }
}
