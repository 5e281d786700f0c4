//! The threads that queries run on: one for each core, with low priority, so that what comes in goes first. They take
//! a piece of each query by turns.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use distlog_store::BlockBuffer;

use super::QueryError;

/// So many queries run at once, the others wait.
const MAX_RUNNING: usize = 16;
/// So many queries wait; more are refused.
const MAX_WAITING: usize = 64;
/// How much the threads stand back: see `nice(1)`.
const NICE: i32 = 15;

/// What the threads work on.
pub trait Job: Send + Sync {
    /// Works on one piece; false if no more is to be begun.
    fn step(&self, thread: usize, buffer: &mut BlockBuffer) -> bool;
    /// Whether somebody waits for the answer.
    fn is_wanted(&self) -> bool;
}

/// The threads. Dropping it ends them.
pub struct Pool {
    threads: usize,
    queue: Arc<Queue>,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The first one gets the next thread.
    running: VecDeque<Arc<dyn Job>>,
    waiting: VecDeque<Arc<dyn Job>>,
    started: bool,
    closed: bool,
}

impl Pool {
    /// Starts its threads when there is a job.
    pub fn new() -> Pool {
        Pool {
            threads: thread::available_parallelism().map_or(1, usize::from),
            queue: Arc::default(),
        }
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// How many jobs run, also those that nobody wants any more until their threads have left them, and how many wait
    /// for a place.
    pub fn load(&self) -> (usize, usize) {
        let state = self.queue.state();
        let wanted = state.waiting.iter().filter(|job| job.is_wanted());
        (state.running.len(), wanted.count())
    }

    /// Adds a job.
    ///
    /// # Errors
    /// If too many wait already.
    pub fn add(&self, job: Arc<dyn Job>) -> Result<(), QueryError> {
        let mut state = self.queue.state();
        if !state.started {
            self.start().map_err(QueryError::Thread)?;
            state.started = true;
        }
        if state.running.len() < MAX_RUNNING {
            state.running.push_back(job);
        } else {
            state.waiting.retain(|job| job.is_wanted());
            if state.waiting.len() >= MAX_WAITING {
                return Err(QueryError::Busy(state.waiting.len()));
            }
            state.waiting.push_back(job);
        }
        self.queue.changed.notify_all();
        Ok(())
    }

    fn start(&self) -> std::io::Result<()> {
        for number in 0..self.threads {
            let queue = Arc::clone(&self.queue);
            thread::Builder::new()
                .name(format!("query-{number}"))
                .spawn(move || queue.work(number))?;
        }
        Ok(())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.queue.state().closed = true;
        self.queue.changed.notify_all();
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, thread: usize) {
        // On Linux the priority is that of this thread alone.
        if let Err(error) = rustix::process::nice(NICE) {
            tracing::debug!("queries run with the priority of the daemon: {error}");
        }
        let mut buffer = BlockBuffer::default();
        while let Some(job) = self.next(&mut buffer) {
            let more = catch_unwind(AssertUnwindSafe(|| job.step(thread, &mut buffer)));
            // The panic is in the log, and the job tells that it has failed.
            if !more.unwrap_or(false) {
                self.remove(&job);
            }
        }
    }

    /// Waits for a job; `None` when the pool is dropped.
    fn next(&self, buffer: &mut BlockBuffer) -> Option<Arc<dyn Job>> {
        let mut state = self.state();
        loop {
            if state.closed {
                return None;
            }
            if let Some(job) = state.running.pop_front() {
                state.running.push_back(Arc::clone(&job));
                return Some(job);
            }
            // An idle pool holds no memory.
            *buffer = BlockBuffer::default();
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn remove(&self, done: &Arc<dyn Job>) {
        let mut state = self.state();
        let before = state.running.len();
        state.running.retain(|job| !Arc::ptr_eq(job, done));
        if state.running.len() < before
            && let Some(job) = state.waiting.pop_front()
        {
            state.running.push_back(job);
            self.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    /// So many pieces, each of which waits for a word.
    struct Pieces {
        name: usize,
        left: AtomicUsize,
        wanted: AtomicBool,
        go: Mutex<mpsc::Receiver<()>>,
        begun: mpsc::Sender<usize>,
    }

    impl Job for Pieces {
        fn step(&self, _: usize, _: &mut BlockBuffer) -> bool {
            let take = |left: usize| left.checked_sub(1);
            let order = Ordering::Relaxed;
            if self.left.fetch_update(order, order, take).is_err() {
                return false;
            }
            let _ = self.begun.send(self.name);
            let _ = self.go.lock().unwrap().recv();
            true
        }

        fn is_wanted(&self) -> bool {
            self.wanted.load(Ordering::Relaxed)
        }
    }

    fn pieces(
        name: usize,
        pieces: usize,
        begun: &mpsc::Sender<usize>,
    ) -> (Arc<Pieces>, mpsc::Sender<()>) {
        let (go, waits) = mpsc::channel();
        let job = Pieces {
            name,
            left: AtomicUsize::new(pieces),
            wanted: AtomicBool::new(true),
            go: Mutex::new(waits),
            begun: begun.clone(),
        };
        (Arc::new(job), go)
    }

    #[test]
    fn queries_take_turns_wait_and_are_refused() {
        let mut pool = Pool::new();
        pool.threads = 1;
        let (begun, order) = mpsc::channel();
        let (first, go) = pieces(0, 3, &begun);
        pool.add(first).unwrap();
        assert_eq!(order.recv(), Ok(0));
        let jobs: Vec<_> = (1..MAX_RUNNING + MAX_WAITING)
            .map(|name| pieces(name, 2, &begun).0)
            .collect();
        for job in &jobs {
            pool.add(Arc::clone(job) as Arc<dyn Job>).unwrap();
        }
        let late = |name| pool.add(pieces(name, 2, &begun).0);
        assert!(matches!(late(99), Err(QueryError::Busy(MAX_WAITING))));
        jobs[MAX_RUNNING].wanted.store(false, Ordering::Relaxed);
        late(100).unwrap();
        drop(go);
        let order: Vec<usize> = order.iter().take(2 * (MAX_RUNNING + MAX_WAITING)).collect();
        let running: Vec<usize> = (0..MAX_RUNNING).collect();
        assert_eq!(order[..MAX_RUNNING], running, "by turns");
        assert_eq!(order[MAX_RUNNING..2 * MAX_RUNNING], running, "by turns");
        assert!(!order.contains(&99) && !order.contains(&jobs[MAX_RUNNING].name));
        assert!(order.contains(&100));
    }

    #[test]
    fn a_job_that_panics_costs_no_thread() {
        struct Panics;
        impl Job for Panics {
            fn step(&self, _: usize, _: &mut BlockBuffer) -> bool {
                panic!("as the test wants it");
            }
            fn is_wanted(&self) -> bool {
                true
            }
        }
        let mut pool = Pool::new();
        pool.threads = 1;
        pool.add(Arc::new(Panics)).unwrap();
        let (begun, order) = mpsc::channel();
        pool.add(pieces(7, 1, &begun).0).unwrap();
        assert_eq!(order.recv(), Ok(7));
    }
}
