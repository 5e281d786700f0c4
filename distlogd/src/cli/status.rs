//! `distlogd status`: how a running daemon does, on one page.

use std::fmt::Write as _;

use super::client::{Error, get, print, print_all, report_found};
use super::table::{Cell, Table, terminal_width};
use super::{DaemonArgs, LookArgs};
use crate::escape::one_line;
use crate::self_telemetry::{AlertStatus, TimedError};
use crate::status::{Status, StoreStatus, TreesStatus, ViewStatus};
use crate::tree::paint::{HumanCount, HumanDuration, HumanSize, Look, Style};

/// So many warnings are shown.
const MAX_REPORTS: usize = 5;
/// So many alerts that fire are shown of one processor.
const MAX_ALERTS: usize = 5;
/// A lag of this many ns is shown in colour.
const SLOW: u64 = 10_000_000_000;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  distlogd status                        how the daemon on this machine does
  distlogd status -n 100                 more of the producers
  distlogd status --json | jq .store     for programs")]
pub(super) struct StatusArgs {
    /// List this many producers, those that sent last.
    #[arg(long, short = 'n', default_value_t = 20, allow_negative_numbers = true)]
    producers: usize,
    #[command(flatten)]
    daemon: DaemonArgs,
    #[command(flatten)]
    look: LookArgs,
}

pub(super) fn status(args: &StatusArgs) -> u8 {
    let producers = args.producers.to_string();
    let query = [("producers", producers.as_str())];
    let answer = get(&args.daemon, "/api/v1/status", &query);
    report_found(answer.and_then(|body| {
        if args.look.json {
            return print_all(body, true).map(|()| true);
        }
        let status: Status =
            serde_json::from_reader(body).map_err(|error| Error::Answer(error.to_string()))?;
        print(&page(&status, args.look.look(), terminal_width())).map(|()| true)
    }))
}

/// The page.
fn page(status: &Status, look: Look, columns: Option<usize>) -> String {
    let mut out = String::new();
    look.colour.put(&mut out, Style::Bold, "distlogd");
    let (version, host) = (one_line(&status.version), one_line(&status.host));
    let up = HumanDuration(status.uptime_ns);
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        " {version} on {host}, process {}, up {up}",
        status.process_id
    );
    if let Some(view) = &status.view {
        put_view(&mut out, status, view);
        put_reports(&mut out, look, status);
        return out;
    }
    put_store(&mut out, look, status);
    let none = match status.more_producers {
        0 => "no producers yet",
        _ => "",
    };
    let sections = [
        (receivers(status), ""),
        (intake(status), ""),
        (processors(status), "no processors: records are only stored"),
        (producers(status, look), none),
    ];
    for (table, none) in &sections {
        if table.is_empty() && none.is_empty() {
            continue;
        }
        out.push('\n');
        if table.is_empty() {
            look.colour.put(&mut out, Style::Dim, none);
            out.push('\n');
        } else {
            table.put(&mut out, look, columns);
        }
    }
    if status.more_producers > 0 {
        let more = format!("… {} more: distlogd status -n 1000", status.more_producers);
        look.colour.put(&mut out, Style::Dim, more);
        out.push('\n');
    }
    put_reports(&mut out, look, status);
    out
}

/// What the daemon warned of lately, the last one at the bottom.
fn put_reports(out: &mut String, look: Look, status: &Status) {
    if !status.reports.is_empty() {
        out.push('\n');
    }
    for report in status.reports.iter().take(MAX_REPORTS).rev() {
        let style = match report.level.as_str() {
            "ERROR" => Style::Red,
            _ => Style::Yellow,
        };
        look.colour.put(out, style, one_line(&report.level));
        let ago = ago(status, report.time_ns, look);
        let times = match report.count {
            1 => String::new(),
            count => format!(" {}×", HumanCount(count)),
        };
        look.colour
            .put(out, Style::Dim, format_args!(" {ago}{times}  "));
        let _ = writeln!(out, "{}", one_line(&report.message));
    }
}

fn put_view(out: &mut String, status: &Status, view: &ViewStatus) {
    let _ = write!(out, "a view of {}", one_line(&view.database));
    let ago = |time: u64| HumanDuration(status.time_ns.saturating_sub(time));
    let _ = match (view.oldest_ns, view.newest_ns) {
        (Some(oldest), Some(newest)) => writeln!(
            out,
            "\n  the oldest record {} old, the newest {}",
            ago(oldest),
            ago(newest)
        ),
        _ => writeln!(out, ", which is empty"),
    };
    if let Some(http) = &status.http {
        let _ = writeln!(out, "  at {}", one_line(http));
    }
}

