//! Where a page of records ended. It stays right while records come and segments go: it names places, not counts.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use super::QueryError;
use super::scan::Place;

/// No cursor has more windows.
const MAX_WINDOWS: usize = 64;

/// Records that are yet to be given: of these numbers, and before this place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Numbers in the store.
    pub numbers: Range<u64>,
    /// In order of time; those at and behind it were given.
    pub before: Place,
}

impl Window {
    /// All records.
    pub const ALL: Window = Window {
        numbers: 0..u64::MAX,
        before: Place::LAST,
    };
}

/// What is left of a query, as text `END.TIME.NUMBER`: records before a place, of those that were stored when it was
/// first asked.
///
/// A query that ran out of time has read the records from some number on. What is left are several windows then, which
/// are looked at one after the other: `END.TIME.NUMBER.FROM_…`. Where records beyond them still matter, the end of
/// all that were stored stands behind them: `…_END`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Never empty; the first one is looked at next.
    pub(super) windows: Vec<Window>,
    /// Records from this number on came later.
    pub(super) end: u64,
}

impl Cursor {
    /// A cursor over these windows; `None` when nothing is left.
    pub(super) fn over(windows: Vec<Window>) -> Option<Cursor> {
        Cursor::until(0, windows)
    }

    /// A cursor over these windows of all records before `end`; `None` when nothing is left.
    pub(super) fn until(end: u64, windows: Vec<Window>) -> Option<Cursor> {
        let left = windows.iter().any(|window| !window.numbers.is_empty());
        let end = end.max(last_of(&windows));
        left.then_some(Cursor { windows, end })
    }
}

fn last_of(windows: &[Window]) -> u64 {
    let ends = windows.iter().map(|window| window.numbers.end);
    ends.max().unwrap_or(0)
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, window) in self.windows.iter().enumerate() {
            let separator = if at > 0 { "_" } else { "" };
            let Place { time, number } = window.before;
            write!(f, "{separator}{}.{time}.{number}", window.numbers.end)?;
            if window.numbers.start > 0 {
                write!(f, ".{}", window.numbers.start)?;
            }
        }
        if self.end > last_of(&self.windows) {
            write!(f, "_{}", self.end)?;
        }
        Ok(())
    }
}

impl FromStr for Cursor {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Cursor, QueryError> {
        let (windows, end) = match text.rsplit_once('_') {
            Some((windows, end)) if !end.contains('.') => (windows, end.parse().ok()),
            _ => (text, Some(0)),
        };
        let windows: Option<Vec<Window>> = windows.split('_').map(window).collect();
        windows
            .filter(|windows| windows.len() <= MAX_WINDOWS)
            .zip(end)
            .map(|(windows, end)| Cursor {
                end: last_of(&windows).max(end),
                windows,
            })
            .ok_or_else(|| {
                QueryError::parameter(
                    "cursor",
                    format_args!("`{text}`"),
                    "the `next` of the answer before",
                )
            })
    }
}

fn window(text: &str) -> Option<Window> {
    let numbers: Option<Vec<u64>> = text.split('.').map(|part| part.parse().ok()).collect();
    let (end, time, number, start) = match numbers?[..] {
        [end, time, number] => (end, time, number, 0),
        [end, time, number, start] if start <= end => (end, time, number, start),
        _ => return None,
    };
    Some(Window {
        numbers: start..end,
        before: Place { time, number },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_what_was_given() {
        for text in ["17.4.3", "17.4.18446744073709551615.3_3.9.9", "3.9.9_17"] {
            let cursor: Cursor = text.parse().unwrap();
            assert_eq!(cursor.to_string(), text);
        }
        for text in [
            "",
            "1.2",
            "1.2.3.4.5",
            "1.-2.3",
            "a.b.c",
            "1.2.3_",
            "5.2.3.6",
            "17",
            "_17",
            "1.2.99999999999999999999",
        ] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
        assert!(["1.1.1"; 65].join("_").parse::<Cursor>().is_err());
    }
}
