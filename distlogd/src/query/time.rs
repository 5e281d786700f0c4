//! Times as people write them.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};

use super::QueryError;
use crate::tree::paint::utc;
use crate::values::parse_duration;

/// Reads `90m` or `1d12h` (so long before now), `now`, RFC 3339, or a time in UTC as it is shown; in ns since the
/// epoch.
///
/// # Errors
/// If it is none of these.
pub fn parse_time(parameter: &'static str, text: &str, now: u64) -> Result<u64, QueryError> {
    let text = text.trim();
    if text == "now" {
        return Ok(now);
    }
    if let Some(before) = parse_duration(text) {
        let before = u64::try_from(before.as_nanos()).unwrap_or(u64::MAX);
        return Ok(now.saturating_sub(before));
    }
    let time = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc());
    time.ok()
        .or_else(|| in_utc(text, now))
        .and_then(|time| u64::try_from(time.timestamp_nanos_opt()?).ok())
        .ok_or_else(|| {
            QueryError::parameter(
                parameter,
                format_args!("`{text}`"),
                "how long ago, as `90m` or `2d`, or a time as `2026-11-28 17:00` (UTC) or `2026-11-28T17:00:00Z`, or \
                 `now`",
            )
        })
}

/// Reads a time as it is shown: a date, a time of day, or both.
fn in_utc(text: &str, now: u64) -> Option<DateTime<Utc>> {
    const TIMES: [&str; 2] = ["%H:%M:%S%.f", "%H:%M"];
    let time = |text: &str| {
        let mut read = TIMES
            .iter()
            .filter_map(|form| NaiveTime::parse_from_str(text, form).ok());
        read.next()
    };
    let text = text.strip_suffix('Z').unwrap_or(text);
    if let Some(time) = time(text) {
        return Some(utc(now).date_naive().and_time(time).and_utc());
    }
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, text)) => (date, time(text.trim_start())?),
        None => (text, NaiveTime::MIN),
    };
    let date = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?;
    Some(date.and_time(time).and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        const NOW: u64 = 1_700_000_000_000_000_000;
        for (text, time) in [
            ("now", NOW),
            ("0", NOW),
            ("1s", NOW - 1_000_000_000),
            ("1h 30m", NOW - 5_400_000_000_000),
            ("3000w", 0),
            ("1970-01-01T00:00:01Z", 1_000_000_000),
            ("1970-01-01T01:00:00.5+01:00", 500_000_000),
            ("1970-01-02", 86_400_000_000_000),
            ("1970-01-01 00:01", 60_000_000_000),
            ("1970-01-01T00:01Z", 60_000_000_000),
            ("1970-01-01 00:00:01.500", 1_500_000_000),
            // On the day of `NOW`, 2023-11-14.
            ("22:13:21.000", NOW + 1_000_000_000),
            ("22:13", NOW - 20_000_000_000),
        ] {
            assert_eq!(parse_time("from", text, NOW).unwrap(), time, "{text}");
        }
        for text in ["", "noon", "1x", "2026-11-31", "24:00", "1969-01-01"] {
            let error = parse_time("from", text, NOW).unwrap_err().to_string();
            assert!(error.starts_with("`from` is wrong: found `"), "{error}");
        }
    }
}
