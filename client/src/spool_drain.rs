//! [`SpoolDrain`]: sends what dead processes left in a spool directory.
//!
//! A file is read into memory to be sent. So that the program does not grow while no daemon is there, no file is
//! claimed before the program itself is connected, and it is given back when the daemon goes.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use distlog_proto::ProducerId;
use distlog_proto::session::ByeReason;
use distlog_spool::{Dead, SpoolDir, SpoolError};

use crate::dead_records::DeadRecords;
use crate::internal_log::{Reporter, log};
use crate::socket;
use crate::timeouts::FailoverTimeouts;
use crate::transport::{Progress, Transport};
use crate::unacked::{Offsets, UnackedRecords};
use crate::waker::Waker;
use crate::worker::Worker;

/// How often a session is driven.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// The same while the program waits for it.
const LAST_POLL_INTERVAL: Duration = Duration::from_millis(5);
/// How often it looks whether the program is connected.
const CONNECT_INTERVAL: Duration = Duration::from_millis(100);
/// Time for ZeroMQ to send a bye, or what was pushed.
const LINGER: Duration = Duration::from_secs(1);

/// What a drain works with.
pub struct DrainConfig {
    /// The directory of spools.
    pub dir: SpoolDir,
    /// [`FailoverTimeouts::scan`] is the interval of scans.
    pub timeouts: FailoverTimeouts,
    /// Whether the program itself is connected to a daemon.
    pub is_connected: Box<dyn Fn() -> bool + Send>,
    /// Opens a transport for the records of a dead producer; `None` if the system gives no socket.
    pub open: Box<dyn Fn(ProducerId) -> Option<Box<dyn Transport>> + Send>,
}

/// The thread that does so.
#[derive(Debug)]
pub struct SpoolDrain {
    stop: Arc<Stop>,
    thread: Worker<()>,
}

#[derive(Debug)]
struct Stop {
    waker: Waker,
    /// Set: it scans once more, and ends by then.
    deadline: OnceLock<Instant>,
}

impl SpoolDrain {
    /// Starts it.
    ///
    /// # Errors
    /// If the system gives no thread or no pipe.
    pub fn start(config: DrainConfig) -> std::io::Result<SpoolDrain> {
        let stop = Arc::new(Stop {
            waker: Waker::new()?,
            deadline: OnceLock::new(),
        });
        let drainer = Drainer {
            config,
            stop: Arc::clone(&stop),
            reporter: Reporter::default(),
        };
        let thread = Worker::start("distlog-drain", move |_| drainer.run())?;
        Ok(SpoolDrain { stop, thread })
    }

    /// Scans once more and sends what it finds until `deadline`; waits for that until `until` at most. What is not sent
    /// is left for the next process, and logged.
    pub fn finish(self, deadline: Instant, until: Instant) {
        let _ = self.stop.deadline.set(deadline);
        self.stop.waker.wake();
        self.thread.end(until);
    }
}

struct Drainer {
    config: DrainConfig,
    stop: Arc<Stop>,
    reporter: Reporter,
}

impl Drainer {
    fn run(self) {
        loop {
            let is_last = self.stop.deadline.get().is_some();
            let is_connected = (self.config.is_connected)();
            if is_connected {
                self.scan();
            }
            if is_last {
                return self.log_left();
            }
            let time = if is_connected {
                self.config.timeouts.scan
            } else {
                CONNECT_INTERVAL
            };
            self.wait(time, |waker, time| socket::wait([], Some(waker), time));
        }
    }

    fn is_stopped(&self) -> bool {
        let deadline = self.stop.deadline.get();
        deadline.is_some_and(|deadline| Instant::now() >= *deadline)
    }

    fn log_left(&self) {
        let left = self
            .config
            .dir
            .dead()
            .map_or(0, |dead| dead.flatten().count());
        if left > 0 {
            let dir = self.config.dir.path().display();
            let spools = if left == 1 { "spool is" } else { "spools are" };
            log(format_args!(
                "{left} {spools} not sent yet, in {dir}, of programs that ended before they could: the next program with \
                 that directory sends them, or `distlogd --drain {dir}`"
            ));
        }
    }

    /// Waits until `wait` returns or the thread is to stop.
    fn wait(&self, time: Duration, wait: impl FnOnce(&Waker, Duration) -> bool) {
        let waker = &self.stop.waker;
        waker.begin();
        // An order that came before would have woken nobody.
        let is_last = self.stop.deadline.get().is_some();
        let time = if is_last {
            time.min(LAST_POLL_INTERVAL)
        } else {
            time
        };
        let woken = !self.is_stopped() && wait(waker, time);
        waker.end(woken);
    }

    /// Claims the files of dead processes, one after the other.
    fn scan(&self) {
        let found = match self.config.dir.dead() {
            Ok(found) => found,
            Err(error) => return self.reporter.report(error),
        };
        for dead in found {
            if self.is_stopped() {
                return;
            }
            match dead.and_then(|dead| self.send(dead)) {
                // Another process was faster.
                Ok(()) | Err(SpoolError::Removed { .. }) => {}
                Err(error) => self.reporter.report(error),
            }
        }
    }

    /// Sends a file. It is removed when everything is durable, and left where it is otherwise.
    fn send(&self, dead: Dead) -> Result<(), SpoolError> {
        // The endpoints were good when the program connected; it is the system that gives no socket.
        let Some(mut transport) = (self.config.open)(dead.producer()) else {
            return Ok(());
        };
        if let Some(lost) = dead.lost() {
            self.reporter.report(lost);
        }
        let mut records = DeadRecords::new(dead);
        let mut last_connected = Instant::now();
        let timeouts = &self.config.timeouts;
        let give_up_after = timeouts.scan.max(2 * timeouts.absent);
        // An empty spool needs a session, too: its end makes the open tasks of the dead process lost.
        let is_left = |Offsets { acked, head, .. }| acked < head;
        while is_left(records.offsets()) || !transport.is_connected() {
            let now = Instant::now();
            let progress = transport.work(&mut records, now);
            if let Some(error) = records.error {
                return Err(error);
            }
            if transport.is_connected() {
                last_connected = now;
            }
            if self.is_stopped() || now - last_connected >= give_up_after {
                // It goes on from there, here or elsewhere.
                let reason = Some(ByeReason::Moving);
                transport.close(reason, records.dropped(), Duration::ZERO);
                return Ok(());
            }
            if progress != Progress::Sent {
                let is_blocked = progress == Progress::Blocked;
                self.wait(POLL_INTERVAL, |waker, time| {
                    transport.wait(is_blocked, Some(waker), time)
                });
            }
        }
        transport.close(Some(ByeReason::Died), records.dropped(), LINGER);
        records.remove()
    }
}
