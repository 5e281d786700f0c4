//! `distlogd stats`: counts by groups and over time.

use std::io::{self, Write};
use std::time::Duration;

use chrono::DateTime;
use clap::Args;
use serde_json::{Map, Value};

use super::client::{Error, get_lines, report_found};
use super::output::tell;
use super::query_args::{QueryArgs, each_item, tell_end};
use super::table::terminal_width;
use super::{DaemonArgs, LookArgs};
use crate::escape::{one_line, put_cut};
use crate::tree::paint::{Colour, HumanCount, HumanDuration, Look, Style, width as columns_of};
use crate::values::parse_duration;

const EXAMPLES: &str = "\
Examples:
  distlogd stats                                    records by service and severity
  distlogd stats --every 1m --since 1h              a histogram of the last hour
  distlogd stats --by task_name -f 'kind == \"end\"'  how long tasks took
  distlogd stats --by fields.route --severity error errors by a field
  distlogd stats refused --every 1h --by service    how often a word came, by hour and service

Exit codes: 0 found, 1 failed or nothing found in this time, 4 nothing found.";

/// Groups that are shown if nothing is said, and time slots.
const LIMITS: (usize, usize) = (50, 1000);
/// The longest bar, in characters.
const MAX_BAR: usize = 40;
/// A value is cut at this length, in bytes.
const MAX_VALUE: usize = 80;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct StatsArgs {
    #[command(flatten)]
    query: QueryArgs,
    /// What to group by: names as conditions have them (service, target, outcome, fields.route, resource.zone),
    /// severity, task_name.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    by: Option<Vec<String>>,
    /// Count for each slot of time: 1m, 1h.
    #[arg(long, value_name = "DURATION")]
    every: Option<String>,
    /// Number of groups: the largest or, with --every, those of the newest slots.
    #[arg(long, short = 'n', allow_negative_numbers = true)]
    limit: Option<usize>,
    #[command(flatten)]
    daemon: DaemonArgs,
    #[command(flatten)]
    look: LookArgs,
}

type Row = Map<String, Value>;

pub(super) fn stats(args: &StatsArgs) -> u8 {
    report_found(ask(args))
}

fn ask(args: &StatsArgs) -> Result<bool, Error> {
    let by = match (&args.by, &args.every) {
        (Some(by), _) => by.iter().map(|name| name.trim().to_owned()).collect(),
        (None, Some(_)) => Vec::new(),
        (None, None) => vec!["service".to_owned(), "severity".to_owned()],
    };
    let usual = if args.every.is_some() {
        LIMITS.1
    } else {
        LIMITS.0
    };
    let mut query = args.query.parameters();
    query.push(("by", by.join(",")));
    query.push(("progress", "true".to_owned()));
    query.push(("limit", args.limit.unwrap_or(usual).to_string()));
    query.extend(args.every.clone().map(|every| ("every", every)));
    let body = get_lines(&args.daemon, "/api/v1/stats", &query)?;
    let mut out = io::stdout().lock();
    let mut rows: Vec<Row> = Vec::new();
    let mut found = 0;
    let end = each_item(body, |item| {
        found += 1;
        if args.look.json {
            return writeln!(out, "{item}").map_err(Error::Output);
        }
        rows.push(serde_json::from_str(&item).map_err(|error| Error::Answer(error.to_string()))?);
        Ok(())
    })?;
    let colour = if args.look.color() {
        Colour::On
    } else {
        Colour::Off
    };
    let look = Look::new(colour, args.look.full);
    let text = match args.every.as_deref().and_then(parse_duration) {
        Some(every) if by.is_empty() => histogram(&filled(rows, every), &by, look, width()),
        Some(_) => histogram(&rows, &by, look, width()),
        None => table(&rows, &by, look),
    };
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(Error::Output)?;
    let more = end.groups.saturating_sub(found);
    if more > 0 {
        tell!("… {} more groups: -n shows more", HumanCount(more as u64));
    }
    if end.truncated {
        tell!("there are more groups than can be counted: some are missing, others are too small");
    }
    tell_end(found > 0, &end, "nothing found")
}

