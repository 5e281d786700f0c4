//! The daemon: opens the store, the doors, and a worker for each processor, and closes them in order.
//!
//! ```text
//! push ────┐
//! session ─┼─► intake ─► store ─┬─► a worker per processor
//! otlp ────┤                    ├─► live tails (http)
//! drain ───┘                    └─► task tracker
//! ```
//!
//! Closing goes along the same way: the doors first, then the store, which makes what came durable, then the workers,
//! which take what the store holds as long as the grace period lasts. The doors for sessions and OTLP are left open until
//! the store has made all durable, to say so.
//!
//! `error.rs` and `stop.rs` are used by all, `workers.rs` and `http.rs` open and close a part each.

mod error;
mod http;
mod stop;
mod workers;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use prometheus_client::registry::Registry;

pub use error::StartError;

use crate::config::{Config, SyncPolicy};
use crate::doors::{BoundOtlp, BoundPush, BoundSession, Hall, Otlp, Push, Received, Session};
use crate::drain::{self, Drain};
use crate::faults::Faults;
use crate::heard::Heard;
use crate::http::Views;
use crate::intake::{self, Writer};
use crate::listen::Listening;
use crate::losses::Losses;
use crate::metrics::Gather;
use crate::own::Own;
use crate::processor::{Error, Processor, Token};
use crate::tracker::{Needs, Recent, Tracker};
use crate::vital::Vital;
use crate::worker::Factory;
use distlog_store::{Options, Reader, Store};
use http::{BoundHttp, Http};
use stop::Stop;
use workers::{Begin, Running, Shared};

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
    vital: Vital,
    push: Option<Push>,
    session: Option<Session>,
    otlp: Option<Otlp>,
    drain: Option<Drain>,
    // Kept until the sockets are closed.
    _context: zmq::Context,
    writer: Writer,
    workers: Vec<Running>,
    tracker: JoinHandle<()>,
    http: Option<Http>,
}

