//! One record as one line of a live view: tail and console.
//!
//! ```text
//! 12:03:04.123 INFO  gateway   e252a11f ▶ handle order 17  user=leo
//! 12:03:04.124 INFO  gateway   e252a11f │ order received  items=3
//! 12:03:04.125 INFO  orders    e252a11f │ ▶ reserve stock
//! 12:03:04.128 INFO  orders    e252a11f │ ✔ reserve stock  3.10ms
//! ```

use distlog_proto::{Kind, Outcome, RecordRef};

use super::paint::{Clock, Colour, Span, Style, printable};
use super::words::{mark, put_details, put_fields, reason, service_of};

/// A deeper task is not indented further.
const MAX_INDENT: usize = 12;

/// Appends a record; an error's causes follow on lines of their own. Ends with a line feed.
pub fn put_line(out: &mut String, colour: Colour, record: &RecordRef<'_>) {
    colour.put(out, Style::Dim, Clock(record.time));
    out.push(' ');
    colour.put(
        out,
        Style::of(record.severity),
        format_args!("{:<5}", record.level_name()),
    );
    out.push(' ');
    colour.put(
        out,
        Style::Cyan,
        format_args!("{:<9}", printable(service_of(record))),
    );
    out.push(' ');
    let Some(task) = record.task else {
        out.push_str("         ");
        put_details(out, colour, record);
        out.push('\n');
        return;
    };
    let trace = task.trace_id.to_hex();
    colour.put(out, Style::Dim, &trace[..8]);
    out.push(' ');
    let steps = if task.path.is_empty() {
        0
    } else {
        task.path.matches('/').count() + 1
    };
    let within = usize::from(!matches!(record.kind, Kind::Begin | Kind::End));
    let depth = steps.saturating_sub(usize::from(task.path.starts_with('~'))) + within;
    colour.put(out, Style::Dim, "│ ".repeat(depth.min(MAX_INDENT)));
    match record.kind {
        Kind::Begin => {
            colour.put(out, Style::Blue, "▶ ");
            colour.put(out, Style::Bold, title(record));
            put_fields(out, colour, record, task.context);
        }
        Kind::End => {
            let (mark, style) = mark(record.outcome);
            colour.put(out, style, format_args!("{mark} "));
            colour.put(out, Style::Bold, title(record));
            if record.duration > 0 {
                colour.put(out, Style::Dim, format_args!("  {}", Span(record.duration)));
            }
            if record.outcome.is_failure() || record.outcome == Outcome::Cancelled {
                colour.put(
                    out,
                    style,
                    format_args!(
                        "  {}",
                        printable(reason(record)).lines().next().unwrap_or_default()
                    ),
                );
            }
        }
        Kind::Event | Kind::Bind => put_details(out, colour, record),
    }
    out.push('\n');
}

fn title(record: &RecordRef<'_>) -> String {
    let title = if record.message.is_empty() {
        record.task_name()
    } else {
        record.message
    };
    printable(title)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}
