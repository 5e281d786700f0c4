//! What the layer writes of a record beyond the single functions of [`distlog_proto::wire`]: texts and errors that are
//! formatted in place, within a limit.

use std::error::Error;
use std::fmt::{self, Write};

use distlog_proto::redaction::REDACTED;
use distlog_proto::wire::field::record;
use distlog_proto::wire::put;

use crate::record::redact::{Policy, Redact};

/// The field that holds an error; what hides it hides the error of a task, too.
pub(crate) const ERROR: &str = "error";

/// Writes text behind what is there, up to a length of the buffer; then counts what does not fit.
pub(crate) struct TextWriter<'a> {
    out: &'a mut Vec<u8>,
    limit: usize,
    cut: usize,
}

impl<'a> TextWriter<'a> {
    /// `limit`: the length that `out` may reach, but for the mark of [`TextWriter::finish`].
    pub(crate) fn new(out: &'a mut Vec<u8>, limit: usize) -> TextWriter<'a> {
        TextWriter { out, limit, cut: 0 }
    }

    /// Says at its end how many bytes of the text are missing.
    pub(crate) fn finish(self) {
        if self.cut > 0 {
            let _ = std::io::Write::write_fmt(self.out, format_args!("…[{} bytes cut]", self.cut));
        }
    }
}

impl Write for TextWriter<'_> {
    #[inline]
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.cut == 0 && self.out.len() + text.len() <= self.limit {
            self.out.extend_from_slice(text.as_bytes());
        } else {
            self.cut(text);
        }
        Ok(())
    }
}

impl TextWriter<'_> {
    #[cold]
    fn cut(&mut self, text: &str) {
        let room = if self.cut > 0 {
            0
        } else {
            self.limit.saturating_sub(self.out.len())
        };
        let end = (0..=room)
            .rev()
            .find(|&end| text.is_char_boundary(end))
            .unwrap_or(0);
        self.out.extend_from_slice(&text.as_bytes()[..end]);
        self.cut += text.len() - end;
    }
}

/// Appends a text without what the policy redacts, cut where the buffer would grow beyond the policy's limit.
pub(crate) fn raw_text(out: &mut Vec<u8>, policy: Policy<impl Redact>, text: fmt::Arguments<'_>) {
    if policy.redaction.has_patterns() {
        return redacted_text(out, policy, text);
    }
    let mut writer = TextWriter::new(out, policy.limit);
    // An error here is one of the value's own `Debug` or `Display`; what it wrote so far stands.
    let _ = writer.write_fmt(text);
    writer.finish();
}

/// Writes all of the text before anything is cut: of a secret that is cut no pattern would match the rest.
fn redacted_text(out: &mut Vec<u8>, policy: Policy<impl Redact>, text: fmt::Arguments<'_>) {
    let start = out.len();
    let _ = TextWriter::new(out, usize::MAX).write_fmt(text);
    let whole = str::from_utf8(&out[start..]).unwrap_or_default();
    let replaced = policy.redaction.replaced(whole);
    if replaced.is_some() || out.len() > policy.limit {
        let text = replaced.unwrap_or_else(|| whole.to_owned());
        out.truncate(start);
        raw_text(out, Policy::only(policy.limit), format_args!("{text}"));
    }
}

/// The same as a string field.
pub(crate) fn text(
    out: &mut Vec<u8>,
    field: u32,
    policy: Policy<impl Redact>,
    text: fmt::Arguments<'_>,
) {
    put::nested(out, field, |out| raw_text(out, policy, text));
}

/// `Error`: its text and its causes, outermost first.
pub(crate) fn error(out: &mut Vec<u8>, policy: Policy<impl Redact>, error: &(dyn Error + 'static)) {
    /// A circle of causes is a fault of the error's author, and no reason to hang.
    const MAX_CAUSES: usize = 32;

    put::nested(out, record::ERROR, |out| {
        text(out, 2, policy, format_args!("{error}"));
        let causes = std::iter::successors(error.source(), |&cause| cause.source());
        for cause in causes.take(MAX_CAUSES) {
            if out.len() < policy.limit {
                text(out, 3, policy, format_args!("{cause}"));
            }
        }
    });
}

/// `Error`, of which only the text is known.
pub(crate) fn error_text(out: &mut Vec<u8>, policy: Policy<impl Redact>, what: fmt::Arguments<'_>) {
    put::nested(out, record::ERROR, |out| text(out, 2, policy, what));
}

/// `Error`, as `put` writes it, or that it is hidden. `name`: of the field that it is.
pub(crate) fn error_of<R: Redact>(
    out: &mut Vec<u8>,
    policy: Policy<R>,
    name: &str,
    put: impl FnOnce(&mut Vec<u8>, Policy<R>),
) {
    if policy.redaction.hides(name) {
        error_text(out, Policy::only(policy.limit), format_args!("{REDACTED}"));
    } else {
        put(out, policy);
    }
}

/// Copies a sequence of fields with one number to fields with another, both below 16.
pub(crate) fn renumber(out: &mut Vec<u8>, mut fields: &[u8], field: u32) {
    while let Some((_, rest)) = fields.split_first() {
        let mut length = 0usize;
        let mut at = 0;
        for &byte in rest {
            length |= usize::from(byte & 0x7f) << (7 * at);
            at += 1;
            if byte < 0x80 {
                break;
            }
        }
        let (content, next) = rest.split_at((at + length).min(rest.len()));
        put::bytes_always(out, field, &content[at..]);
        fields = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters_and_says_so() {
        let mut out = Vec::new();
        raw_text(
            &mut out,
            Policy::only(5),
            format_args!("{}{}", "aöü", "rest"),
        );
        assert_eq!(String::from_utf8(out).unwrap(), "aöü…[4 bytes cut]");
        let mut out = Vec::new();
        raw_text(&mut out, Policy::only(4), format_args!("aöü"));
        assert_eq!(String::from_utf8(out).unwrap(), "aö…[2 bytes cut]");
    }

    #[test]
    fn fields_change_their_number() {
        let (mut fields, mut expected, mut out) = (Vec::new(), Vec::new(), Vec::new());
        for value in ["", "short", &"long".repeat(100)] {
            put::bytes_always(&mut fields, 7, value.as_bytes());
            put::bytes_always(&mut expected, 13, value.as_bytes());
        }
        renumber(&mut out, &fields, 13);
        assert_eq!(out, expected);
    }
}