fn put_store(out: &mut String, look: Look, status: &Status) {
    let store = &status.store;
    let _ = write!(out, "store {}: ", one_line(&store.path));
    let _ = write!(out, "{} records", HumanCount(store.records));
    if let Some(oldest) = store.oldest_ns {
        let age = HumanDuration(status.time_ns.saturating_sub(oldest));
        let _ = write!(out, ", the oldest {age} old");
        if let Some(keep) = store.keep_age_ns {
            let _ = write!(out, " (of {})", HumanDuration(keep));
        }
    }
    let _ = write!(out, "\n  {} ", HumanSize(store.bytes));
    if let Some(keep) = store.keep_bytes {
        let _ = write!(out, "of {} ", HumanSize(keep));
    }
    let plural = if store.segments == 1 { "" } else { "s" };
    let _ = write!(out, "in {} segment{plural}", store.segments);
    if store.unsealed_segments > 0 {
        let _ = write!(out, " ({} to be sealed)", store.unsealed_segments);
    }
    if let Some(free) = store.free_bytes {
        let _ = write!(out, ", {} free on its disk", HumanSize(free));
    }
    if store.pending_bytes > 0 {
        let _ = write!(out, ", {} not yet durable", HumanSize(store.pending_bytes));
    }
    out.push('\n');
    for deletion in &status.deletions {
        let age = HumanDuration(status.time_ns.saturating_sub(deletion.asked_ns));
        let _ = write!(out, "  deleting {}", one_line(&deletion.which.said()));
        let (gone, records) = (deletion.erased_records, HumanCount(deletion.records));
        let least = if deletion.complete { "" } else { "at least " };
        let gone = HumanCount(gone);
        let _ = writeln!(
            out,
            ", asked {age} ago: {gone} of {least}{records} out of its files"
        );
    }
    for (count, what) in wrong(store) {
        if count > 0 {
            let line = format!("  {} {what}", HumanCount(count));
            look.colour.put(out, Style::Red, line);
            out.push('\n');
        }
    }
}

