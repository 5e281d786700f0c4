//! Wraps streams, bodies and answers, so that their connection knows how far they are.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connections::{Answering, BodyLeft, Connection};
use super::pace::Paced;

/// A stream that reports each read and write to its connection, and is read no faster than its peer may send.
pub(super) struct Metered<IO> {
    io: IO,
    connection: Arc<Connection>,
    paced: Option<Paced>,
}

impl<IO> Metered<IO> {
    pub(super) fn new(io: IO, connection: Arc<Connection>, paced: Option<Paced>) -> Metered<IO> {
        Metered {
            io,
            connection,
            paced,
        }
    }

    fn written(&self, polled: &Poll<io::Result<usize>>) {
        self.connection.written(polled.is_ready());
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Metered<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(paced) = &mut self.paced {
            ready!(paced.poll(context));
        }
        let before = into.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(context, into))?;
        let read = into.filled().len() - before;
        self.connection.received(read);
        if let Some(paced) = &self.paced {
            paced.took(read);
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Metered<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(context, bytes);
        self.written(&polled);
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write_vectored(context, bytes);
        self.written(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

/// A body with what lives as long as it does: of a request until it is there, of an answer until it is sent.
pub(super) struct Held<B, H> {
    body: B,
    held: Option<H>,
}

/// The body of a request.
pub(super) type Incoming<B> = Held<B, BodyLeft>;
/// The body of an answer.
pub(super) type Outgoing<B> = Held<B, Answering>;

impl<B, H> Held<B, H> {
    pub(super) fn new(body: B, held: H) -> Held<B, H> {
        let held = Some(held);
        Held { body, held }
    }
}

impl<B: Body<Data = Bytes> + Unpin, H: Unpin> Body for Held<B, H> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) || self.body.is_end_stream() {
            self.held = None;
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
