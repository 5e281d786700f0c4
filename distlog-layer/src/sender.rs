//! The sender: one thread that takes committed records in order, forms batches, sends them, frees the ring.

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use distlog_proto::session::ByeReason;
use fastant::Instant as Tick;

use crate::control::{Flush, Orders};
use crate::load::Load;
use crate::outlet::Outlet;
use crate::overflow::Reporter;
use crate::ring::Reader;
use crate::say::say;
use crate::shared::Shared;
use crate::socket::Sent;
use crate::stock::Stock;

/// A record waits so long for others to travel with, at most.
const LINGER: Duration = Duration::from_millis(20);
/// How often the sender looks at its orders while nobody takes what it has.
const LOOK: Duration = Duration::from_millis(20);
/// Between two records about losses, two looks at the system's clock, and two at the spool.
const EVERY: Duration = Duration::from_millis(500);

/// What the thread owns.
pub(crate) struct Sender {
    shared: Arc<Shared>,
    load: Load,
    outlet: Outlet,
    /// A batch without records.
    about: Vec<u8>,
    reporter: Reporter,
    last_look: Instant,
    /// Bytes that the ring lost, as far as it was said.
    lost_bytes: u64,
}

impl Sender {
    /// `about`: the source, as a field of each batch.
    pub(crate) fn new(
        shared: Arc<Shared>,
        reader: Reader,
        outlet: Outlet,
        about: Vec<u8>,
    ) -> Sender {
        Sender {
            load: Load::new(Arc::clone(&shared), reader, about.clone()),
            shared,
            outlet,
            about,
            reporter: Reporter::default(),
            last_look: Instant::now(),
            lost_bytes: 0,
        }
    }

    /// Works until it is told to stop; says what was left then.
    pub(crate) fn run(mut self, say_left: &mpsc::Sender<Flush>) {
        let mut end = None;
        let deadline = loop {
            let orders = self.shared.control.orders();
            let urgent = orders.are_urgent();
            self.outlet.work(&mut self.load, Instant::now());
            self.shared.control.set_reached(self.outlet.is_reached());
            let full = self.load.fill();
            let waits = !self.load.is_empty() && (full || urgent || self.load.age() >= LINGER);
            let stuck = (waits || self.load.is_hole()) && self.deliver() == Sent::Busy;
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
            self.rest(&orders, full, stuck);
        };
        self.close(deadline, say_left);
    }

    /// Sends the batch if somebody takes it.
    fn deliver(&mut self) -> Sent {
        let sent = self.outlet.send(self.load.portion());
        if sent == Sent::Taken {
            self.load.sent();
            if self.outlet.forgets() {
                self.load.free_to(self.load.position());
            }
        }
        sent
    }

    /// What is done now and then.
    fn look(&mut self, urgent: bool) {
        let due = self.last_look.elapsed() >= EVERY;
        if due {
            self.shared.clock.adjust();
            self.look_at_spool();
            self.last_look = Instant::now();
        }
        let shared = &self.shared;
        if (due || urgent) && self.reporter.is_due(&shared.ring) {
            let now = shared.clock.unix_nanos(Tick::now());
            self.reporter.report(&shared.ring, now);
        }
        if self.load.is_empty() {
            self.outlet.beat(&self.about);
        }
    }

    /// Says what befell the file.
    fn look_at_spool(&mut self) {
        let ring = &self.shared.ring;
        if let Some(trouble) = ring.check_spool() {
            say(trouble);
        }
        let lost = ring.lost_bytes();
        if lost > self.lost_bytes {
            say(format_args!(
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
    fn rest(&self, orders: &Orders, full: bool, stuck: bool) {
        if stuck {
            // Whoever logs now need not wake us: there is nothing that we could do with it.
            self.outlet.wait(true, None, LOOK);
        } else if !full {
            let time = if self.load.is_empty() {
                LINGER
            } else {
                LINGER / 4
            };
            let seen = self.load.portion().to;
            self.shared.control.sleep(orders, seen, |waker| {
                self.outlet.wait(false, Some(waker), time)
            });
        }
    }

    /// Nothing is taken any more; returns the end of what there is.
    fn end(&self) -> u64 {
        let end = self.shared.ring.close();
        self.shared.control.end();
        self.shared.losses.room();
        end
    }

    fn left(&mut self) -> Flush {
        self.load.left(self.outlet.gone())
    }

    fn close(mut self, deadline: Instant, say_left: &mpsc::Sender<Flush>) {
        self.look_at_spool();
        let left = self.left();
        // Before what can take its time.
        let _ = say_left.send(left);
        let ring = &self.shared.ring;
        // A caller may be writing yet: what follows its record is not seen, and must not go with the file.
        let all = left == Flush::Flushed && ring.used() == 0;
        let control = &self.shared.control;
        control.answer(&control.orders(), left);
        control.close();
        self.shared.losses.room();
        // What is left in a spool comes later, and the producer is not over before.
        let done = (all || !ring.is_spooled()).then_some(ByeReason::Done);
        let linger = deadline.saturating_duration_since(Instant::now());
        self.outlet.close(done, ring.dropped(), linger);
        if all && let Err(error) = ring.remove_spool() {
            say(error);
        }
    }
}
