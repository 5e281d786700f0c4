//! What an answer says, for people, and when to come again.

use std::time::{Duration, SystemTime};

use http::header::{HeaderMap, HeaderValue, RETRY_AFTER};

/// More characters than these of a text are not repeated.
const MAX_REASON: usize = 300;

/// The beginning of a text that somebody else wrote, as one line.
pub(crate) fn one_line(text: &str) -> String {
    let text = text.trim().chars().take(MAX_REASON);
    text.map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// How long a receiver wants to be left alone, if it says so (RFC 9110, 10.2.3).
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER).and_then(delay)
}

/// Seconds, or a date.
fn delay(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = chrono::DateTime::parse_from_rfc2822(text).ok()?;
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .ok()?;
    let until = Duration::from_secs(u64::try_from(date.timestamp()).ok()?);
    Some(until.saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let read = |text| delay(&HeaderValue::from_static(text));
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert!(read("Wed, 06 Nov 2222 08:49:37 GMT") > Some(Duration::from_secs(1 << 30)));
        assert_eq!(read("soon"), None);
        assert_eq!(read("-3"), None);
    }

    #[test]
    fn a_text_of_somebody_else_is_one_line_and_short() {
        assert_eq!(one_line(" <b>no</b>\r\nat all\n"), "<b>no</b>  at all");
        assert_eq!(one_line(&"é".repeat(5000)).chars().count(), MAX_REASON);
    }
}
