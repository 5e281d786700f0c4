//! [`Patterns`]: regular expressions whose matches are redacted (feature `redact-patterns`).

use std::ops::Range;

use regex::{Regex, RegexSet};

/// A pattern of [`Builder::redact_patterns`](crate::Builder::redact_patterns) that cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
#[error("a pattern to redact is no regular expression that can be used: {0}")]
pub struct PatternError(#[from] regex::Error);

#[derive(Debug, Clone)]
pub(crate) struct Patterns {
    /// Whether one matches, in one pass.
    any: RegexSet,
    each: Vec<Regex>,
}

impl Patterns {
    /// Those that there were, and new ones; `None` if there are none.
    pub(crate) fn with(
        known: Option<&Patterns>,
        new: &[&str],
    ) -> Result<Option<Patterns>, PatternError> {
        let known = known.map_or(&[][..], |known| known.any.patterns());
        let all = || known.iter().map(String::as_str).chain(new.iter().copied());
        if all().next().is_none() {
            return Ok(None);
        }
        let each = all().map(Regex::new).collect::<Result<_, _>>()?;
        Ok(Some(Patterns {
            any: RegexSet::new(all())?,
            each,
        }))
    }

    /// The text with `mark` in place of what they match; `None` if they match nothing.
    #[inline]
    pub(crate) fn replaced(&self, text: &str, mark: &str) -> Option<String> {
        if self.any.is_match(text) {
            self.replace(text, mark)
        } else {
            None
        }
    }

    /// Each pattern is looked for in the text as it was: after a replacement the rest of a match of another one would
    /// no longer match, and stay.
    #[cold]
    fn replace(&self, text: &str, mark: &str) -> Option<String> {
        let matches = self.each.iter().flat_map(|regex| regex.find_iter(text));
        let mut ranges: Vec<Range<usize>> = matches
            .map(|found| found.range())
            .filter(|range| !range.is_empty())
            .collect();
        ranges.sort_by_key(|range| range.start);
        let mut ranges = ranges.into_iter().peekable();
        ranges.peek()?;
        let (mut out, mut done) = (String::with_capacity(text.len()), 0);
        while let Some(Range { start, mut end }) = ranges.next() {
            while let Some(next) = ranges.next_if(|next| next.start <= end) {
                end = end.max(next.end);
            }
            out.push_str(&text[done..start]);
            out.push_str(mark);
            done = end;
        }
        out.push_str(&text[done..]);
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(patterns: &[&str], text: &str) -> Option<String> {
        let patterns = Patterns::with(None, patterns).unwrap().unwrap();
        patterns.replaced(text, "[redacted]")
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
    fn patterns_are_added_to_those_there_were_and_a_bad_one_is_named() {
        let one = Patterns::with(None, &["one"]).unwrap();
        let both = Patterns::with(one.as_ref(), &["two"]).unwrap().unwrap();
        assert_eq!(both.replaced("one two", "[]").as_deref(), Some("[] []"));
        assert!(Patterns::with(None, &[]).unwrap().is_none());
        let error = Patterns::with(one.as_ref(), &["two", "[a"]).unwrap_err();
        assert!(error.to_string().contains("[a"), "{error}");
    }
}
