//! The HTTP API: trees, the live tail, lists, metrics.
//!
//! A path of the API is an `Endpoint` (`endpoint.rs`): its parameters (`params.rs`, of the shapes in `shapes.rs`; what
//! several paths have is in `filter_params.rs` and `look_params.rs`), its answers (`answers.rs`), its handler.
//! `openapi.rs` has the list of them and describes them. `problem.rs` is every error. `server.rs` serves connections
//! with limits; `pieces.rs` sends a long answer, `progress.rs` tells how far it is.
//!
//! `tasks.rs` answers with trees, of which `tree_part.rs` reads a part; `tail.rs` streams, in the order of
//! `reorder.rs`; `below.rs` tells what belongs to the task that is followed. `changes.rs` says that there is
//! something new. `records.rs`, `stats.rs` and `lists.rs` ask the query engine; `diff.rs` compares two trees,
//! `status.rs` tells how the daemon does, `names.rs` what conditions see, `delete.rs` deletes records, `levels.rs`
//! sets what programs record, `reload.rs` has the configuration read again. `mcp/` has tools for agents, which call
//! the same functions. The store is read in threads that may block; the runtime only moves bytes. `jaeger/` answers
//! as Jaeger's query service does. `page.rs` has the page for browsers. `admission.rs` is before all of it: who may
//! ask, and `while_held.rs` ends what is sent when they may not any more; `sign_in.rs` asks people who they are.
//! `direct.rs` answers without a connection.

mod admission;
mod answers;
mod below;
mod changes;
mod delete;
mod diff;
mod direct;
mod endpoint;
mod filter_params;
mod jaeger;
mod levels;
mod lists;
mod look_params;
#[cfg(feature = "mcp")]
mod mcp;
mod names;
mod openapi;
mod page;
mod params;
mod pieces;
mod problem;
mod progress;
mod records;
mod reload;
mod reorder;
mod server;
mod shapes;
mod sign_in;
mod sign_in_page;
mod stats;
mod status;
mod tail;
mod tasks;
mod tree_part;
mod while_held;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, VARY};
use axum::http::{Extensions, HeaderMap, Method, StatusCode, Uri, Version};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use prometheus_client::registry::Registry;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{Predicate, SizeAbove};

use self::admission::{Admission, Paths, SignedIn, admit};
pub(crate) use self::direct::Direct;
use self::pieces::Live;
use self::problem::{Problem, quoted};
use self::sign_in::SignIn;
use crate::access::{Needs, Services, Tokens};
use crate::config::{self, Http as Config};
use crate::deletions::Deletions;
use crate::levels::LevelTable;
use crate::listen::{Bound, Guard};
use crate::query::Engine;
use crate::reload::ReloadFn;
use crate::self_telemetry::{Metrics, RejectedInput};
use crate::shutdown::{Phase, Shutdown};
use crate::status::StatusFn;
use crate::storage::Storage;

/// Tails that are followed at once, a thread for each.
const MAX_TAILS: usize = 128;
/// Who is told of changes at once. It takes no thread.
const MAX_CHANGES: usize = 256;
/// Trees that are built at once, up to 60 MiB each.
const MAX_TREES: usize = 2;
/// Shorter answers are not compressed, in bytes.
const MIN_COMPRESSED: u16 = 1024;
/// Time for requests in flight when the daemon stops.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(1);

/// What the handlers see.
#[derive(Clone)]
pub struct Views {
    /// Where records lie.
    pub storage: Arc<dyn Storage>,
    /// Answers queries over them.
    pub engine: Engine,
    /// Takes another configuration; `None`: there is none.
    pub(crate) reload: Option<ReloadFn>,
    /// What is being deleted; `None`: nothing can be.
    pub deletions: Option<Arc<Deletions>>,
    /// What programs record; `None`: none send here.
    pub levels: Option<Arc<LevelTable>>,
    /// How it does.
    pub status: StatusFn,
    /// Input that was refused.
    pub(crate) rejected: Arc<RejectedInput>,
    /// What is counted.
    pub(crate) counted: Metrics,
    /// The name of the database that is viewed; `None`: this is a daemon.
    pub viewed: Option<Arc<str>>,
    /// The metrics.
    pub registry: Arc<Registry>,
    /// Only what these services stored is there; `None`: all is.
    pub(crate) only: Option<Services>,
}

