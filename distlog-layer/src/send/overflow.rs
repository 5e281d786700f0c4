//! What happens when the ring is full: counting what is dropped, or waiting for room.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use distlog_spool::Loss;

use crate::record::callsite::OWN;
use crate::ring::Ring;
use crate::send::deadline;

/// How long a waiting caller sleeps before it looks for itself.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Who waits for room.
#[derive(Default)]
pub(crate) struct Losses {
    waiting: AtomicUsize,
    lock: Mutex<()>,
    room: Condvar,
}

/// Records that were dropped, by level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Dropped {
    /// At level ERROR.
    pub error: u64,
    /// At level WARN.
    pub warn: u64,
    /// At level INFO.
    pub info: u64,
    /// At level DEBUG.
    pub debug: u64,
    /// At level TRACE.
    pub trace: u64,
}

impl Dropped {
    /// Of all levels.
    pub fn total(&self) -> u64 {
        self.error + self.warn + self.info + self.debug + self.trace
    }

    /// Since the ring began.
    pub(crate) fn of(ring: &Ring) -> Dropped {
        let [error, warn, info, debug, trace] = ring.dropped();
        Dropped {
            error,
            warn,
            info,
            debug,
            trace,
        }
    }
}

impl Losses {
    /// Waits until `attempt` has a result, for `timeout` at most; `false` if it has none by then.
    pub(crate) fn wait(
        &self,
        timeout: Duration,
        mut attempt: impl FnMut() -> Option<bool>,
    ) -> bool {
        let deadline = deadline::after(timeout);
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let done = loop {
            if let Some(result) = attempt() {
                break result;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break false;
            }
            guard = self
                .room
                .wait_timeout(guard, left.min(POLL_INTERVAL))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        };
        drop(guard);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        done
    }

    /// Tells those who wait that there is room.
    pub(crate) fn room(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.room.notify_all();
        }
    }
}

/// Puts records about losses into the stream.
#[derive(Default)]
pub(crate) struct Reporter {
    record: Vec<u8>,
}

impl Reporter {
    /// Whether records were dropped that no report has told of.
    pub(crate) fn is_due(&self, ring: &Ring) -> bool {
        ring.dropped() != ring.reported()
    }

    /// Writes a record with what was dropped since the last one, if there is room for it.
    pub(crate) fn report(&mut self, ring: &Ring, now: u64) {
        let dropped = ring.dropped();
        let (first, last) = ring.lost_times();
        let loss = Loss {
            dropped,
            reported: ring.reported(),
            first,
            last,
        };
        self.record.clear();
        loss.put(&mut self.record, now);
        if ring.push(OWN, &self.record).is_ok() {
            ring.set_reported(dropped);
        }
    }
}
