//! The file of a ring that outlives its process.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use distlog_spool::{LiveSpool, SpoolError};

/// The file, beside the map of it. What is asked for here is asked for seldom, and never by a log call, except for a
/// new callsite.
pub(super) struct Spool {
    path: PathBuf,
    /// `None` once it is removed.
    file: Mutex<Option<LiveSpool>>,
    /// Whether the file was seen to be shorter than it was made.
    cut: AtomicBool,
    /// The kinds of faults that were returned.
    told: AtomicU8,
}

/// The memory was taken away.
const TAKEN: u8 = 1;
/// The file is not in its place.
const REMOVED: u8 = 2;
const OTHER: u8 = 4;

impl Spool {
    pub(super) fn new(file: LiveSpool) -> Spool {
        Spool {
            path: file.path().to_owned(),
            file: Mutex::new(Some(file)),
            cut: AtomicBool::new(false),
            told: AtomicU8::new(0),
        }
    }

    /// Whether the file was seen to be shorter than it was made.
    pub(super) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }

    /// Writes a callsite down, so that it is there for whoever recovers the records that name it.
    pub(super) fn keep_callsite(&self, id: u32, encoded: &[u8]) -> Result<(), SpoolError> {
        match &*self.lock() {
            Some(file) => self.note(file.append_callsite(id, encoded)),
            None => Ok(()),
        }
    }

    /// A fault of the file that was not returned yet. `hit`: some of its memory was taken away.
    pub(super) fn check(&self, hit: bool) -> Option<SpoolError> {
        let found = self.note(self.lock().as_ref()?.check());
        let first = |kind| self.told.fetch_or(kind, Ordering::Relaxed) & kind == 0;
        match found {
            Err(error) if first(kind(&error)) => Some(error),
            // The file has its length: its disk failed, or it was cut off and is long again.
            _ if hit && first(TAKEN) => Some(SpoolError::File {
                action: "use the memory of",
                path: self.path.clone(),
                source: io::Error::other(
                    "some of it was taken away (the disk failed, or the file was cut off); what is not sent does not \
                     outlive this process",
                ),
            }),
            _ => None,
        }
    }

    /// Deletes the file, in which nothing is needed any more. The ring goes on without.
    pub(super) fn remove(&self) -> Result<(), SpoolError> {
        let mut file = self.lock();
        if let Some(file) = &*file {
            file.remove()?;
        }
        *file = None;
        Ok(())
    }

    fn note(&self, result: Result<(), SpoolError>) -> Result<(), SpoolError> {
        if let Err(SpoolError::Truncated { .. }) = result {
            self.cut.store(true, Ordering::Relaxed);
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, Option<LiveSpool>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn kind(error: &SpoolError) -> u8 {
    match error {
        SpoolError::Truncated { .. } => TAKEN,
        SpoolError::Removed { .. } => REMOVED,
        _ => OTHER,
    }
}
