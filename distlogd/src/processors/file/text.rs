//! A record for people: one line, and what has several lines indented below.
//!
//! ```text
//! 2026-11-23 04:45:36.123456Z INFO  gateway e252a11f-d33d-483d-ba08-bc8f642b2f10/1 ▶ handle order 17  user=leo
//! 2026-11-23 04:45:36.127411Z ERROR orders  e252a11f-d33d-483d-ba08-bc8f642b2f10/1/3 payment refused  amount=12.5
//!     caused by: connection reset
//! ```

use std::io::Write;

use distlog_proto::{Kind, Outcome, RecordRef};

use crate::tree::paint::{Colour, Span, printable};
use crate::tree::{put_fields, service_of, traceback};

/// Appends a record, with line feed.
pub(super) fn write(record: &RecordRef<'_>, out: &mut Vec<u8>) {
    let mut text = String::new();
    let mut below = String::new();
    put_time(out, record.time);
    // Writing into memory does not fail.
    let _ = write!(
        out,
        " {:<5} {}",
        record.level_name(),
        or_dash(service_of(record))
    );
    match record.task {
        Some(task) => _ = write!(out, " {task} "),
        None => out.extend(b" - "),
    }
    match record.kind {
        Kind::Begin => {
            put(&mut text, &mut below, "▶ ", title(record));
            record
                .task
                .iter()
                .for_each(|task| put_fields(&mut text, Colour::Off, record, task.context));
        }
        Kind::End => {
            put(&mut text, &mut below, mark(record.outcome), title(record));
            text.push_str(&format!("  {}", Span(record.duration)));
            put_fields(&mut text, Colour::Off, record, record.fields);
        }
        Kind::Bind => {
            put(&mut text, &mut below, "+ ", record.message);
            record
                .task
                .iter()
                .for_each(|task| put_fields(&mut text, Colour::Off, record, task.context));
            put_fields(&mut text, Colour::Off, record, record.fields);
        }
        Kind::Event => {
            put(&mut text, &mut below, "", record.message);
            put_fields(&mut text, Colour::Off, record, record.fields);
        }
    }
    if !record.status_message.is_empty() {
        indent(&mut below, "", record.status_message);
    }
    if let Some(error) = record.error() {
        if !error.message.is_empty()
            && !record.message.contains(error.message)
            && error.message != record.status_message
        {
            indent(&mut below, "error: ", error.message);
        }
        error
            .chain()
            .for_each(|cause| indent(&mut below, "caused by: ", cause));
        indent(&mut below, "", traceback(record));
    }
    indent(&mut below, "", record.stack);
    // Values of fields may have line feeds of their own.
    out.extend(text.replace('\n', "\\n").as_bytes());
    out.push(b'\n');
    out.extend(below.as_bytes());
}

fn put(text: &mut String, below: &mut String, mark: &str, message: &str) {
    let (first, rest) = message.split_once('\n').unwrap_or((message, ""));
    text.push_str(mark);
    text.push_str(printable(first).trim_end());
    indent(below, "", rest);
}

fn indent(below: &mut String, mark: &str, lines: &str) {
    for (at, line) in lines.lines().enumerate() {
        below.push_str("    ");
        below.push_str(if at == 0 { mark } else { "" });
        below.push_str(printable(line).trim_end());
        below.push('\n');
    }
}

fn title<'a>(record: &RecordRef<'a>) -> &'a str {
    if record.name.is_empty() && !record.message.is_empty() {
        record.message
    } else {
        record.task_name()
    }
}

fn mark(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok | Outcome::Success => "✔ ",
        Outcome::Failed => "✗ ",
        Outcome::Lost => "† ",
        Outcome::Cancelled => "⊘ ",
        Outcome::Unset => "■ ",
    }
}

fn or_dash(text: &str) -> std::borrow::Cow<'_, str> {
    if text.is_empty() {
        "-".into()
    } else {
        printable(text).replace(char::is_whitespace, "_").into()
    }
}

/// `2026-11-23 04:45:36.123456Z`
fn put_time(out: &mut Vec<u8>, nanos: u64) {
    let time = chrono::DateTime::from_timestamp_nanos(i64::try_from(nanos).unwrap_or(i64::MAX));
    let _ = write!(out, "{}", time.format("%Y-%m-%d %H:%M:%S%.6fZ"));
}
