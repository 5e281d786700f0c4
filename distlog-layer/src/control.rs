//! What the sender is told, and what it answers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// What became of a flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "records may be left"]
pub enum Flush {
    /// Everything logged before was handed to libzmq for a connected daemon.
    Flushed,
    /// The time was up before.
    Left {
        /// Records that are still here.
        records: u64,
        /// Bytes that these take.
        bytes: u64,
    },
}

/// Orders to the sender.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Orders {
    /// Send what there is and end, at this time at the latest.
    pub(crate) stop: Option<Instant>,
    /// Send everything before this position, and answer, at this time at the latest.
    pub(crate) flush: Option<(u64, Instant)>,
}

/// Between the sender and everybody else.
#[derive(Default)]
pub(crate) struct Control {
    orders: Mutex<Orders>,
    answer: Mutex<Option<Flush>>,
    answered: Condvar,
    /// One flush at a time.
    flushing: Mutex<()>,
    sleeping: AtomicBool,
    closed: AtomicBool,
    thread: OnceLock<Thread>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Control {
    /// Asks for a flush and waits for the answer.
    pub(crate) fn flush(&self, target: u64, timeout: Duration) -> Option<Flush> {
        /// For the sender to notice that the time is up.
        const GRACE: Duration = Duration::from_secs(1);

        let _one = lock(&self.flushing);
        let deadline = Instant::now() + timeout;
        *lock(&self.answer) = None;
        lock(&self.orders).flush = Some((target, deadline));
        self.wake();
        let mut answer = lock(&self.answer);
        while answer.is_none() && !self.is_closed() {
            let left = (deadline + GRACE).saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            answer = self
                .answered
                .wait_timeout(answer, left.min(GRACE))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        *answer
    }

    /// Tells the sender to end.
    pub(crate) fn stop(&self, deadline: Instant) {
        lock(&self.orders).stop = Some(deadline);
        self.wake();
    }

    /// Wakes the sender if it sleeps; without a system call if not.
    pub(crate) fn wake(&self) {
        if self.sleeping.load(Ordering::Relaxed)
            && self.sleeping.swap(false, Ordering::Relaxed)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }

    /// Whether the sender has ended, so that nothing frees the ring any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// The sender's: its orders.
    pub(crate) fn orders(&self) -> Orders {
        *lock(&self.orders)
    }

    /// The sender's: answers a flush.
    pub(crate) fn answer(&self, flush: Flush) {
        lock(&self.orders).flush = None;
        *lock(&self.answer) = Some(flush);
        self.answered.notify_all();
    }

    /// The sender's: sleeps until somebody wakes it, for `time` at most.
    pub(crate) fn sleep(&self, time: Duration) {
        let _ = self.thread.set(std::thread::current());
        self.sleeping.store(true, Ordering::Relaxed);
        // An order that came before `sleeping` was set would have woken nobody.
        let orders = self.orders();
        if orders.stop.is_none() && orders.flush.is_none() {
            std::thread::park_timeout(time);
        }
        self.sleeping.store(false, Ordering::Relaxed);
    }

    /// The sender's: it ends.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.answered.notify_all();
    }
}
