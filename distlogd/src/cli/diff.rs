//! `distlogd diff`: two trees compared.

use std::fmt::Write as _;

use super::client::{Error, get, print, print_all, report_found};
use super::table::terminal_width;
use super::{DaemonArgs, LookArgs};
use crate::escape::one_line;
use crate::query::diff::{Diff, DiffNode, DiffTask, TreeHead};
use crate::tree::paint::{HumanDuration, Look, Style, cut_to, span_or_dash, width};

/// From this width on the trees stand side by side.
const SIDE_BY_SIDE: usize = 120;
/// A difference of durations is shown in colour from this part of the whole on.
const NOTABLE: u64 = 20;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Lines begin with - (only the first tree has it), + (only the second has it) or ~ (it differs).

Examples:
  distlogd diff ID ID                    a good run and a bad one
  distlogd diff ID ID --full             also what is alike
  distlogd diff ID ID --cursor NEXT      the next part of large trees
  distlogd diff ID ID --json | jq .first_difference")]
pub(super) struct DiffArgs {
    /// The first task: a trace id, or the id of a subtask.
    a: String,
    /// The second task.
    b: String,
    /// Continue where the previous answer ended.
    #[arg(long)]
    cursor: Option<String>,
    #[command(flatten)]
    daemon: DaemonArgs,
    #[command(flatten)]
    look: LookArgs,
}

pub(super) fn diff(args: &DiffArgs) -> u8 {
    let mut query = vec![("a", args.a.as_str()), ("b", args.b.as_str())];
    query.extend(args.cursor.as_deref().map(|cursor| ("cursor", cursor)));
    let answer = get(&args.daemon, "/api/v1/diff", &query);
    report_found(answer.and_then(|body| {
        if args.look.json {
            return print_all(body, true).map(|()| true);
        }
        let diff: Diff =
            serde_json::from_reader(body).map_err(|error| Error::Answer(error.to_string()))?;
        print(&text(&diff, args.look.look(), terminal_width())).map(|()| true)
    }))
}

/// How an outcome looks.
pub(super) fn mark(outcome: &str) -> (&'static str, Style) {
    match outcome {
        "running" => ("▶", Style::Blue),
        "failed" => ("✗", Style::Red),
        "lost" => ("†", Style::Magenta),
        "cancelled" => ("⊘", Style::Yellow),
        "ended" => ("■", Style::Dim),
        "unknown" => ("?", Style::Dim),
        _ => ("✔", Style::Green),
    }
}

/// `+36.0ms`, `-1.20s`.
fn signed(difference: i64) -> String {
    let sign = if difference < 0 { '-' } else { '+' };
    format!("{sign}{}", HumanDuration(difference.unsigned_abs()))
}

/// Heads, the first difference, and the tasks that differ.
fn text(diff: &Diff, look: Look, columns: Option<usize>) -> String {
    let mut out = String::new();
    put_head(&mut out, look, "a", &diff.a);
    put_head(&mut out, look, "b", &diff.b);
    for (side, tree) in [("a", &diff.a), ("b", &diff.b)] {
        if tree.cut {
            let cut = format!(
                "only the first {} tasks of {side} are compared\n",
                tree.tasks
            );
            look.colour.put(&mut out, Style::Yellow, cut);
        }
    }
    match &diff.first_difference {
        Some(first) => {
            let after = HumanDuration(first.offset_ns);
            look.colour.put(
                &mut out,
                Style::Bold,
                format_args!("first difference after {after}: "),
            );
            let _ = writeln!(out, "{}", one_line(&first.text));
        }
        None => out.push_str("both did the same\n"),
    }
    if let Some(node) = slowest(diff) {
        let (a, b) = (duration(node.a.as_ref()), duration(node.b.as_ref()));
        look.colour
            .put(&mut out, Style::Bold, "largest difference of time: ");
        let difference = node.difference_ns.map(signed).unwrap_or_default();
        let (name, service) = (one_line(&node.template), one_line(&node.service));
        let _ = writeln!(out, "{name} · {service}  {a} → {b}  {difference}");
    }
    out.push('\n');
    put_nodes(&mut out, diff, look, columns);
    if let Some(next) = &diff.next {
        let (a, b) = (one_line(&diff.a.id), one_line(&diff.b.id));
        let more = format!("… more tasks: distlogd diff {a} {b} --cursor {next}");
        look.colour.put(&mut out, Style::Dim, more);
        out.push('\n');
    }
    out
}

fn put_head(out: &mut String, look: Look, side: &str, TreeHead { id, top, .. }: &TreeHead) {
    look.colour.put(out, Style::Bold, side);
    out.push(' ');
    look.colour.put(out, Style::Dim, one_line(id));
    if let Some(top) = top {
        let (mark, style) = mark(&top.outcome);
        out.push(' ');
        look.colour.put(out, style, mark);
        let begin = look.clock(top.begin_ns.unwrap_or(0));
        let _ = write!(
            out,
            " {}  {}  {begin}",
            one_line(&top.name),
            duration(Some(top))
        );
    }
    out.push('\n');
}

