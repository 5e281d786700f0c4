//! How tests ended, for people.
//!
//! ```text
//! ok      health checks are not stored
//! FAILED  failed orders go to the errors file  (orders.yaml:8)
//!         record "payment refused" (event in POST /orders, ERROR, service shop)  (orders.yaml:15)
//!           to
//!             expected  errors, jaeger
//!             found     jaeger
//!           no rule that leads to errors matches
//!             distlogd.yaml:9:12  rule 1 does not match: severity >= ERROR && service == "billing"
//!               true     severity >= ERROR     severity = 17 (ERROR)
//!               false    service == "billing"  service = "shop"
//! ```

use std::fmt::Write;

use super::coverage::Coverage;
use super::result::{Failure, TestResult};
use super::why::{Decided, ShownPart, Why};
use crate::escape::one_line;

/// Longer texts of conditions do not move the column of values.
const MAX_COLUMN: usize = 48;

/// A test, and why it failed.
pub(crate) fn put_result(out: &mut String, result: &TestResult) {
    let TestResult {
        name, file, line, ..
    } = result;
    let (name, file) = (one_line(name), one_line(file));
    if result.passed() {
        put(out, format_args!("ok      {name}"));
        return;
    }
    put(out, format_args!("FAILED  {name}  ({file}:{line})"));
    let mut last = None;
    for failure in &result.failures {
        let of = (failure.line, &failure.record);
        if last != Some(of) {
            let (line, record) = (failure.line, one_line(&failure.record));
            put(out, format_args!("        {record}  ({file}:{line})"));
            last = Some(of);
        }
        put_failure(out, failure, &result.config);
    }
}

fn put_failure(out: &mut String, failure: &Failure, config: &str) {
    put(out, format_args!("          {}", one_line(&failure.what)));
    put(
        out,
        format_args!("            expected  {}", one_line(&failure.expected)),
    );
    put(
        out,
        format_args!("            found     {}", one_line(&failure.found)),
    );
    for Why { sentence, decided } in &failure.why {
        put(out, format_args!("          {}", one_line(sentence)));
        decided.iter().for_each(|one| put_decided(out, one, config));
    }
}

fn put_decided(out: &mut String, decided: &Decided, config: &str) {
    let Decided {
        what, line, column, ..
    } = decided;
    let (what, config) = (one_line(what), one_line(config));
    let at = format_args!("            {config}:{line}:{column}  {what}").to_string();
    if decided.condition.is_empty() {
        put(out, format_args!("{at} matches every record"));
        return;
    }
    let matches = if decided.matched {
        "matches"
    } else {
        "does not match"
    };
    put(
        out,
        format_args!("{at} {matches}: {}", one_line(&decided.condition)),
    );
    let width = decided.parts.iter().map(|part| text(part).chars().count());
    let width = width
        .filter(|width| *width <= MAX_COLUMN)
        .max()
        .unwrap_or(0);
    for part in &decided.parts {
        let value = match part.value {
            Some(true) => "true",
            Some(false) => "false",
            None => "missing",
        };
        let looked = part.looked.iter().map(|(name, value)| match value {
            Some(value) => format!("{name} = {value}"),
            None => format!("{name} is missing"),
        });
        let looked = looked.collect::<Vec<_>>().join(", ");
        let line = format!("              {value:<8} {:<width$}  {looked}", text(part));
        put(out, format_args!("{}", one_line(line.trim_end())));
    }
}

fn text(part: &ShownPart) -> String {
    format!("{}{}", "  ".repeat(part.depth), part.text)
}

/// The conditions that no record matched, or all of them.
pub(crate) fn put_coverage(out: &mut String, coverage: &Coverage, all: bool) {
    let (conditions, matched) = coverage.counts();
    let config = one_line(&coverage.config).to_string();
    put(
        out,
        format_args!("{config}: {matched} of {conditions} conditions matched"),
    );
    let shown = coverage
        .conditions
        .iter()
        .filter(|one| all || one.matched == 0);
    for one in shown {
        let what = match one.what {
            "intake" => format!("intake rule {}", one.name),
            "rule" => format!("rule {}", one.name),
            "filter" => format!("filter of {}", one.name),
            _ => format!("trees of {}", one.name),
        };
        let times = match one.matched {
            0 => "never".to_owned(),
            times => format!("{times}×"),
        };
        let (line, column) = (one.line, one.column);
        let condition = one_line(&one.condition);
        put(
            out,
            format_args!(
                "  {times:<6} {config}:{line}:{column}  {}: {condition}",
                one_line(&what)
            ),
        );
    }
}

fn put(out: &mut String, line: std::fmt::Arguments<'_>) {
    // A `String` takes all.
    let _ = writeln!(out, "{line}");
}
