//! The thread of the session door.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use distlog_proto::session::ToClient;

use super::counts::Counts;
use super::desk::Desk;
use super::line::{Line, Unsent};
use super::notices::Notices;

/// How often the sessions are looked after, and how long to wait for anything.
const TICK: Duration = Duration::from_millis(100);
/// So long clients have to leave when the daemon stops.
const FAREWELL: Duration = Duration::from_millis(300);
/// So many messages are taken before the answers go out.
const AT_ONCE: usize = 256;

/// How far it is with closing.
#[derive(Debug, Default)]
pub(super) struct Ends {
    /// It takes no batches any more.
    pub(super) quiet: AtomicBool,
    /// What it took is durable: it may say the last words.
    pub(super) finish: AtomicBool,
}

pub(super) struct Door {
    pub(super) line: Line,
    pub(super) desk: Desk,
    pub(super) counts: Counts,
    pub(super) notices: Arc<Notices>,
    /// Set when no more batches are to be taken.
    pub(super) stop: Arc<AtomicBool>,
    pub(super) ends: Arc<Ends>,
}

impl Door {
    /// Runs until it is to be closed.
    ///
    /// # Errors
    /// If the socket fails.
    pub(super) fn run(mut self) -> Result<(), zmq::Error> {
        let mut ticked = Instant::now();
        loop {
            let finish = self.ends.finish.load(Ordering::Acquire);
            let quiet = finish || self.stop.load(Ordering::Acquire);
            if quiet {
                self.ends.quiet.store(true, Ordering::Release);
            }
            let reads = !quiet && !self.desk.is_full();
            let ready = self.line.wait(
                &self.notices,
                reads,
                if finish { Duration::ZERO } else { TICK },
            )?;
            self.desk.hear_of_the_store();
            if ready {
                self.receive();
            }
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                self.desk.tick();
            }
            self.send();
            if finish {
                return self.take_leave();
            }
        }
    }

    /// Says to all that the daemon stops, until they have gone or the time is up. Said once it would be lost on many: a
    /// client does not see what it has not read yet when the connection ends.
    fn take_leave(&mut self) -> Result<(), zmq::Error> {
        let deadline = Instant::now() + FAREWELL;
        while !self.desk.is_empty() && Instant::now() < deadline {
            self.desk.closing();
            self.send();
            self.line.wait(&self.notices, false, FAREWELL / 20)?;
        }
        Ok(())
    }

    fn receive(&mut self) {
        for _ in 0..AT_ONCE {
            let Some(message) = self.line.message() else {
                return;
            };
            // Each may be as large as a message can be: it is full at once.
            if self.desk.handle(message).is_err() || self.desk.is_full() {
                return;
            }
        }
    }

    /// Sends the answers. What cannot be sent now is forgotten: the client asks again, or has gone.
    fn send(&mut self) {
        let mut frame = Vec::new();
        for (peer, answer) in self.desk.answers() {
            match &answer {
                ToClient::Refused(refused) => self.counts.refused(refused.reason),
                ToClient::Ack(_) => _ = self.counts.acks.inc(),
                ToClient::Welcome(_) | ToClient::Rewind(_) | ToClient::Closing(_) => {}
            }
            frame.clear();
            answer.encode(&mut frame);
            match self.line.send(&peer, &frame) {
                Ok(()) => {}
                Err(Unsent::Gone) => self.desk.cut(&peer),
                Err(Unsent::Busy) => _ = self.counts.unsent.inc(),
            }
        }
    }
}
