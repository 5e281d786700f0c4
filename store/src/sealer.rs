//! The threads that seal segments and save checkpoints, so that appends do not wait for either. One of low priority
//! makes columns (`columns_thread.rs`); the other one, here, makes rows where too many segments wait, and saves what is
//! to be saved.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvError, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::age_clock::Reading;
use super::backlog::Full;
use super::checkpoint::Checkpoint;
use super::columns_thread;
use super::error::FileError;
use super::seal_full::seal_full;
use super::state::Shared;
use super::stats::add;

enum Job {
    /// Look whether segments are to be sealed as rows.
    Rows,
    Checkpoint(Checkpoint),
    Clock(Reading),
}

/// Where the last saved checkpoint stands, see [`Checkpoint::order`].
type Saved = Arc<Mutex<(u64, u64, u64)>>;

/// The sealing threads, owned by the store.
pub(super) struct Sealer {
    jobs: Option<Sender<Job>>,
    /// Wakes the thread that makes columns.
    columns: Option<Sender<()>>,
    threads: Vec<JoinHandle<()>>,
    saved: Saved,
}

impl Sealer {
    pub(super) fn start(shared: &Arc<Shared>, saved: (u64, u64, u64)) -> io::Result<Self> {
        let (jobs, queue) = channel();
        let saved = Arc::new(Mutex::new(saved));
        let (columns, woken) = channel();
        let thread = |name: &str| std::thread::Builder::new().name(name.into());
        let of_columns = {
            let shared = Arc::clone(shared);
            thread("store-columns").spawn(move || columns_thread::run(&shared, &woken))?
        };
        let of_rows = {
            let (shared, saved) = (Arc::clone(shared), Arc::clone(&saved));
            let columns = columns.clone();
            thread("store-seal").spawn(move || run(&shared, &saved, &queue, &columns))?
        };
        Ok(Self {
            jobs: Some(jobs),
            columns: Some(columns),
            threads: vec![of_rows, of_columns],
            saved,
        })
    }

    /// Has a full segment sealed.
    pub(super) fn seal(&self, shared: &Shared, full: Full) {
        shared.update(|state| state.backlog.add(full));
        self.wake();
        if let Some(columns) = &self.columns {
            let _ = columns.send(());
        }
    }

    /// Has the thread that makes rows look whether some are to be made.
    pub(super) fn wake(&self) {
        self.send(Job::Rows);
    }

    /// Has a checkpoint saved, some time.
    pub(super) fn checkpoint(&self, checkpoint: Checkpoint) {
        // A checkpoint that is not saved makes the next recovery longer, and nothing else.
        self.send(Job::Checkpoint(checkpoint));
    }

    /// Has the clock saved, some time.
    pub(super) fn save_clock(&self, reading: Reading) {
        self.send(Job::Clock(reading));
    }

    /// Saves a checkpoint now.
    pub(super) fn checkpoint_now(
        &self,
        shared: &Shared,
        checkpoint: &Checkpoint,
    ) -> Result<(), FileError> {
        save(shared, &self.saved, checkpoint)
    }

    /// Where the last saved checkpoint stands, see [`Checkpoint::order`].
    pub(super) fn saved(&self) -> (u64, u64, u64) {
        *self.saved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            // Nobody is there any more when the store is closed.
            let _ = jobs.send(job);
        }
    }

    /// Ends the threads. A segment being sealed is left as it was.
    pub(super) fn stop(&mut self, shared: &Shared) {
        shared.update(|_| shared.stopping.store(true, Ordering::Relaxed));
        (self.jobs, self.columns) = (None, None);
        for thread in self.threads.drain(..) {
            // It panics never; if it did, the segments wait for the next start.
            let _ = thread.join();
        }
        // Nobody else writes a segment now.
        let _left = shared.rewriting.lock();
    }
}

fn run(shared: &Shared, saved: &Saved, queue: &Receiver<Job>, columns: &Sender<()>) {
    let mut has_sealed = false;
    loop {
        // Between two segments, so that checkpoints are saved however many there are.
        let job = match has_sealed {
            true => match queue.try_recv() {
                Ok(job) => job,
                Err(TryRecvError::Empty) => Job::Rows,
                Err(TryRecvError::Disconnected) => return,
            },
            false => match queue.recv() {
                Ok(job) => job,
                Err(RecvError) => return,
            },
        };
        match job {
            Job::Rows => {}
            Job::Checkpoint(checkpoint) => {
                if save(shared, saved, &checkpoint).is_err() {
                    add(&shared.counters.write_errors, 1);
                }
            }
            Job::Clock(reading) => {
                if reading.save(&*shared.layer, &shared.dir).is_err() {
                    add(&shared.counters.write_errors, 1);
                }
            }
        }
        has_sealed = seal_as_rows(shared, columns);
    }
}

/// Seals a segment as rows if one must not wait for columns; whether there was one.
fn seal_as_rows(shared: &Shared, columns: &Sender<()>) -> bool {
    if shared.stopping.load(Ordering::Relaxed) {
        return false;
    }
    let before = shared.close_before.load(Ordering::Relaxed);
    let is_short = shared.is_short_of_room();
    let taken = shared.update(|state| state.backlog.take_for_rows(before, is_short));
    let Some((full, effort)) = taken else {
        return false;
    };
    seal_full(shared, &full, effort);
    let _ = columns.send(());
    true
}

fn save(shared: &Shared, saved: &Saved, checkpoint: &Checkpoint) -> Result<(), FileError> {
    let mut saved = saved.lock().unwrap_or_else(PoisonError::into_inner);
    // One that waited in the queue must not replace a later one.
    let at = checkpoint.order();
    if at < *saved {
        return Ok(());
    }
    checkpoint.save(&*shared.layer, &shared.dir)?;
    *saved = at;
    Ok(())
}
