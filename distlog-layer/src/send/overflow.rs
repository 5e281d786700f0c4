//! What happens when the ring is full: counting what is dropped, or waiting for room.

use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use distlog_spool::Loss;

use crate::record::callsite::OWN;
use crate::ring::Ring;

/// Where callers wait for room.
#[derive(Default)]
pub(crate) struct Room {
    waiting: AtomicUsize,
    lock: Mutex<()>,
    freed: Condvar,
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

impl Room {
    /// Waits until `attempt` has a result, for `timeout` at most; `None` if it has none by then, too.
    pub(crate) fn wait<T>(
        &self,
        timeout: Duration,
        mut attempt: impl FnMut() -> Option<Option<T>>,
    ) -> Option<T> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        // Either the attempt sees what was freed before `wake_all` looked, or that sees this caller.
        fence(Ordering::SeqCst);
        let guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let mut result = None;
        let waited = self.freed.wait_timeout_while(guard, timeout, |()| {
            result = attempt();
            result.is_none()
        });
        drop(waited);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        result.flatten()
    }

    /// Wakes those who wait. What they wait for happened before.
    pub(crate) fn wake_all(&self) {
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            // Nobody is between an attempt and its sleep.
            drop(self.lock.lock());
            self.freed.notify_all();
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

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::time::Instant;

    use super::*;

    /// Nothing but `wake_all` ends these waits within the test's time.
    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn no_wake_is_lost_between_an_attempt_and_the_sleep() {
        const ROUNDS: u64 = 5_000;
        let (room, freed, taken) = (Room::default(), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                for round in 1..=ROUNDS {
                    let attempt = || (freed.load(Ordering::Acquire) >= round).then_some(Some(()));
                    let begun = Instant::now();
                    assert!(room.wait(LONG, attempt).is_some());
                    assert!(begun.elapsed() < LONG, "a wake was lost");
                    taken.store(round, Ordering::Release);
                }
            });
            for round in 1..=ROUNDS {
                freed.store(round, Ordering::Release);
                room.wake_all();
                while taken.load(Ordering::Acquire) < round && !waiter.is_finished() {
                    std::thread::yield_now();
                }
            }
        });
    }

    #[test]
    fn who_waits_gives_up_when_the_time_is_up() {
        let room = Room::default();
        assert_eq!(
            room.wait(Duration::from_millis(10), || None::<Option<()>>),
            None
        );
        // A result counts, whatever it is.
        assert_eq!(room.wait(LONG, || Some(None::<u8>)), None);
        assert_eq!(room.wait(Duration::ZERO, || Some(Some(7))), Some(7));
    }
}