fn duration(task: Option<&DiffTask>) -> String {
    span_or_dash(task.and_then(|task| task.duration_ns))
}

/// The innermost task to which most of the difference of time is due.
fn slowest(diff: &Diff) -> Option<&DiffNode> {
    let took = |head: &TreeHead| head.top.as_ref()?.duration_ns;
    let whole = took(&diff.a)?.abs_diff(took(&diff.b)?);
    let due = |node: &&DiffNode| {
        let own = node.difference_ns.map_or(0, i64::unsigned_abs);
        own > 0 && own >= whole / 2
    };
    diff.nodes.iter().filter(due).max_by_key(|node| node.depth)
}

/// Whether the time that a task took differs so much that people want to see it.
fn is_notable(diff: &Diff, node: &DiffNode) -> bool {
    let took = |head: &TreeHead| head.top.as_ref().and_then(|task| task.duration_ns);
    let whole = took(&diff.a).max(took(&diff.b)).unwrap_or(0);
    let own = node.difference_ns.map_or(0, i64::unsigned_abs);
    own > 0 && own >= whole / NOTABLE
}

/// The tasks to show: those that differ, and all above them.
fn shown(diff: &Diff, look: Look) -> Vec<bool> {
    let mut shown = vec![look.full; diff.nodes.len()];
    // The least deep one that is shown behind the place at hand.
    let mut needed = 0;
    for (at, node) in diff.nodes.iter().enumerate().rev() {
        let own = node.differs() || is_notable(diff, node) || node.depth == 0;
        if own || node.depth < needed {
            shown[at] = true;
            needed = node.depth;
        } else if node.depth == 0 {
            needed = 0;
        }
    }
    shown
}

fn put_nodes(out: &mut String, diff: &Diff, look: Look, columns: Option<usize>) {
    let shown = shown(diff, look);
    let mut alike: Option<(usize, usize)> = None;
    for (node, shown) in diff.nodes.iter().zip(shown) {
        if !shown {
            let (depth, count) = alike.unwrap_or((node.depth, 0));
            alike = Some((depth.min(node.depth), count + 1));
            continue;
        }
        put_alike(out, look, alike.take());
        match columns {
            Some(columns) if columns >= SIDE_BY_SIDE => put_beside(out, diff, node, look, columns),
            _ => put_unified(out, diff, node, look, columns),
        }
        let indent = "  ".repeat(node.depth + 2);
        for records in &node.records {
            let severity = one_line(&records.severity);
            let (a, b) = (records.a, records.b);
            let line = format!("{severity} {}  {a}× → {b}×", one_line(&records.template));
            let style = if b > a { Style::Green } else { Style::Red };
            let line = format!("~ {indent}{line}");
            look.colour.put(out, style, fit(&line, look, columns));
            out.push('\n');
        }
    }
    put_alike(out, look, alike);
}

fn put_alike(out: &mut String, look: Look, alike: Option<(usize, usize)>) {
    if let Some((depth, count)) = alike {
        let tasks = if count == 1 { "task" } else { "tasks" };
        let indent = "  ".repeat(depth);
        look.colour.put(
            out,
            Style::Dim,
            format_args!("  {indent}… {count} {tasks} alike"),
        );
        out.push('\n');
    }
}

fn fit(text: &str, look: Look, columns: Option<usize>) -> String {
    match columns.filter(|_| !look.full) {
        Some(columns) => cut_to(text, columns),
        None => text.to_owned(),
    }
}

/// The sign before a task, and its style.
fn sign(node: &DiffNode) -> (char, Style) {
    match (&node.a, &node.b) {
        (Some(_), None) => ('-', Style::Red),
        (None, Some(_)) => ('+', Style::Green),
        _ if node.differs() => ('~', Style::Yellow),
        _ => (' ', Style::Plain),
    }
}

/// What both are called.
fn title(node: &DiffNode) -> String {
    if let (true, Some(a), Some(b)) = (node.is_other(), &node.a, &node.b) {
        let service = if a.service == b.service {
            ""
        } else {
            &a.service
        };
        return format!(
            "{} → {}",
            called(&a.name, service),
            called(&b.name, &b.service)
        );
    }
    let names = [&node.a, &node.b].map(|task| task.as_ref().map_or("", |task| &task.name));
    let name = match names {
        [name, ""] | ["", name] => name,
        [a, b] if a == b => a,
        _ => &node.template,
    };
    called(name, &node.service)
}

