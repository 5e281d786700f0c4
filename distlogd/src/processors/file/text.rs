//! A record for people: one line, and what has several lines indented below.
//!
//! ```text
//! 2026-11-23 04:45:36.123456Z INFO  gateway e252a11f-d33d-483d-ba08-bc8f642b2f10/1 ▶ handle order 17  user=leo
//! 2026-11-23 04:45:36.127411Z ERROR orders  e252a11f-d33d-483d-ba08-bc8f642b2f10/1/3 payment refused  amount=12.5
//!     caused by: connection reset
//! ```

use std::io::Write;

use distlog_proto::{Kind, Outcome, RecordRef};

use crate::escape::{indented, one_line};
use crate::tree::paint::{Colour, Look, span_or_dash, utc};
use crate::tree::{put_event_name, put_fields, service_of, traceback};

/// Nothing is cut: it is a file to search in. Times have their date in any case.
const STYLE: Look = Look {
    colour: Colour::Off,
    full: true,
    now: 0,
};

/// Appends a record, with line feed. Whatever its texts hold, no line but the first begins without indentation.
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
        Some(task) => _ = write!(out, " {} ", or_dash(&task.to_string())),
        None => out.extend(b" - "),
    }
    match record.kind {
        Kind::Begin => {
            put(&mut text, &mut below, "▶ ", title(record));
            record
                .task
                .iter()
                .for_each(|task| put_fields(&mut text, STYLE, record, task.context));
        }
        Kind::End => {
            put(&mut text, &mut below, mark(record.outcome), title(record));
            text.push_str("  ");
            text.push_str(&span_or_dash(record.took()));
            put_fields(&mut text, STYLE, record, record.fields);
        }
        Kind::Bind => {
            put(&mut text, &mut below, "+ ", record.message);
            record
                .task
                .iter()
                .for_each(|task| put_fields(&mut text, STYLE, record, task.context));
            put_fields(&mut text, STYLE, record, record.fields);
        }
        Kind::Event => {
            let message = match record.message {
                "" => record.event_name(),
                message => message,
            };
            put(&mut text, &mut below, "", message);
            put_event_name(&mut text, STYLE, record);
            put_fields(&mut text, STYLE, record, record.fields);
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
    out.extend(text.as_bytes());
    out.push(b'\n');
    out.extend(below.as_bytes());
}

fn put(text: &mut String, below: &mut String, mark: &str, message: &str) {
    let (first, rest) = message.split_once('\n').unwrap_or((message, ""));
    text.push_str(mark);
    text.push_str(one_line(first.trim_end()).to_string().as_str());
    indent(below, "", rest);
}

fn indent(below: &mut String, mark: &str, lines: &str) {
    for (at, line) in lines.lines().enumerate() {
        below.push_str("    ");
        below.push_str(if at == 0 { mark } else { "" });
        below.push_str(indented(line.trim_end()).to_string().as_str());
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

/// A text without white space, since that divides what stands before the message.
fn or_dash(text: &str) -> String {
    if text.is_empty() {
        return "-".to_owned();
    }
    one_line(text).to_string().replace(char::is_whitespace, "_")
}

/// `2026-11-23 04:45:36.123456Z`; `–` where it is not known.
fn put_time(out: &mut Vec<u8>, nanos: u64) {
    let _ = match nanos {
        0 => write!(out, "–"),
        nanos => write!(out, "{}", utc(nanos).format("%Y-%m-%d %H:%M:%S%.6fZ")),
    };
}

#[cfg(test)]
mod tests {
    use distlog_proto::BatchRef;
    use proptest::prelude::*;

    use super::*;
    use crate::tree::hostile::{batches, check, records, texts};

    proptest! {
        #[test]
        fn a_record_begins_one_line_whatever_it_holds(texts in texts()) {
            let records = records(&texts);
            let mut out = Vec::new();
            for bytes in batches(&records) {
                let batch = BatchRef::parse(&bytes).unwrap();
                batch.records().for_each(|record| write(&record.unwrap(), &mut out));
            }
            let out = String::from_utf8(out).unwrap();
            check(&out, |line| line.starts_with("2023-11-15 12:00:00.000000Z "), records.len())?;
            let below = out.lines().filter(|line| line.starts_with("    ")).count();
            prop_assert_eq!(below + records.len(), out.lines().count(), "{}", out);
        }
    }

    #[test]
    fn a_time_may_be_unknown_or_far_away() {
        for (nanos, expected) in [(0, "–"), (u64::MAX, "2554-07-21 23:34:33.709551Z")] {
            let mut out = Vec::new();
            put_time(&mut out, nanos);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
