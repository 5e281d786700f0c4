//! Deletes records for good: those of a trace, or those that match a condition.
//!
//! A deletion is on a list in the store's directory before its request is answered. From then on no reader of the
//! store gets its records, so they are in no answer. Then a thread has the segments that hold them closed, sealed and
//! written anew without them; when no file has them any more, the deletion is struck from the list. After a crash it
//! goes on with what is on the list.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use distlog_proto::TraceId;
use distlog_proto::wire::{trace_ids, without_records};
use distlog_rules::Condition;
use distlog_store::{Batch, ChangeFn, Eraser, FileError, Reader, Removal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::intake::now;
use crate::query::is_within;
use crate::self_telemetry::RateLimited;
use crate::tree::paint::HumanDuration;

/// Deletions at once. Readers look at each record for each of them.
const MAX_PENDING: usize = 32;
/// How long the thread waits for segments to be sealed before it looks whether the daemon stops.
const SEALING: Duration = Duration::from_millis(500);
/// What failed is tried again after this time.
const RETRY: Duration = Duration::from_secs(5);
/// How much the thread stands back: see `nice(1)`.
const NICE: i32 = 15;

/// Which records are deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// Those of a trace.
    Trace(String),
    /// Those that match a condition, of a span of time in ns since the epoch.
    Matching {
        /// In CEL.
        filter: String,
        /// From this time on.
        from: u64,
        /// Before this time; `u64::MAX`: all that were stored, of any time.
        to: u64,
    },
}

/// A deletion that is not through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Deletion {
    /// Its number.
    pub id: u64,
    /// Which records.
    #[serde(flatten)]
    pub which: Which,
    /// When it was asked for, in ns since the epoch.
    pub asked_ns: u64,
    /// Only records with lower numbers: those that were stored then.
    pub before: u64,
    /// Records that it deletes, as they were counted when it was asked for.
    pub records: u64,
    /// Whether there was time to count all.
    #[serde(default)]
    pub complete: bool,
    /// Records that are out of the files so far.
    #[serde(default)]
    pub erased_records: u64,
}

/// Why nothing is deleted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not known what to delete.
    #[error("{0}")]
    Wrong(String),
    /// There are too many.
    #[error(
        "{MAX_PENDING} deletions are not through: wait for one of them (`distlogd status` shows them)"
    )]
    TooMany,
    /// The list cannot be read or written.
    #[error("{0}")]
    File(#[from] FileError),
    /// The list is not what was written.
    #[error(
        "the list of deletions in the store cannot be read: {0}; repair or remove the file `deletions`, and delete again \
         what was to be deleted"
    )]
    List(String),
}

struct Pending {
    deletion: Deletion,
    removal: Removal,
}

/// What is on the list of a store.
fn listed(eraser: &Eraser) -> Result<Vec<Pending>, Error> {
    let list = eraser.list()?;
    let list: Vec<Deletion> = match &*list {
        [] => Vec::new(),
        list => serde_json::from_slice(list).map_err(|e| Error::List(e.to_string()))?,
    };
    let pending = list.into_iter().map(|deletion| {
        let removal = removal(&deletion).map_err(|e| Error::List(e.to_string()))?;
        Ok(Pending { deletion, removal })
    });
    pending.collect()
}

/// What is being deleted.
pub struct Deletions {
    eraser: Eraser,
    reader: Reader,
    /// In the order in which they were asked for.
    pending: Mutex<Vec<Pending>>,
    /// How many were asked for since the daemon began.
    asked: AtomicU64,
    /// The thread runs.
    running: AtomicBool,
}

impl Deletions {
    /// Goes on with what is on the list. To be called before anybody reads the store.
    ///
    /// # Errors
    /// If the list cannot be read: what it says must not be shown.
    pub fn open(reader: Reader, eraser: Eraser) -> Result<Arc<Deletions>, Error> {
        let pending = listed(&eraser)?;
        let deletions = Arc::new(Deletions {
            eraser,
            reader,
            asked: AtomicU64::new(0),
            running: AtomicBool::new(false),
            pending: Mutex::new(Vec::new()),
        });
        deletions.leave_out(&pending);
        let begins = !pending.is_empty();
        *deletions.lock() = pending;
        if begins {
            deletions.begin();
        }
        Ok(deletions)
    }

