//! The workers of a daemon: those of the configuration and those registered in code. A reload stops some, starts
//! others, and gives new rules to those that go on.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use super::error::StartError;
use crate::config::{Config, Entry, StartAt};
use crate::levels::LevelTable;
use crate::processor::Token;
use crate::processors::Start;
use crate::reload::Changes;
use crate::self_telemetry::{Metrics, OwnRecords, Progress, WorkerList};
use crate::shutdown::Shutdown;
use crate::thread_pool::ThreadPool;
use crate::trees::Setup;
use crate::worker::{Control, Factory, Route, Update, Worker};
use distlog_rules::Router;
use distlog_store::Reader;
use tokio::runtime::Handle;

/// Where the store began and ended before anything came in: where a new processor begins.
#[derive(Clone, Copy)]
pub(super) struct Begin {
    first: u64,
    end: u64,
}

impl Begin {
    pub(super) fn of(reader: &Reader) -> Begin {
        Begin {
            first: reader.first(),
            end: reader.end(),
        }
    }
}

/// What all workers share.
pub(super) struct Shared {
    pub(super) reader: Reader,
    pub(super) own_records: Arc<OwnRecords>,
    pub(super) metrics: Metrics,
    pub(super) levels: Arc<LevelTable>,
    pub(super) threads: Arc<ThreadPool>,
    pub(super) runtime: Handle,
    pub(super) shutdown: Shutdown,
}

/// The workers that run.
pub(super) struct Workers {
    shared: Shared,
    state: Mutex<State>,
    /// Their progress, for the status and the metrics.
    pub(super) list: WorkerList,
}

#[derive(Default)]
struct State {
    /// In the order of the configuration, then those registered in code.
    running: Vec<Running>,
    /// Of processors that are no more.
    leaving: Vec<Running>,
}

/// A worker in its thread.
struct Running {
    name: String,
    progress: Arc<Progress>,
    control: Control,
    /// How long it may take to end at [`Phase::Abort`](crate::shutdown::Phase::Abort).
    stop_time: Duration,
    thread: JoinHandle<()>,
}

/// A worker whose thread waits to be started, and ends if that never happens.
struct Prepared {
    running: Running,
    start: mpsc::SyncSender<Vec<JoinHandle<()>>>,
}

impl Prepared {
    /// Starts it once those before it have ended: no two may have one cursor.
    fn start(self, before: Vec<JoinHandle<()>>) -> Running {
        // Its thread waits for nothing else.
        let _ = self.start.send(before);
        self.running
    }
}

impl Workers {
    /// Starts a worker for each processor; `registered` are those made in code.
    pub(super) fn start(
        shared: Shared,
        begin: Begin,
        registered: Vec<(String, Factory)>,
        config: &Config,
    ) -> Result<Workers, StartError> {
        let mut prepared = Vec::new();
        for entry in &config.processors {
            let worker = shared.of_entry(entry, config, begin)?;
            worker.mark_begin();
            prepared.push(prepare(worker, entry.kind.stop_time())?);
        }
        for (name, factory) in registered {
            let progress = Arc::new(shared.metrics.progress(&name));
            let worker = shared.worker(&name, (factory, progress), config, begin.end)?;
            worker.mark_begin();
            prepared.push(prepare(worker, Duration::ZERO)?);
        }
        let running = prepared.into_iter().map(|one| one.start(Vec::new()));
        let state = State {
            running: running.collect(),
            leaving: Vec::new(),
        };
        let list = WorkerList::default();
        list.set(state.progress());
        Ok(Workers {
            shared,
            state: Mutex::new(state),
            list,
        })
    }

    /// Goes over from one configuration to another. Where that fails, nothing was changed.
    ///
    /// # Errors
    /// If a worker cannot be started.
    pub(super) fn reload(&self, old: &Config, new: &Config) -> Result<Changes, StartError> {
        let mut state = self.state();
        let mut changes = Changes::between(old, new);
        let begin = Begin::of(&self.shared.reader);
        let mut prepared = Vec::new();
        // All that can fail comes first.
        for entry in new
            .processors
            .iter()
            .filter(|entry| changes.starts(&entry.name))
        {
            let worker = self.shared.of_entry(entry, new, begin)?;
            let before = state.running.iter().find(|one| one.name == entry.name);
            let done = before.map_or(worker.from, |one| one.progress.done.load(Ordering::Relaxed));
            worker.progress.done.store(done, Ordering::Relaxed);
            worker.progress.passed.store(done, Ordering::Relaxed);
            prepared.push((prepare(worker, entry.kind.stop_time())?, entry));
        }
        // Some may not have ended since the last reload.
        let mut stopped = std::mem::take(&mut state.leaving);
        let mut going_on = Vec::new();
        for one in std::mem::take(&mut state.running) {
            if changes.stops(&one.name) {
                one.control.stop();
                stopped.push(one);
                continue;
            }
            if !new.processors.iter().any(|entry| entry.name == one.name) {
                changes.note_registered(&one.name, old, new);
            }
            if changes.reroutes(&one.name) {
                one.control
                    .update(self.shared.update(&one.name, &one.progress, new));
            }
            going_on.push(one);
        }
        for (one, entry) in prepared {
            let names = [Some(&entry.name), entry.cursor.as_ref()];
            let is_before = |one: &mut Running| names.contains(&Some(&one.name));
            let before = stopped.extract_if(.., is_before);
            going_on.push(one.start(before.map(|one| one.thread).collect()));
        }
        let place = |one: &Running| {
            new.processors
                .iter()
                .position(|entry| entry.name == one.name)
        };
        going_on.sort_by_key(|one| place(one).unwrap_or(usize::MAX));
        state.running = going_on;
        stopped.retain(|one| !one.thread.is_finished());
        state.leaving = stopped;
        self.list.set(state.progress());
        Ok(changes)
    }

