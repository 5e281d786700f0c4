//! What two configurations do, for people and for programs.

use std::fmt::Write;

use distlog_rules::{Action, Condition, IntakeRule, Rule};
use serde::Serialize;
use serde_json::Value;

use super::comparison::Comparison;
use super::difference::{Compared, Example};
use super::side::Side;
use crate::escape::one_line;
use crate::tree::paint::utc;

/// A rule that both have, or one of them.
struct Row<C> {
    label: String,
    /// What it was counted to do in each.
    counts: [Option<C>; 2],
}

/// Puts rules beside each other that are the same in both; others stand by themselves, in the order of the new file.
fn rows<R, C: Copy>(
    [old, new]: [(&[R], &[C]); 2],
    is_same: impl Fn(&R, &R) -> bool,
    label: impl Fn(usize, usize, &R) -> String,
) -> Vec<Row<C>> {
    let mut rest: Vec<usize> = (0..old.0.len()).collect();
    let mut rows = Vec::new();
    for (at, rule) in new.0.iter().enumerate() {
        let same = rest.iter().position(|known| is_same(&old.0[*known], rule));
        let same = same.map(|found| rest.remove(found));
        rows.push(Row {
            label: label(1, at, rule),
            counts: [
                same.and_then(|at| old.1.get(at).copied()),
                new.1.get(at).copied(),
            ],
        });
    }
    let gone = rest.into_iter().map(|at| Row {
        label: label(0, at, &old.0[at]),
        counts: [old.1.get(at).copied(), None],
    });
    rows.extend(gone);
    rows
}

fn intake_rows(comparison: &Comparison) -> Vec<Row<(u64, u64)>> {
    if comparison.same_intake {
        return Vec::new();
    }
    let of = |side: usize| {
        let side: &Side = &comparison.sides[side];
        (&side.evaluator.config().intake[..], &side.intake[..])
    };
    // One without a name is called by its number, which others move.
    let is_same = |a: &IntakeRule, b: &IntakeRule| (&a.when, &a.action) == (&b.when, &b.action);
    rows([of(0), of(1)], is_same, |side, at, rule: &IntakeRule| {
        let does = match &rule.action {
            Action::Drop => "drops",
            Action::Keep {
                sample: Some(_), ..
            } => "samples",
            Action::Keep { .. } => "changes",
        };
        let place = comparison.sides[side]
            .evaluator
            .config()
            .places
            .intake
            .get(at);
        let line = place.map_or(0, |place| place.line);
        let condition = condition(rule.when.as_ref());
        format!("intake {} (line {line}) {does}: {condition}", rule.name)
    })
}

fn rule_rows(comparison: &Comparison) -> Vec<Row<u64>> {
    let of = |side: usize| {
        let side: &Side = &comparison.sides[side];
        (&side.evaluator.config().rules[..], &side.rules[..])
    };
    rows([of(0), of(1)], Rule::eq, |side, at, rule: &Rule| {
        let place = comparison.sides[side]
            .evaluator
            .config()
            .places
            .rules
            .get(at);
        let line = place.map_or(0, |place| place.line);
        let (condition, to) = (condition(rule.when.as_ref()), rule.to.join(", "));
        format!("rule {} (line {line}): {condition} → {to}", at + 1)
    })
}

fn condition(when: Option<&Condition>) -> String {
    match when {
        None => "every record".to_owned(),
        Some(when) => when.text().split_whitespace().collect::<Vec<_>>().join(" "),
    }
}

/// What people have to know of the figures.
fn notes(comparison: &Comparison) -> Vec<String> {
    let mut notes = Vec::new();
    let old = comparison.sides[0].evaluator.config();
    if !old.intake.is_empty() {
        notes.push(format!(
            "What the intake of {} dropped before is not stored, and what it redacted is stored redacted: neither is here.",
            comparison.sides[0].file
        ));
    }
    if comparison.same_intake && !old.intake.is_empty() {
        notes.push(
            "Both have the same intake, which these records went through: it was passed over."
                .to_owned(),
        );
    }
    if comparison.unended > 0 {
        notes.push(format!(
            "{} trees had not ended or been quiet for long enough: they were decided as if nothing more came.",
            comparison.unended
        ));
    }
    notes
}

/// For people.
pub(crate) fn text_report(comparison: &Comparison) -> String {
    let mut out = String::new();
    let [old, new] = &comparison.sides;
    put(
        &mut out,
        format_args!("{} records{}", comparison.records, times(comparison)),
    );
    put(
        &mut out,
        format_args!(
            "old: {}, new: {}\n",
            one_line(&old.file),
            one_line(&new.file)
        ),
    );
    put(
        &mut out,
        format_args!("{:>10} {:>10}  matched", "old", "new"),
    );
    for row in intake_rows(comparison) {
        let [old, new] = row.counts.map(|counts| counts.map(|(matched, _)| matched));
        let dropped = row
            .counts
            .map(|counts| counts.map_or(0, |(_, dropped)| dropped));
        let dropped = match dropped {
            [0, 0] => String::new(),
            [old, new] => format!("  (dropped {old}, {new})"),
        };
        put(
            &mut out,
            format_args!(
                "{:>10} {:>10}  {}{dropped}",
                shown(old),
                shown(new),
                one_line(&row.label)
            ),
        );
    }
    for row in rule_rows(comparison) {
        let [old, new] = row.counts.map(shown);
        put(
            &mut out,
            format_args!("{old:>10} {new:>10}  {}", one_line(&row.label)),
        );
    }
    put(
        &mut out,
        format_args!("\n{:>10} {:>10}  sent", "old", "new"),
    );
    for one in &comparison.processors {
        let count = |at: Option<usize>, sent: u64| shown(at.map(|_| sent));
        let [old, new] = [count(one.old, one.sent[0]), count(one.new, one.sent[1])];
        let differs = difference(one);
        put(
            &mut out,
            format_args!("{old:>10} {new:>10}  {}{differs}", one_line(&one.name)),
        );
    }
    put_examples(&mut out, comparison);
    let notes = notes(comparison);
    if !notes.is_empty() {
        out.push('\n');
    }
    for note in notes {
        put(&mut out, format_args!("{}", one_line(&note)));
    }
    out
}

