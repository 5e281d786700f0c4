//! [`Drain`]: sends what dead processes left in the directory of spools.
//!
//! A file is read into memory to be sent. So that the program does not grow while no daemon is there, none is taken
//! before the program's own records have reached one, and it is given back when the daemon goes.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use distlog_proto::session::{ByeReason, Dropped};
use distlog_spool::{Dead, SpoolDir, SpoolError};

use crate::outlet::{Outlet, Portion};
use crate::say::{Trouble, say};
use crate::settings::Settings;
use crate::shared::Shared;
use crate::socket::{self, Contexts, Sent};
use crate::stock::Stock;
use crate::waker::Waker;
use crate::worker::Worker;

/// How often a session is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// The same when the program waits for it.
const LAST_LOOK: Duration = Duration::from_millis(5);
/// Between two looks whether a daemon is there.
const PAUSE: Duration = Duration::from_millis(100);
/// For a bye, or what was pushed, to go out.
const LINGER: Duration = Duration::from_secs(1);

/// The thread that does so.
pub(crate) struct Drain {
    orders: Arc<Stop>,
    thread: Worker<()>,
}

struct Stop {
    waker: Waker,
    /// It is the last look, and over by then.
    deadline: OnceLock<Instant>,
}

impl Drain {
    /// Begins to look into the directory.
    ///
    /// # Errors
    /// If the system gives no thread, or not what waking one needs.
    pub(crate) fn start(
        dir: SpoolDir,
        settings: Arc<Settings>,
        contexts: Contexts,
        shared: Arc<Shared>,
    ) -> std::io::Result<Drain> {
        let orders = Arc::new(Stop {
            waker: Waker::new()?,
            deadline: OnceLock::new(),
        });
        let drainer = Drainer {
            dir,
            settings,
            contexts,
            shared,
            orders: Arc::clone(&orders),
            told: HashSet::new(),
            trouble: Arc::default(),
        };
        let thread = Worker::start("distlog-drain", move |_| drainer.run())?;
        Ok(Drain { orders, thread })
    }

    /// Looks once more, and sends what it finds until `deadline`; waits for that no longer than to `until`. What is not done
    /// is left for the next process, and said.
    pub(crate) fn finish(self, deadline: Instant, until: Instant) {
        let _ = self.orders.deadline.set(deadline);
        self.orders.waker.wake();
        self.thread.end(until);
    }
}

struct Drainer {
    dir: SpoolDir,
    settings: Arc<Settings>,
    contexts: Contexts,
    shared: Arc<Shared>,
    orders: Arc<Stop>,
    /// What was said; each trouble is said once.
    told: HashSet<String>,
    /// The same of what daemons say.
    trouble: Arc<Trouble>,
}

impl Drainer {
    fn run(mut self) {
        loop {
            let is_last = self.orders.deadline.get().is_some();
            let reached = self.shared.control.is_reached();
            if reached {
                self.look();
            }
            if is_last {
                return self.say_left();
            }
            let time = if reached {
                self.settings.patience.scan
            } else {
                PAUSE
            };
            self.wait(time, |waker, time| socket::wait([], Some(waker), time));
        }
    }

    fn is_stopped(&self) -> bool {
        let deadline = self.orders.deadline.get();
        deadline.is_some_and(|deadline| Instant::now() >= *deadline)
    }

    fn say_left(&self) {
        let left = self.dir.dead().map_or(0, |dead| dead.flatten().count());
        if left > 0 {
            let dir = self.dir.path().display();
            let spools = if left == 1 { "spool is" } else { "spools are" };
            say(format_args!(
                "{left} {spools} not sent yet, in {dir}, of programs that ended before they could: the next program with \
                 that directory sends them, or `distlogd --drain {dir}`"
            ));
        }
    }

    /// Waits until `wait` returns or the thread is to stop.
    fn wait(&self, time: Duration, wait: impl FnOnce(&Waker, Duration) -> bool) {
        let waker = &self.orders.waker;
        waker.begin();
        // What was said before would have woken nobody.
        let is_told = self.orders.deadline.get().is_some();
        let time = if is_told { time.min(LAST_LOOK) } else { time };
        let woken = !self.is_stopped() && wait(waker, time);
        waker.end(woken);
    }

