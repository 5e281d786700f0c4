//! The daemon: opens the store, the receivers, and a worker for each processor, and closes them in order.
//!
//! ```text
//! push ────────┐
//! session ─────┼─► intake ─► store ─┬─► a worker per processor
//! otlp ────────┤                    ├─► live tails (http)
//! dead spools ─┘                    └─► task tracker
//! ```
//!
//! Closing goes the same way, in the phases of `shutdown.rs`: receivers first, then the store, which makes everything
//! durable, then the workers, which take what the store holds as long as the grace period lasts. Receivers that
//! acknowledge answer until the store is closed.
//!
//! `error.rs` says why a daemon did not start, `runtime.rs` is its tokio runtime, `workers.rs` opens and closes the
//! workers. `reload.rs` takes another configuration meanwhile; `crate::reload` is what that changes.

mod error;
mod reload;
mod runtime;
mod workers;

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use prometheus_client::registry::Registry;
use tokio::runtime::Handle;

pub use crate::config::{Config, Fault, Faults, Keep, Listen, Store as StoreConfig, SyncPolicy};
pub use crate::reload::{Changes, ReloadError};
pub use error::StartError;
pub(crate) use runtime::Runtime;

use crate::access::TokenFiles;
use crate::config;
use crate::deletions::Deletions;
use crate::host::hostname;
use crate::http::{self, Views};
use crate::intake::{self, CurrentRules, Writer};
use crate::levels::LevelTable;
use crate::liveness::Liveness;
use crate::processor::{Error, Processor, Token};
use crate::query::Engine;
use crate::receiver::{Endpoint, Receiver, ReceiverContext};
use crate::receivers::Receivers;
use crate::reload::ReloadFn;
use crate::self_telemetry::{Metrics, OwnRecords, ProducerDrops, RejectedInput, Scrape};
use crate::shutdown::{Phase, Shutdown};
use crate::status::Sources;
use crate::storage::{LocalStorage, Storage};
use crate::supervisor::Supervisor;
use crate::thread_pool::ThreadPool;
use crate::tracker::{LostAfter, Needs, Producers, Tracker};
use crate::worker::Factory;
use distlog_store::{Options, Reader, Store};
use reload::{Reload, Reread};
use workers::{Begin, Shared, Workers};

/// Builds a daemon, with processors and receivers of its own beside those of the configuration.
#[derive(Default)]
pub struct Builder {
    processors: Vec<(String, Factory)>,
    receivers: Vec<Box<dyn Receiver>>,
    reread: Option<Reread>,
}

impl Builder {
    /// A daemon as `distlogd` is.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// Registers a processor under a name that rules can use. `open` makes it, and is called again after a back-off
    /// when it fails. It gets the token of the last flush, also from before a restart.
    #[must_use]
    pub fn processor(
        mut self,
        name: impl Into<String>,
        open: impl FnMut(Option<&Token>) -> Result<Box<dyn Processor>, Error> + Send + 'static,
    ) -> Builder {
        self.processors.push((name.into(), Box::new(open)));
        self
    }

    /// Registers a receiver, which is bound already.
    #[must_use]
    pub fn receiver(mut self, receiver: impl Receiver + 'static) -> Builder {
        self.receivers.push(Box::new(receiver));
        self
    }

    /// Reads the configuration again when the daemon is to [reload](Daemon::reload) it; all its faults as text.
    #[must_use]
    pub fn reread(
        mut self,
        reread: impl Fn() -> Result<Config, String> + Send + Sync + 'static,
    ) -> Builder {
        self.reread = Some(Box::new(reread));
        self
    }

    /// The names of the registered processors.
    pub(crate) fn names(&self) -> Vec<&str> {
        let names = self.processors.iter().map(|(name, _)| name.as_str());
        names.collect()
    }

    /// Reads a configuration in YAML, whose rules may also name the registered processors.
    ///
    /// # Errors
    /// Everything that is wrong with it; `file` is its name there.
    pub fn parse_config(&self, yaml: &str, file: &str) -> Result<Config, Faults> {
        config::load(yaml, file, &self.names())
    }

    /// Starts the daemon with a tokio runtime of its own.
    ///
    /// # Errors
    /// If the store or a receiver cannot be opened. A processor that cannot is tried again while the daemon runs.
    pub fn start(self, config: &Config) -> Result<Daemon, StartError> {
        let runtime = Runtime::new()?;
        let mut daemon = self.start_on(runtime.handle(), config)?;
        daemon.runtime = Some(runtime);
        Ok(daemon)
    }