    /// Whether all have ended.
    pub(super) fn are_finished(&self) -> bool {
        self.state().all().all(|one| one.thread.is_finished())
    }

    /// Waits for those that may take some time to end once the daemon stops at once.
    pub(super) fn wait_aborted(&self, wait: impl Fn(Duration, &dyn Fn() -> bool)) {
        for one in self.state().all() {
            wait(one.stop_time, &|| one.thread.is_finished());
        }
    }

    /// The name of each, and how many records before `end` it has not dealt with.
    pub(super) fn finish(&self, end: u64) -> Vec<(String, u64)> {
        let mut left = Vec::new();
        for one in std::mem::take(&mut self.state().running) {
            // Trees that wait do so again after the next start.
            let passed = one.progress.passed.load(Ordering::Relaxed);
            left.push((one.name.clone(), end.saturating_sub(passed)));
            // A thread that hangs in its destination is left behind; the process ends soon.
            if one.thread.is_finished() && one.thread.join().is_err() {
                tracing::error!(processor = one.name, "the worker has panicked");
            }
        }
        left
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn all(&self) -> impl Iterator<Item = &Running> {
        self.running.iter().chain(&self.leaving)
    }

    fn progress(&self) -> Vec<(String, Arc<Progress>)> {
        let running = self.running.iter();
        running
            .map(|one| (one.name.clone(), Arc::clone(&one.progress)))
            .collect()
    }
}

impl Shared {
    /// The worker of a processor of the configuration.
    fn of_entry(&self, entry: &Entry, config: &Config, begin: Begin) -> Result<Worker, StartError> {
        let mut progress = self.metrics.progress(&entry.name);
        let trees = entry.trees.as_ref().map(|config| {
            let counters = Arc::new(self.metrics.trees(&entry.name));
            progress.trees = Some(Arc::clone(&counters));
            Setup {
                config: config.clone(),
                reader: self.reader.clone(),
                own_records: Some(Arc::clone(&self.own_records)),
                keeps_numbers: entry.kind.looks_up(),
                counters,
            }
        });
        let progress = Arc::new(progress);
        let factory = self.factory(entry, config, &progress);
        let from = match entry.from {
            StartAt::Start => begin.first,
            StartAt::End => begin.end,
        };
        let predecessor = entry.cursor.as_deref();
        Ok(Worker {
            batch: entry.batch.clone(),
            retry: entry.retry.clone(),
            trees,
            successor_of: predecessor
                .map(|name| self.reader.consumer(name))
                .transpose()?,
            ..self.worker(&entry.name, (factory, progress), config, from)?
        })
    }

    fn worker(
        &self,
        name: &str,
        (factory, progress): (Factory, Arc<Progress>),
        config: &Config,
        from: u64,
    ) -> Result<Worker, StartError> {
        Ok(Worker {
            name: name.to_owned(),
            factory,
            route: route(config.router(name)),
            outgoing: config.outgoing(name),
            reader: self.reader.clone(),
            consumer: self.reader.consumer(name)?,
            from,
            successor_of: None,
            trees: None,
            batch: Default::default(),
            retry: Default::default(),
            threads: Arc::clone(&self.threads),
            own_records: Arc::clone(&self.own_records),
            progress,
            shutdown: self.shutdown.clone(),
            control: Control::default(),
        })
    }

    /// Makes the processor.
    fn factory(&self, entry: &Entry, config: &Config, progress: &Arc<Progress>) -> Factory {
        let progress = Arc::clone(progress);
        let (router, outgoing) = (config.router(&entry.name), config.outgoing(&entry.name));
        let (name, kind) = (entry.name.clone(), entry.kind.clone());
        let (reader, metrics) = (self.reader.clone(), self.metrics.clone());
        let (runtime, shutdown) = (self.runtime.clone(), self.shutdown.clone());
        let (levels, threads) = (Arc::clone(&self.levels), Arc::clone(&self.threads));
        Box::new(move |token: Option<&Token>| {
            kind.open(Start {
                name: &name,
                token,
                reader: &reader,
                router: &router,
                outgoing: &outgoing,
                progress: &progress,
                metrics: &metrics,
                levels: &levels,
                threads: &threads,
                runtime: &runtime,
                shutdown: &shutdown,
            })
        })
    }

    /// The rules of another configuration, for a processor that goes on.
    fn update(&self, name: &str, progress: &Arc<Progress>, config: &Config) -> Update {
        let mut entries = config.processors.iter();
        let entry = entries.find(|entry| entry.name == name && entry.kind.knows_rules());
        Update {
            factory: entry.map(|entry| self.factory(entry, config, progress)),
            route: route(config.router(name)),
            outgoing: config.outgoing(name),
        }
    }
}

fn route(router: Router) -> Route {
    Box::new(move |record| router.takes(record))
}

/// A thread for a worker.
fn prepare(worker: Worker, stop_time: Duration) -> Result<Prepared, StartError> {
    let (start, started) = mpsc::sync_channel::<Vec<JoinHandle<()>>>(1);
    let (name, progress) = (worker.name.clone(), Arc::clone(&worker.progress));
    let control = worker.control.clone();
    let thread = std::thread::Builder::new()
        .name(name.clone())
        .spawn(move || {
            let Ok(before) = started.recv() else { return };
            for thread in before {
                if thread.join().is_err() {
                    tracing::error!(processor = worker.name, "the worker before it has panicked");
                }
            }
            worker.run();
        })?;
    Ok(Prepared {
        running: Running {
            name,
            progress,
            control,
            stop_time,
            thread,
        },
        start,
    })
}