impl Views {
    /// Of what these services stored.
    fn limited(&self, services: &Services) -> Views {
        let storage = self.storage.showing(services);
        Views {
            engine: self.engine.over(Arc::clone(&storage)),
            storage,
            only: Some(services.clone()),
            ..self.clone()
        }
    }
}

/// The server cannot be bound to its address.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen for HTTP on {address}: {reason}")]
pub struct BindError {
    address: String,
    reason: String,
}

/// Its key in the configuration.
const HTTP: &str = "http";

const INDEX: &str = "\
distlogd: with a browser the page is here

GET /api/v1/tasks?limit=20            tasks that began a trace, newest first, as JSON; &failed=true &lost=true
                                      &running=true &cancelled=true &ok=true &service=NAME &name=TEXT &q=WORDS
                                      &min_duration=2s &from=1h &to=TIME &cursor=NEXT
GET /api/v1/tasks/ID                  the tree of a task, as JSON; ?format=text draws it, ?format=outline has it in
                                      few words, ?format=records lists its records; &depth=100 levels,
                                      &limit=500000 tasks and records, &full=true, &cursor=NEXT of the answer before
GET /api/v1/records?q=WORDS           the newest records that have these words, as JSON or, with
                                      Accept: application/x-ndjson, one a line; &filter=CEL &service=S
                                      &severity=WARN &from=1h &to=now &limit=100 &timeout=30s
                                      &cursor=NEXT of the answer before
DELETE /api/v1/records?trace=ID       deletes the records of a trace for good, or those that match a condition:
                                      ?filter=CEL&to=TIME &from=TIME; &dry_run=true only counts them
GET /api/v1/stats?by=service,severity counts of the records that match, by groups and, with &every=1m, by time;
                                      percentiles of durations where tasks end; &q= and so on as for records
GET /api/v1/tail?filter=CEL&task=ID   records as they come, as server-sent events, put in order of time;
                                      ?format=text for people, ?reorder=false as they are stored, ?from=NUMBER
GET /api/v1/changes                   that records came or went, as server-sent events
GET /api/v1/problems?from=1d          what fails, grouped, as JSON; &service=NAME &to=TIME &limit=20 &cursor=NEXT
GET /api/v1/diff?a=ID&b=ID            what two trees do differently, as JSON
GET /api/v1/names?prefix=sev          what conditions may be written with: names, constants, functions
GET /api/v1/openapi.json              all of this, described by OpenAPI
GET /api/v1/status                    receivers, processors, producers and the store, as JSON; &producers=20
GET /api/v1/levels                    what running programs record beside what they were started with, as JSON
PUT /api/v1/levels?service=S&levels=L sets it for a time: &for=10m; in place of a service &process=ID or
                                      &task=ID; DELETE takes it back
POST /api/v1/reload                   the configuration is read again: what changed, as JSON
GET /api/v3/services, operations, traces, traces/ID, trace-summaries
GET /api/services, services/NAME/operations, operations, traces, traces/ID, dependencies
                                      as Jaeger's query service answers
GET /metrics                          counters, in the format of Prometheus
GET /healthz                          200 while the daemon runs
";

#[cfg(feature = "mcp")]
const INDEX_OF_MCP: &str =
    "POST /mcp                             tools for agents, by the Model Context Protocol\n";
#[cfg(not(feature = "mcp"))]
const INDEX_OF_MCP: &str = "";

/// The server, bound to its address.
pub(crate) struct Server {
    /// Until it is started.
    bound: Option<Bound>,
    address: String,
    guard: Guard,
    /// It speaks TLS.
    secure: bool,
    tokens: Option<Tokens>,
    runtime: Handle,
    serving: Option<JoinHandle<()>>,
}

