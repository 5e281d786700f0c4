//! The clock by which trees are judged old. It never goes back, and runs with the records that are read: old ones, of
//! before a start, tell by when they were received how much time passed between them; new ones are read as they come,
//! and the monotonic clock tells.

use std::time::{Duration, Instant};

/// Nanoseconds of time that is seen to pass.
#[derive(Debug)]
pub(super) struct Clock {
    now: u64,
    /// When the last batch was received, in ns since the epoch, by a clock that may jump.
    received: Option<u64>,
    /// Between two batches, or two times when everything was read, no more passes than this: neither a clock that is
    /// set nor a destination that kept us waiting decides anything.
    step: u64,
    /// When everything was read last, and what this clock said then.
    caught_up: Option<(Instant, u64)>,
}

impl Clock {
    /// For decisions after no less than so long.
    pub(super) fn new(shortest: Duration) -> Clock {
        Clock {
            now: 0,
            received: None,
            step: nanos(shortest) / 4,
            caught_up: None,
        }
    }

    pub(super) fn now(&self) -> u64 {
        self.now
    }

    /// A batch is read that was received at that time.
    pub(super) fn read(&mut self, received: u64) {
        let passed = self
            .received
            .map_or(0, |last| received.saturating_sub(last));
        self.received = Some(received);
        self.now += passed.min(self.step);
    }

    /// It is that time, unless it was later before: nothing else tells.
    pub(super) fn set(&mut self, now: u64) {
        self.now = self.now.max(now);
    }

    /// Everything is read that was there at that time.
    pub(super) fn caught_up(&mut self, at: Instant) {
        if let Some((last, said)) = self.caught_up {
            let passed = nanos(at.saturating_duration_since(last));
            self.now = self.now.max(said + passed.min(self.step));
        }
        self.caught_up = Some((at, self.now));
    }
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn it_runs_with_what_is_read_and_a_clock_that_is_set_moves_it_little() {
        let mut clock = Clock::new(Duration::from_secs(2));
        clock.read(1000 * SECOND);
        assert_eq!(clock.now(), 0);
        clock.read(1000 * SECOND + 300);
        assert_eq!(clock.now(), 300);
        // Set forward by a day, and back.
        clock.read(87_400 * SECOND);
        assert_eq!(clock.now(), 300 + SECOND / 2);
        clock.read(1000 * SECOND);
        assert_eq!(clock.now(), 300 + SECOND / 2);
        clock.read(1000 * SECOND + 1);
        assert_eq!(clock.now(), 301 + SECOND / 2);
    }

    #[test]
    fn where_nothing_comes_it_runs_with_the_monotonic_clock() {
        let mut clock = Clock::new(Duration::from_secs(2));
        let start = Instant::now();
        clock.caught_up(start);
        clock.read(7);
        clock.read(7 + SECOND / 4);
        // The same quarter of a second, seen twice, passes once.
        clock.caught_up(start + Duration::from_millis(250));
        assert_eq!(clock.now(), SECOND / 4);
        clock.caught_up(start + Duration::from_millis(600));
        assert_eq!(clock.now(), SECOND * 3 / 5);
        // It was kept from reading for an hour.
        clock.caught_up(start + Duration::from_secs(3600));
        assert_eq!(clock.now(), SECOND * 11 / 10);
    }
}
