//! What the program says, line by line.

use std::io::{self, BufRead};

use serde::Deserialize;

/// Longer lines are cut.
const MAX_LINE: usize = 64 << 10;

/// A line of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// Everything up to this number is done.
    Done(u64),
    /// This one will never be taken.
    Rejected(u64, String),
    /// Neither.
    Unknown(String),
    /// It says nothing more.
    End,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reject {
    reject: u64,
    #[serde(default)]
    reason: String,
}

/// Understands a line.
pub(super) fn parse(line: &str) -> Option<Answer> {
    let line = line.trim();
    if line.is_empty() {
        return None;
    }
    if let Ok(number) = line.parse() {
        return Some(Answer::Done(number));
    }
    Some(match serde_json::from_str::<Reject>(line) {
        Ok(Reject { reject, reason }) => {
            let reason = if reason.is_empty() {
                "the program gave no reason".to_owned()
            } else {
                reason
            };
            Answer::Rejected(reject, reason)
        }
        Err(_) => Answer::Unknown(line.chars().take(200).collect()),
    })
}

/// Reads a line of any length into `line`, of which at most 64 KiB are kept. Returns false at the end.
pub(super) fn read_line(from: &mut impl BufRead, line: &mut String) -> io::Result<bool> {
    let mut bytes = Vec::new();
    let mut any = false;
    loop {
        let available = match from.fill_buf() {
            Ok(available) => available,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        any |= !available.is_empty();
        let end = available.iter().position(|byte| *byte == b'\n');
        let part = &available[..end.unwrap_or(available.len())];
        bytes.extend(&part[..part.len().min(MAX_LINE - bytes.len())]);
        let used = end.map_or(part.len(), |end| end + 1);
        from.consume(used);
        if end.is_some() || used == 0 {
            line.clear();
            line.push_str(&String::from_utf8_lossy(&bytes));
            return Ok(any);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood() {
        assert_eq!(parse("17\r"), Some(Answer::Done(17)));
        assert_eq!(parse("  "), None);
        assert_eq!(
            parse(r#"{"reject": 3, "reason": "no"}"#),
            Some(Answer::Rejected(3, "no".into()))
        );
        assert_eq!(
            parse(r#"{"reject": 3}"#),
            Some(Answer::Rejected(3, "the program gave no reason".into()))
        );
        for other in ["hello", "-1", "1.5", "{}", r#"{"reject": "x"}"#] {
            assert!(matches!(parse(other), Some(Answer::Unknown(_))), "{other}");
        }
    }

    #[test]
    fn endless_lines_are_cut() {
        let mut text = "x".repeat(300_000);
        text.push_str("\n17\nrest");
        let mut from = io::BufReader::new(text.as_bytes());
        let mut line = String::new();
        assert!(read_line(&mut from, &mut line).unwrap());
        assert_eq!(line.len(), MAX_LINE);
        assert!(read_line(&mut from, &mut line).unwrap());
        assert_eq!(line, "17");
        assert!(read_line(&mut from, &mut line).unwrap());
        assert_eq!(line, "rest");
        assert!(!read_line(&mut from, &mut line).unwrap());
    }
}