impl Server {
    /// Binds; port 0 takes a free one.
    ///
    /// # Errors
    /// If the address is in use or not permitted, or a certificate cannot be used.
    pub(crate) fn bind(
        config: &Config,
        limits: &config::Limits,
        tokens: Option<Tokens>,
        runtime: Handle,
    ) -> Result<Server, BindError> {
        let opened = Bound::open(HTTP, server::PROTOCOL, config, limits);
        let bound = runtime.block_on(opened).map_err(|reason| BindError {
            address: config.bind.clone(),
            reason,
        })?;
        Ok(Server {
            address: bound.address(),
            bound: Some(bound),
            guard: Guard::new(HTTP, config),
            secure: config.tls.is_some(),
            tokens,
            runtime,
            serving: None,
        })
    }

    /// Where it listens: `HOST:PORT`, with `https://` before it where it speaks TLS.
    pub(crate) fn address(&self) -> String {
        self.address.clone()
    }

    /// Serves until [`Phase::Abort`].
    pub(crate) fn start(&mut self, views: Views, shutdown: Shutdown) {
        let Some(bound) = self.bound.take() else {
            return;
        };
        let port = self.address.rsplit(':').next().unwrap_or_default();
        let secure = self.secure;
        let sign_in = |tokens: Tokens| (SignIn::new(tokens.clone(), port, secure), tokens);
        let by_token = self.tokens.take().map(sign_in);
        let serving = serve(bound, (self.guard.clone(), by_token), views, shutdown);
        self.serving = Some(self.runtime.spawn(serving));
    }

    /// Waits until it has ended.
    pub(crate) fn wait(self) {
        if let Some(serving) = self.serving {
            let _ = self.runtime.block_on(serving);
        }
    }
}

async fn serve(
    bound: Bound,
    (guard, by_token): (Guard, Option<(SignIn, Tokens)>),
    views: Views,
    shutdown: Shutdown,
) {
    let (rejected, metrics) = (Arc::clone(&views.rejected), views.counted.clone());
    let api = Api::new(views, shutdown.clone());
    let app = app(api, guard, by_token);
    let stop = || shutdown.clone().wait_for(Phase::Abort);
    let too_late = async {
        stop().await;
        tokio::time::sleep(CLOSING_TIMEOUT).await;
    };
    tokio::select! {
        () = bound.serve(app, rejected, metrics, stop) => {}
        // A client that sends half a request, or does not read the answer, is not waited for.
        () = too_late => {}
    }
}

/// All paths, with what each needs.
fn paths() -> Paths {
    let mut paths = Paths::default()
        .get("/page/{hash}/{*path}", Needs::Nothing, get(page::file))
        .get("/favicon.svg", Needs::Nothing, get(page::icon))
        .get("/healthz", Needs::Nothing, get(|| async { "ok\n" }))
        .get("/metrics", Needs::ReadAll, get(metrics));
    for (path, handler) in jaeger::routes() {
        paths = paths.get(path, Needs::Read, handler);
    }
    for path in page::PATHS {
        paths = paths.get(path, Needs::Read, get(page_or_index));
    }
    for endpoint in openapi::ENDPOINTS {
        let path = endpoint.router_path();
        paths = paths.add(
            endpoint.verb.method(),
            &path,
            endpoint.needs,
            endpoint.route(),
        );
    }
    #[cfg(feature = "mcp")]
    let paths = paths.add(Method::POST, "/mcp", Needs::Read, mcp::route());
    paths
}

/// Answers requests, whoever asks.
fn router(api: Api) -> Router {
    let app = paths().into_router().fallback(unknown);
    app.method_not_allowed_fallback(wrong_method)
        .with_state(api)
}

/// Answers requests of those who may ask.
fn app(api: Api, guard: Guard, by_token: Option<(SignIn, Tokens)>) -> Router {
    let needs = paths().into_needs();
    let rejected = Arc::clone(&api.views.rejected);
    let admission = match by_token {
        None => Admission::open(guard, needs, rejected),
        Some((sign_in, tokens)) => {
            let all = api.clone();
            let limit = move |services: &Services| {
                router(Api {
                    views: all.views.limited(services),
                    ..all.clone()
                })
            };
            let before = (guard, needs, rejected);
            Admission::by_token(before, tokens, sign_in, Box::new(limit))
        }
    };
    let pays = |_: StatusCode, _: Version, _: &HeaderMap, extensions: &Extensions| {
        extensions.get::<Live>().is_none()
    };
    let compression =
        CompressionLayer::new().compress_when(SizeAbove::new(MIN_COMPRESSED).and(pays));
    router(api)
        .layer(from_fn_with_state(admission, admit))
        .layer(compression)
}

