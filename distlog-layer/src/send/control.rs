//! Orders to the sender, and its answers.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use distlog_client::Waker;

use crate::send::deadline;

/// What became of a flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "records may be left"]
pub enum Flush {
    /// Everything logged before is durable in the daemon's store. On the push receiver, which has no acknowledgements:
    /// it was handed to libzmq for a connected daemon.
    Flushed,
    /// The time was up before.
    Left {
        /// Records that are still here; 0, though there are bytes of them, if nobody had the time to count.
        records: u64,
        /// Bytes that these take.
        bytes: u64,
    },
}

/// Orders to the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Orders {
    /// Send what there is and end, at this time at the latest.
    pub(crate) stop: Option<Instant>,
    /// Send everything before this position, and answer, at this time at the latest.
    pub(crate) flush: Option<(u64, Instant)>,
}

impl Orders {
    /// Until the first of them is late.
    pub(crate) fn time_left(&self) -> Duration {
        let deadlines = self.stop.into_iter().chain(self.flush.map(|(_, at)| at));
        deadlines.min().map_or(Duration::MAX, |deadline| {
            deadline.saturating_duration_since(Instant::now())
        })
    }

    /// Whether somebody waits for what there is to be sent.
    pub(crate) fn are_urgent(&self) -> bool {
        self.stop.is_some() || self.flush.is_some()
    }
}

/// Between the sender and everybody else.
pub(crate) struct Control {
    orders: Mutex<Orders>,
    answer: Mutex<Option<Flush>>,
    answered: Condvar,
    /// One flush at a time.
    flushing: Mutex<bool>,
    flushed: Condvar,
    waker: Waker,
    /// The sender has seen the records before this position.
    seen: AtomicU64,
    /// A record that finds more bytes in the ring, itself included, wakes the sender.
    wakes_above: AtomicU64,
    reached: AtomicBool,
    ending: AtomicBool,
    closed: AtomicBool,
}