fn called(name: &str, service: &str) -> String {
    let name = if name.is_empty() { "(no name)" } else { name };
    match service {
        "" => one_line(name).to_string(),
        _ => format!("{} · {}", one_line(name), one_line(service)),
    }
}

/// One line for both trees.
fn put_unified(out: &mut String, diff: &Diff, node: &DiffNode, look: Look, columns: Option<usize>) {
    let (sign, style) = sign(node);
    let outcomes = [&node.a, &node.b].map(|task| task.as_ref().map(|task| mark(&task.outcome)));
    let (marks, mark_style) = match outcomes {
        [Some(a), Some(b)] if a.0 != b.0 => (format!("{}→{}", a.0, b.0), b.1),
        [Some((mark, style)), _] | [None, Some((mark, style))] => (mark.to_owned(), style),
        [None, None] => (String::new(), Style::Plain),
    };
    let times = match (&node.a, &node.b) {
        (Some(_), Some(_)) => {
            let (a, b) = (duration(node.a.as_ref()), duration(node.b.as_ref()));
            let difference = node.difference_ns.filter(|d| *d != 0).map(signed);
            let difference = difference.map_or(String::new(), |d| format!("  {d}"));
            if a == b {
                a
            } else {
                format!("{a} → {b}{difference}")
            }
        }
        (a, b) => duration(a.as_ref().or(b.as_ref())),
    };
    let error = [&node.b, &node.a]
        .into_iter()
        .flatten()
        .map(|task| task.error.as_str());
    let error = error
        .into_iter()
        .find(|error| !error.is_empty())
        .unwrap_or("");
    let indent = "  ".repeat(node.depth);
    let taken = 2 + width(&indent) + width(&marks) + 1 + 2 + width(&times);
    let room = columns
        .filter(|_| !look.full)
        .map(|c| c.saturating_sub(taken).max(8));
    let title = match room {
        Some(room) => cut_to(&title(node), room),
        None => title(node),
    };
    look.colour.put(out, style, sign);
    let _ = write!(out, " {indent}");
    look.colour.put(out, mark_style, marks);
    out.push(' ');
    look.colour
        .put(out, if sign == ' ' { Style::Plain } else { style }, &title);
    let times_style = if is_notable(diff, node) {
        Style::Bold
    } else {
        Style::Dim
    };
    out.push_str("  ");
    look.colour.put(out, times_style, times);
    let left = room.map_or(usize::MAX, |room| room.saturating_sub(width(&title) + 2));
    if !error.is_empty() && left > 8 {
        out.push_str("  ");
        look.colour
            .put(out, Style::Red, cut_to(&one_line(error).to_string(), left));
    }
    out.push('\n');
}

/// The task of one tree at the left, that of the other at the right.
fn put_beside(out: &mut String, diff: &Diff, node: &DiffNode, look: Look, columns: usize) {
    let (sign, style) = sign(node);
    let difference = node
        .difference_ns
        .filter(|d| *d != 0)
        .map(signed)
        .unwrap_or_default();
    // Sign, two halves with a line between them, the difference.
    let half = (columns - 2 - 3 - 11) / 2;
    let side = |task: Option<&DiffTask>| -> String {
        let Some(task) = task else {
            return String::new();
        };
        let indent = "  ".repeat(node.depth.min(half / 8));
        let time = duration(Some(task));
        let what = match task.error.as_str() {
            "" => called(&task.name, &task.service),
            error => format!("{}  {}", called(&task.name, &task.service), one_line(error)),
        };
        let what = format!("{indent}{} {what}", mark(&task.outcome).0);
        let room = half.saturating_sub(width(&time) + 2);
        let what = cut_to(&what, room);
        let pad = " ".repeat(half - width(&what) - width(&time));
        format!("{what}{pad}{time}")
    };
    look.colour.put(out, style, sign);
    out.push(' ');
    let (a, b) = (side(node.a.as_ref()), side(node.b.as_ref()));
    let style_of = |task: Option<&DiffTask>| match task {
        _ if sign == ' ' => Style::Plain,
        Some(task) if mark(&task.outcome).1 == Style::Red => Style::Red,
        _ => style,
    };
    look.colour.put(out, style_of(node.a.as_ref()), &a);
    let pad = " ".repeat(half.saturating_sub(width(&a)));
    let _ = write!(out, "{pad} ");
    look.colour.put(out, Style::Dim, '│');
    out.push(' ');
    look.colour.put(out, style_of(node.b.as_ref()), &b);
    if !difference.is_empty() {
        let pad = " ".repeat(half.saturating_sub(width(&b)) + 1);
        let bold = is_notable(diff, node);
        let _ = write!(out, "{pad}");
        look.colour
            .put(out, if bold { Style::Bold } else { Style::Dim }, difference);
    }
    out.push('\n');
}
