//! The one escaper of everything that people see: tree, tail, console, lists, text files, errors, our own log.
//!
//! Texts come from strangers. Whatever they hold, they begin no line, move no cursor, and hide or turn no text: control
//! characters, line separators, direction marks and characters without width are written as escapes (`\n`, `\u{202e}`).
//! JSON does not pass through here: programs get texts as they were.

use std::fmt::{self, Write};

/// A text on one line, with escapes.
pub fn one_line(text: &str) -> Escaped<'_> {
    Escaped { text, tabs: false }
}

/// One line of a text that had several: as [`one_line`], but tabs that indent it are spaces.
pub fn indented(line: &str) -> Escaped<'_> {
    Escaped {
        text: line,
        tabs: true,
    }
}

/// A text of ours that may quote others, as an error or a list of faults: its lines stay, each is escaped, and those
/// after the first are indented.
pub fn lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, line) in text.lines().enumerate() {
        let indent = if at == 0 || line.starts_with([' ', '\t']) {
            ""
        } else {
            "  "
        };
        let newline = if at == 0 { "" } else { "\n" };
        // Writing to a String cannot fail.
        let _ = write!(out, "{newline}{indent}{}", indented(line));
    }
    out
}

/// Displays a text with escapes. Made by [`one_line`] and [`indented`].
#[derive(Debug, Clone, Copy)]
pub struct Escaped<'a> {
    text: &'a str,
    tabs: bool,
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.text;
        if self.tabs {
            let tabs = rest.len() - rest.trim_start_matches('\t').len();
            (0..tabs).try_for_each(|_| f.write_str("    "))?;
            rest = &rest[tabs..];
        }
        while let Some((at, bad)) = rest.char_indices().find(|(_, c)| is_escaped(*c)) {
            f.write_str(&rest[..at])?;
            match bad {
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                other => write!(f, "\\u{{{:x}}}", u32::from(other))?,
            }
            rest = &rest[at + bad.len_utf8()..];
        }
        f.write_str(rest)
    }
}

/// Whether a character is written as an escape: what can begin a line, move the cursor, turn the direction of a text,
/// or is not seen at all.
pub fn is_escaped(c: char) -> bool {
    match c {
        ' '..='~' => false,
        // C0, DEL, C1 with NEL.
        _ if c.is_control() => true,
        // Soft hyphen, combining grapheme joiner, Arabic letter mark, fillers, vowel separators, zero width, direction
        // marks, line and paragraph separator, invisible operators, deprecated formats, byte order mark, annotations,
        // shorthand and musical formats, tags and the variation selectors that can carry hidden text.
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}' => true,
        _ => false,
    }
}

/// Takes what is written up to a limit, in bytes, and counts what is beyond it.
#[derive(Debug)]
pub struct Cut<'o> {
    out: &'o mut String,
    left: usize,
    cut: usize,
}

impl<'o> Cut<'o> {
    /// Appends at most so many bytes to `out`.
    pub fn new(out: &'o mut String, limit: usize) -> Cut<'o> {
        Cut {
            out,
            left: limit,
            cut: 0,
        }
    }

    /// Says how much was cut, if anything was.
    pub fn finish(self) {
        if self.cut > 0 {
            let _ = write!(self.out, "… (+{} bytes)", self.cut);
        }
    }
}

impl Write for Cut<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.cut == 0 && text.len() <= self.left {
            self.left -= text.len();
            self.out.push_str(text);
            return Ok(());
        }
        // What follows a cut is cut, too.
        let fits = if self.cut == 0 { self.left } else { 0 };
        let at = (0..=fits).rev().find(|at| text.is_char_boundary(*at));
        let (kept, beyond) = text.split_at(at.unwrap_or_default());
        self.out.push_str(kept);
        self.left = 0;
        self.cut += beyond.len();
        Ok(())
    }
}

/// Appends what is displayed, up to a limit in bytes; what is cut is said.
pub fn put_cut(out: &mut String, limit: usize, text: impl fmt::Display) {
    let mut cut = Cut::new(out, limit);
    let _ = write!(cut, "{text}");
    cut.finish();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_could_deceive_is_written_out() {
        let evil = "a\nb\r\tc\x1b[2J\u{85}\u{2028}\u{2029}\u{61c}\u{200e}\u{200f}\u{202a}\u{202e}\u{2066}\u{2069}\u{200b}\u{200d}\u{2060}\u{feff}\u{e0001}\u{e007f}\x7f\u{9b}";
        let shown = one_line(evil).to_string();
        assert!(!shown.contains(is_escaped), "{shown:?}");
        assert!(
            shown.starts_with("a\\nb\\r\\tc\\u{1b}[2J\\u{85}"),
            "{shown}"
        );
        assert_eq!(one_line("grüße 漢字 👍 é").to_string(), "grüße 漢字 👍 é");
        assert_eq!(indented("\t\tat x\ty").to_string(), "        at x\\ty");
        assert_eq!(
            lines("one\ntwo\n  three\u{202e}"),
            "one\n  two\n  three\\u{202e}"
        );
    }

    #[test]
    fn what_is_cut_is_counted() {
        let mut out = String::new();
        put_cut(&mut out, 3, "äöü");
        assert_eq!(out, "ä… (+4 bytes)");
        out.clear();
        put_cut(&mut out, 6, "äöü");
        assert_eq!(out, "äöü");
    }

    proptest! {
        #[test]
        fn no_text_deceives(text in any::<String>(), limit in 0..64usize) {
            let shown = one_line(&text).to_string();
            prop_assert!(!shown.contains(is_escaped));
            prop_assert!(!lines(&text).contains(|c| c != '\n' && is_escaped(c)));
            let (mut cut, mut out) = (String::new(), String::new());
            put_cut(&mut cut, limit, one_line(&text));
            put_cut(&mut out, usize::MAX, one_line(&text));
            prop_assert_eq!(&out, &shown);
            if shown.len() <= limit {
                prop_assert_eq!(cut, shown);
            } else {
                let kept = cut.rsplit_once("… (+").unwrap();
                let said: usize = kept.1.strip_suffix(" bytes)").unwrap().parse().unwrap();
                prop_assert!(shown.starts_with(kept.0) && kept.0.len() + said == shown.len());
            }
        }
    }
}
