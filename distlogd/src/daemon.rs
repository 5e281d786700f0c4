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
use crate::doors::{self, BoundPush, Hall, Push, Received};
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
use crate::tracker::{self, Recent, Tracker};
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
    /// Tasks cannot be followed.
    #[error("{0}")]
    Tracker(#[from] tracker::StartError),
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
    stop: Stop,
    push: Option<Push>,
    // Kept until the sockets are closed.
    _context: zmq::Context,
    writer: Writer,
    workers: Vec<Running>,
    tracker: JoinHandle<()>,
    http: Option<(watch::Sender<bool>, JoinHandle<()>)>,
}

/// What the threads look at, to end.
#[derive(Clone, Default)]
struct Stop {
    doors: Arc<AtomicBool>,
    workers: Arc<AtomicBool>,
    /// There is no more time.
    abort: Arc<AtomicBool>,
}

impl Stop {
    fn all(&self) {
        for flag in [&self.doors, &self.workers, &self.abort] {
            flag.store(true, Ordering::Release);
        }
    }
}

/// Where the store began and ended before anything came in: where a new processor begins.
#[derive(Clone, Copy)]
struct Begin {
    first: u64,
    end: u64,
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
        let stop = Stop::default();
        let result = Daemon::open(builder, config, &stop);
        if result.is_err() {
            // What runs already is of no use.
            stop.all();
        }
        result
    }

    fn open(builder: Builder, config: &Config, stop: &Stop) -> Result<Daemon, StartError> {
        let mut registry = Registry::default();
        let store = Store::open(&config.store.path, options(config))?;
        let reader = store.reader();
        let begin = Begin {
            first: reader.first(),
            end: reader.end(),
        };
        // Bound before anything runs: a port in use is the commonest fault, and nothing may be taken in before.
        let context = zmq::Context::new();
        let push = config
            .listen
            .push
            .as_deref()
            .map(|address| BoundPush::new(&context, address))
            .transpose()?;
        let http = config.listen.http.as_deref().map(bind_http).transpose()?;
        let sync = match config.store.sync {
            Sync::Always => Duration::ZERO,
            Sync::Every(interval) => interval,
        };
        let (intake, writer) = intake::start(store, sync)?;
        let hall = Hall {
            intake: intake.clone(),
            faults: Arc::new(Faults::new(&mut registry)),
            heard: Arc::new(Heard::default()),
            received: Received::new(&mut registry),
            stop: Arc::clone(&stop.doors),
        };
        let own = Arc::new(Own::new(intake, hostname()));
        let recent = Arc::new(Recent::default());
        let tracker = Tracker::start(
            reader.clone(),
            Arc::clone(&hall.heard),
            Arc::clone(&own),
            config.lost_after,
            Arc::clone(&recent),
            Arc::clone(&stop.workers),
        )?;
        let shared = Shared {
            reader: &reader,
            begin,
            own: &own,
            stop,
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
        let push = push.map(|bound| bound.open(hall)).transpose()?;
        let http = http.map(|bound| serve_http(bound, views)).transpose()?;
        let doors = Doors {
            push: push.as_ref().map(|push| push.endpoint().to_owned()),
            http: http.as_ref().map(|(address, ..)| *address),
        };
        Ok(Daemon {
            doors,
            reader,
            grace: config.grace,
            stop: stop.clone(),
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
        let begun = Instant::now();
        let deadline = begun + self.grace;
        self.stop.doors.store(true, Ordering::Release);
        if let Some(push) = self.push {
            // A store that takes nothing (a full disk) keeps the door waiting, until the store is closed.
            wait(begun + self.grace / 2, || push.is_closed());
            self.writer.close();
            push.join();
        } else {
            self.writer.close();
        }
        self.stop.workers.store(true, Ordering::Release);
        wait(deadline, || {
            self.workers
                .iter()
                .all(|worker| worker.thread.is_finished())
        });
        self.stop.abort.store(true, Ordering::Release);
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
    begin: Begin,
    own: &'a Arc<Own>,
    stop: &'a Stop,
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
                From::Start => self.begin.first,
                From::End => self.begin.end,
            },
            own: Arc::clone(self.own),
            progress: Arc::clone(&progress),
            stop: Arc::clone(&self.stop.workers),
            abort: Arc::clone(&self.stop.abort),
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

/// A bound HTTP door, and the runtime that it is bound in.
struct BoundHttp {
    runtime: tokio::runtime::Runtime,
    listener: tokio::net::TcpListener,
    address: SocketAddr,
}

fn bind_http(address: &str) -> Result<BoundHttp, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (listener, address) = runtime.block_on(http::bind(address))?;
    Ok(BoundHttp {
        runtime,
        listener,
        address,
    })
}

/// Serves HTTP in a thread.
fn serve_http(bound: BoundHttp, views: Views) -> Result<Http, StartError> {
    let BoundHttp {
        runtime,
        listener,
        address,
    } = bound;
    let (stop, stopped) = watch::channel(false);
    let thread = std::thread::Builder::new()
        .name("http".into())
        .spawn(move || {
            runtime.block_on(http::serve(listener, views, stopped));
            // Connections that are still open (tails) are not waited for.
            runtime.shutdown_background();
        })?;
    Ok((address, stop, thread))
}

/// Waits until something holds, or the deadline.
fn wait(deadline: Instant, holds: impl Fn() -> bool) {
    while !holds() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn hostname() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}