/// Columns of the terminal.
fn width() -> usize {
    terminal_width().unwrap_or(80)
}

fn time_of(row: &Row) -> u64 {
    let time = row.get("time").and_then(Value::as_str);
    time.and_then(|time| DateTime::parse_from_rfc3339(time).ok())
        .and_then(|time| u64::try_from(time.timestamp_nanos_opt()?).ok())
        .unwrap_or(0)
}

fn count_of(row: &Row) -> u64 {
    row.get("count").and_then(Value::as_u64).unwrap_or(0)
}

/// The count as people read it.
fn counted(row: &Row) -> String {
    HumanCount(count_of(row)).to_string()
}

/// Adds the slots in which nothing was, unless they are very many.
fn filled(rows: Vec<Row>, every: Duration) -> Vec<Row> {
    let every = u64::try_from(every.as_nanos()).unwrap_or(u64::MAX).max(1);
    let (Some(first), Some(last)) = (rows.first().map(time_of), rows.last().map(time_of)) else {
        return rows;
    };
    if (last - first) / every > LIMITS.1 as u64 {
        return rows;
    }
    let mut all = Vec::new();
    let mut next = first;
    for row in rows {
        let time = time_of(&row);
        while next < time {
            let begin = crate::tree::paint::utc(next).to_rfc3339();
            all.push(Row::from_iter([("time".to_owned(), Value::from(begin))]));
            next += every;
        }
        next = time.saturating_add(every);
        all.push(row);
    }
    all
}