/// Where a daemon listens.
#[derive(Debug, Clone, Default)]
pub struct Doors {
    /// Endpoint of the push door.
    pub push: Option<String>,
    /// Endpoint of the session door.
    pub session: Option<String>,
    /// Address of the door for OTLP by gRPC.
    pub otlp_grpc: Option<Listening>,
    /// Address of the door for OTLP by HTTP.
    pub otlp_http: Option<Listening>,
    /// Address of the HTTP door.
    pub http: Option<Listening>,
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
        let vital = Vital::default();
        let store = Store::open(&config.store.path, options(config))?;
        let reader = store.reader();
        let begin = Begin {
            first: reader.first(),
            end: reader.end(),
        };
        // Bound before anything runs: a port in use is the commonest fault, and nothing may be taken in before.
        let context = zmq::Context::new();
        let listen = &config.listen;
        let bind = |address: &String| BoundPush::new(&context, address);
        let push = listen.push.as_ref().map(bind).transpose()?;
        let bind = |address: &String| BoundSession::new(&context, address);
        let session = listen.session.as_ref().map(bind).transpose()?;
        let otlp = match (listen.otlp_grpc.as_deref(), listen.otlp_http.as_ref()) {
            (None, None) => None,
            (grpc, http) => Some(BoundOtlp::new(grpc, http)?),
        };
        let http = listen.http.as_ref().map(BoundHttp::new).transpose()?;
        let (intake, writer) = intake::start(store, sync(config), &vital)?;
        let hall = Hall {
            intake: intake.clone(),
            faults: Arc::new(Faults::new(&mut registry)),
            heard: Arc::new(Heard::default()),
            received: Received::new(&mut registry),
            losses: Losses::new(&mut registry),
            vital: vital.clone(),
            stop: Arc::clone(&stop.doors),
        };
        let own = Arc::new(Own::new(intake, hostname()));
        let recent = Arc::new(Recent::default());
        let needs = Needs {
            reader: reader.clone(),
            heard: Arc::clone(&hall.heard),
            own: Arc::clone(&own),
            lost_after: config.lost_after,
            recent: Arc::clone(&recent),
            stop: Arc::clone(&stop.workers),
        };
        let tracker = Tracker::start(needs, &mut registry, &vital)?;
        let shared = Shared {
            reader: &reader,
            begin,
            own: &own,
            stop,
        };
        let workers = shared.start(builder.own, config)?;
        registry.register_collector(Box::new(Gather {
            reader: reader.clone(),
            intake: hall.intake.clone(),
            workers: workers
                .iter()
                .map(|worker| (worker.name.clone(), Arc::clone(&worker.progress)))
                .collect(),
        }));
        let drain = match config.drain.as_slice() {
            [] => None,
            directories => {
                let store = drain::Store {
                    intake: hall.intake.clone(),
                    heard: Arc::clone(&hall.heard),
                    losses: hall.losses.clone(),
                    stop: Arc::clone(&hall.stop),
                };
                Some(Drain::start(directories.to_vec(), store, &mut registry)?)
            }
        };
        let session = session
            .map(|bound| bound.open(hall.clone(), &mut registry))
            .transpose()?;
        let otlp = otlp.map(|bound| bound.open(hall.clone())).transpose()?;
        let push = push.map(|bound| bound.open(hall)).transpose()?;
        let views = Views {
            reader: reader.clone(),
            recent,
            registry: Arc::new(registry),
        };
        let http = http.map(|bound| bound.open(views)).transpose()?;
        let doors = Doors {
            push: push.as_ref().map(|push| push.endpoint().to_owned()),
            session: session.as_ref().map(|door| door.endpoint().to_owned()),
            otlp_grpc: otlp.as_ref().and_then(Otlp::grpc),
            otlp_http: otlp.as_ref().and_then(Otlp::http),
            http: http.as_ref().map(Http::address),
        };
        Ok(Daemon {
            doors,
            reader,
            grace: config.grace,
            stop: stop.clone(),
            vital,
            push,
            session,
            otlp,
            drain,
            _context: context,
            writer,
            workers,
            tracker,
            http,
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

    /// Tells when a part is gone without which it is deaf: it is to be stopped then.
    pub fn vital(&self) -> &Vital {
        &self.vital
    }

    /// Closes the doors, makes durable what came, lets the processors take it within the grace period, and ends.
    pub fn stop(self) -> Stopped {
        let begun = Instant::now();
        let deadline = begun + self.grace;
        self.stop.doors.store(true, Ordering::Release);
        let drain = self.drain.map(Drain::stop);
        if let Some(otlp) = &self.otlp {
            otlp.stop();
        }
        // A store that takes nothing (a full disk) keeps who waits for it, until it is closed.
        wait(begun + self.grace / 2, || {
            self.push.as_ref().is_none_or(Push::is_closed)
                && self.session.as_ref().is_none_or(Session::is_quiet)
                && self.otlp.as_ref().is_none_or(Otlp::is_quiet)
                && drain.as_ref().is_none_or(JoinHandle::is_finished)
        });
        self.writer.close();
        if let Some(session) = self.session {
            session.close();
        }
        if let Some(otlp) = self.otlp {
            otlp.close();
        }
        if let Some(push) = self.push {
            push.join();
        }
        if drain.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that drains spools has panicked");
        }
        self.stop.workers.store(true, Ordering::Release);
        wait(deadline, || self.workers.iter().all(Running::is_finished));
        self.stop.abort.store(true, Ordering::Release);
        let end = self.reader.end();
        let left = self.workers.into_iter().map(|worker| worker.leave(end));
        let left = left.filter(|(_, records)| *records > 0).collect();
        // A panic was told by the pulse.
        let _ = self.tracker.join();
        if let Some(http) = self.http {
            http.close();
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
        index: |batch, found| distlog_proto::wire::trace_ids(batch, found),
        ..Options::default()
    }
}

/// How long an appended record may wait to become durable.
pub(crate) fn sync(config: &Config) -> Duration {
    match config.store.sync {
        SyncPolicy::Always => Duration::ZERO,
        SyncPolicy::Every(interval) => interval,
    }
}

/// Waits until something holds, or the deadline.
fn wait(deadline: Instant, holds: impl Fn() -> bool) {
    while !holds() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What this machine is called.
pub(crate) fn hostname() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}