fn put_examples(out: &mut String, comparison: &Comparison) {
    let kinds = |one: &Compared| {
        [
            ("more", one.gained.clone()),
            ("fewer", one.lost.clone()),
            ("changed", one.changed.clone()),
        ]
    };
    for one in &comparison.processors {
        for (kind, difference) in kinds(one) {
            if difference.records == 0 {
                continue;
            }
            let name = one_line(&one.name);
            put(out, format_args!("\n{name}: {} {kind}", difference.records));
            for Example {
                record,
                id,
                old,
                new,
            } in &difference.examples
            {
                put(out, format_args!("  {}", one_line(record)));
                if !id.is_empty() {
                    put(out, format_args!("    id   {}", one_line(id)));
                }
                put(out, format_args!("    old  {}", one_line(old)));
                put(out, format_args!("    new  {}", one_line(new)));
            }
        }
    }
    let differs = |one: &Compared| one.gained.records + one.lost.records + one.changed.records > 0;
    if !comparison.processors.iter().any(differs) {
        put(
            out,
            format_args!("\nNo difference: every processor gets the same records."),
        );
    }
}

/// `  +12 −3 ~5`
fn difference(one: &Compared) -> String {
    let parts = [
        ("+", one.gained.records),
        ("−", one.lost.records),
        ("~", one.changed.records),
    ];
    let parts = parts.iter().filter(|(_, records)| *records > 0);
    let parts: Vec<String> = parts
        .map(|(sign, records)| format!("{sign}{records}"))
        .collect();
    match parts.is_empty() {
        true => String::new(),
        false => format!("  {}", parts.join(" ")),
    }
}

fn shown(count: Option<u64>) -> String {
    count.map_or("–".to_owned(), |count| count.to_string())
}

fn times(comparison: &Comparison) -> String {
    let time = |ns: u64| utc(ns).format("%Y-%m-%d %H:%M:%S").to_string();
    match comparison.times {
        None => String::new(),
        Some((first, last)) => format!(", {} to {} UTC", time(first), time(last)),
    }
}

fn put(out: &mut String, line: std::fmt::Arguments<'_>) {
    // A `String` takes all.
    let _ = writeln!(out, "{line}");
}

#[derive(Serialize)]
struct Report<'r> {
    records: u64,
    from_ns: Option<u64>,
    to_ns: Option<u64>,
    old: &'r str,
    new: &'r str,
    intake: Vec<JsonRow>,
    rules: Vec<JsonRow>,
    processors: Vec<JsonProcessor<'r>>,
    notes: Vec<String>,
}

/// `null`: only the other configuration has the rule.
#[derive(Serialize)]
struct JsonRow {
    rule: String,
    old: Option<u64>,
    new: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_dropped: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_dropped: Option<u64>,
}

#[derive(Serialize)]
struct JsonProcessor<'r> {
    processor: &'r str,
    /// Records that each sends; `null`: it does not have the processor.
    old: Option<u64>,
    new: Option<u64>,
    gained: u64,
    lost: u64,
    changed: u64,
    examples: Vec<JsonExample<'r>>,
}

#[derive(Serialize)]
struct JsonExample<'r> {
    difference: &'static str,
    #[serde(flatten)]
    example: &'r Example,
}

/// For programs.
pub(crate) fn json_report(comparison: &Comparison) -> Value {
    let intake = intake_rows(comparison).into_iter().map(|row| {
        let [old, new] = row.counts;
        JsonRow {
            rule: row.label,
            old: old.map(|(matched, _)| matched),
            new: new.map(|(matched, _)| matched),
            old_dropped: old.map(|(_, dropped)| dropped),
            new_dropped: new.map(|(_, dropped)| dropped),
        }
    });
    let rules = rule_rows(comparison).into_iter().map(|row| JsonRow {
        rule: row.label,
        old: row.counts[0],
        new: row.counts[1],
        old_dropped: None,
        new_dropped: None,
    });
    let processors = comparison.processors.iter().map(|one| {
        let kinds = [
            ("gained", &one.gained),
            ("lost", &one.lost),
            ("changed", &one.changed),
        ];
        let examples = kinds.into_iter().flat_map(|(difference, of)| {
            let examples = of.examples.iter();
            examples.map(move |example| JsonExample {
                difference,
                example,
            })
        });
        JsonProcessor {
            processor: &one.name,
            old: one.old.map(|_| one.sent[0]),
            new: one.new.map(|_| one.sent[1]),
            gained: one.gained.records,
            lost: one.lost.records,
            changed: one.changed.records,
            examples: examples.collect(),
        }
    });
    let report = Report {
        records: comparison.records,
        from_ns: comparison.times.map(|(first, _)| first),
        to_ns: comparison.times.map(|(_, last)| last),
        old: &comparison.sides[0].file,
        new: &comparison.sides[1].file,
        intake: intake.collect(),
        rules: rules.collect(),
        processors: processors.collect(),
        notes: notes(comparison),
    };
    serde_json::to_value(report).unwrap_or_default()
}
