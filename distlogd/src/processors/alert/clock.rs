//! The clock of the windows: it runs with the monotonic clock, so that nobody who sets the system's clock empties a
//! window or fills it.
//!
//! A record is as old as the system's clock says now: what a program on the same machine logs just now is new, also
//! after that clock was set. What is said to be of the future is of now. While the daemon does not run, time passes as
//! the system's clock says, forward only.

use std::time::{Duration, Instant};

use crate::intake;

/// What both clocks say at one time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// The system's, in ns since the epoch.
    pub(super) system: u64,
    pub(super) monotonic: Instant,
}

impl Reading {
    pub(super) fn now() -> Reading {
        Reading {
            system: intake::now(),
            monotonic: Instant::now(),
        }
    }
}

/// The clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    base: u64,
    started: Instant,
}

impl Clock {
    /// `saved`: what this clock and the system's said when that was saved; the new one goes on from there. Gives also
    /// how long it did not run.
    pub(super) fn begin(saved: Option<(u64, u64)>, reading: Reading) -> (Clock, Duration) {
        let stopped = saved.map_or(0, |(_, system)| reading.system.saturating_sub(system));
        let base = saved.map_or(reading.system, |(at, _)| at.saturating_add(stopped));
        let started = reading.monotonic;
        (Clock { base, started }, Duration::from_nanos(stopped))
    }

    /// What it says, in ns.
    pub(super) fn at(&self, reading: Reading) -> u64 {
        let since = reading.monotonic.saturating_duration_since(self.started);
        let since = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        self.base.saturating_add(since)
    }

    /// What it said when the system's clock said `time`, if that was not set since; at most what it says now.
    pub(super) fn of(&self, time: u64, reading: Reading) -> u64 {
        let age = reading.system.saturating_sub(time);
        self.at(reading).saturating_sub(age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000_000_000;

    #[test]
    fn a_clock_that_is_set_ages_no_record_that_comes_then() {
        let first = Reading::now();
        let (clock, stopped) = Clock::begin(None, first);
        assert_eq!((clock.at(first), stopped), (first.system, Duration::ZERO));
        let minute = Duration::from_secs(60);
        for jump in [0, HOUR, 24 * 400 * HOUR] {
            for system in [first.system + jump, first.system - jump] {
                let later = Reading {
                    system,
                    monotonic: first.monotonic + minute,
                };
                let at = first.system + 60_000_000_000;
                assert_eq!(clock.at(later), at, "it runs with the monotonic clock");
                assert_eq!(clock.of(system, later), at);
                assert_eq!(clock.of(system - 5, later), at - 5);
                assert_eq!(
                    clock.of(system + HOUR, later),
                    at,
                    "nothing is of the future"
                );
            }
        }
    }

    #[test]
    fn time_passes_while_it_does_not_run_but_never_back() {
        let now = Reading::now();
        let (clock, stopped) = Clock::begin(Some((77 * HOUR, now.system - HOUR)), now);
        assert_eq!((clock.at(now), stopped.as_secs()), (78 * HOUR, 3600));
        let (clock, stopped) = Clock::begin(Some((77 * HOUR, now.system + HOUR)), now);
        assert_eq!((clock.at(now), stopped.as_secs()), (77 * HOUR, 0));
    }
}
