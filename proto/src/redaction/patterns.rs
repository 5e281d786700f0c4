//! Regular expressions whose matches are redacted, looked for in each text as a whole.

use std::ops::Range;

use regex::{Regex, RegexSet};

use super::REDACTED;

/// A pattern that is no regular expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is no regular expression: {reason}")]
pub struct PatternError {
    /// Which of the patterns, counted from 0.
    pub index: usize,
    pattern: String,
    reason: String,
}

/// What is looked for in texts.
#[derive(Debug, Clone)]
pub struct Patterns {
    /// Whether one matches, in one pass.
    any: RegexSet,
    each: Vec<Regex>,
}

impl Patterns {
    /// Patterns in the syntax of the crate `regex`; `None` if there are none.
    ///
    /// # Errors
    /// If one is no regular expression.
    pub fn compile<P: AsRef<str>>(patterns: &[P]) -> Result<Option<Patterns>, PatternError> {
        if patterns.is_empty() {
            return Ok(None);
        }
        let fault = |index: usize, error: regex::Error| PatternError {
            index,
            pattern: patterns.get(index).map_or("", AsRef::as_ref).to_owned(),
            reason: one_line(&error.to_string()),
        };
        let each = patterns.iter().enumerate();
        let each = each
            .map(|(at, pattern)| Regex::new(pattern.as_ref()).map_err(|error| fault(at, error)));
        Ok(Some(Patterns {
            each: each.collect::<Result<_, _>>()?,
            any: RegexSet::new(patterns).map_err(|error| fault(0, error))?,
        }))
    }

    /// As they were given.
    pub fn texts(&self) -> &[String] {
        self.any.patterns()
    }

    /// Whether there is something to redact in the text.
    #[inline]
    pub fn find(&self, text: &str) -> bool {
        !text.is_empty() && self.any.is_match(text) && !self.ranges(text).is_empty()
    }

    /// The text with [`REDACTED`] in place of what they match; `None` if they match nothing, or only that.
    pub fn replaced(&self, text: &str) -> Option<String> {
        if text.is_empty() || !self.any.is_match(text) {
            return None;
        }
        let mut ranges = self.ranges(text).into_iter().peekable();
        ranges.peek()?;
        let (mut out, mut done) = (String::with_capacity(text.len()), 0);
        while let Some(Range { start, mut end }) = ranges.next() {
            while let Some(next) = ranges.next_if(|next| next.start <= end) {
                end = end.max(next.end);
            }
            out.push_str(&text[done..start]);
            out.push_str(REDACTED);
            done = end;
        }
        out.push_str(&text[done..]);
        Some(out)
    }

    /// Where something matches, in order of where that begins. Each pattern is looked for in the text as it was: after
    /// a replacement the rest of a match of another one would no longer match, and stay.
    #[cold]
    fn ranges(&self, text: &str) -> Vec<Range<usize>> {
        let matches = self.each.iter().flat_map(|regex| regex.find_iter(text));
        let mut ranges: Vec<Range<usize>> = matches
            .map(|found| found.range())
            .filter(|range| !range.is_empty() && text[range.clone()] != *REDACTED)
            .collect();
        ranges.sort_by_key(|range| range.start);
        ranges
    }
}

impl PartialEq for Patterns {
    fn eq(&self, other: &Patterns) -> bool {
        self.any.patterns() == other.any.patterns()
    }
}

/// What the crate says last of an error of many lines.
fn one_line(error: &str) -> String {
    let last = error.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(patterns: &[&str], text: &str) -> Option<String> {
        let patterns = Patterns::compile(patterns).unwrap().unwrap();
        let replaced = patterns.replaced(text);
        assert_eq!(patterns.find(text), replaced.is_some());
        replaced
    }

    #[test]
    fn what_matches_is_replaced_and_nothing_else() {
        let card = &[r"\b\d{13,16}\b"];
        let text = "cards 4111111111111111 and 5500000000000004, order 17";
        let expected = "cards [redacted] and [redacted], order 17";
        assert_eq!(replaced(card, text).as_deref(), Some(expected));
        assert_eq!(replaced(card, "order 41111111111111111"), None);
        // An empty match is none.
        assert_eq!(replaced(&["x*"], "no such letter"), None);
        assert_eq!(
            replaced(&["ö+"], "schöön").as_deref(),
            Some("sch[redacted]n")
        );
        // The mark is not marked again.
        assert_eq!(replaced(&[r"\[redacted\]"], "a [redacted] b"), None);
    }

    #[test]
    fn of_overlapping_matches_nothing_stays() {
        let patterns = &["key=\\w+-", "-\\w+$", "y=a"];
        assert_eq!(
            replaced(patterns, "a key=abc-def").as_deref(),
            Some("a [redacted]")
        );
        assert_eq!(
            replaced(&["a", "b"], "xabx").as_deref(),
            Some("x[redacted]x")
        );
    }

    #[test]
    fn a_bad_pattern_is_named() {
        let fault = Patterns::compile(&["one", "[a"]).unwrap_err();
        assert_eq!(fault.index, 1);
        assert_eq!(
            fault.to_string(),
            "`[a` is no regular expression: unclosed character class"
        );
        assert_eq!(Patterns::compile::<&str>(&[]), Ok(None));
    }
}
