//! `distlogd tasks`: the tasks that began a trace.

use super::client::{print, report_found};
use super::listing::{ListArgs, Listing, list};
use super::{DaemonArgs, LookArgs};
use crate::escape::{one_line, put_cut};
use crate::query::tasks::TaskItem;
use crate::tree::paint::{Look, Style, span_or_dash};

/// Names of tasks and services are cut at this length, in bytes.
const MAX_NAME: usize = 200;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  distlogd tasks                                   the newest, the last one at the bottom
  distlogd tasks --failed --lost --since 1h        what went wrong lately
  distlogd tasks --name checkout --min-duration 2s the slow ones
  distlogd tasks --running                         what is going on")]
pub(super) struct TasksArgs {
    /// Show tasks that run.
    #[arg(long)]
    running: bool,
    /// Show tasks that failed. With several of these, tasks that match any.
    #[arg(long)]
    failed: bool,
    /// Show tasks that ended with their process.
    #[arg(long)]
    lost: bool,
    /// Show tasks that were cancelled.
    #[arg(long)]
    cancelled: bool,
    /// Show tasks that went well.
    #[arg(long)]
    ok: bool,
    /// Show only tasks of this service.
    #[arg(long, short)]
    service: Option<String>,
    /// Show only tasks with this text in their name, in any case.
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Show only tasks that took at least this long, like 500ms or 2s.
    #[arg(long, value_name = "TIME")]
    min_duration: Option<String>,
    #[command(flatten)]
    list: ListArgs,
    #[command(flatten)]
    daemon: DaemonArgs,
    #[command(flatten)]
    look: LookArgs,
}

pub(super) fn tasks(args: &TasksArgs) -> u8 {
    let mut query: Vec<(&'static str, &str)> = Vec::new();
    for (set, name) in [
        (args.running, "running"),
        (args.failed, "failed"),
        (args.lost, "lost"),
        (args.cancelled, "cancelled"),
        (args.ok, "ok"),
    ] {
        query.extend(set.then_some((name, "true")));
    }
    let texts = [
        ("service", &args.service),
        ("name", &args.name),
        ("min_duration", &args.min_duration),
    ];
    query.extend(
        texts
            .iter()
            .filter_map(|(name, text)| Some((*name, text.as_deref()?))),
    );
    let listed = list(
        &args.daemon,
        "/api/v1/tasks",
        &query,
        &args.list,
        &args.look,
    );
    report_found(listed.and_then(|listing: Listing<TaskItem>| {
        print(&text(&listing.items, args.look.look()))?;
        listing.tell_end("no such tasks")
    }))
}

/// The list, newest last, one line for each task.
fn text(tasks: &[TaskItem], look: Look) -> String {
    let colour = look.colour;
    let mut text = String::new();
    for task in tasks.iter().rev() {
        let (mark, style) = super::diff::mark(&task.outcome);
        colour.put(
            &mut text,
            Style::Dim,
            look.clock(task.begin_ns.unwrap_or(0)),
        );
        text.push(' ');
        colour.put(&mut text, style, mark);
        text.push(' ');
        colour.put(&mut text, Style::Dim, one_line(&task.id));
        text.push(' ');
        let (mut name, mut service) = (String::new(), String::new());
        let first = match task.name.lines().next() {
            Some(first) => first,
            None if task.outcome == "unknown" => "(only logs)",
            None => "(no name)",
        };
        put_cut(&mut name, look.limit(MAX_NAME), one_line(first));
        put_cut(&mut service, look.limit(MAX_NAME), one_line(&task.service));
        colour.put(&mut text, Style::Bold, name);
        colour.put(&mut text, Style::Cyan, format_args!(" · {service}"));
        if !task.root {
            colour.put(&mut text, Style::Dim, "  (its root is not here)");
        }
        if task.root && task.outcome != "running" {
            let duration = span_or_dash(task.duration_ns);
            colour.put(&mut text, Style::Dim, format_args!("  {duration}"));
        }
        if task.failed > 0 && task.outcome != "failed" {
            colour.put(
                &mut text,
                Style::Red,
                format_args!("  {} failed inside", task.failed),
            );
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tree::hostile::{check, texts};
    use crate::tree::paint::Colour;

    proptest! {
        #[test]
        fn a_task_is_one_line_whatever_it_is_called(texts in texts()) {
            let mut next = texts.iter().cycle().cloned();
            let mut any = || next.next().unwrap();
            let tasks: Vec<TaskItem> = (0..3)
                .map(|at| TaskItem {
                    id: any(),
                    name: any(),
                    service: any(),
                    begin_ns: Some(1_700_049_600_000_000_000),
                    outcome: if at == 0 { "running".into() } else { any() },
                    duration_ns: (at == 1).then_some(at),
                    failed: 1,
                    root: at != 2,
                })
                .collect();
            let look = Look { now: 1_700_049_600_000_000_000, ..Look::new(Colour::Off, false) };
            let out = text(&tasks, look);
            check(&out, |line| line.starts_with("12:00:00.000 "), tasks.len())?;
            prop_assert_eq!(out.lines().count(), tasks.len());
        }
    }
}
