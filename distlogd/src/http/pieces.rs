//! An answer that is sent piece by piece while it is made.

use std::time::{Duration, Instant};

use axum::body::Body;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Pieces of an answer waiting for a slow reader, one of them for the word that it was too slow.
const WAITING: usize = 4;
/// A reader that takes nothing for so long is not waited for.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// Marks an answer whose pieces must come at once: it is not compressed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Live;

/// Where the pieces go.
pub(super) struct Pieces(mpsc::Sender<Result<Vec<u8>, &'static str>>);

impl Pieces {
    /// The pieces, and the body that they make.
    pub(super) fn new() -> (Pieces, Body) {
        let (pieces, body) = mpsc::channel(WAITING);
        (Pieces(pieces), Body::from_stream(ReceiverStream::new(body)))
    }

    /// Hands a piece to who reads; false if he is gone, or takes nothing. Blocks.
    pub(super) fn send(&self, piece: Vec<u8>) -> bool {
        let patience = Instant::now() + WRITE_TIMEOUT;
        // One place is for the word that the answer is broken off.
        while self.0.capacity() < 2 && !self.0.is_closed() {
            if Instant::now() >= patience {
                self.break_off("nobody takes the answer");
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        self.0.try_send(Ok(piece)).is_ok()
    }

    /// Hands a piece to who reads if there is room for it; false if he is gone.
    pub(super) fn offer(&self, piece: Vec<u8>) -> bool {
        if self.0.capacity() > 2 {
            return self.0.try_send(Ok(piece)).is_ok();
        }
        !self.0.is_closed()
    }

    /// Breaks the answer off, so that nobody takes it for the whole.
    pub(super) fn break_off(&self, why: &'static str) {
        let _ = self.0.try_send(Err(why));
    }
}
