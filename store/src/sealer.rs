//! The threads that seal segments and save checkpoints, so that appends do not wait for either. One makes columns, when
//! nothing else is to be done (`columns_thread.rs`); the other one, here, makes rows where too many segments wait.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
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
    /// One more segment waits.
    Seal,
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
        let patient = {
            let shared = Arc::clone(shared);
            thread("store-columns").spawn(move || columns_thread::run(&shared, &woken))?
        };
        let hurried = {
            let (shared, saved) = (Arc::clone(shared), Arc::clone(&saved));
            let columns = columns.clone();
            thread("store-seal").spawn(move || run(&shared, &saved, &queue, &columns))?
        };
        Ok(Self {
            jobs: Some(jobs),
            columns: Some(columns),
            threads: vec![hurried, patient],
            saved,
        })
    }

    /// Has a full segment sealed.
    pub(super) fn seal(&self, shared: &Shared, full: Full) {
        shared.update(|state| state.backlog.add(full));
        self.send(Job::Seal);
        if let Some(columns) = &self.columns {
            let _ = columns.send(());
        }
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

    fn send(&self, job: Job) -> bool {
        self.jobs
            .as_ref()
            .is_some_and(|jobs| jobs.send(job).is_ok())
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
    while let Ok(job) = queue.recv() {
        match job {
            Job::Seal => {
                while !shared.stopping.load(Ordering::Relaxed)
                    && let Some((full, effort)) =
                        shared.update(|state| state.backlog.take_in_a_hurry())
                {
                    seal_full(shared, &full, effort);
                    let _ = columns.send(());
                }
            }
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
    }
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
