//! One record as one line of a live view: tail and console.
//!
//! ```text
//! 12:03:04.123 INFO  gateway   e252a11f ▶ handle order 17  user=leo
//! 12:03:04.124 INFO  gateway   e252a11f │ order received  items=3
//! 12:03:04.125 INFO  orders    e252a11f │ ▶ reserve stock
//! 12:03:04.128 INFO  orders    e252a11f │ ✔ reserve stock  3.10ms
//! ```
//!
//! What has several lines goes on behind `┆`, indented, so that no record can pretend to be another one.

use distlog_proto::{Kind, Outcome, RecordRef};

use super::paint::{Look, Style, cut_to, span_or_dash, width};
use super::service::service_of;
use super::words::{first_line, mark, put_details, put_fields, reason, service_name};

/// A deeper task is not indented further.
const MAX_INDENT: usize = 12;

/// Columns of a service: shorter ones are padded, longer ones cut.
const MIN_SERVICE: usize = 9;
const MAX_SERVICE: usize = 32;
/// Characters of a trace id, and those that are enough to tell it from those beside it.
const ID: usize = 36;
const SHORT_ID: usize = 8;

/// Stands before all lines of a record but the first.
const BELOW: &str = "             ┆ ";

/// Appends a record; an error's causes follow on lines of their own. Ends with a line feed.
pub fn put_line(out: &mut String, look: Look, record: &RecordRef<'_>) {
    let colour = look.colour;
    colour.put(out, Style::Dim, look.clock(record.time));
    out.push(' ');
    colour.put(
        out,
        Style::of(record.severity),
        format_args!("{:<5}", record.level_name()),
    );
    out.push(' ');
    let service = service_name(look, service_of(record));
    colour.put(out, Style::Cyan, cut_to(&service, look.limit(MAX_SERVICE)));
    let taken = width(&service);
    out.push_str(&" ".repeat(MIN_SERVICE.saturating_sub(taken) + 1));
    let shown = if look.full { ID } else { SHORT_ID };
    let Some(task) = record.task else {
        out.push_str(&" ".repeat(shown + 1));
        let below = put_details(out, look, record);
        return end(out, look, &below);
    };
    let trace = task.trace_id.to_string();
    colour.put(out, Style::Dim, trace.get(..shown).unwrap_or(&trace));
    out.push(' ');
    let steps = if task.path.is_empty() {
        0
    } else {
        task.path.matches('/').count() + 1
    };
    let within = usize::from(!matches!(record.kind, Kind::Begin | Kind::End));
    let depth = steps.saturating_sub(usize::from(task.path.starts_with('~'))) + within;
    colour.put(out, Style::Dim, "│ ".repeat(depth.min(MAX_INDENT)));
    let mut below = Vec::new();
    match record.kind {
        Kind::Begin => {
            colour.put(out, Style::Blue, "▶ ");
            colour.put(out, Style::Bold, title(look, record));
            put_fields(out, look, record, task.context);
        }
        Kind::End => {
            let (mark, style) = mark(record.outcome);
            colour.put(out, style, format_args!("{mark} "));
            colour.put(out, Style::Bold, title(look, record));
            if record.outcome != Outcome::Lost {
                let duration = span_or_dash(record.took());
                colour.put(out, Style::Dim, format_args!("  {duration}"));
            }
            if record.outcome.is_failure() || record.outcome == Outcome::Cancelled {
                colour.put(
                    out,
                    style,
                    format_args!("  {}", first_line(look, reason(record))),
                );
            }
        }
        Kind::Event | Kind::Bind => below = put_details(out, look, record),
    }
    end(out, look, &below);
}

/// Ends the line, and appends those below it.
fn end(out: &mut String, look: Look, below: &[String]) {
    out.push('\n');
    for line in below {
        look.colour.put(out, Style::Dim, BELOW);
        out.push_str(line);
        out.push('\n');
    }
}

fn title(look: Look, record: &RecordRef<'_>) -> String {
    let title = if record.message.is_empty() {
        record.task_name()
    } else {
        record.message
    };
    first_line(look, title)
}

#[cfg(test)]
mod tests {
    use distlog_proto::{BatchRef, Record, Task, TaskId};
    use proptest::prelude::*;

    use super::*;
    use crate::tree::hostile::{batches, check, records, texts};
    use crate::tree::paint::Colour;

    #[test]
    fn services_take_columns_and_a_full_line_has_the_whole_id() {
        let id: TaskId = "e252a11f-d33d-483d-ba08-bc8f642b2f10".parse().unwrap();
        let line = |service: &str, full| {
            let mut record = Record {
                message: "hi".into(),
                task: Some(Task::from(&id)),
                ..Record::default()
            };
            record.source.service = service.into();
            let look = Look {
                full,
                ..Look::new(Colour::Off, false)
            };
            let mut out = String::new();
            for bytes in batches(&[record]) {
                let batch = BatchRef::parse(&bytes).unwrap();
                batch
                    .records()
                    .for_each(|record| put_line(&mut out, look, &record.unwrap()));
            }
            out
        };
        let (short, wide) = (line("shop", false), line("サービス", false));
        assert!(short.ends_with(" shop      e252a11f │ hi\n"), "{short}");
        assert!(wide.ends_with(" サービス  e252a11f │ hi\n"), "{wide}");
        let long = "s".repeat(90);
        assert!(line(&long, false).contains(&format!(" {}… e252a11f ", "s".repeat(31))));
        assert!(line(&long, true).contains(&format!(" {long} {id} ")));
    }

    proptest! {
        #[test]
        fn a_record_begins_one_line_whatever_it_holds(texts in texts(), full in any::<bool>()) {
            let records = records(&texts);
            let look = Look { colour: Colour::Off, full, now: records[0].time };
            let mut out = String::new();
            for bytes in batches(&records) {
                let batch = BatchRef::parse(&bytes).unwrap();
                batch.records().for_each(|record| put_line(&mut out, look, &record.unwrap()));
            }
            check(&out, |line| line.starts_with("12:00:00.000 "), records.len())?;
            let below = out.lines().filter(|line| line.starts_with(BELOW)).count();
            prop_assert_eq!(below + records.len(), out.lines().count(), "{}", out);
        }
    }
}
