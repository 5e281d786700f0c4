//! The sender: one thread that takes committed records in order, forms batches, sends them, frees the ring.

use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use distlog_client::internal_log::log;
use distlog_client::{Progress, Transport};
use distlog_proto::session::ByeReason;
use fastant::Instant as Tick;

use crate::ring::Reader;
use crate::send::batcher::{Batcher, LINGER};
use crate::send::control::{Flush, Orders};
use crate::send::overflow::Reporter;
use crate::send::shared::Shared;

/// How long the sender sleeps at most while a batch is blocked: its transport is to be called so often.
const BLOCKED_INTERVAL: Duration = Duration::from_millis(100);
/// How long it sleeps at least where nobody wakes it.
const MIN_SLEEP: Duration = Duration::from_millis(1);
/// When there was nothing to do for so long the next record wakes the sender, which costs its caller a system call.
/// Until then it looks for records by itself.
const IDLE_AFTER: Duration = Duration::from_millis(500);
/// How long it sleeps then.
const IDLE_INTERVAL: Duration = Duration::from_millis(100);
/// Interval of records about losses, and of checks of the system's clock, the spool, and levels that may be over.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// What the thread owns.
pub(crate) struct Sender {
    shared: Arc<Shared>,
    batcher: Batcher,
    transport: Box<dyn Transport>,
    reporter: Reporter,
    /// When there was something to do last.
    busy: Instant,
    /// The next record wakes it, as far as callers know already.
    is_woken: bool,
    last_look: Instant,
    /// Bytes that the ring lost, as far as they are logged.
    lost_bytes: u64,
}

impl Sender {
    /// `source`: as a field of each batch.
    pub(crate) fn new(
        shared: Arc<Shared>,
        reader: Reader,
        transport: Box<dyn Transport>,
        source: Vec<u8>,
    ) -> Sender {
        Sender {
            batcher: Batcher::new(Arc::clone(&shared), reader, source),
            shared,
            transport,
            reporter: Reporter::default(),
            busy: Instant::now(),
            is_woken: false,
            last_look: Instant::now(),
            lost_bytes: 0,
        }
    }

    /// Works until it is told to stop; reports what is left then.
    pub(crate) fn run(mut self, left: &mpsc::Sender<Flush>) {
        self.set_woken(false);
        let mut end = None;
        let deadline = loop {
            let orders = self.shared.control.orders();
            let urgent = orders.are_urgent();
            self.batcher.set_urgent(urgent);
            let progress = self.transport.work(&mut self.batcher, Instant::now());
            let control = &self.shared.control;
            control.set_reached(self.transport.is_connected());
            let full = self.batcher.fill();
            self.look(urgent);
            self.answer(orders);
            if let Some(deadline) = orders.stop {
                let late = Instant::now() >= deadline;
                if end.is_none() && (late || !self.reporter.is_due(&self.shared.ring)) {
                    end = Some(self.end());
                }
                if late || end.is_some_and(|end| self.shared.ring.tail() >= end) {
                    break deadline;
                }
            }
            self.rest(&orders, full, progress == Progress::Blocked);
        };
        self.close(deadline, left);
    }

    /// What is done now and then.
    fn look(&mut self, urgent: bool) {
        let due = self.last_look.elapsed() >= CHECK_INTERVAL;
        if due {
            self.shared.clock.adjust();
            self.look_at_spool();
            self.shared.levels.end_what_is_over(Instant::now());
            self.last_look = Instant::now();
        }
        let shared = &self.shared;
        if (due || urgent) && self.reporter.is_due(&shared.ring) {
            let now = shared.clock.unix_nanos(Tick::now());
            self.reporter.report(&shared.ring, now);
        }
    }

    /// Logs what is wrong with the file.
    fn look_at_spool(&mut self) {
        let ring = &self.shared.ring;
        if let Some(fault) = ring.check_spool() {
            log(fault);
        }
        let lost = ring.lost_bytes();
        if lost > self.lost_bytes {
            log(format_args!(
                "{lost} bytes of records are lost with the spool's memory"
            ));
            self.lost_bytes = lost;
        }
    }

    fn answer(&mut self, orders: Orders) {
        let Some((target, deadline)) = orders.flush else {
            return;
        };
        if self.shared.ring.tail() >= target {
            self.shared.control.answer(&orders, Flush::Flushed);
        } else if Instant::now() >= deadline {
            let left = self.left();
            self.shared.control.answer(&orders, left);
        }
    }

    /// Sleeps until there is something to do. `full`: there are more records than the batch takes; `stuck`: it could
    /// not be sent.
    fn rest(&mut self, orders: &Orders, full: bool, stuck: bool) {
        let done = self.batcher.all_done();
        if let Some(end) = done
            && self.busy.elapsed() >= IDLE_AFTER
        {
            return self.rest_idle(orders, end);
        }
        if done.is_none() {
            self.busy = Instant::now();
            self.set_woken(false);
        }
        let control = &self.shared.control;
        if stuck {
            let time = orders.time_left().min(BLOCKED_INTERVAL);
            // Whoever logs now need not wake us: there is nothing that we could do with it.
            control.sleep(orders, u64::MAX, |waker| {
                self.transport.wait(true, Some(waker), time)
            });
        } else if !full {
            let time = self.batcher.time_left().max(MIN_SLEEP);
            let seen = self.batcher.end();
            control.sleep(orders, seen, |waker| {
                self.transport.wait(false, Some(waker), time)
            });
        }
    }

    /// Sleeps until a record comes behind `end`, or something else is to be done.
    fn rest_idle(&mut self, orders: &Orders, end: u64) {
        // It looks once more before it relies on being woken: all callers know by then.
        let time = if self.is_woken { IDLE_INTERVAL } else { LINGER };
        self.set_woken(true);
        let Shared { control, ring, .. } = &*self.shared;
        control.sleep(orders, end, |waker| {
            fence(Ordering::SeqCst);
            ring.head() == end && self.transport.wait(false, Some(waker), time)
        });
        self.batcher.linger_from_now();
    }

    /// Whether the next record is to wake it, or only one that finds much in the ring.
    fn set_woken(&mut self, is_woken: bool) {
        self.is_woken = is_woken;
        let much = self.shared.ring.capacity() / 8;
        let control = &self.shared.control;
        control.set_wakes_above(if is_woken { 0 } else { much });
    }

    /// Nothing is taken any more; returns the end of what there is.
    fn end(&self) -> u64 {
        let end = self.shared.ring.close();
        self.shared.control.end();
        self.shared.room.wake_all();
        end
    }

    fn left(&mut self) -> Flush {
        self.batcher.left(self.transport.partly_sent())
    }

    fn close(mut self, deadline: Instant, report_left: &mpsc::Sender<Flush>) {
        self.look_at_spool();
        let left = self.left();
        // Before what can take its time.
        let _ = report_left.send(left);
        let ring = &self.shared.ring;
        // A caller may be writing yet: what follows its record is not seen, and must not go with the file.
        let all = left == Flush::Flushed && ring.used() == 0;
        let control = &self.shared.control;
        control.answer(&control.orders(), left);
        control.close();
        self.shared.room.wake_all();
        // What is left in a spool comes later, and the producer is not over before.
        let done = (all || !ring.is_spooled()).then_some(ByeReason::Done);
        let linger = deadline.saturating_duration_since(Instant::now());
        self.transport.close(done, ring.dropped(), linger);
        if all && let Err(error) = ring.remove_spool() {
            log(error);
        }
    }
}
