//! How the tree and the live views put a record into words.

use distlog_proto::wire::FieldsRef;
use distlog_proto::{Outcome, RecordRef, ValueRef};

use super::paint::{self, Look, MAX_NAME, Style};
use crate::escape::{indented, one_line, put_cut};

/// How an outcome looks.
pub(super) fn mark(outcome: Outcome) -> (&'static str, Style) {
    match outcome {
        Outcome::Failed => ("✗", Style::Red),
        Outcome::Lost => ("†", Style::Magenta),
        Outcome::Cancelled => ("⊘", Style::Yellow),
        Outcome::Unset => ("■", Style::Dim),
        Outcome::Ok | Outcome::Success => ("✔", Style::Green),
    }
}

/// Why a task failed, in one line.
pub(crate) fn reason<'a>(end: &RecordRef<'a>) -> &'a str {
    if !end.status_message.is_empty() {
        return end.status_message;
    }
    match end.error() {
        Some(error) if !error.message.is_empty() => error.message,
        Some(error) => error.kind,
        None if end.outcome == Outcome::Lost => "its process sent nothing more",
        None if end.outcome == Outcome::Cancelled => "cancelled",
        None => "",
    }
}

/// What records have in common that say the same of different things: the template of the place in the code, else the
/// name of the event, else the first line of the message without numbers.
pub(crate) fn template_of(record: &RecordRef<'_>) -> String {
    let known = [record.callsite.template, record.event_name()];
    if let Some(known) = known.into_iter().find(|known| !known.is_empty()) {
        return known.to_owned();
    }
    without_numbers(if record.message.is_empty() {
        record.name
    } else {
        record.message
    })
}

/// The first line of a text, with `#` for words that have a digit: numbers, ids, times.
pub(crate) fn without_numbers(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let mut out = String::new();
    for part in line.split_inclusive(|c: char| !c.is_alphanumeric()) {
        let word = part.trim_end_matches(|c: char| !c.is_alphanumeric());
        if word.contains(|c: char| c.is_ascii_digit()) {
            out.push('#');
            out.push_str(&part[word.len()..]);
        } else {
            out.push_str(part);
        }
    }
    out
}

/// Appends the fields of a record, or those of its task. What came by OTLP has attributes for what other records have
/// apart: place in the code, thread and error are no more shown for it than for those, or elsewhere.
pub(crate) fn put_fields(
    out: &mut String,
    look: Look,
    record: &RecordRef<'_>,
    fields: FieldsRef<'_>,
) {
    let by_otlp = record.is_by_otlp();
    let apart = ["code.", "thread.", "exception.", "distlog."];
    paint::put_fields(out, look, fields, |name| {
        by_otlp && apart.iter().any(|start| name.starts_with(start))
    });
}

/// Appends the name of an event, unless its message tells it.
pub(crate) fn put_event_name(out: &mut String, look: Look, record: &RecordRef<'_>) {
    let is_message = record.message.is_empty() || record.otlp().is_some_and(|otlp| otlp.span_event);
    let name = record.event_name();
    if !is_message && !name.is_empty() && name != record.message {
        look.colour.put(out, Style::Dim, "  event.name=");
        out.push_str(&first_line(look, name));
    }
}

/// The traceback of a record's error, or the stack that came as attribute by OTLP.
pub(crate) fn traceback<'a>(record: &RecordRef<'a>) -> &'a str {
    match record.error() {
        Some(error) if !error.traceback.is_empty() => error.traceback,
        Some(_) if record.is_by_otlp() => {
            match record
                .fields
                .get(distlog_bridge::names::EXCEPTION_STACKTRACE)
            {
                Some(ValueRef::Str(stack)) => stack,
                _ => "",
            }
        }
        _ => "",
    }
}

/// A line of a message or a title is cut at this length, in bytes.
pub(super) const MAX_LINE: usize = 1000;
/// So many lines of one record are shown below its first.
const MAX_LINES: usize = 40;

/// The service of a record, escaped.
pub(super) fn service_name(look: Look, service: &str) -> String {
    let mut out = String::new();
    put_cut(&mut out, look.limit(MAX_NAME), one_line(service));
    out
}

/// The first line of a text, escaped.
pub(super) fn first_line(look: Look, text: &str) -> String {
    let mut out = String::new();
    let first = text.lines().next().unwrap_or_default();
    put_cut(&mut out, look.limit(MAX_LINE), one_line(first));
    out
}

/// The lines below the first one of a record, escaped and without line feeds.
#[derive(Debug, Default)]
pub(super) struct Below {
    pub(super) lines: Vec<String>,
    left_out: (usize, usize),
}

impl Below {
    fn put(&mut self, look: Look, style: Style, mark: &str, line: &str) {
        if self.lines.len() >= look.limit(MAX_LINES) {
            self.left_out = (self.left_out.0 + 1, self.left_out.1 + line.len());
            return;
        }
        let (mut text, mut styled) = (mark.to_owned(), String::new());
        put_cut(&mut text, look.limit(MAX_LINE), indented(line));
        look.colour.put(&mut styled, style, text);
        self.lines.push(styled);
    }

    fn finish(mut self) -> Vec<String> {
        let (lines, bytes) = self.left_out;
        if lines > 0 {
            self.lines
                .push(format!("… (+{lines} lines, {bytes} bytes)"));
        }
        self.lines
    }
}

/// Appends what stands beside a message: the event's name, fields, links.
pub(super) fn put_beside(out: &mut String, look: Look, record: &RecordRef<'_>) {
    put_event_name(out, look, record);
    put_fields(out, look, record, record.fields);
    for link in record.links() {
        let slash = if link.path.is_empty() { "" } else { "/" };
        look.colour.put(
            out,
            Style::Dim,
            format_args!("  → {}{slash}{}", link.trace_id, one_line(link.path)),
        );
    }
}

/// What a record says, or what it is called.
pub(super) fn message_of<'a>(record: &RecordRef<'a>) -> &'a str {
    match record.message {
        "" => record.name,
        message => message,
    }
}

/// What a record's error says, unless its message or a field says it.
pub(super) fn untold_error<'a>(record: &RecordRef<'a>) -> &'a str {
    let message = record.error().map_or("", |error| error.message);
    let in_field = || {
        let mut fields = record.fields.iter();
        fields
            .any(|(_, value)| matches!(value, ValueRef::Text(v) | ValueRef::Str(v) if v == message))
    };
    if record.message.contains(message) || in_field() {
        return "";
    }
    message
}

/// Appends the first line of a message, with fields, links and error of a record. Gives what stands on lines of its own
/// below: the rest of the message, the error's causes, its traceback.
pub(super) fn put_details(out: &mut String, look: Look, record: &RecordRef<'_>) -> Vec<String> {
    let colour = look.colour;
    let message = message_of(record);
    let mut below = Below::default();
    out.push_str(&first_line(look, message));
    for line in message.lines().skip(1) {
        below.put(look, Style::Plain, "", line);
    }
    put_beside(out, look, record);
    let Some(error) = record.error() else {
        return below.finish();
    };
    let message = untold_error(record);
    if !message.is_empty() {
        out.push_str("  ");
        colour.put(out, Style::Red, first_line(look, message));
        for line in message.lines().skip(1) {
            below.put(look, Style::Red, "", line);
        }
    }
    for cause in error.chain() {
        for (at, line) in cause.lines().enumerate() {
            let mark = if at == 0 { "caused by: " } else { "" };
            below.put(look, Style::Red, mark, line);
        }
    }
    for line in traceback(record).lines() {
        below.put(look, Style::Dim, "", line);
    }
    below.finish()
}
