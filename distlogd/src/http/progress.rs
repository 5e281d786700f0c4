//! How far a query is, told while the answer is awaited.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::endpoint::NDJSON;
use super::params::Param;
use super::pieces::{Live, Pieces};
use super::problem::Problem;
use super::shapes::Flag;
use crate::query::{Counters, Progress};

/// How often it is said how far a query is.
pub(super) const INTERVAL: Duration = Duration::from_millis(200);

pub(super) const PROGRESS: Param<Flag> = Param {
    name: "progress",
    about: "Answer in NDJSON, and say in between how far the query is.",
    examples: &[],
    shape: Flag { default: false },
};

/// How far a query is, as a line.
pub(super) fn line(progress: Progress) -> Vec<u8> {
    let Progress { blocks, of, found } = progress;
    format!("{{\"progress\":{{\"blocks\":{blocks},\"of\":{of},\"found\":{found}}}}}\n").into_bytes()
}

/// Answers with the lines that `work` makes, and before them how far it is. What is quick is answered without that, and
/// what fails quickly with its own status. A client that goes away drops the work, and so cancels the query.
pub(super) async fn answer(
    counters: Arc<Counters>,
    work: impl Future<Output = Result<Vec<u8>, Problem>> + Send + 'static,
) -> Result<Response, Problem> {
    let mut work = Box::pin(work);
    let content_type = [(header::CONTENT_TYPE, NDJSON)];
    if let Ok(done) = tokio::time::timeout(INTERVAL, &mut work).await {
        return Ok((content_type, done?).into_response());
    }
    let (pieces, body) = Pieces::new();
    tokio::spawn(async move {
        let mut work = pin!(work);
        let done = loop {
            if !pieces.offer(line(counters.progress())) {
                return;
            }
            if let Ok(done) = tokio::time::timeout(INTERVAL, &mut work).await {
                break done;
            }
        };
        match done {
            Ok(lines) => _ = tokio::task::spawn_blocking(move || pieces.send(lines)),
            Err(problem) => {
                tracing::warn!("a query is broken off: {}", problem.detail());
                pieces.break_off("broken off");
            }
        }
    });
    let mut response = (content_type, body).into_response();
    response.extensions_mut().insert(Live);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tokio::sync::oneshot;

    use super::*;

    async fn next(response: &mut Response) -> Option<String> {
        let frame = response.body_mut().frame().await?.unwrap();
        Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn what_takes_long_tells_how_far_it_is() {
        let counters = Arc::<Counters>::default();
        let (done, waits) = oneshot::channel();
        let work = async move { Ok(waits.await.unwrap()) };
        let mut response = answer(counters, work).await.ok().unwrap();
        let told = "{\"progress\":{\"blocks\":0,\"of\":0,\"found\":0}}\n";
        assert_eq!(next(&mut response).await.as_deref(), Some(told));
        done.send(b"{}\n".to_vec()).unwrap();
        let mut last = String::new();
        while let Some(line) = next(&mut response).await {
            last = line;
        }
        assert_eq!(last, "{}\n");
    }

    #[tokio::test]
    async fn what_fails_quickly_has_its_own_status() {
        let work = async { Err(Problem::bad_request("no")) };
        let refused = answer(Arc::default(), work).await.err().unwrap();
        assert_eq!(refused.status(), 400);
    }

    #[tokio::test]
    async fn a_client_that_goes_away_drops_the_work() {
        let (held, dropped) = oneshot::channel::<()>();
        let work = async move {
            let _held = held;
            std::future::pending().await
        };
        let response = answer(Arc::default(), work).await.ok().unwrap();
        drop(response);
        dropped.await.unwrap_err();
    }
}
