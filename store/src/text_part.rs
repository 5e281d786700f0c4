//! A part of a text that a search looks for in bytes, before it reads the records that they are.

use std::ops::Range;

use aho_corasick::{AhoCorasick, Input};

/// A part of a text, which is found whatever the case of its ASCII letters. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TextPart {
    finder: AhoCorasick,
    is_letters: bool,
}

impl TextPart {
    /// None if it is empty, or too long to be searched for.
    pub fn new(part: &str) -> Option<TextPart> {
        let mut builder = AhoCorasick::builder();
        let finder = builder.ascii_case_insensitive(true).build([part]).ok();
        Some(TextPart {
            finder: finder.filter(|_| !part.is_empty())?,
            is_letters: part.bytes().all(|byte| byte.is_ascii_alphabetic())
                && !part.bytes().all(|byte| byte.is_ascii_hexdigit()),
        })
    }

    /// Whether it stands in some bytes.
    pub fn is_in(&self, bytes: &[u8]) -> bool {
        self.finder.is_match(bytes)
    }

    /// Where it stands first in some bytes, from a place on.
    pub(super) fn find(&self, bytes: &[u8], from: usize) -> Option<Range<usize>> {
        let input = Input::new(bytes).range(from.min(bytes.len())..);
        self.finder.find(input).map(|found| found.range())
    }

    /// Whether it is all ASCII letters, and one of them is no hexadecimal digit: a run of letters and digits in which
    /// it stands is no number.
    pub(super) fn is_letters(&self) -> bool {
        self.is_letters
    }
}