/// A value of a group as people read it.
fn shown(row: &Row, name: &str, look: Look) -> String {
    let mut out = String::new();
    let text = match row.get(name) {
        None | Some(Value::Null) => "–".to_owned(),
        Some(Value::String(text)) if text.is_empty() => "–".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    put_cut(&mut out, look.limit(MAX_VALUE), one_line(&text));
    out
}

const DURATIONS: [(&str, &str); 4] = [
    ("p50", "p50_ns"),
    ("p90", "p90_ns"),
    ("p99", "p99_ns"),
    ("max", "max_ns"),
];

/// A line for each group: count, durations where there are any, what it is.
fn table(rows: &[Row], by: &[String], look: Look) -> String {
    let mut out = String::new();
    if rows.is_empty() {
        return out;
    }
    let timed = rows.iter().any(|row| row.contains_key("max_ns"));
    let columns: Vec<Vec<String>> = by
        .iter()
        .map(|name| rows.iter().map(|row| shown(row, name, look)).collect())
        .collect();
    let widths: Vec<usize> = by
        .iter()
        .zip(&columns)
        .map(|(name, values)| {
            values
                .iter()
                .chain([name])
                .map(|v| columns_of(v))
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut head = format!("{:>9}", "count");
    if timed {
        DURATIONS
            .iter()
            .for_each(|(name, _)| head += &format!("{name:>9}"));
    }
    for (name, width) in by.iter().zip(&widths) {
        head += &format!("  {:<width$}", one_line(name).to_string());
    }
    look.colour.put(&mut out, Style::Dim, head.trim_end());
    out.push('\n');
    for (at, row) in rows.iter().enumerate() {
        look.colour
            .put(&mut out, Style::Bold, format_args!("{:>9}", counted(row)));
        if timed {
            for (_, name) in DURATIONS {
                let value = row.get(name).and_then(Value::as_u64);
                let value = value.map_or("–".to_owned(), |v| HumanDuration(v).to_string());
                out += &format!("{value:>9}");
            }
        }
        for (at_column, (name, width)) in by.iter().zip(&widths).enumerate() {
            let value = &columns[at_column][at];
            out.push_str("  ");
            let last = at_column + 1 == by.len();
            let padding = if last { 0 } else { width - columns_of(value) };
            look.colour.put(&mut out, style_of(name, value), value);
            out.push_str(&" ".repeat(padding));
        }
        out.push('\n');
    }
    out
}

fn style_of(name: &str, value: &str) -> Style {
    match name {
        "severity" => distlog_proto::Severity::from_text(value).map_or(Style::Dim, Style::of),
        "service" => Style::Cyan,
        _ => Style::Plain,
    }
}

/// A line for each slot of time, with a bar.
fn histogram(rows: &[Row], by: &[String], look: Look, width: usize) -> String {
    let mut out = String::new();
    let most = rows.iter().map(count_of).max().unwrap_or(0).max(1);
    let digits = HumanCount(most).to_string().len();
    let clocks: Vec<String> = rows
        .iter()
        // The epoch is a time here, not one that nobody knows.
        .map(|row| look.clock(time_of(row).max(1)).to_string())
        .collect();
    // Slots mostly begin at full seconds.
    let whole = clocks.iter().all(|clock| clock.ends_with(".000"));
    let cut = |clock: &String| clock.len() - if whole { 4 } else { 0 };
    let clock = clocks.iter().map(cut).max();
    // Groups stand behind the bar: half of what is left is theirs.
    let left = width.saturating_sub(clock.unwrap_or(0) + digits + 3);
    let bar = if by.is_empty() { left } else { left / 2 }.clamp(4, MAX_BAR);
    for (row, clock) in rows.iter().zip(&clocks) {
        let count = count_of(row);
        look.colour.put(&mut out, Style::Dim, &clock[..cut(clock)]);
        look.colour.put(
            &mut out,
            Style::Bold,
            format_args!(" {:>digits$} ", counted(row)),
        );
        let text = bar_of(count, most, bar);
        look.colour.put(&mut out, Style::Green, &text);
        if !by.is_empty() {
            out.push_str(&" ".repeat(bar - text.chars().count() + 1));
            for name in by {
                let value = shown(row, name, look);
                out.push(' ');
                look.colour.put(&mut out, style_of(name, &value), &value);
            }
        }
        out.truncate(out.trim_end_matches(' ').len());
        out.push('\n');
    }
    out
}

/// A bar, to an eighth of a character.
fn bar_of(count: u64, most: u64, width: usize) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = u128::from(count) * width as u128 * 8 / u128::from(most);
    // What is there is seen.
    let eighths = usize::try_from(eighths)
        .unwrap_or(0)
        .max(usize::from(count > 0));
    "█".repeat(eighths / 8) + PARTS[eighths % 8]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(json: &[&str]) -> Vec<Row> {
        json.iter()
            .map(|row| serde_json::from_str(row).unwrap())
            .collect()
    }

    fn look() -> Look {
        Look {
            colour: Colour::Off,
            full: false,
            now: 1_700_049_600_000_000_000,
        }
    }

    #[test]
    fn groups_are_a_table() {
        let rows = rows(&[
            r#"{"service":"shop","severity":"WARN","count":12,"p50_ns":1000,"p90_ns":2000,"p99_ns":3000000,"max_ns":61000000000}"#,
            r#"{"service":"evil\nname","severity":"INFO","count":7}"#,
            r#"{"service":null,"severity":"","count":1}"#,
        ]);
        let by = ["service".to_owned(), "severity".to_owned()];
        let expected = "    count      p50      p90      p99      max  service     severity
       12   1.00µs   2.00µs   3.00ms   1m 01s  shop        WARN
        7        –        –        –        –  evil\\nname  INFO
        1        –        –        –        –  –           –
";
        assert_eq!(table(&rows, &by, look()), expected);
        assert_eq!(table(&[], &by, look()), "");
    }

    #[test]
    fn a_slot_at_the_epoch_has_its_time() {
        let rows = rows(&[r#"{"time":"1970-01-01T00:00:00Z","count":12345}"#]);
        let text = histogram(&rows, &[], look(), 10);
        assert_eq!(text, "1970-01-01 00:00:00 12,345 ████\n");
    }

    #[test]
    fn time_is_a_histogram_without_gaps() {
        let rows = rows(&[
            r#"{"time":"2023-11-15T12:00:00Z","count":80}"#,
            r#"{"time":"2023-11-15T12:03:00Z","count":1}"#,
        ]);
        let expected = "\
12:00:00 80 ████
12:01:00  0
12:02:00  0
12:03:00  1 ▏
";
        let rows = filled(rows, Duration::from_secs(60));
        assert_eq!(histogram(&rows, &[], look(), 10), expected);
    }
}
