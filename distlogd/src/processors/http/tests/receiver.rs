//! A receiver that answers as it is told.

use std::collections::VecDeque;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::runtime;
use crate::processors::http::Config;
use crate::processors::http::config::Format;

#[derive(Default)]
struct Behaviour {
    requests: Vec<Posted>,
    answers: VecDeque<Response>,
    /// Larger bodies are answered 413.
    limit: Option<usize>,
}

/// A request.
#[derive(Debug, Clone)]
pub(super) struct Posted {
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Posted {
    /// Its lines as JSON.
    pub(super) fn lines(&self) -> Vec<Value> {
        let lines = self.body.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The messages of its records.
    pub(super) fn messages(&self) -> Vec<u64> {
        let lines = self.lines();
        let messages = lines.iter().filter_map(|line| line["message"].as_str());
        messages.map(|message| message.parse().unwrap()).collect()
    }
}

/// Runs as long as the test program.
#[derive(Clone)]
pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Behaviour>>,
}

impl Receiver {
    pub(super) fn start() -> Receiver {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0");
        let listener = runtime().block_on(listener).unwrap();
        let receiver = Receiver {
            address: listener.local_addr().unwrap(),
            seen: Arc::default(),
        };
        let app = Router::new().fallback(take).with_state(receiver.clone());
        runtime().spawn(async move { axum::serve(listener, app).await });
        receiver
    }

    pub(super) fn config(&self, format: Format) -> Config {
        Config::new(&format!("http://{}/in", self.address), format)
    }

    /// The next request is answered so; without this, well.
    pub(super) fn answer(&self, answer: impl IntoResponse) {
        let mut seen = self.seen.lock().unwrap();
        seen.answers.push_back(answer.into_response());
    }

    /// Larger bodies are too large.
    pub(super) fn limit(&self, bytes: usize) {
        self.seen.lock().unwrap().limit = Some(bytes);
    }

    /// The requests since this was asked last.
    pub(super) fn requests(&self) -> Vec<Posted> {
        std::mem::take(&mut self.seen.lock().unwrap().requests)
    }

    /// The messages of their records, in order.
    pub(super) fn messages(&self) -> Vec<u64> {
        let requests = self.requests();
        let mut messages: Vec<u64> = requests.iter().flat_map(Posted::messages).collect();
        messages.sort_unstable();
        messages
    }
}

async fn take(
    State(receiver): State<Receiver>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut seen = receiver.seen.lock().unwrap();
    if let Some(answer) = seen.answers.pop_front() {
        return answer;
    }
    if seen.limit.is_some_and(|limit| body.len() > limit) {
        return axum::http::StatusCode::PAYLOAD_TOO_LARGE.into_response();
    }
    let mut text = String::new();
    match headers
        .get("content-encoding")
        .map(|value| value.as_bytes())
    {
        None => text.push_str(std::str::from_utf8(&body).unwrap()),
        Some(b"gzip") => {
            let mut decoder = flate2::read::GzDecoder::new(&body[..]);
            decoder.read_to_string(&mut text).unwrap();
        }
        other => panic!("{other:?}"),
    }
    let request = Posted {
        uri,
        headers,
        body: text,
    };
    let items = request.lines().len() / 2;
    let is_bulk = request.uri.path().ends_with("/_bulk");
    seen.requests.push(request);
    if is_bulk {
        bulk_answer(&vec![201; items]).into_response()
    } else {
        "thanks".into_response()
    }
}

/// An answer of the bulk API with these statuses.
pub(super) fn bulk_answer(statuses: &[u16]) -> String {
    let items: Vec<String> = statuses
        .iter()
        .map(|status| format!(r#"{{"create":{{"status":{status}}}}}"#))
        .collect();
    let errors = statuses.iter().any(|status| *status > 299);
    format!(r#"{{"errors":{errors},"items":[{}]}}"#, items.join(","))
}
