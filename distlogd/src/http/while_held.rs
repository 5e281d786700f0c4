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
/// [`CHECK_INTERVAL`] if nothing is. The server gets to write once more what it has buffered, mostly the head of the
/// answer.
pub(super) struct WhileHeld<F> {
    body: Body,
    holds: F,
    check: Interval,
    /// It breaks off at the next poll.
    over: bool,
}

impl<F: Fn() -> bool> WhileHeld<F> {
    /// `holds`: whether who reads it still may.
    pub(super) fn new(body: Body, holds: F) -> WhileHeld<F> {
        let mut check = interval(CHECK_INTERVAL);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        WhileHeld {
            body,
            holds,
            check,
            over: false,
        }
    }
}

impl<F: Fn() -> bool + Unpin> http_body::Body for WhileHeld<F> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.over {
            let why = "who reads this may not any more: the token or the session is over";
            return Poll::Ready(Some(Err(axum::Error::new(why))));
        }
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
            // An error has the server drop what it has not written yet; when nothing comes, it writes that first.
            self.over = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
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

    use axum::Router;
    use axum::routing::get;
    use http_body_util::BodyExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
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

    /// The right may end between the check of a request and its answer.
    #[tokio::test]
    async fn who_loses_the_right_while_he_is_answered_reads_the_head_of_the_answer() {
        let answer = || async {
            let pieces = tokio_stream::iter(["one", "two"].map(Ok::<_, std::io::Error>));
            Body::new(WhileHeld::new(Body::from_stream(pieces), || false))
        };
        let app = Router::new().route("/", get(answer));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async { axum::serve(listener, app).await });
        let mut client = TcpStream::connect(address).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
        client.write_all(request).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        // The last chunk has no bytes: without it, a client knows that something is missing.
        assert!(answer.ends_with("\r\n\r\n"), "{answer}");
        assert!(!answer.contains("0\r\n\r\n"), "{answer}");
        server.abort();
    }
}
