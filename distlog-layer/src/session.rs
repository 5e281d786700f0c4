//! [`Session`]: brings the records of a producer to the session door of a daemon, whichever of several is there.
//!
//! The first address is the preferred one. Another is tried when nobody is there, when nothing is taken, when the
//! daemon stops; and as long as the producer is with another, it looks now and then whether a preferred one is back.
//! What was not acknowledged is sent again to whoever comes next, so nothing is lost on the way.

use std::time::{Duration, Instant};

use distlog_proto::session::{ByeReason, Dropped, RefusedReason, SessionEnd};

use crate::addresses::Addresses;
use crate::line::{Caller, Line, Trial};
use crate::settings::Patience;
use crate::socket::{Error, For, Sent, Socket};
use crate::stock::Stock;

/// Pause after an attempt that failed, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// What a bye to a daemon that is left may take on its way, at least.
const LAST_WORD: Duration = Duration::from_millis(100);
/// So many epochs are skipped at once when the daemon knows a higher one.
const SKIP: u64 = 1000;

/// See the module.
pub(crate) struct Session {
    caller: Caller,
    addresses: Addresses,
    patience: Patience,
    /// Number of the address.
    at: usize,
    line: Option<Line>,
    /// Looks whether the preferred one with the number is back.
    probe: Option<(usize, Line)>,
    next_attempt: Instant,
    next_probe: Instant,
    /// Attempts since the last good one.
    failures: u32,
    /// The daemon knows this epoch.
    known_epoch: u64,
}

impl Session {
    /// Begins to connect; whether somebody is there shows later.
    ///
    /// # Errors
    /// The address that cannot be one, or for which the system gives no socket.
    pub(crate) fn open(
        caller: Caller,
        addresses: Addresses,
        patience: Patience,
    ) -> Result<Session, (String, Error)> {
        let now = Instant::now();
        // Each of them, so that a mistake in the last shows now and not when it is needed.
        for (number, address) in addresses.iter().enumerate().skip(1) {
            Line::open(&caller, (number, address), now).map_err(|error| (address.into(), error))?;
        }
        let first = addresses.get(0);
        let line = Line::open(&caller, (0, first), now).map_err(|error| (first.into(), error))?;
        Ok(Session {
            caller,
            addresses,
            patience,
            at: 0,
            line: Some(line),
            probe: None,
            next_attempt: now,
            next_probe: now,
            failures: 0,
            known_epoch: 0,
        })
    }

    /// Receives what is there and does what is due. Afterwards the stock stands where the next batch begins, and what
    /// is durable is freed. Call it often.
    pub(crate) fn work(&mut self, stock: &mut impl Stock, now: Instant) {
        if self.line.is_none() && now >= self.next_attempt {
            self.attempt(stock, now);
        }
        if let Some(line) = &mut self.line {
            match line.work(&self.caller, stock, self.patience.absent, now) {
                Ok(()) => self.judge(stock, now),
                Err(trial) => self.failed(trial, now),
            }
        }
        if self.at > 0 {
            self.look_for_preferred(stock, now);
        }
    }

    fn attempt(&mut self, stock: &mut impl Stock, now: Instant) {
        // The one that the hello then takes is higher.
        let known = std::mem::take(&mut self.known_epoch);
        if known > 0 {
            for _ in 0..SKIP {
                if stock.next_epoch().is_none_or(|epoch| epoch >= known) {
                    break;
                }
            }
        }
        match Line::open(&self.caller, (self.at, self.addresses.get(self.at)), now) {
            Ok(line) => self.line = Some(line),
            Err(error) => self.failed(Trial::NoSocket(error), now),
        }
    }

    /// The line is in order; but is it of use?
    fn judge(&mut self, stock: &impl Stock, now: Instant) {
        let Some(line) = &self.line else { return };
        if line.is_good() {
            self.failures = 0;
            self.caller.trouble.is_over();
        }
        if self.addresses.count() == 1 {
            return;
        }
        if line.absent_for(now) >= self.patience.absent
            || line.client().stuck_for(now) >= self.patience.stuck
        {
            if let Some(line) = self.line.take() {
                line.leave(ByeReason::Moving, stock.dropped(), LAST_WORD);
            }
            self.failed(Trial::SessionEnd(SessionEnd::Silent), now);
        }
    }