    /// Takes the files of the dead, one after the other.
    fn look(&mut self) {
        let found = match self.dir.dead() {
            Ok(found) => found,
            Err(error) => return self.trouble(&error),
        };
        for dead in found {
            if self.is_stopped() {
                return;
            }
            match dead.and_then(|dead| self.take(dead)) {
                // Somebody else was faster.
                Ok(()) | Err(SpoolError::Removed { .. }) => {}
                Err(error) => self.trouble(&error),
            }
        }
    }

    fn trouble(&mut self, error: &SpoolError) {
        let error = error.to_string();
        if !self.told.contains(&error) {
            say(&error);
            self.told.insert(error);
        }
    }

    /// Sends what a dead one left. The file is removed when everything is durable, and left where it is otherwise.
    fn take(&self, dead: Dead) -> Result<(), SpoolError> {
        let mut stock = DeadStock {
            position: dead.acked(),
            dead,
            fault: None,
        };
        let source = stock.dead.source();
        let opened = Outlet::open(
            &self.settings,
            &self.contexts,
            stock.dead.producer(),
            source,
            &self.trouble,
        );
        // The addresses were good when the program connected; it is the system that gives no socket.
        let Ok(mut outlet) = opened else {
            return Ok(());
        };
        let mut next = None;
        let mut reached = Instant::now();
        let patience = &self.settings.patience;
        let patience = patience.scan.max(2 * patience.absent);
        // At last its end: what it had begun and not ended is lost. Of whom nothing was left there is no session yet.
        while stock.acked() < stock.head() || !outlet.is_reached() {
            let now = Instant::now();
            outlet.work(&mut stock, now);
            if let Some(fault) = stock.fault {
                return Err(fault);
            }
            if outlet.is_reached() {
                reached = now;
            }
            if self.is_stopped() || now - reached >= patience {
                // It goes on where it stands, here or elsewhere.
                outlet.close(Some(ByeReason::Moving), stock.dropped(), Duration::ZERO);
                return Ok(());
            }
            let from = stock.position;
            if next.as_ref().is_none_or(|(at, _)| *at != from) {
                next = Some((from, stock.dead.batches(from).next()));
            }
            let batch = next.as_ref().and_then(|(_, batch)| batch.as_ref());
            let sent = batch.map(|batch| {
                let portion = Portion {
                    to: batch.to,
                    bytes: &batch.bytes,
                };
                (outlet.send(portion), batch.to)
            });
            if let Some((Sent::Taken, to)) = sent {
                stock.position = to;
                if outlet.forgets() {
                    stock.free_to(to);
                }
            } else {
                let full = sent.is_some();
                self.wait(LOOK, |waker, time| outlet.wait(full, Some(waker), time));
            }
        }
        outlet.close(Some(ByeReason::Died), stock.dropped(), LINGER);
        stock.dead.remove()
    }
}

/// What a dead one left.
struct DeadStock {
    dead: Dead,
    position: u64,
    /// The file cannot be written.
    fault: Option<SpoolError>,
}

impl Stock for DeadStock {
    fn next_epoch(&mut self) -> Option<u64> {
        match self.dead.next_epoch() {
            Ok(epoch) => Some(epoch),
            Err(error) => {
                self.fault = Some(error);
                None
            }
        }
    }

    fn acked(&self) -> u64 {
        self.dead.acked()
    }

    fn position(&self) -> u64 {
        self.position
    }

    fn head(&self) -> u64 {
        self.dead.end()
    }

    /// A machine that lost power may not have written the end of the file, and a daemon on it has what it said it has.
    fn limit(&self) -> u64 {
        u64::MAX
    }

    fn dropped(&self) -> Dropped {
        self.dead.dropped()
    }

    fn seek(&mut self, to: u64) -> bool {
        let found = is_place(to) && to >= self.dead.acked();
        if found {
            self.position = to;
        }
        found
    }

    fn free_to(&mut self, to: u64) -> bool {
        let found = is_place(to);
        if found && let Err(error) = self.dead.set_acked(to) {
            self.fault = Some(error);
        }
        found
    }
}

/// Whether a record can begin there at all.
fn is_place(offset: u64) -> bool {
    offset.is_multiple_of(16)
}
