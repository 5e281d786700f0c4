//! The workers of a daemon: those of the configuration and those registered in code.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use super::error::StartError;
use crate::config::{Config, Entry, StartAt};
use crate::processor::Token;
use crate::processors::Start;
use crate::self_telemetry::{Metrics, OwnRecords, Progress};
use crate::shutdown::Shutdown;
use crate::worker::{Batch, Factory, Retry, Worker};
use distlog_rules::Router;
use distlog_store::Reader;
use tokio::runtime::Handle;

/// Where the store began and ended before anything came in: where a new processor begins.
#[derive(Clone, Copy)]
pub(super) struct Begin {
    pub(super) first: u64,
    pub(super) end: u64,
}

/// A worker in its thread.
pub(super) struct Running {
    pub(super) name: String,
    pub(super) progress: Arc<Progress>,
    /// How long it may take to end at [`Phase::Abort`](crate::shutdown::Phase::Abort).
    pub(super) stop_time: Duration,
    thread: JoinHandle<()>,
}

impl Running {
    pub(super) fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Its name, and how many records before `end` it has not dealt with.
    pub(super) fn finish(self, end: u64) -> (String, u64) {
        let left = end.saturating_sub(self.progress.done.load(Ordering::Relaxed));
        // A thread that hangs in its destination is left behind; the process ends soon.
        if self.thread.is_finished() && self.thread.join().is_err() {
            tracing::error!(processor = self.name, "the worker has panicked");
        }
        (self.name, left)
    }
}

/// What all workers share.
pub(super) struct Shared<'a> {
    pub(super) reader: &'a Reader,
    pub(super) begin: Begin,
    pub(super) own_records: &'a Arc<OwnRecords>,
    pub(super) metrics: &'a Metrics,
    pub(super) runtime: &'a Handle,
    pub(super) shutdown: &'a Shutdown,
}

impl Shared<'_> {
    /// Starts a worker for each processor; `registered` are those made in code.
    pub(super) fn start(
        &self,
        registered: Vec<(String, Factory)>,
        config: &Config,
    ) -> Result<Vec<Running>, StartError> {
        let mut workers = Vec::new();
        for Entry {
            name,
            kind,
            from,
            batch,
            retry,
            ..
        } in &config.processors
        {
            let (kind, own_name, reader, router) = (
                kind.clone(),
                name.clone(),
                self.reader.clone(),
                config.router(name),
            );
            let (metrics, runtime) = (self.metrics.clone(), self.runtime.clone());
            let (shutdown, stop_time) = (self.shutdown.clone(), kind.stop_time());
            let open = move |token: Option<&Token>| {
                kind.open(Start {
                    name: &own_name,
                    token,
                    reader: &reader,
                    router: &router,
                    metrics: &metrics,
                    runtime: &runtime,
                    shutdown: &shutdown,
                })
            };
            let route = config.router(name);
            let worker = self.worker(
                name,
                Box::new(open),
                route,
                *from,
                (batch.clone(), retry.clone()),
            )?;
            workers.push(Running {
                stop_time,
                ..worker
            });
        }
        for (name, open) in registered {
            let route = config.router(&name);
            workers.push(self.worker(&name, open, route, StartAt::End, Default::default())?);
        }
        Ok(workers)
    }

    fn worker(
        &self,
        name: &str,
        factory: Factory,
        router: Router,
        from: StartAt,
        (batch, retry): (Batch, Retry),
    ) -> Result<Running, StartError> {
        let progress = Arc::new(self.metrics.progress(name));
        let worker = Worker {
            name: name.to_owned(),
            factory,
            route: Box::new(move |record| router.takes(record)),
            reader: self.reader.clone(),
            consumer: self.reader.consumer(name)?,
            from: match from {
                StartAt::Start => self.begin.first,
                StartAt::End => self.begin.end,
            },
            batch,
            retry,
            own_records: Arc::clone(self.own_records),
            progress: Arc::clone(&progress),
            shutdown: self.shutdown.clone(),
        };
        worker.mark_begin();
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || worker.run())?;
        Ok(Running {
            name: name.to_owned(),
            progress,
            stop_time: Duration::ZERO,
            thread,
        })
    }
}