    /// The attempt is over: says so if a human must know, and plans the next one.
    fn failed(&mut self, trial: Trial, now: Instant) {
        self.probe = None;
        if self.line.take().is_some_and(|line| line.is_good()) {
            self.failures = 0;
        }
        if !trial.is_normal() {
            self.caller.trouble.say(format_args!(
                "no session with {}: {trial}; trying again",
                self.addresses.get(self.at)
            ));
        }
        if let Trial::SessionEnd(SessionEnd::Refused(refused)) = &trial
            && refused.reason == RefusedReason::Epoch
        {
            self.known_epoch = refused.epoch;
        }
        let addresses = self.addresses.count().max(1);
        if !trial.stays() {
            self.at = (self.at + 1) % addresses;
        }
        // Each address is tried once before it takes longer.
        let rounds = self.failures / addresses as u32;
        self.failures = self.failures.saturating_add(1);
        let pause = match rounds.max((!trial.is_normal()).into()) {
            0 => Duration::ZERO,
            rounds => PAUSE.1.min(PAUSE.0 * (1 << (rounds - 1).min(10))),
        };
        self.next_attempt = now + pause;
        self.next_probe = now + self.patience.probe;
    }

    /// Asks those before the current one, one at a time.
    fn look_for_preferred(&mut self, stock: &mut impl Stock, now: Instant) {
        let Some((number, probe)) = &mut self.probe else {
            if self.line.as_ref().is_some_and(|line| line.is_good()) && now >= self.next_probe {
                self.begin_probe(0, now);
            }
            return;
        };
        let absent = self.patience.absent;
        let over = probe.work(&self.caller, stock, absent, now).is_err();
        if probe.client().is_joined() {
            // It is back. Its welcome is of no use: the current one may have acknowledged more since the hello. So that
            // one is left first, and then the hello said anew.
            let number = *number;
            if let Some(line) = self.line.take() {
                line.leave(ByeReason::Moving, stock.dropped(), LAST_WORD);
            }
            (self.at, self.probe, self.next_attempt) = (number, None, now);
            self.attempt(stock, now);
        } else if over || probe.absent_for(now) >= absent {
            let next = *number + 1;
            self.probe = None;
            match next < self.at {
                true => self.begin_probe(next, now),
                false => self.next_probe = now + self.patience.probe,
            }
        }
    }

    fn begin_probe(&mut self, number: usize, now: Instant) {
        self.next_probe = now + self.patience.probe;
        self.probe = Line::probe(&self.caller, (number, self.addresses.get(number)), now)
            .ok()
            .map(|line| (number, line));
    }

    /// Sends the batch from where the stock stands to `to`, if that may be now.
    pub(crate) fn send(&mut self, to: u64, batch: &[u8]) -> Sent {
        self.line
            .as_mut()
            .map_or(Sent::Busy, |line| line.send(to, batch))
    }

    /// Whether a daemon has taken us.
    pub(crate) fn is_joined(&self) -> bool {
        self.line
            .as_ref()
            .is_some_and(|line| line.client().is_joined())
    }

    /// What to wait for. `full`: there is a batch that could not be sent.
    pub(crate) fn waits(&self, full: bool) -> impl Iterator<Item = (&Socket, For)> {
        let probe = self.probe.as_ref().map(|(_, probe)| probe.waits(false));
        self.line
            .iter()
            .map(move |line| line.waits(full))
            .chain(probe)
    }

    /// Ends it. `reason`: what the daemon is told, if anything.
    pub(crate) fn close(self, reason: Option<ByeReason>, dropped: Dropped, linger: Duration) {
        if let (Some(line), Some(reason)) = (self.line, reason) {
            line.leave(reason, dropped, linger.max(LAST_WORD));
        }
    }
}