/// Reads a query as each path of the API reads it, for the fuzz target.
#[cfg(feature = "fuzzing")]
pub(crate) fn read_query(text: &str) {
    let Ok(pairs) = endpoint::pairs(text) else {
        return;
    };
    let Ok(params) = params::Params::new(pairs) else {
        return;
    };
    for endpoint in openapi::ENDPOINTS {
        for param in endpoint.params.iter().chain(endpoint.headers) {
            let _ = param.read(&params);
        }
    }
}

/// So begins what is said of a path that no endpoint has.
pub(crate) const NOTHING_AT: &str = "nothing is at ";

/// The page for browsers, and for programs the list of paths.
async fn page_or_index(
    State(Api { views, .. }): Shared,
    uri: Uri,
    headers: HeaderMap,
    who: Option<Extension<SignedIn>>,
) -> Response {
    if page::is_wanted(&headers) {
        let who = who.map(|Extension(SignedIn(token))| sign_in_page::who(&token));
        let viewed = views.viewed.as_deref().map(sign_in_page::viewed);
        let marks = [viewed, who].map(Option::unwrap_or_default).concat();
        return page::shell(uri.path(), &marks);
    }
    match uri.path() {
        "/" => ([(VARY, "accept")], [INDEX, INDEX_OF_MCP].concat()).into_response(),
        _ => unknown(uri).await.into_response(),
    }
}

async fn unknown(uri: Uri) -> Problem {
    let why = format!(
        "{NOTHING_AT}{}: GET / lists what there is, /api/v1/openapi.json describes the API",
        quoted(uri.path())
    );
    Problem::not_found(why)
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    let why = format!(
        "{} is not answered at {}: the header `Allow` has the methods that are",
        quoted(method.as_str()),
        quoted(uri.path())
    );
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, why)
}

/// What all requests share.
#[derive(Clone)]
struct Api {
    views: Views,
    shutdown: Shutdown,
    tails: Arc<Semaphore>,
    changes: Arc<Semaphore>,
    trees: Arc<Semaphore>,
}

impl Api {
    fn new(views: Views, shutdown: Shutdown) -> Api {
        Api {
            views,
            shutdown,
            tails: Arc::new(Semaphore::new(MAX_TAILS)),
            changes: Arc::new(Semaphore::new(MAX_CHANGES)),
            trees: Arc::new(Semaphore::new(MAX_TREES)),
        }
    }
}

type Shared = State<Api>;

async fn metrics(State(Api { views, .. }): Shared) -> Result<Response, Problem> {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &views.registry)
        .map_err(Problem::failed)?;
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(CONTENT_TYPE, media_type)], text).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tells_of_records_needs_a_token() {
        let needs = paths().into_needs();
        let of = |wanted: Needs| {
            let all = needs.each().filter(|(.., needs)| *needs == wanted);
            let mut all: Vec<String> = all
                .map(|(path, method, _)| format!("{method} {path}"))
                .collect();
            all.sort();
            all
        };
        // Whoever adds to these has a reason.
        let open = [
            "GET /favicon.svg",
            "GET /healthz",
            "GET /page/{hash}/{*path}",
        ];
        assert_eq!(of(Needs::Nothing), open);
        assert_eq!(of(Needs::Ingest), [""; 0]);
        assert_eq!(of(Needs::ReadAll), ["GET /api/v1/status", "GET /metrics"]);
        let admin = [
            "DELETE /api/v1/levels",
            "DELETE /api/v1/records",
            "POST /api/v1/reload",
            "PUT /api/v1/levels",
        ];
        assert_eq!(of(Needs::Admin), admin);
        let changes = needs
            .each()
            .filter(|(_, method, needs)| **method != Method::GET && *needs != Needs::Admin);
        let changes: Vec<&str> = changes.map(|(path, ..)| path).collect();
        // It only reads.
        assert_eq!(
            changes,
            if cfg!(feature = "mcp") {
                &["/mcp"][..]
            } else {
                &[]
            }
        );
        assert!(of(Needs::Read).len() > 25);
    }
}