/// Somebody flushes, until this is dropped.
struct Turn<'a>(&'a Control);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *lock(&self.0.flushing) = false;
        self.0.flushed.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Control {
    /// # Errors
    /// If the system does not give what waking a thread needs.
    pub(crate) fn new() -> std::io::Result<Control> {
        Ok(Control {
            orders: Mutex::default(),
            answer: Mutex::default(),
            answered: Condvar::new(),
            flushing: Mutex::default(),
            flushed: Condvar::new(),
            waker: Waker::new()?,
            seen: AtomicU64::new(0),
            wakes_above: AtomicU64::new(u64::MAX),
            reached: AtomicBool::new(false),
            ending: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        })
    }

    /// Asks for a flush and waits for the answer.
    pub(crate) fn flush(&self, target: u64, timeout: Duration) -> Option<Flush> {
        /// For the sender to notice that the time is up.
        const GRACE: Duration = Duration::from_secs(1);

        let deadline = deadline::after(timeout);
        let _turn = self.turn(deadline)?;
        {
            // Together, so that what is answered to one whose time was up is not taken for the answer to this one.
            let mut orders = lock(&self.orders);
            *lock(&self.answer) = None;
            orders.flush = Some((target, deadline));
        }
        self.waker.wake();
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

    /// Waits for its turn to flush; `None` if it does not come in time.
    fn turn(&self, deadline: Instant) -> Option<Turn<'_>> {
        let left = deadline.saturating_duration_since(Instant::now());
        let waited = self
            .flushed
            .wait_timeout_while(lock(&self.flushing), left, |flushing| *flushing);
        let (mut flushing, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            return None;
        }
        *flushing = true;
        Some(Turn(self))
    }

    /// Tells the sender to end.
    pub(crate) fn stop(&self, deadline: Instant) {
        lock(&self.orders).stop = Some(deadline);
        self.waker.wake();
    }

    /// Wakes the sender if it sleeps and has not seen the last `behind` bytes before `position`. Without a system call
    /// if it is awake, or waits for room or acknowledgements, where waking it would help nobody.
    #[inline]
    pub(crate) fn wake_for(&self, position: u64, behind: u64) {
        if self.waker.is_sleeping()
            && position.saturating_sub(self.seen.load(Ordering::Relaxed)) > behind
        {
            self.waker.wake();
        }
    }

    /// A record is at `position`, and the ring holds `used` bytes: wakes the sender if it does not look for it soon by
    /// itself.
    #[inline]
    pub(crate) fn wake_for_record(&self, position: u64, used: u64) {
        let above = self.wakes_above.load(Ordering::Relaxed);
        if used > above {
            if above == 0 {
                // Either the sender sees the record before it sleeps, or this sees it asleep.
                fence(Ordering::SeqCst);
            }
            self.wake_for(position + 1, above);
        }
    }

    /// The sender's: how many bytes may be in the ring before a record wakes it. 0: the next one does.
    pub(crate) fn set_wakes_above(&self, bytes: u64) {
        self.wakes_above.store(bytes, Ordering::Relaxed);
    }

    /// Whether somebody is there who takes records.
    pub(crate) fn is_reached(&self) -> bool {
        self.reached.load(Ordering::Relaxed)
    }

    /// The sender's: whether somebody is there.
    pub(crate) fn set_reached(&self, reached: bool) {
        self.reached.store(reached, Ordering::Relaxed);
    }

    /// Whether the sender only brings away what there is.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Acquire)
    }

    /// Whether the sender has ended, so that nothing frees the ring any more.
    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// The sender's: its orders.
    pub(crate) fn orders(&self) -> Orders {
        *lock(&self.orders)
    }

    /// The sender's: answers the flush that is in `orders`, unless another one has taken its place: who asked for it
    /// does not wait any more.
    pub(crate) fn answer(&self, orders: &Orders, flush: Flush) {
        let mut current = lock(&self.orders);
        if orders.flush.is_some() && current.flush == orders.flush {
            current.flush = None;
            *lock(&self.answer) = Some(flush);
            self.answered.notify_all();
        }
    }

    /// The sender's: runs `sleep`, which ends when the waker is used, unless there are other orders than those it
    /// knows. `seen`: it has seen the records before this position; with the last one of all, records wake nobody.
    pub(crate) fn sleep(&self, known: &Orders, seen: u64, sleep: impl FnOnce(&Waker) -> bool) {
        self.seen.store(seen, Ordering::Relaxed);
        self.waker.begin();
        // An order that came before would have woken nobody.
        let woken = self.orders() == *known && sleep(&self.waker);
        self.waker.end(woken);
    }

    /// The sender's: no record comes in any more, so nobody need wait for room.
    pub(crate) fn end(&self) {
        self.ending.store(true, Ordering::Release);
    }

    /// The sender's: it has ended.
    pub(crate) fn close(&self) {
        self.end();
        self.closed.store(true, Ordering::Release);
        self.answered.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use distlog_client::wait;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn until_asked(control: &Control, target: u64) -> Orders {
        loop {
            let orders = control.orders();
            if orders.flush.is_some_and(|(asked, _)| asked == target) {
                return orders;
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn nobody_gets_the_answer_to_the_flush_before() {
        let control = Control::new().unwrap();
        // Nobody answers; it gives up.
        assert_eq!(control.flush(100, Duration::ZERO), None);
        let first = control.orders();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| control.flush(200, LONG));
            let orders = until_asked(&control, 200);
            control.answer(&first, Flush::Flushed);
            let left = Flush::Left {
                records: 1,
                bytes: 16,
            };
            control.answer(&orders, left);
            assert_eq!(second.join().unwrap(), Some(left));
        });
        assert_eq!(control.orders().flush, None);
    }

    #[test]
    fn a_record_wakes_who_has_seen_all_before_it_if_the_ring_holds_enough() {
        const SEEN: u64 = 1000;
        let control = Control::new().unwrap();
        let orders = control.orders();
        for (wakes_above, used, wakes) in [(0, 16, true), (100, 116, true), (100, 100, false)] {
            control.set_wakes_above(wakes_above);
            std::thread::scope(|scope| {
                let sleeper = scope.spawn(|| {
                    let mut woken = false;
                    control.sleep(&orders, SEEN, |waker| {
                        woken = wait(None, Some(waker), LONG);
                        woken
                    });
                    woken
                });
                while !control.waker.is_sleeping() {
                    std::thread::yield_now();
                }
                control.wake_for_record(SEEN + used - 16, used);
                let woken = !control.waker.is_sleeping();
                control.waker.wake();
                assert!(sleeper.join().unwrap(), "it sleeps until it is woken");
                assert_eq!(woken, wakes, "above {wakes_above}, {used} used");
            });
        }
    }

    #[test]
    fn a_flush_does_not_wait_longer_for_another_than_it_may() {
        let control = Control::new().unwrap();
        std::thread::scope(|scope| {
            let first = scope.spawn(|| control.flush(100, LONG));
            let orders = until_asked(&control, 100);
            assert_eq!(control.flush(200, Duration::from_millis(10)), None);
            assert!(!first.is_finished());
            control.answer(&orders, Flush::Flushed);
            assert_eq!(first.join().unwrap(), Some(Flush::Flushed));
        });
    }
}
