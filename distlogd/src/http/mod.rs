//! The HTTP door: trees, the live tail, metrics.
//!
//! `tasks.rs` answers with trees, `tail.rs` streams, in the order of `reorder.rs`; `below.rs` tells what belongs to
//! the task that is followed. The store is read in threads that may block; the runtime only moves bytes.

mod below;
mod reorder;
mod stored_tree;
mod tail;
mod tasks;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{self, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::escape;
use crate::listen::{Guard, Listening, bind_tcp};
use crate::tracker::Recent;
use distlog_store::Reader;

/// So many tails are followed at once, a thread for each.
const MAX_TAILS: usize = 128;
/// So many trees are made at once; each takes up to 60 MiB.
const MAX_TREES: usize = 2;
/// How long requests under way are waited for when the daemon stops.
const FINISH: Duration = Duration::from_secs(1);

/// What the handlers see.
#[derive(Clone)]
pub struct Views {
    /// The store.
    pub reader: Reader,
    /// The newest top-level tasks.
    pub recent: Arc<Recent>,
    /// The metrics.
    pub registry: Arc<Registry>,
}

/// The HTTP door did not open.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen for HTTP on {address}: {source}")]
pub struct OpenError {
    address: String,
    source: std::io::Error,
}

const INDEX: &str = "\
distlogd

GET /api/v1/tasks?limit=20            the newest top-level tasks, as JSON
GET /api/v1/tasks/ID                  the tree of a task, as JSON; ?format=text draws it, ?format=records lists its records;
                                      &depth=100 levels, &limit=500000 tasks and records, &cursor=NEXT of the answer before, &full=true
GET /api/v1/tail?filter=CEL&task=ID   records as they come, as server-sent events, put in order of time;
                                      ?format=text for people, ?reorder=false as they are stored, ?from=NUMBER
GET /metrics                          counters, in the format of Prometheus
GET /healthz                          200 while the daemon runs
";

/// Binds the door.
///
/// # Errors
/// If the address is in use or not permitted.
pub async fn bind(address: &str) -> Result<(Vec<TcpListener>, Listening), OpenError> {
    bind_tcp(address).await.map_err(|source| OpenError {
        address: address.to_owned(),
        source,
    })
}

/// Serves what comes to any of the listeners until `stop` is set.
pub(crate) async fn serve(
    listeners: Vec<TcpListener>,
    guard: Guard,
    views: Views,
    stop: watch::Receiver<bool>,
) {
    let app = Router::new()
        .route("/", get(|| async { INDEX }))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/metrics", get(metrics))
        .route("/api/v1/tasks", get(tasks::recent))
        .route("/api/v1/tasks/{*id}", get(tasks::tree))
        .route("/api/v1/tail", get(tail::tail))
        .with_state(Door {
            views,
            stop: stop.clone(),
            tails: Arc::new(Semaphore::new(MAX_TAILS)),
            trees: Arc::new(Semaphore::new(MAX_TREES)),
        });
    let app = app.layer(from_fn_with_state(guard, look));
    let mut serving = JoinSet::new();
    for listener in listeners {
        let (app, mut stop) = (app.clone(), stop.clone());
        serving.spawn(async move {
            let stopped = async move {
                let _ = stop.wait_for(|stop| *stop).await;
            };
            let served = axum::serve(listener, app).with_graceful_shutdown(stopped);
            if let Err(error) = served.await {
                tracing::error!("the HTTP door is closed: {error}");
            }
        });
    }
    // Whoever does not send his request to its end, or does not read the answer, is not waited for.
    let mut late = stop;
    let too_late = async move {
        let _ = late.wait_for(|stop| *stop).await;
        tokio::time::sleep(FINISH).await;
    };
    tokio::select! {
        _ = serving.join_all() => {}
        () = too_late => {}
    }
}

/// Refuses what strangers' web pages ask.
async fn look(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    if let Some(answer) = guard.answer(&request) {
        return answer;
    }
    let mut response = next.run(request).await;
    // No browser takes JSON for a script or a page.
    let exact = HeaderValue::from_static("nosniff");
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, exact);
    response
}

/// What all requests share.
#[derive(Clone)]
struct Door {
    views: Views,
    stop: watch::Receiver<bool>,
    tails: Arc<Semaphore>,
    trees: Arc<Semaphore>,
}

type Shared = State<Door>;

async fn metrics(State(Door { views, .. }): Shared) -> Response {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &views.registry) {
        Ok(()) => (
            [(
                header::CONTENT_TYPE,
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
            )],
            text,
        )
            .into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// A request that cannot be answered, and why.
struct Refusal(StatusCode, String);

impl Refusal {
    fn bad_request(why: impl std::fmt::Display) -> Refusal {
        Refusal(StatusCode::BAD_REQUEST, why.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        // It may quote the request, and people see it.
        (self.0, format!("{}\n", escape::lines(&self.1))).into_response()
    }
}
