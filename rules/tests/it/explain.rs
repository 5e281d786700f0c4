//! Why a condition matches or not.

use distlog_proto::{BatchRef, Record, Severity};
use distlog_rules::{Condition, Part, TreeCondition, TreeSummary};
use proptest::prelude::*;

use super::batch;

fn record() -> Record {
    let mut record = Record {
        message: "payment refused".into(),
        severity: Severity::ERROR,
        ..Record::default()
    };
    record.source.service = "shop".into();
    record.fields.insert("amount", 120i64);
    record.fields.insert("http.method", "GET");
    record
}

/// Each part on a line: `depth value text | name=value …`.
fn lines(parts: &[Part]) -> Vec<String> {
    let value = |value: Option<bool>| value.map_or("missing".to_owned(), |value| value.to_string());
    let looked = |part: &Part| {
        let looked = part.looked.iter();
        let all: Vec<String> = looked
            .map(|l| format!(" {}={}", l.name, l.value.as_deref().unwrap_or("missing")))
            .collect();
        all.join("")
    };
    let line = |part: &Part| {
        let (depth, text) = (part.depth, &part.text);
        format!("{depth} {} {text} |{}", value(part.value), looked(part))
    };
    parts.iter().map(line).collect()
}

fn explain(text: &str) -> Vec<String> {
    let bytes = batch(&[record()]);
    let batch = BatchRef::parse(&bytes).unwrap();
    let record = batch.records().next().unwrap().unwrap();
    lines(&Condition::compile(text).unwrap().explain(&record))
}

#[test]
fn each_part_has_its_value_and_what_it_looked_at() {
    assert_eq!(
        explain("severity >= WARN && service == 'billing'"),
        [
            "0 true severity >= WARN | severity=17 (ERROR)",
            "0 false service == 'billing' | service=\"shop\"",
        ]
    );
    assert_eq!(
        explain(
            "(fields.amount > 100 || has(fields.vip))\n  && fields.http.method in ['PUT'] && fields.user == 'leo'"
        ),
        [
            "0 true (fields.amount > 100 || has(fields.vip)) |",
            "1 true fields.amount > 100 | fields.amount=120",
            "1 false has(fields.vip) | fields.vip=missing",
            "0 false fields.http.method in ['PUT'] | fields.http.method=\"GET\"",
            "0 missing fields.user == 'leo' | fields.user=missing",
        ]
    );
    // What the interpreter does.
    assert_eq!(
        explain("fields.amount + 1 > 100 && message.split(' ').exists(w, w == 'refused')"),
        [
            "0 true fields.amount + 1 > 100 | fields.amount=120",
            "0 true message.split(' ').exists(w, w == 'refused') | message=\"payment refused\"",
        ]
    );
}

#[test]
fn parts_of_a_condition_over_trees_are_explained_too() {
    let tree = TreeSummary {
        duration: 1_500_000_000,
        services: "orders\0shop",
        ..TreeSummary::default()
    };
    let condition =
        TreeCondition::compile("tree.failed || tree.duration > duration('2s')").unwrap();
    assert_eq!(
        lines(&condition.explain(&tree)),
        [
            "0 false tree.failed | tree.failed=false",
            "0 false tree.duration > duration('2s') | tree.duration=1.5s",
        ]
    );
    let condition = TreeCondition::compile("'pay' in tree.services").unwrap();
    assert_eq!(
        lines(&condition.explain(&tree)),
        ["0 false 'pay' in tree.services | tree.services=[\"orders\", \"shop\"]"]
    );
}

proptest! {
    /// The parts at the top say together what the condition says.
    #[test]
    fn the_parts_together_are_the_condition(
        leaves in prop::collection::vec(prop::sample::select(vec![
            "severity >= WARN", "service == 'a && b'", "has(fields.amount)", "fields.none == 1", "message != '('",
            "(fields.amount > 1 || fields.none > 1)", "!(service == 'shop' && severity < WARN)", "true ? false : true",
        ]), 1..5),
        or in any::<bool>(),
    ) {
        let joined = leaves.iter().map(|leaf| if leaf.contains('?') { format!("({leaf})") } else { (*leaf).to_owned() });
        let text = joined.collect::<Vec<_>>().join(if or { " || " } else { " && " });
        let bytes = batch(&[record()]);
        let batch = BatchRef::parse(&bytes).unwrap();
        let record = batch.records().next().unwrap().unwrap();
        let condition = Condition::compile(&text).unwrap();
        let parts = condition.explain(&record);
        let mut top = parts.iter().filter(|part| part.depth == 0).map(|part| part.value);
        let together = match leaves.len() {
            // A single one in parentheses is shown by what is in them.
            1 => condition.matches(&record),
            _ if or => top.any(|value| value == Some(true)),
            _ => top.all(|value| value == Some(true)),
        };
        prop_assert_eq!(together, condition.matches(&record), "{}", text);
    }
}