    /// Starts the daemon on a runtime that outlives it.
    ///
    /// # Errors
    /// As [`Builder::start`].
    pub(crate) fn start_on(self, runtime: &Handle, config: &Config) -> Result<Daemon, StartError> {
        let shutdown = Shutdown::default();
        let result = Daemon::open(self, config, runtime, &shutdown);
        if result.is_err() {
            // What runs already ends.
            shutdown.advance(Phase::Abort);
        }
        result
    }
}

/// A running daemon.
pub struct Daemon {
    endpoints: Vec<Endpoint>,
    reader: Reader,
    reload: Arc<Reload>,
    shutdown: Shutdown,
    supervisor: Supervisor,
    writer: Writer,
    receivers: Receivers,
    workers: Arc<Workers>,
    tracker: JoinHandle<()>,
    http: Option<http::Server>,
    /// `None` if it belongs to the caller. Dropped last.
    runtime: Option<Runtime>,
}

/// What each processor had not sent when the daemon stopped.
#[derive(Debug, Default)]
pub struct Stopped {
    /// Name of the processor and the number of records, which it sends after the next start.
    pub left: Vec<(String, u64)>,
}

impl Daemon {
    fn open(
        builder: Builder,
        config: &Config,
        runtime: &Handle,
        shutdown: &Shutdown,
    ) -> Result<Daemon, StartError> {
        let started = Instant::now();
        let mut registry = Registry::default();
        let supervisor = Supervisor::default();
        let store = Store::open(&config.store.path, options(config))?;
        let reader = store.reader();
        // First of all, so that nobody reads what is deleted.
        let deletions = Deletions::open(reader.clone(), store.eraser())?;
        let begin = Begin::of(&reader);
        let retention = store.retention();
        // Bound before anything runs: a port in use is the commonest fault, and nothing may be received before.
        let mut tokens = TokenFiles::default();
        let own = builder.receivers;
        let mut receivers = Receivers::bind(config, own, &mut tokens, runtime, shutdown.clone())?;
        let limits = &config.listen.limits;
        let mut http = match &config.listen.http {
            Some(http) => {
                let path = http.tokens.as_deref();
                let tokens = path.map(|path| tokens.open(path)).transpose()?;
                Some(http::Server::bind(http, limits, tokens, runtime.clone())?)
            }
            None => None,
        };
        let (intake, writer) = intake::start(store, config.store.sync, &supervisor)?;
        let metrics = Metrics::new(&mut registry);
        let rules = CurrentRules::new(&config.intake, &metrics);
        let levels = Arc::new(LevelTable::open(&config.store.path, &config.levels));
        let context = ReceiverContext {
            // What the daemon itself writes goes past the rules.
            intake: intake.with_rules(rules.clone()),
            liveness: Arc::new(Liveness::default()),
            metrics: metrics.clone(),
            rejected: Arc::new(RejectedInput::new(metrics.clone())),
            drops: ProducerDrops::new(metrics.clone()),
            levels: Arc::clone(&levels),
            threads: Arc::new(ThreadPool::for_all_cores("read")),
            supervisor: supervisor.clone(),
            shutdown: shutdown.clone(),
            runtime: runtime.clone(),
        };
        let own_records = Arc::new(OwnRecords::new(intake.clone(), hostname()));
        let producers = Arc::new(Producers::default());
        let lost_after = LostAfter::new(config.lost_after);
        let needs = Needs {
            reader: reader.clone(),
            liveness: Arc::clone(&context.liveness),
            own_records: Arc::clone(&own_records),
            lost_after: lost_after.clone(),
            producers: Arc::clone(&producers),
            metrics: metrics.clone(),
            shutdown: shutdown.clone(),
        };
        let tracker = Tracker::start(needs, &supervisor)?;
        let shared = Shared {
            reader: reader.clone(),
            own_records,
            metrics: metrics.clone(),
            levels: Arc::clone(&levels),
            threads: Arc::new(ThreadPool::for_all_cores("convert")),
            runtime: runtime.clone(),
            shutdown: shutdown.clone(),
        };
        let workers = Workers::start(shared, begin, builder.processors, config)?;
        let workers = Arc::new(workers);
        let reload = Arc::new(Reload {
            reread: builder.reread,
            config: Mutex::new(config.clone()),
            workers: Arc::clone(&workers),
            retention: retention.clone(),
            lost_after,
            rules: rules.clone(),
            levels: Arc::clone(&levels),
            metrics: metrics.clone(),
        });
        let storage: Arc<dyn Storage> = Arc::new(LocalStorage::new(reader.clone()));
        let engine = Engine::new(Arc::clone(&storage));
        registry.register_collector(Box::new(Scrape {
            reader: reader.clone(),
            intake: intake.clone(),
            drops: context.drops.clone(),
            engine: engine.clone(),
            workers: workers.list.clone(),
        }));
        receivers.start(&context)?;
        let mut endpoints = receivers.endpoints();
        if let Some(http) = &mut http {
            let status = Sources {
                reader: reader.clone(),
                intake,
                rules,
                metrics: metrics.clone(),
                rejected: Arc::clone(&context.rejected),
                drops: context.drops,
                liveness: context.liveness,
                producers,
                deletions: Arc::clone(&deletions),
                workers: workers.list.clone(),
                endpoints: endpoints.clone(),
                http: Some(http.address()),
                host: hostname(),
                path: config.store.path.clone(),
                retention,
                started,
            };
            let again = Arc::clone(&reload);
            let views = Views {
                reload: Some(Arc::new(move || again.reload())),
                storage,
                engine,
                deletions: Some(deletions),
                levels: Some(levels),
                status: Arc::new(move |producers| Ok(status.read(producers))),
                rejected: context.rejected,
                counted: metrics,
                viewed: None,
                registry: Arc::new(registry),
                only: None,
            };
            http.start(views, shutdown.clone());
            endpoints.push(Endpoint {
                receiver: "http",
                address: http.address(),
            });
        }
        Ok(Daemon {
            endpoints,
            reader,
            reload,
            shutdown: shutdown.clone(),
            supervisor,
            writer,
            receivers,
            workers,
            tracker,
            http,
            runtime: None,
        })
    }

