//! Days of UTC, which partitions are named by.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, NaiveDate};

/// In nanoseconds.
const LENGTH: i64 = 86_400_000_000_000;
const PREFIX: &str = "records_";
const FORMAT: &str = "%Y%m%d";

/// A day, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Day(i64);

impl Day {
    /// That of a time in nanoseconds since 1970.
    pub(super) fn of(nanos: i64) -> Day {
        Day(nanos.div_euclid(LENGTH))
    }

    /// That of a time in seconds since 1970.
    pub(super) fn of_seconds(seconds: i64) -> Day {
        Day(seconds.div_euclid(86_400))
    }

    /// So many days later.
    pub(crate) fn plus(self, days: i64) -> Day {
        Day(self.0 + days)
    }

    /// The first day of which all that is younger than `keep` on this day is there.
    pub(super) fn minus(self, keep: Duration) -> Day {
        let days = i64::try_from(keep.as_secs().div_ceil(86_400)).unwrap_or(i64::MAX);
        Day(self.0.saturating_sub(days))
    }

    /// Its partition.
    pub(super) fn table(self) -> String {
        format!("{PREFIX}{}", self.date().format(FORMAT))
    }

    /// The day of a partition.
    pub(crate) fn of_table(name: &str) -> Option<Day> {
        let date = NaiveDate::parse_from_str(name.strip_prefix(PREFIX)?, FORMAT).ok()?;
        let seconds = date.and_hms_opt(0, 0, 0)?.and_utc().timestamp();
        let day = Day::of_seconds(seconds);
        (day.table() == name).then_some(day)
    }

    /// Its first moment, in nanoseconds since 1970.
    pub(crate) fn start(self) -> i64 {
        self.0.saturating_mul(LENGTH)
    }

    fn date(self) -> NaiveDate {
        let seconds = self.0.saturating_mul(86_400);
        DateTime::from_timestamp(seconds, 0).map_or(NaiveDate::MIN, |time| time.date_naive())
    }
}

impl fmt::Display for Day {
    /// As SQL has its first moment, whatever the session's time zone is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} 00:00:00+00", self.date().format("%Y-%m-%d"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_of_utc_and_name_partitions() {
        let day = Day::of(1_763_871_098_123_456_000);
        assert_eq!(day.to_string(), "2025-11-23 00:00:00+00");
        assert_eq!(day.table(), "records_20251123");
        assert_eq!(Day::of_table("records_20251123"), Some(day));
        assert_eq!(Day::of_seconds(1_763_871_098), day);
        assert_eq!(day.plus(9).table(), "records_20251202");
        assert_eq!(
            day.minus(Duration::from_secs(86_401)).table(),
            "records_20251121"
        );
        for name in [
            "records_other",
            "records_2025112",
            "tasks",
            "records_20251123x",
        ] {
            assert_eq!(Day::of_table(name), None, "{name}");
        }
        assert_eq!(Day::of(0).table(), "records_19700101");
        assert_eq!(Day::of(i64::MAX).table(), "records_22620411");
    }
}
