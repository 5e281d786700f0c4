//! How the tree and the live views put a record into words.

use distlog_proto::wire::FieldsRef;
use distlog_proto::{Outcome, RecordRef, ValueRef};

use super::paint::{self, Colour, Style, printable};

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
pub(super) fn reason<'a>(end: &RecordRef<'a>) -> &'a str {
    if !end.status_message.is_empty() {
        return end.status_message;
    }
    match end.error() {
        Some(error) if !error.message.is_empty() => error.message,
        Some(error) => error.kind,
        None if end.outcome == Outcome::Lost => "its process was not heard again",
        None if end.outcome == Outcome::Cancelled => "cancelled",
        None => "",
    }
}

/// The service that a record comes from; for programs that name none, the process.
pub(crate) fn service_of<'a>(record: &RecordRef<'a>) -> &'a str {
    if record.source.service.is_empty() {
        record.source.process_name
    } else {
        record.source.service
    }
}

/// Appends the fields of a record, or those of its task. What came by OTLP has attributes for what other records have apart:
/// place in the code, thread and error are no more shown for it than for those, or elsewhere.
pub(crate) fn put_fields(
    out: &mut String,
    colour: Colour,
    record: &RecordRef<'_>,
    fields: FieldsRef<'_>,
) {
    let by_otlp = record.is_by_otlp();
    let apart = ["code.", "thread.", "exception.", "distlog."];
    paint::put_fields(out, colour, fields, |name| {
        by_otlp && apart.iter().any(|start| name.starts_with(start))
    });
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

/// Message, fields, links and error of a record; the error's causes on lines of their own.
pub(super) fn put_details(out: &mut String, colour: Colour, record: &RecordRef<'_>) {
    out.push_str(&printable(record.message));
    put_fields(out, colour, record, record.fields);
    for link in record.links() {
        let slash = if link.path.is_empty() { "" } else { "/" };
        colour.put(
            out,
            Style::Dim,
            format_args!("  → {}{slash}{}", link.trace_id, printable(link.path)),
        );
    }
    let Some(error) = record.error() else { return };
    let in_field = record.fields.iter().any(
        |(_, value)| matches!(value, ValueRef::Text(v) | ValueRef::Str(v) if v == error.message),
    );
    if !error.message.is_empty() && !record.message.contains(error.message) && !in_field {
        out.push_str("  ");
        colour.put(out, Style::Red, printable(error.message));
    }
    for cause in error.chain() {
        out.push('\n');
        colour.put(
            out,
            Style::Red,
            format_args!("caused by: {}", printable(cause)),
        );
    }
    for line in traceback(record).lines() {
        out.push('\n');
        colour.put(out, Style::Dim, printable(line));
    }
}
