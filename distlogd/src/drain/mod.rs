//! Takes what dead processes left in their spools, and stores it as if they had sent it.
//!
//! `take.rs` takes one file; here is the thread that looks into the directories of the configuration. The command line
//! does the same once (`cli/drain.rs`).

mod take;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use distlog_spool::{SpoolDir, SpoolError};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

pub use take::{Store, TakeError, Taken};

/// How often it is looked for spools.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Looks for spools, in a thread.
#[derive(Debug)]
pub struct Drain {
    /// Dropped, it ends the thread.
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Drain {
    /// Begins to look into the directories.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(
        directories: Vec<PathBuf>,
        store: Store,
        registry: &mut Registry,
    ) -> std::io::Result<Drain> {
        let (stop, stopped) = channel();
        let looker = Looker {
            directories,
            store,
            counts: Counts::new(registry),
            told: HashMap::new(),
        };
        let thread = std::thread::Builder::new()
            .name("drain".into())
            .spawn(move || looker.run(&stopped))?;
        Ok(Drain { stop, thread })
    }

    /// Tells it to end; gives what waits for that.
    pub fn stop(self) -> JoinHandle<()> {
        drop(self.stop);
        self.thread
    }
}

#[derive(Debug, Default)]
struct Counts {
    spools: Counter,
    records: Counter,
    left: Gauge<u64, AtomicU64>,
}

impl Counts {
    fn new(registry: &mut Registry) -> Counts {
        let counts = Counts::default();
        registry.register(
            "distlogd_drained_spools",
            "Spools of dead processes that were stored and removed",
            counts.spools.clone(),
        );
        registry.register(
            "distlogd_drained_records",
            "Records stored from spools of dead processes",
            counts.records.clone(),
        );
        registry.register(
            "distlogd_drain_failing",
            "Spools and directories of `drain` that cannot be taken, at the last look",
            counts.left.clone(),
        );
        counts
    }
}

struct Looker {
    directories: Vec<PathBuf>,
    store: Store,
    counts: Counts,
    /// What is wrong, and whether it was seen at this look: each trouble is told once.
    told: HashMap<String, bool>,
}

impl Looker {
    fn run(mut self, stopped: &Receiver<()>) {
        loop {
            self.look();
            match stopped.recv_timeout(LOOK_EVERY) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn look(&mut self) {
        self.told.values_mut().for_each(|seen| *seen = false);
        for directory in self.directories.clone() {
            match self.directory(&directory) {
                Ok(()) => {}
                Err(TakeError::Closed) => return,
                Err(error) => self.trouble(&error),
            }
        }
        self.told.retain(|_, seen| *seen);
        self.counts.left.set(self.told.len() as u64);
    }

    fn directory(&mut self, path: &Path) -> Result<(), TakeError> {
        for dead in found(path)?.dead()? {
            let taken = match dead {
                Ok(dead) => self.store.take(dead),
                // Somebody else was faster.
                Err(SpoolError::Removed { .. }) => continue,
                Err(error) => Err(error.into()),
            };
            match taken {
                Ok(taken) => {
                    self.counts.spools.inc();
                    self.counts.records.inc_by(taken.records);
                    tracing::info!("took what a dead process left: {taken}");
                }
                Err(TakeError::Closed) => return Err(TakeError::Closed),
                Err(error) => self.trouble(&error),
            }
        }
        Ok(())
    }

    fn trouble(&mut self, error: &TakeError) {
        if self.told.insert(error.to_string(), true).is_none() {
            tracing::warn!("{error}");
        }
    }
}

/// A directory of spools that is there. One that is not is not made: it would be somebody else's then.
///
/// # Errors
/// If it is not there, or not to be read.
pub fn found(path: &Path) -> Result<SpoolDir, TakeError> {
    if !path.exists() {
        return Err(TakeError::NoDirectory(path.to_owned()));
    }
    Ok(SpoolDir::open(path)?)
}
