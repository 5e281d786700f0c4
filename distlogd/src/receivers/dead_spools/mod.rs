//! The receiver for dead spools: stores what dead processes left in their spools as if they had sent it.
//!
//! `import.rs` stores one spool; here is the thread that looks into the directories of the configuration. The command
//! line does the same once (`--drain`).

mod import;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use distlog_spool::{SpoolDir, SpoolError};

use crate::config::Drain;
use crate::receiver::{Endpoint, Receiver, ReceiverContext};
use crate::self_telemetry::OncePerKey;
use crate::shutdown::Waker;

pub(crate) use import::{ImportError, SpoolImporter};

const DEAD_SPOOLS: &str = "dead_spools";
/// How often the directories are read.
const POLL_INTERVAL: Duration = Duration::from_secs(10);
/// Different faults that are reported.
const MAX_FAULTS: usize = 10_000;

/// The receiver for dead spools.
pub(super) struct DeadSpools {
    directories: Vec<Drain>,
    thread: Option<JoinHandle<()>>,
}

impl DeadSpools {
    pub(super) fn new(directories: Vec<Drain>) -> DeadSpools {
        DeadSpools {
            directories,
            thread: None,
        }
    }
}

impl Receiver for DeadSpools {
    fn endpoints(&self) -> Vec<Endpoint> {
        Vec::new()
    }

    fn start(&mut self, context: ReceiverContext) -> io::Result<()> {
        let poller = Poller {
            directories: std::mem::take(&mut self.directories),
            importer: SpoolImporter {
                intake: context.intake.clone(),
                liveness: Arc::clone(&context.liveness),
                drops: context.drops.clone(),
                shutdown: context.shutdown.clone(),
            },
            waker: context.shutdown.waker()?,
            context,
            faults: OncePerKey::new(MAX_FAULTS),
        };
        let thread = std::thread::Builder::new().name("dead spools".into());
        self.thread = Some(thread.spawn(move || poller.run())?);
        Ok(())
    }

    fn is_stopped(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    fn wait(&mut self) {
        if self
            .thread
            .take()
            .is_some_and(|thread| thread.join().is_err())
        {
            tracing::error!("the thread that stores dead spools has panicked");
        }
    }
}

struct Poller {
    directories: Vec<Drain>,
    importer: SpoolImporter,
    waker: Arc<Waker>,
    context: ReceiverContext,
    /// Each is reported once while it lasts.
    faults: OncePerKey,
}

impl Poller {
    fn run(mut self) {
        while !self.context.is_stopping() {
            self.poll();
            self.waker.wait(POLL_INTERVAL);
        }
    }

    fn poll(&mut self) {
        for directory in self.directories.clone() {
            match self.directory(&directory) {
                Ok(()) => {}
                Err(ImportError::Closed) => return,
                Err(error) => self.fault(&error),
            }
        }
        let failing = self.faults.retain_seen() as u64;
        self.context.metrics.dead_spools_failing.set(failing);
    }

    fn directory(&mut self, drain: &Drain) -> Result<(), ImportError> {
        for dead in open_directory(drain)?.dead()? {
            let imported = match dead {
                Ok(dead) => self.importer.import(dead),
                // Another process has taken it.
                Err(SpoolError::Removed { .. }) => continue,
                Err(error) => Err(error.into()),
            };
            match imported {
                Ok(imported) => {
                    self.context.metrics.dead_spools_drained.inc();
                    self.context.accepted(DEAD_SPOOLS, "B", imported.records);
                    tracing::info!("stored the spool of a dead process: {imported}");
                }
                Err(ImportError::Closed) => return Err(ImportError::Closed),
                Err(error) => self.fault(&error),
            }
        }
        Ok(())
    }

    fn fault(&mut self, error: &ImportError) {
        if self.faults.report(error.to_string()) {
            tracing::warn!("{error}");
        }
    }
}

/// Opens a directory of spools. One that does not exist is not made: it would have the wrong owner.
///
/// # Errors
/// If it does not exist or cannot be read.
pub(crate) fn open_directory(drain: &Drain) -> Result<SpoolDir, ImportError> {
    let Drain { path, owners } = drain;
    if !path.exists() {
        return Err(ImportError::NoDirectory(path.clone()));
    }
    Ok(SpoolDir::open(path)?.with_owners(owners.iter().copied()))
}
