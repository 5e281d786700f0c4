//! A view of a database that daemons fill: the page, the API and the tools for agents, and no daemon.

use std::sync::Arc;
use std::time::Instant;

use prometheus_client::registry::Registry;
use tokio::runtime::Handle;

use crate::access::{TokenFiles, TokensError};
use crate::config::{Http, Limits};
use crate::host::hostname;
use crate::http::{BindError, Direct, Server, Views};
use crate::intake::now;
use crate::query::Engine;
use crate::self_telemetry::{Metrics, RejectedInput, reports};
use crate::shutdown::{Phase, Shutdown};
use crate::status::{Status, StoreStatus, ViewStatus};
use crate::storage::database::{self, Database, DatabaseError};
use crate::storage::{Storage, View};

/// Why there is no view.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ViewError {
    /// The database cannot be read.
    #[error("{0}")]
    Database(#[from] DatabaseError),
    /// A file of tokens cannot be used.
    #[error("{0}")]
    Tokens(#[from] TokensError),
    /// The HTTP server cannot be bound to its address.
    #[error("{0}")]
    Http(#[from] BindError),
}

/// A server that shows a database.
pub(crate) struct ViewServer {
    http: Server,
    database: Arc<dyn Database>,
    shutdown: Shutdown,
}

impl ViewServer {
    /// Opens the database that `from` names, and serves it.
    ///
    /// # Errors
    /// If it cannot be read, or the server cannot be bound to its address.
    pub(crate) fn start(
        from: &str,
        config: &Http,
        limits: &Limits,
        runtime: &Handle,
    ) -> Result<ViewServer, ViewError> {
        // A port in use is the commonest fault, and found at once.
        let path = config.tokens.as_deref();
        let tokens = path.map(|path| TokenFiles::default().open(path));
        let mut http = Server::bind(config, limits, tokens.transpose()?, runtime.clone())?;
        let database = database::open(from, runtime)?;
        let views = views(&database, Some(http.address()));
        let shutdown = Shutdown::default();
        http.start(views, shutdown.clone());
        Ok(ViewServer {
            http,
            database,
            shutdown,
        })
    }

    /// Where it listens: `HOST:PORT`, with `https://` before it where it speaks TLS.
    pub(crate) fn address(&self) -> String {
        self.http.address()
    }

    /// Which database it shows, for people.
    pub(crate) fn database(&self) -> &str {
        self.database.name()
    }

    /// Ends it.
    pub(crate) fn stop(self) {
        self.shutdown.advance(Phase::Abort);
        self.http.wait();
    }
}

/// The API over the database that `from` names, for this process.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn direct(from: &str, runtime: &Handle) -> Result<Direct, DatabaseError> {
    let database = database::open(from, runtime)?;
    Ok(Direct::new(views(&database, None), runtime.clone()))
}

/// What the handlers see.
fn views(database: &Arc<dyn Database>, http: Option<String>) -> Views {
    let storage: Arc<dyn Storage> = Arc::new(View::new(Arc::clone(database)));
    let mut registry = Registry::default();
    let metrics = Metrics::new(&mut registry);
    let (of, started) = (Arc::clone(database), Instant::now());
    Views {
        engine: Engine::new(Arc::clone(&storage)),
        storage,
        deletions: None,
        levels: None,
        status: Arc::new(move |_| Ok(status(&*of, http.clone(), started)?)),
        rejected: Arc::new(RejectedInput::new(metrics.clone())),
        counted: metrics,
        reload: None,
        viewed: Some(database.name().into()),
        registry: Arc::new(registry),
        only: None,
    }
}

/// How it does now.
fn status(
    database: &dyn Database,
    http: Option<String>,
    started: Instant,
) -> Result<Status, DatabaseError> {
    let times = database.times()?;
    let (oldest, newest) = (times.as_ref().map(|t| *t.start()), times.map(|t| *t.end()));
    Ok(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: hostname(),
        process_id: std::process::id(),
        time_ns: now(),
        uptime_ns: u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX),
        http,
        receivers: Vec::new(),
        intake: Vec::new(),
        processors: Vec::new(),
        producers: Vec::new(),
        more_producers: 0,
        store: StoreStatus {
            path: database.name().to_owned(),
            oldest_ns: oldest,
            ..StoreStatus::default()
        },
        view: Some(ViewStatus {
            database: database.name().to_owned(),
            oldest_ns: oldest,
            newest_ns: newest,
        }),
        deletions: Vec::new(),
        reports: reports(),
    })
}
