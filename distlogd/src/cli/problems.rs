//! `distlogd problems`: what fails, grouped.

use std::fmt::Write as _;

use super::client::{print, report_found};
use super::listing::{ListArgs, Listing, list};
use super::output::tell;
use super::table::terminal_width;
use super::{DaemonArgs, LookArgs};
use crate::escape::one_line;
use crate::query::problems::Problem;
use crate::tree::paint::{HumanCount, HumanDuration, Look, Style, cut_to, width};

/// A longer name of a service is cut, in columns.
const MAX_SERVICE: usize = 40;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Errors that were logged and tasks that failed, grouped by service, place in the code
and kind of error. What is logged and then fails its task, and those above, counts once.

Examples:
  distlogd problems --since 1d            the last one seen at the bottom
  distlogd problems --service payment     of one service
  distlogd tree ID                        the tree of one of its tasks")]
pub(super) struct ProblemsArgs {
    /// Show only problems of this service.
    #[arg(long, short)]
    service: Option<String>,
    #[command(flatten)]
    list: ListArgs,
    #[command(flatten)]
    daemon: DaemonArgs,
    #[command(flatten)]
    look: LookArgs,
}

pub(super) fn problems(args: &ProblemsArgs) -> u8 {
    let service = args.service.as_deref().map(|service| ("service", service));
    let query: Vec<(&'static str, &str)> = service.into_iter().collect();
    let listed = list(
        &args.daemon,
        "/api/v1/problems",
        &query,
        &args.list,
        &args.look,
    );
    report_found(listed.and_then(|listing: Listing<Problem>| {
        print(&text(&listing.items, args.look.look(), terminal_width()))?;
        if listing.truncated() {
            tell!("there are more problems than can be told from each other: ask for less time (--since)");
        }
        listing.tell_end("no problems")
    }))
}

/// The problems, the last seen at the bottom: two lines each, and one for ids.
fn text(problems: &[Problem], look: Look, columns: Option<usize>) -> String {
    let mut out = String::new();
    let columns = columns.filter(|_| !look.full).unwrap_or(usize::MAX);
    for (at, problem) in problems.iter().rev().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        let count = format!("{}×", HumanCount(problem.count));
        look.colour.put(&mut out, Style::Bold, &count);
        out.push(' ');
        look.colour
            .put(&mut out, Style::Red, one_line(&problem.kind));
        // A clock may be ahead.
        let when = |time: u64| match look.now.checked_sub(time) {
            Some(age) => format!("{} ago", HumanDuration(age)),
            None => look.clock(time).to_string(),
        };
        let seen = match problem.count {
            1 => when(problem.last_seen_ns),
            _ => format!(
                "{}, first {}",
                when(problem.last_seen_ns),
                when(problem.first_seen_ns)
            ),
        };
        let kind = one_line(&problem.kind).to_string();
        let left = columns.saturating_sub(width(&count) + 1 + width(&kind) + 2);
        let message = match problem.message.lines().next() {
            None | Some("") => "(no text)".to_owned(),
            Some(first) => one_line(first).to_string(),
        };
        let _ = writeln!(out, "  {}", cut_to(&message, left.max(8)));
        let place = match (problem.place.as_str(), problem.target.as_str()) {
            ("", target) => target,
            (place, _) => place,
        };
        let seen = match problem.times.counts.as_slice() {
            [] | [_] => seen,
            counts => format!("{seen}  {}", bars(counts)),
        };
        let mut line = String::from("  ");
        let template = one_line(problem.template.lines().next().unwrap_or_default()).to_string();
        let service = one_line(&problem.service).to_string();
        let mut parts = vec![cut_to(&service, look.limit(MAX_SERVICE))];
        if template != message {
            parts.push(template);
        }
        parts.push(one_line(place).to_string());
        parts.retain(|part| !part.is_empty());
        let _ = write!(line, "{}", parts.join(" · "));
        let room = columns.saturating_sub(width(&seen) + 2).max(8);
        look.colour.put(&mut out, Style::Cyan, cut_to(&line, room));
        out.push_str("  ");
        look.colour.put(&mut out, Style::Dim, seen);
        out.push('\n');
        for id in problem.ids.iter().take(look.limit(2)) {
            let line = format!("  distlogd tree {}", one_line(id));
            look.colour.put(&mut out, Style::Dim, line);
            out.push('\n');
        }
    }
    out
}

/// A bar for each number, as high as it is.
fn bars(counts: &[u64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = counts.iter().copied().max().unwrap_or_default();
    let bar = |count: &u64| match count {
        0 => ' ',
        count => BARS[(count.saturating_mul(7) / most) as usize % BARS.len()],
    };
    counts.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::query::problems::Times;
    use crate::tree::hostile::texts;
    use crate::tree::paint::Colour;

    proptest! {
        #[test]
        fn a_problem_has_its_lines_whatever_it_says(texts in texts()) {
            let mut next = texts.iter().cycle().cloned();
            let mut any = || next.next().unwrap();
            let problem = Problem {
                service: any(),
                template: any(),
                target: any(),
                place: any(),
                kind: any(),
                error: any(),
                count: 2,
                first_seen_ns: 1,
                last_seen_ns: 2,
                times: Times { from_ns: 1, every_ns: 1, counts: vec![1, 0, 1] },
                ids: vec![any()],
                message: any(),
            };
            let out = text(&[problem], Look::new(Colour::Off, false), Some(80));
            prop_assert_eq!(out.lines().count(), 3, "{}", out);
            prop_assert!(!out.contains(|c| c != '\n' && crate::escape::is_escaped(c)));
        }
    }
}