    /// Readers leave out what is on the list, and nothing is deleted: for who only reads a store.
    ///
    /// # Errors
    /// As [`Deletions::open`].
    pub fn leave_out_listed(reader: &Reader, eraser: &Eraser) -> Result<(), Error> {
        let pending = listed(eraser)?.into_iter();
        reader.leave_out(pending.map(|pending| pending.removal).collect());
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Pending>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that are not through.
    pub fn pending(&self) -> Vec<Deletion> {
        let pending = self.lock();
        pending.iter().map(|p| p.deletion.clone()).collect()
    }

    /// How many took effect since the daemon began.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// Deletes what is stored now: so many records, or more if not all were counted. When this returns no reader gets
    /// them any more, also after a crash.
    ///
    /// # Errors
    /// If the condition is wrong, too much is being deleted, or the list cannot be written. Then nothing is deleted.
    pub fn delete(
        self: &Arc<Deletions>,
        which: Which,
        (records, complete): (u64, bool),
    ) -> Result<Deletion, Error> {
        let mut pending = self.lock();
        if pending.len() >= MAX_PENDING {
            return Err(Error::TooMany);
        }
        let asked_ns = now();
        let newest = pending.iter().map(|p| p.deletion.id).max();
        let deletion = Deletion {
            id: newest.map_or(asked_ns, |newest| asked_ns.max(newest + 1)),
            which,
            asked_ns,
            before: self.reader.end(),
            records,
            complete,
            erased_records: 0,
        };
        let removal = removal(&deletion)?;
        pending.push(Pending {
            deletion: deletion.clone(),
            removal,
        });
        if let Err(error) = self.save(&pending) {
            pending.pop();
            return Err(error.into());
        }
        self.leave_out(&pending);
        self.asked.fetch_add(1, Ordering::Relaxed);
        drop(pending);
        tracing::info!(
            "deleting {}: readers leave it out, the files follow",
            deletion.which.said()
        );
        self.begin();
        Ok(deletion)
    }

    /// An empty list leaves no file.
    fn save(&self, pending: &[Pending]) -> Result<(), FileError> {
        if pending.is_empty() {
            return self.eraser.save(b"");
        }
        let list: Vec<&Deletion> = pending.iter().map(|p| &p.deletion).collect();
        // Strings and numbers can always be written.
        let list = serde_json::to_vec(&list).unwrap_or_default();
        self.eraser.save(&list)
    }

    fn leave_out(&self, pending: &[Pending]) {
        let removals = pending.iter().map(|p| p.removal.clone());
        self.reader.leave_out(removals.collect());
    }

    /// Begins the thread, unless it runs. It ends when nothing is left to do.
    fn begin(self: &Arc<Deletions>) {
        if self.running.swap(true, Ordering::AcqRel) {
            return;
        }
        let deletions = Arc::clone(self);
        let thread = std::thread::Builder::new().name("deletions".into());
        if let Err(error) = thread.spawn(move || deletions.run()) {
            self.running.store(false, Ordering::Release);
            tracing::error!(
                "the system gives no thread to delete records: {error}; restart the daemon"
            );
        }
    }

    fn run(self: Arc<Deletions>) {
        // On Linux the priority is that of this thread alone.
        if let Err(error) = rustix::process::nice(NICE) {
            tracing::debug!("records are deleted with the priority of the daemon: {error}");
        }
        let mut failing = RateLimited::once();
        while !self.eraser.is_stopped() {
            let next = {
                let pending = self.lock();
                let next = pending.first();
                let next = next.map(|next| (next.deletion.clone(), next.removal.clone()));
                if next.is_none() {
                    // Under the lock, so that one that is added now finds no thread and begins one.
                    self.running.store(false, Ordering::Release);
                }
                next
            };
            let Some((deletion, removal)) = next else {
                return;
            };
            match self.erase(&deletion, &removal) {
                Ok(()) => _ = failing.over(),
                // It goes on at the next start.
                Err(_) if self.eraser.is_stopped() => {}
                Err(error) => {
                    if failing.report(1).is_some() {
                        tracing::warn!("records cannot be deleted yet, it is tried again: {error}");
                    }
                    self.reader.wait_closed(RETRY);
                }
            }
        }
        self.running.store(false, Ordering::Release);
    }

    /// Takes the records out of the files, and strikes the deletion from the list.
    fn erase(&self, deletion: &Deletion, removal: &Removal) -> Result<(), FileError> {
        while !self.eraser.seal_before(deletion.before, SEALING) {
            if self.eraser.is_stopped() {
                return Ok(());
            }
        }
        self.eraser.erase(removal, |removed| {
            let mut pending = self.lock();
            if let Some(first) = pending.first_mut() {
                first.deletion.erased_records += removed;
            }
            // A count that is not saved is lost in a crash, and nothing else.
            let _ = self.save(&pending);
        })?;
        if self.eraser.is_stopped() {
            return Ok(());
        }
        let mut pending = self.lock();
        let Some(at) = pending.iter().position(|p| p.deletion.id == deletion.id) else {
            return Ok(());
        };
        let done = pending.remove(at);
        if let Err(error) = self.save(&pending) {
            pending.insert(at, done);
            return Err(error);
        }
        self.leave_out(&pending);
        let records = done.deletion.erased_records;
        let plural = if records == 1 { "" } else { "s" };
        let age = HumanDuration(now().saturating_sub(deletion.asked_ns));
        tracing::info!(
            "deleted {}: {records} record{plural}, no file of the store has them any more, {age} after it was asked for",
            deletion.which.said(),
        );
        Ok(())
    }
}

impl Which {
    /// For the log and for people. It does not tell what is to be forgotten.
    pub fn said(&self) -> String {
        match self {
            Which::Trace(id) => format!("the records of trace {id}"),
            Which::Matching { .. } => "the records that match a condition".to_owned(),
        }
    }
}

/// How the records of a deletion are taken out of batches.
fn removal(deletion: &Deletion) -> Result<Removal, Error> {
    let change: ChangeFn = match &deletion.which {
        Which::Trace(id) => {
            let wrong = |error: &dyn std::fmt::Display| Error::Wrong(format!("`trace`: {error}"));
            let id: TraceId = id.parse().map_err(|e| wrong(&e))?;
            Arc::new(move |_, bytes| without_trace(id, bytes))
        }
        Which::Matching { filter, from, to } => {
            let wrong = |fault| Error::Wrong(format!("`filter`: {fault}"));
            let condition = Condition::compile(filter).map_err(wrong)?;
            let (from, to) = (*from, *to);
            let change = move |head: &Batch, bytes: &[u8]| {
                without_records(bytes, |record| {
                    let time = record.time_or(head.received);
                    is_within(time, from, to) && condition.matches(record)
                })
            };
            Arc::new(change)
        }
    };
    Ok(Removal {
        before: deletion.before,
        change,
    })
}

fn without_trace(id: TraceId, bytes: &[u8]) -> Option<(Vec<u8>, u64)> {
    let mut has = false;
    trace_ids(bytes, &mut |found| has |= found == id);
    if !has {
        return None;
    }
    without_records(bytes, |record| record.is_of_trace(id))
}
