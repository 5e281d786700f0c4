//! The clock by which ages are judged: it reads like the system's, but runs with the monotonic one, so that nothing is
//! old because somebody set the time. While the store is closed it follows the system's clock, forward only. A long
//! time that passed so is doubted at first: the system's clock may be wrong when a machine starts, until NTP sets it
//! right.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::error::FileError;
use super::format::{u32_at, u64_at};
use super::layer::FileLayer;
use super::replace;

const NAME: &str = "clock";
const MAGIC: [u8; 8] = *b"DLCLOCK1";
const LENGTH: usize = 28;

/// The system's clock may run this much beside the monotonic one between two looks: it is corrected in small steps.
const TOLERANCE: Duration = Duration::from_secs(5);

/// A store that was closed for longer is doubted.
const LONG_CLOSED: Duration = Duration::from_secs(24 * 3600);

/// So long after the start the system's clock can be set back, and what it said before does not count.
const DOUBT: Duration = Duration::from_secs(600);

/// What both clocks said at one time, in ns since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    age: u64,
    system: u64,
}

#[derive(Debug)]
pub(super) struct AgeClock {
    base: u64,
    started: Instant,
    /// What the system's clock is ahead of this one, as far as it was looked at.
    ahead: i128,
    /// How long the store was closed, by the system's clock at the start, if that is too long to be believed at once;
    /// else zero.
    doubted: u64,
    doubted_until: Instant,
}

/// The system's clock was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockJump {
    /// So far.
    pub by: Duration,
    /// Forward, not back.
    pub forward: bool,
}

impl AgeClock {
    /// Goes on from what was saved; without that it begins with the system's time.
    pub(super) fn begin(saved: Option<Reading>) -> AgeClock {
        let system = system_now();
        let closed = saved.map_or(0, |saved| system.saturating_sub(saved.system));
        let base = saved.map_or(system, |saved| saved.age.saturating_add(closed));
        let started = Instant::now();
        AgeClock {
            base,
            started,
            ahead: i128::from(system) - i128::from(base),
            doubted: if_long(closed),
            doubted_until: started + DOUBT,
        }
    }

    /// Whether things may be judged old, and the reading be saved: the store was not closed for long, or ten minutes
    /// are over in which the system's clock could have been set back.
    pub(super) fn is_sure(&self) -> bool {
        self.doubted == 0 || Instant::now() >= self.doubted_until
    }

    /// Nanoseconds since the epoch, never less than before once [`is_sure`](Self::is_sure).
    pub(super) fn now(&self) -> u64 {
        let since = u64::try_from(self.started.elapsed().as_nanos());
        self.base.saturating_add(since.unwrap_or(u64::MAX))
    }

    /// What both clocks say.
    pub(super) fn read(&self) -> Reading {
        Reading {
            age: self.now(),
            system: system_now(),
        }
    }

    /// Whether the system's clock was set since the last look.
    pub(super) fn jump(&mut self) -> Option<ClockJump> {
        let reading = self.read();
        let ahead = i128::from(reading.system) - i128::from(reading.age);
        let by = ahead - std::mem::replace(&mut self.ahead, ahead);
        let nanos = u64::try_from(by.unsigned_abs()).unwrap_or(u64::MAX);
        let jump = ClockJump {
            by: Duration::from_nanos(nanos),
            forward: by > 0,
        };
        if jump.by > TOLERANCE && !jump.forward && !self.is_sure() {
            let too_much = nanos.min(self.doubted);
            self.base -= too_much;
            self.ahead += i128::from(too_much);
            self.doubted = if_long(self.doubted - too_much);
        }
        (jump.by > TOLERANCE).then_some(jump)
    }
}

impl Reading {
    /// What was saved in a store; none if nothing was, or nothing that can be read.
    pub(super) fn load(layer: &dyn FileLayer, dir: &Path) -> Result<Option<Reading>, FileError> {
        let bytes = replace::read(layer, &dir.join(NAME))?;
        let good = bytes.filter(|bytes| {
            bytes.len() == LENGTH
                && bytes.starts_with(&MAGIC)
                && crc32c::crc32c(&bytes[..LENGTH - 4]) == u32_at(bytes, LENGTH - 4)
        });
        Ok(good.map(|bytes| Reading {
            age: u64_at(&bytes, 8),
            system: u64_at(&bytes, 16),
        }))
    }

