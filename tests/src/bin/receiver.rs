//! A receiver of records by HTTP, as the stories start and kill it: `e2e-receiver FOLDER ADDRESS [REFUSED]`.
//!
//! It has a bulk API as OpenSearch's (`/_bulk`: a document whose `_id` is there is answered 409), and takes lines at
//! `/lines`; at `/lines-by-key` it looks at `Idempotency-Key`. What it has taken is in files in its folder before it
//! answers: `documents` (the id, then the document) and `lines`. A document with the text REFUSED in it is refused.
//! `POST /faults` with a JSON list says how the next requests fail.

use std::collections::{HashSet, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};

struct Receiver {
    folder: PathBuf,
    refused: Option<String>,
    /// Ids of documents, and keys of requests.
    known: HashSet<String>,
    faults: VecDeque<String>,
}

type Shared = Arc<Mutex<Receiver>>;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, folder, address, rest @ ..] = &arguments[..] else {
        panic!("FOLDER ADDRESS [REFUSED]")
    };
    let receiver = Receiver {
        known: known(Path::new(folder)),
        folder: folder.into(),
        refused: rest.first().cloned(),
        faults: VecDeque::new(),
    };
    let app = Router::new()
        .route("/_bulk", post(take))
        .route("/lines", post(take))
        .route("/lines-by-key", post(take))
        .route("/faults", post(add_faults))
        .layer(axum::extract::DefaultBodyLimit::max(16 << 20))
        .with_state(Arc::new(Mutex::new(receiver)));
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        println!("listening {}", listener.local_addr().unwrap());
        axum::serve(listener, app).await.unwrap();
    });
}

/// Ids of the documents that an earlier process took. Half a line, in which it was killed, goes.
fn known(folder: &Path) -> HashSet<String> {
    let path = folder.join("documents");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    if whole != text {
        std::fs::write(&path, whole).unwrap();
    }
    let ids = whole.lines().filter_map(|line| line.split_once(' '));
    ids.map(|(id, _)| id.to_owned()).collect()
}

impl Receiver {
    /// Keeps lines in a file. They are there when this returns, whatever becomes of this process.
    fn keep(&self, file: &str, lines: &str) {
        let path = self.folder.join(file);
        let mut file: File = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        file.write_all(lines.as_bytes()).unwrap();
    }

    /// What became of each document.
    fn documents(&mut self, body: &str, busy: bool) -> Vec<Value> {
        let lines: Vec<&str> = body.lines().collect();
        let (mut items, mut kept) = (Vec::new(), String::new());
        for (n, pair) in lines.chunks(2).enumerate() {
            let action: Value = serde_json::from_str(pair[0]).unwrap();
            let id = action["create"]["_id"].as_str().unwrap();
            let refused = self.refused.as_ref();
            let error = |kind: &str| json!({ "type": kind, "reason": "by the story" });
            items.push(if refused.is_some_and(|text| pair[1].contains(text)) {
                json!({ "create": { "status": 400, "error": error("mapper_parsing_exception") } })
            } else if self.known.contains(id) {
                json!({ "create": { "status": 409, "error": error("version_conflict_engine_exception") } })
            } else if busy && n % 3 == 1 {
                json!({ "create": { "status": 429, "error": error("es_rejected_execution_exception") } })
            } else {
                self.known.insert(id.to_owned());
                kept.extend([id, " ", pair[1], "\n"]);
                json!({ "create": { "status": 201 } })
            });
        }
        self.keep("documents", &kept);
        items
    }

    fn lines(&mut self, body: &str, key: Option<&str>) {
        if key.is_none_or(|key| self.known.insert(key.to_owned())) {
            self.keep("lines", body);
        }
    }
}

async fn take(State(shared): State<Shared>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let mut receiver = shared.lock().unwrap_or_else(PoisonError::into_inner);
    let body = std::str::from_utf8(&body).unwrap();
    let fault = receiver.faults.pop_front().unwrap_or_default();
    match fault.as_str() {
        "429" => return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")]).into_response(),
        "503" => return (StatusCode::SERVICE_UNAVAILABLE, "starting").into_response(),
        "cut before" => return cut(String::new()),
        _ => {}
    }
    let answer = if uri.path() == "/_bulk" {
        let mut items = receiver.documents(body, fault == "busy items");
        if fault == "lie" {
            items.pop();
        }
        json!({ "took": 1, "errors": false, "items": items }).to_string()
    } else {
        let key = headers
            .get("idempotency-key")
            .map(|key| key.to_str().unwrap());
        receiver.lines(body, key.filter(|_| uri.path() == "/lines-by-key"));
        "taken".to_owned()
    };
    if fault == "cut" {
        return cut(answer[..answer.len() / 2].to_owned());
    }
    answer.into_response()
}

/// An answer in whose middle the connection breaks.
fn cut(begin: String) -> Response {
    let broken = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
    Body::from_stream(tokio_stream::iter([Ok(begin), Err(broken)])).into_response()
}

async fn add_faults(State(shared): State<Shared>, body: Bytes) {
    let faults: Vec<String> = serde_json::from_slice(&body).unwrap();
    let mut receiver = shared.lock().unwrap_or_else(PoisonError::into_inner);
    receiver.faults.extend(faults);
}
