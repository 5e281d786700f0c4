//! What an agent reads: a line or a few for each item, all escaped, and at the end how it goes on.

use std::fmt::Write;

use chrono::SecondsFormat;
use distlog_proto::RecordRef;
use serde_json::{Map, Value};

use super::super::stats::Counted;
use crate::escape::{one_line, put_cut};
use crate::query::problems::Problem;
use crate::query::tasks::TaskItem;
use crate::tree::paint::{Colour, HumanCount, HumanDuration, Look, utc};
use crate::tree::put_line;

/// Longest answer, in bytes, without the line at its end.
pub(super) const MAX_TEXT: usize = 20 << 10;
/// Longest record, in bytes.
pub(super) const MAX_RECORD: usize = 4 << 10;
/// Longest first line of one, in bytes, without its task.
const MAX_FIRST: usize = 2 << 10;
/// What is quoted of a request is cut at this length, in bytes.
pub(super) const MAX_QUOTE: usize = 100;
/// A group of `stats` that is longer, in bytes, has its names cut.
const MAX_GROUP: usize = 300;
/// Longest name in a list, in bytes.
const MAX_NAME: usize = 150;

/// Appends a record as `tail` shows it, with the date, and the id of its task at the end of its first line.
pub(super) fn put_record(record: &RecordRef<'_>, out: &mut Vec<u8>) {
    let look = Look {
        // Every time has its date.
        now: 0,
        ..Look::new(Colour::Off, false)
    };
    let (mut whole, mut text) = (String::new(), String::new());
    put_line(&mut whole, look, record);
    let (first, below) = whole.split_once('\n').unwrap_or((&whole, ""));
    put_cut(&mut text, MAX_FIRST, first);
    if let Some(task) = record.task {
        text.push_str("  task=");
        put_cut(&mut text, MAX_FIRST / 4, one_line(&task.to_string()));
    }
    text.push('\n');
    let below = below.trim_end();
    if !below.is_empty() {
        put_cut(&mut text, MAX_RECORD - MAX_FIRST - MAX_FIRST / 2, below);
        text.push('\n');
    }
    out.extend_from_slice(text.as_bytes());
}

/// Cuts a name that is too long.
pub(super) fn shorten(name: &mut String) {
    if name.len() > MAX_NAME {
        let mut short = String::new();
        put_cut(&mut short, MAX_NAME, &name);
        *name = short;
    }
}

fn time(ns: u64) -> String {
    utc(ns).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Appends a task as a line.
pub(super) fn put_task(out: &mut String, task: &TaskItem) {
    let begin = task.begin_ns.map_or_else(|| "-".to_owned(), time);
    let first = task.name.lines().next().unwrap_or("(no name)");
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "{begin} {} {} · {}",
        one_line(&task.outcome),
        one_line(first),
        one_line(&task.service)
    );
    if let Some(duration) = task.duration_ns {
        let _ = write!(out, "  {}", HumanDuration(duration));
    }
    if task.failed > 0 {
        let _ = write!(out, "  {} failed in it", task.failed);
    }
    if !task.root {
        out.push_str("  (its root is not here)");
    }
    let _ = writeln!(out, "  id={}", one_line(&task.id));
}

/// Appends a problem: what it is, where and when, and tasks that have it.
pub(super) fn put_problem(out: &mut String, problem: &Problem) {
    let message = problem.message.lines().next().unwrap_or_default();
    let _ = writeln!(
        out,
        "{}× {}  {}",
        HumanCount(problem.count),
        one_line(&problem.kind),
        one_line(message)
    );
    let template = problem.template.lines().next().unwrap_or_default();
    let template = Some(template).filter(|template| *template != message);
    let place = Some(&*problem.place).filter(|place| !place.is_empty());
    let parts = [
        Some(&*problem.service),
        template,
        Some(place.unwrap_or(&problem.target)),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .flatten()
        .filter(|part| !part.is_empty())
        .map(|part| one_line(part).to_string())
        .collect();
    let _ = writeln!(
        out,
        "  {}  first {}, last {}",
        parts.join(" · "),
        time(problem.first_seen_ns),
        time(problem.last_seen_ns)
    );
    for id in &problem.ids {
        let _ = writeln!(out, "  id={}", one_line(id));
    }
}

/// Appends whether that is all, and how the list goes on.
pub(super) fn put_end(
    out: &mut String,
    items: &str,
    found: usize,
    next: Option<&str>,
    complete: bool,
) {
    let _ = match (next, complete, found) {
        (None, true, 0) => writeln!(out, "no such {items}"),
        (None, true, _) => writeln!(out, "these are all"),
        (None, false, _) => writeln!(
            out,
            "time ran out before all was looked at: ask for a shorter span of time"
        ),
        (Some(next), true, _) => writeln!(
            out,
            "… there are older {items}: call again with the same arguments and cursor {next:?}"
        ),
        (Some(next), false, _) => writeln!(
            out,
            "… time ran out: look on with the same arguments and cursor {next:?}, or ask for a shorter span of time"
        ),
    };
}

/// A group as a JSON object, its values not too long.
fn group(row: &[u8]) -> String {
    if row.len() > MAX_GROUP
        && let Ok(mut fields) = serde_json::from_slice::<Map<String, Value>>(row)
    {
        for value in fields.values_mut() {
            match value {
                Value::String(text) => shorten(text),
                Value::Array(_) | Value::Object(_) => {
                    let mut text = value.to_string();
                    shorten(&mut text);
                    *value = text.into();
                }
                Value::Null | Value::Bool(_) | Value::Number(_) => {}
            }
        }
        return Value::Object(fields).to_string();
    }
    String::from_utf8_lossy(row).into_owned()
}

fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// Groups of `stats`, a line for each.
pub(super) fn groups(counted: &Counted) -> String {
    let rows = &counted.rows;
    let lines: Vec<String> = rows.rows.iter().map(|row| group(row)).collect();
    let room = |lines: &mut dyn Iterator<Item = &String>| {
        let mut size = 0;
        let fits = |line: &&String| {
            size += line.len() + 1;
            size <= MAX_TEXT
        };
        lines.take_while(fits).count()
    };
    // By time the newest come last, and count most.
    let shown = if counted.by_time {
        lines.len() - room(&mut lines.iter().rev())..lines.len()
    } else {
        0..room(&mut lines.iter())
    };
    let mut out = String::new();
    for line in lines.get(shown.clone()).unwrap_or_default() {
        out.push_str(line);
        out.push('\n');
    }
    let _ = write!(
        out,
        "{} record{} in {} group{}",
        HumanCount(rows.records),
        plural(rows.records),
        HumanCount(rows.groups as u64),
        plural(rows.groups as u64)
    );
    if shown.len() < rows.groups {
        let (which, how) = if counted.by_time {
            ("newest", "older ones set `to` to the first time here")
        } else {
            (
                "largest",
                "others narrow it with `q`, `filter` or times, or group by fewer names",
            )
        };
        let _ = write!(
            out,
            ", of which these are the {} {which}: for {how}",
            shown.len()
        );
    }
    out.push('\n');
    if rows.truncated {
        out.push_str(
            "There are too many groups: some are missing, others have less than they should.\n",
        );
    }
    if !counted.complete {
        out.push_str("Time ran out before all was looked at: ask for a shorter span of time.\n");
    }
    out
}