/// What is wrong with the store.
fn wrong(store: &StoreStatus) -> [(u64, &'static str); 5] {
    [
        (store.damaged_places, "places of the store are damaged"),
        (store.damaged_records, "records are lost by damage"),
        (
            store.no_space,
            "batches were refused, since the disk was full",
        ),
        (store.write_errors, "writes failed"),
        (store.seal_errors, "attempts to seal a segment failed"),
    ]
}

fn count(n: u64, style: Style) -> Cell {
    let style = if n > 0 { style } else { Style::Dim };
    Cell::number(HumanCount(n)).styled(style)
}

/// The last error below a row, with its age.
fn put_last_error(table: &mut Table, status: &Status, error: Option<&TimedError>, style: Style) {
    if let Some(error) = error {
        let age = HumanDuration(status.time_ns.saturating_sub(error.time_ns));
        let text = format!("last error {age} ago: {}", error.message);
        table.below(Cell::text(&text).styled(style));
    }
}

fn receivers(status: &Status) -> Table {
    let mut table = Table::new(&["RECEIVER", "ADDRESS", "ACCEPTED", "REFUSED", "REJECTED"]);
    for one in &status.receivers {
        table.row(vec![
            Cell::text(&one.receiver).styled(Style::Cyan),
            Cell::text(&one.addresses.join(" ")),
            count(one.accepted_records, Style::Plain),
            count(one.refused_records, Style::Yellow),
            count(one.rejected_inputs, Style::Yellow),
        ]);
        put_last_error(&mut table, status, one.last_error.as_ref(), Style::Yellow);
    }
    if let Some(http) = &status.http {
        table.row(vec![
            Cell::text("http").styled(Style::Cyan),
            Cell::text(http),
        ]);
    }
    table
}

fn intake(status: &Status) -> Table {
    let mut table = Table::new(&["INTAKE RULE", "DROPPED", "REDACTED", "FAILED VALUES"]);
    for one in &status.intake {
        table.row(vec![
            Cell::text(&one.rule).styled(Style::Cyan),
            count(one.dropped_records, Style::Plain),
            count(one.redacted_records, Style::Plain),
            count(one.failed_values, Style::Yellow),
        ]);
    }
    table
}

fn processors(status: &Status) -> Table {
    let mut table = Table::new(&[
        "PROCESSOR",
        "LAG",
        "BEHIND",
        "SENT",
        "REJECTED",
        "SKIPPED",
        "RETRIES",
    ]);
    for one in &status.processors {
        let (name, style) = if one.failing {
            let name = Cell::text(&format!("✗ {}", one.processor));
            (name.styled(Style::Red), Style::Red)
        } else {
            (
                Cell::text(&one.processor).styled(Style::Cyan),
                Style::Yellow,
            )
        };
        let behind = match one.lag_ns {
            0 => Cell::number("–").styled(Style::Dim),
            lag => Cell::number(HumanDuration(lag)).styled_if(lag > SLOW, Style::Yellow),
        };
        table.row(vec![
            name,
            count(one.lag_records, Style::Plain),
            behind,
            count(one.sent_records, Style::Plain),
            count(one.rejected_records, Style::Yellow),
            count(one.skipped_records, Style::Yellow),
            count(one.retries, Style::Yellow),
        ]);
        if let Some(trees) = &one.trees {
            table.below(Cell::text(&trees_line(trees)).styled(Style::Dim));
        }
        put_last_error(&mut table, status, one.last_error.as_ref(), style);
        if let Some(alert) = &one.alert {
            put_alert(&mut table, status, alert);
        }
    }
    table
}

/// The alerts that fire, below the row of their processor.
fn put_alert(table: &mut Table, status: &Status, alert: &AlertStatus) {
    for one in alert.longest.iter().take(MAX_ALERTS) {
        let labels = one
            .labels
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let labels = labels.collect::<Vec<_>>().join(" ");
        let since = HumanDuration(status.time_ns.saturating_sub(one.since_ns));
        let text = format!("firing for {since}: {labels} ({} records)", one.count);
        table.below(Cell::text(&text).styled(Style::Red));
    }
    let more = alert.firing.saturating_sub(MAX_ALERTS as u64);
    if more > 0 {
        let text = format!("… {more} more fire: distlogd status --json lists 100");
        table.below(Cell::text(&text).styled(Style::Red));
    }
    if alert.undelivered > 0 {
        let text = format!("{} notifications wait to be delivered", alert.undelivered);
        table.below(Cell::text(&text).styled(Style::Yellow));
    }
}

fn trees_line(trees: &TreesStatus) -> String {
    let TreesStatus {
        open,
        kept,
        sampled,
        dropped,
        early,
    } = trees;
    let [open, kept, sampled, dropped, early] =
        [open, kept, sampled, dropped, early].map(|n| HumanCount(*n));
    format!(
        "trees: {open} wait, {kept} kept, {sampled} sampled, {dropped} dropped, {early} of them early"
    )
}

fn producers(status: &Status, look: Look) -> Table {
    let mut table = Table::new(&[
        "PRODUCER",
        "HOST",
        "PID",
        "STATE",
        "LAST SEEN",
        "RECORDS",
        "DROPPED",
        "",
    ]);
    for one in &status.producers {
        let dropped: u64 = one.dropped.values().sum();
        let by_level: Vec<String> = one
            .dropped
            .iter()
            .map(|(level, n)| format!("{n} {level}"))
            .collect();
        let pid = match one.process_id {
            0 => Cell::number(""),
            pid => Cell::number(pid),
        };
        let state = match one.state.as_str() {
            "died" => Style::Red,
            "open" => Style::Green,
            _ => Style::Dim,
        };
        table.row(vec![
            Cell::text(&one.service).styled(Style::Cyan),
            Cell::text(&one.host),
            pid,
            Cell::text(&one.state).styled(state),
            Cell::text(&ago(status, one.last_seen_ns, look)),
            count(one.records, Style::Plain),
            count(dropped, Style::Red),
            Cell::text(&by_level.join(", ")).styled(Style::Red),
        ]);
    }
    table
}

/// How long ago, or when that was.
fn ago(status: &Status, time: u64, look: Look) -> String {
    // A clock may be ahead.
    match status.time_ns.checked_sub(time) {
        Some(age) if age <= 24 * 3_600_000_000_000 => format!("{} ago", HumanDuration(age)),
        _ => look.clock(time).to_string(),
    }
}