    /// The address of a receiver, by its name in the configuration, or of `http`; `None` if it is off.
    pub fn address(&self, receiver: &str) -> Option<&str> {
        let mut endpoints = self.endpoints.iter();
        let endpoint = endpoints.find(|endpoint| endpoint.receiver == receiver)?;
        Some(&endpoint.address)
    }

    /// Reads the configuration again, by [`Builder::reread`], and takes it: whole, or not at all. Processors that did
    /// not change do not stop.
    ///
    /// # Errors
    /// If it was not taken; everything is as it was.
    pub fn reload(&self) -> Result<Changes, ReloadError> {
        self.reload.reload()
    }

    /// The same, for those who outlive a borrow.
    pub(crate) fn reload_fn(&self) -> ReloadFn {
        let reload = Arc::clone(&self.reload);
        Arc::new(move || reload.reload())
    }

    /// Time for a clean shutdown.
    pub(crate) fn grace(&self) -> Duration {
        self.reload.grace()
    }

    /// Reads its store.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// The part that has failed, if one has that the daemon cannot do without: it is to be stopped then.
    pub fn failed(&self) -> Option<&'static str> {
        self.supervisor.failed()
    }

    /// Hears of a failed part that the daemon cannot do without: it is to be stopped then.
    pub(crate) fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// Stops the receivers, makes everything durable, lets the processors take it within the grace period, and ends.
    pub fn stop(mut self) -> Stopped {
        let (begun, grace) = (Instant::now(), self.reload.grace());
        let deadline = begun + grace;
        self.shutdown.advance(Phase::Receivers);
        // A store that takes nothing (a full disk) blocks receivers until it is closed.
        wait(begun + grace / 2, || self.receivers.are_stopped());
        self.writer.close();
        self.shutdown.advance(Phase::Workers);
        self.receivers.wait();
        wait(deadline, || self.workers.are_finished());
        self.shutdown.advance(Phase::Abort);
        let aborted = Instant::now();
        self.workers
            .wait_aborted(|time, holds| wait(aborted + time, holds));
        let left = self.workers.finish(self.reader.end()).into_iter();
        let left = left.filter(|(_, records)| *records > 0).collect();
        // The supervisor hears of a panic.
        let _ = self.tracker.join();
        if let Some(http) = self.http {
            http.wait();
        }
        Stopped { left }
    }
}

/// How the store of a configuration is to be opened.
pub(crate) fn options(config: &Config) -> Options {
    Options {
        keep_size: config.store.keep.size,
        keep_age: config.store.keep.age,
        reserve: config.store.reserve,
        index: distlog_proto::wire::trace_ids,
        ..Options::default()
    }
}

/// Waits until something holds, or the deadline.
fn wait(deadline: Instant, holds: impl Fn() -> bool) {
    while !holds() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
}