    pub(super) fn save(&self, layer: &dyn FileLayer, dir: &Path) -> Result<(), FileError> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&self.age.to_le_bytes());
        bytes.extend_from_slice(&self.system.to_le_bytes());
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        replace::replace(layer, dir, NAME, &bytes)
    }
}

/// The time closed, if it is doubted, else zero.
fn if_long(closed: u64) -> u64 {
    if Duration::from_nanos(closed) > LONG_CLOSED {
        closed
    } else {
        0
    }
}

/// The system's clock, in ns since the epoch.
fn system_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::OsFiles;

    const DAY: u64 = 24 * 3600 * 1_000_000_000;

    #[test]
    fn it_goes_on_where_it_was_and_counts_the_time_between() {
        let now = system_now();
        // Its clock was ten days ahead of the system's, and the store was closed for one.
        let saved = Reading {
            age: now + 10 * DAY,
            system: now - DAY,
        };
        let clock = AgeClock::begin(Some(saved));
        assert!(clock.now() - (now + 11 * DAY) < DAY / 24);
        // The system's clock was set back meanwhile: no time passed that anybody knows of.
        let saved = Reading {
            age: now,
            system: now + 400 * DAY,
        };
        let mut clock = AgeClock::begin(Some(saved));
        assert!(clock.now() - now < DAY / 24);
        assert_eq!(clock.jump(), None, "what was before the start is no jump");
        clock.ahead -= i128::from(400 * DAY);
        let jump = clock.jump().unwrap();
        assert!(jump.forward && jump.by.as_secs().abs_diff(400 * 86_400) < 10);
        assert_eq!(clock.jump(), None, "it is told once");
    }

    #[test]
    fn a_clock_that_was_ahead_at_the_start_and_is_set_right_makes_nothing_old() {
        let now = system_now();
        // Closed for one hour, or so the system's clock says now that it is right; at the start it said 400 days.
        let hour = DAY / 24;
        let saved = Reading {
            age: now,
            system: now - 400 * DAY,
        };
        let mut clock = AgeClock::begin(Some(saved));
        assert!(!clock.is_sure());
        assert!(clock.now() >= now + 400 * DAY);
        clock.ahead += i128::from(400 * DAY - hour);
        let jump = clock.jump().unwrap();
        assert!(!jump.forward);
        assert!(clock.now().abs_diff(now + hour) < hour / 10);
        assert!(clock.is_sure());
        assert_eq!(clock.jump(), None, "it is told once");

        // Set back further than the store was closed: not behind where it was.
        let mut clock = AgeClock::begin(Some(saved));
        clock.ahead += i128::from(1000 * DAY);
        assert!(clock.jump().is_some());
        assert!(clock.now() >= now && clock.now() < now + hour);
        assert!(clock.is_sure());
    }

    #[test]
    fn a_long_time_closed_is_believed_after_ten_minutes() {
        let now = system_now();
        let saved = Reading {
            age: now - 30 * DAY,
            system: now - 30 * DAY,
        };
        let mut clock = AgeClock::begin(Some(saved));
        assert!(!clock.is_sure());
        clock.doubted_until = Instant::now();
        assert!(clock.is_sure());
        let before = clock.now();
        clock.ahead += i128::from(20 * DAY);
        assert!(clock.jump().is_some());
        assert!(clock.now() >= before, "what is believed is not taken back");
        // A night is not doubted.
        let saved = Reading {
            age: now - DAY / 2,
            system: now - DAY / 2,
        };
        assert!(AgeClock::begin(Some(saved)).is_sure());
    }

    #[test]
    fn what_is_saved_is_read_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Reading::load(&OsFiles, dir.path()).unwrap(), None);
        let reading = Reading { age: 1, system: 2 };
        reading.save(&OsFiles, dir.path()).unwrap();
        assert_eq!(Reading::load(&OsFiles, dir.path()).unwrap(), Some(reading));
        std::fs::write(dir.path().join(NAME), "nonsense").unwrap();
        assert_eq!(Reading::load(&OsFiles, dir.path()).unwrap(), None);
    }
}
