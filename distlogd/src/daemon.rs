//! The daemon: opens the store, the doors, and a worker for each processor, and closes them in order.
//!
//! ```text
//! push ─► intake ─► store ─┬─► a worker per processor
//!                          ├─► live tails (http)
//!                          └─► task tracker
//! ```
//!
//! Closing goes along the same way: the doors first, then the store, which makes what came durable, then the workers,
//! which take what the store holds as long as the grace period lasts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use prometheus_client::registry::Registry;
use tokio::sync::watch;

use crate::config::{Config, Entry, From, Sync};
use crate::doors::{self, Hall, Push, Received};
use crate::faults::Faults;
use crate::heard::Heard;
use crate::http::{self, Views};
use crate::intake::{self, Writer};
use crate::metrics::Gather;
use crate::own::Own;
use crate::processor::{Error, Processor, Token};
use crate::processors::Start;
use crate::rules::Router;
use crate::store::{self, CursorFileError, Options, Reader, Store};
use crate::tracker::{Recent, Tracker};
use crate::worker::{Factory, Progress, Worker};

/// The daemon did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The store cannot be opened.
    #[error("{0}")]
    Store(#[from] store::OpenError),
    /// A cursor cannot be read.
    #[error("{0}")]
    Cursor(#[from] CursorFileError),
    /// The push door did not open.
    #[error("{0}")]
    Push(#[from] doors::PushError),
    /// The HTTP door did not open.
    #[error("{0}")]
    Http(#[from] http::OpenError),
    /// The system gives no thread or runtime.
    #[error("the system gives no thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// Builds a daemon, with processors of its own beside those of the configuration.
#[derive(Default)]
pub struct Builder {
    own: Vec<(String, Factory)>,
}

impl Builder {
    /// A daemon as `distlogd` is.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// Registers a processor under a name that rules can use. `open` makes it, and is asked again after a back-off when
    /// it cannot; it is handed the token of the last flush, also from before a restart.
    #[must_use]
    pub fn processor(
        mut self,
        name: impl Into<String>,
        open: impl FnMut(Option<&Token>) -> Result<Box<dyn Processor>, Error> + Send + 'static,
    ) -> Builder {
        self.own.push((name.into(), Box::new(open)));
        self
    }

    /// The names of the registered processors.
    pub fn names(&self) -> Vec<String> {
        self.own.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Starts the daemon.
    ///
    /// # Errors
    /// If the store or a door cannot be opened. A processor that cannot is tried again while the daemon runs.
    pub fn start(self, config: &Config) -> Result<Daemon, StartError> {
        Daemon::start(self, config)
    }
}

/// A running daemon.
pub struct Daemon {
    doors: Doors,
    reader: Reader,
    grace: Duration,
    stop_doors: Arc<AtomicBool>,
    stop_workers: Arc<AtomicBool>,
    abort: Arc<AtomicBool>,
    push: Option<Push>,
    // Kept until the sockets are closed.
    _context: zmq::Context,
    writer: Writer,
    workers: Vec<Running>,
    tracker: JoinHandle<()>,
    http: Option<(watch::Sender<bool>, JoinHandle<()>)>,
}

struct Running {
    name: String,
    progress: Arc<Progress>,
    thread: JoinHandle<()>,
}

/// Where a daemon listens.
#[derive(Debug, Clone, Default)]
pub struct Doors {
    /// Endpoint of the push door.
    pub push: Option<String>,
    /// Address of the HTTP door.
    pub http: Option<SocketAddr>,
}

/// What each processor had not got when the daemon stopped.
#[derive(Debug, Default)]
pub struct Stopped {
    /// Name of the processor and the number of records; they go out at the next start.
    pub left: Vec<(String, u64)>,
}

impl Daemon {
    fn start(builder: Builder, config: &Config) -> Result<Daemon, StartError> {
        let mut registry = Registry::default();
        let store = Store::open(&config.store.path, options(config))?;
        let reader = store.reader();
        // Bound before anything runs: a port in use is the commonest fault.
        let context = zmq::Context::new();
        let sync = match config.store.sync {
            Sync::Always => Duration::ZERO,
            Sync::Every(interval) => interval,
        };
        let (intake, writer) = intake::start(store, sync)?;
        let stop_doors = Arc::new(AtomicBool::new(false));
        let hall = Hall {
            intake: intake.clone(),
            faults: Arc::new(Faults::new(&mut registry)),
            heard: Arc::new(Heard::default()),
            received: Received::new(&mut registry),
            stop: Arc::clone(&stop_doors),
        };
        let push = config
            .listen
            .push
            .as_deref()
            .map(|address| Push::open(&context, address, hall.clone()))
            .transpose()?;
        let own = Arc::new(Own::new(intake, hostname()));
        let recent = Arc::new(Recent::default());
        let stop_workers = Arc::new(AtomicBool::new(false));
        let abort = Arc::new(AtomicBool::new(false));
        let tracker = Tracker::start(
            reader.clone(),
            Arc::clone(&hall.heard),
            Arc::clone(&own),
            config.lost_after,
            Arc::clone(&recent),
            Arc::clone(&stop_workers),
        )?;
        let shared = Shared {
            reader: &reader,
            own: &own,
            stop: &stop_workers,
            abort: &abort,
        };
        let workers = shared.workers(builder, config)?;
        registry.register_collector(Box::new(Gather {
            reader: reader.clone(),
            workers: workers
                .iter()
                .map(|worker| (worker.name.clone(), Arc::clone(&worker.progress)))
                .collect(),
        }));
        let views = Views {
            reader: reader.clone(),
            recent,
            registry: Arc::new(registry),
        };
        let http = config
            .listen
            .http
            .as_deref()
            .map(|address| serve_http(address, views))
            .transpose()?;
        let doors = Doors {
            push: push.as_ref().map(|push| push.endpoint().to_owned()),
            http: http.as_ref().map(|(address, ..)| *address),
        };
        Ok(Daemon {
            doors,
            reader,
            grace: config.grace,
            stop_doors,
            stop_workers,
            abort,
            push,
            _context: context,
            writer,
            workers,
            tracker,
            http: http.map(|(_, stop, thread)| (stop, thread)),
        })
    }

    /// Where it listens.
    pub fn doors(&self) -> &Doors {
        &self.doors
    }

    /// Reads its store.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Closes the doors, makes durable what came, lets the processors take it within the grace period, and ends.
    pub fn stop(self) -> Stopped {
        self.stop_doors.store(true, Ordering::Release);
        if let Some(push) = self.push {
            push.join();
        }
        self.writer.close();
        self.stop_workers.store(true, Ordering::Release);
        let deadline = Instant::now() + self.grace;
        while self
            .workers
            .iter()
            .any(|worker| !worker.thread.is_finished())
            && Instant::now() < deadline
        {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.abort.store(true, Ordering::Release);
        let end = self.reader.end();
        let mut stopped = Stopped::default();
        for Running {
            name,
            progress,
            thread,
        } in self.workers
        {
            let left = end.saturating_sub(progress.done.load(Ordering::Relaxed));
            // A thread that hangs in its destination is left behind; the process ends soon.
            if thread.is_finished() && thread.join().is_err() {
                tracing::error!(processor = name, "the worker has panicked");
            }
            if left > 0 {
                stopped.left.push((name, left));
            }
        }
        if self.tracker.join().is_err() {
            tracing::error!("the task tracker has panicked");
        }
        if let Some((stop, thread)) = self.http {
            let _ = stop.send(true);
            let _ = thread.join();
        }
        stopped
    }
}

fn options(config: &Config) -> Options {
    Options {
        keep_size: config.store.keep.size,
        keep_age: config.store.keep.age,
        reserve: config.store.reserve,
        index: |batch, found| distlog_proto::wire::trace_ids(batch, found),
        ..Options::default()
    }
}

/// What all workers share.
struct Shared<'a> {
    reader: &'a Reader,
    own: &'a Arc<Own>,
    stop: &'a Arc<AtomicBool>,
    abort: &'a Arc<AtomicBool>,
}

impl Shared<'_> {
    fn workers(&self, builder: Builder, config: &Config) -> Result<Vec<Running>, StartError> {
        let mut workers = Vec::new();
        for Entry {
            name, kind, from, ..
        } in &config.processors
        {
            let (kind, own_name, reader, router) = (
                kind.clone(),
                name.clone(),
                self.reader.clone(),
                config.router(name),
            );
            let open = move |token: Option<&Token>| {
                kind.open(Start {
                    name: &own_name,
                    token,
                    reader: &reader,
                    router: &router,
                })
            };
            workers.push(self.worker(name, Box::new(open), config.router(name), *from)?);
        }
        for (name, open) in builder.own {
            let route = config.router(&name);
            workers.push(self.worker(&name, open, route, From::End)?);
        }
        Ok(workers)
    }

    fn worker(
        &self,
        name: &str,
        factory: Factory,
        router: Router,
        from: From,
    ) -> Result<Running, StartError> {
        let progress = Arc::new(Progress::default());
        let worker = Worker {
            name: name.to_owned(),
            factory,
            route: Box::new(move |record| router.takes(record)),
            reader: self.reader.clone(),
            cursor: self.reader.cursor_file(name)?,
            from: match from {
                From::Start => self.reader.first(),
                From::End => self.reader.end(),
            },
            own: Arc::clone(self.own),
            progress: Arc::clone(&progress),
            stop: Arc::clone(self.stop),
            abort: Arc::clone(self.abort),
        };
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || worker.run())?;
        Ok(Running {
            name: name.to_owned(),
            progress,
            thread,
        })
    }
}

type Http = (SocketAddr, watch::Sender<bool>, JoinHandle<()>);

/// Binds the HTTP door and serves it in a thread with a runtime of its own.
fn serve_http(address: &str, views: Views) -> Result<Http, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (listener, bound) = runtime.block_on(http::bind(address))?;
    let (stop, stopped) = watch::channel(false);
    let thread = std::thread::Builder::new()
        .name("http".into())
        .spawn(move || {
            runtime.block_on(http::serve(listener, views, stopped));
            // Connections that are still open (tails) are not waited for.
            runtime.shutdown_background();
        })?;
    Ok((bound, stop, thread))
}

fn hostname() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}
