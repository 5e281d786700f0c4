//! Answers with traces that are sent while they are read.

use std::sync::Arc;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use distlog_proto::TraceId;
use tokio::sync::{Semaphore, oneshot};

use super::super::pieces::Pieces;
use super::super::problem::Problem;
use crate::query::trace_spans;
use crate::storage::Storage;

/// Beyond this size no other trace begins in an answer, in bytes.
const MAX_BYTES: usize = 16 << 20;

/// How spans are written.
pub(super) trait Face: Send + 'static {
    /// Writes spans of a trace: the bytes of a `TracesData`. All parts of a trace stand behind each other.
    fn spans(&mut self, trace: TraceId, data: &[u8], out: &mut Vec<u8>);
    /// The spans of a trace were written.
    fn trace_ends(&mut self, _: &mut Vec<u8>) {}
    /// All traces were written.
    fn end(&mut self, out: &mut Vec<u8>);
    /// What is answered where nothing is found.
    fn nothing(&self) -> Result<Vec<u8>, Problem>;
}

/// Answers with the spans of traces, while they are read.
pub(super) async fn answer(
    storage: Arc<dyn Storage>,
    trees: &Arc<Semaphore>,
    traces: Vec<TraceId>,
    face: impl Face,
) -> Result<Response, Problem> {
    let permit = Arc::clone(trees).acquire_owned().await;
    let permit = permit.map_err(Problem::failed)?;
    let (begun, begins) = oneshot::channel();
    let (pieces, body) = Pieces::new();
    tokio::task::spawn_blocking(move || {
        // Held until the work is done, also if nobody waits for it any more.
        let _permit = permit;
        let answer = Answer {
            face,
            begun: Some(begun),
            pieces,
            bytes: 0,
            gone: false,
        };
        answer.run(&*storage, &traces);
    });
    begins.await.map_err(Problem::failed)??;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

struct Answer<F> {
    face: F,
    /// To be told whether there is an answer.
    begun: Option<oneshot::Sender<Result<(), Problem>>>,
    pieces: Pieces,
    bytes: usize,
    /// Nobody takes it any more.
    gone: bool,
}

impl<F: Face> Answer<F> {
    fn run(mut self, storage: &dyn Storage, traces: &[TraceId]) {
        for trace in traces {
            if self.bytes > MAX_BYTES || self.gone {
                break;
            }
            let before = self.bytes;
            let read = trace_spans(storage, *trace, |data| {
                let mut piece = Vec::new();
                self.face.spans(*trace, &data, &mut piece);
                self.send(piece)
            });
            match (read, self.begun.take()) {
                (Ok(()), begun) => {
                    self.begun = begun;
                    if self.bytes > before {
                        let mut piece = Vec::new();
                        self.face.trace_ends(&mut piece);
                        self.send(piece);
                    }
                }
                (Err(error), Some(begun)) => {
                    let problem = Problem::failed(error);
                    let _ = begun.send(Err(problem));
                    return;
                }
                // An answer that was begun is broken off, so that nobody takes it for the whole.
                (Err(error), None) => {
                    tracing::warn!("an answer is broken off: {error}");
                    return self.pieces.break_off("broken off");
                }
            }
        }
        let end = match self.begun.take() {
            None => {
                let mut end = Vec::new();
                self.face.end(&mut end);
                end
            }
            Some(begun) => match self.face.nothing() {
                Ok(nothing) => {
                    let _ = begun.send(Ok(()));
                    nothing
                }
                Err(problem) => {
                    let _ = begun.send(Err(problem));
                    return;
                }
            },
        };
        if !self.gone {
            self.pieces.send(end);
        }
    }

    /// False if nobody takes it.
    fn send(&mut self, piece: Vec<u8>) -> bool {
        if piece.is_empty() {
            return !self.gone;
        }
        if let Some(begun) = self.begun.take() {
            let _ = begun.send(Ok(()));
        }
        self.bytes += piece.len();
        self.gone = !self.pieces.send(piece);
        !self.gone
    }
}
