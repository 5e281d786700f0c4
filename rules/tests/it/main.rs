//! What rules change in records: in the intake, and for a processor.

mod explain;
mod expression;
mod intake;
mod outgoing;
mod redaction;

use distlog_proto::wire::BatchWriter;
use distlog_proto::{BatchRef, Record};
use distlog_rules::{Change, Condition, Expression, IntakeRule, Redaction, Target};

/// A batch of these records.
fn batch(records: &[Record]) -> Vec<u8> {
    let mut writer = BatchWriter::new();
    records.iter().for_each(|record| writer.push(record));
    writer.finish()
}

/// The records of a batch.
fn read(bytes: &[u8]) -> Vec<Record> {
    let batch = BatchRef::parse(bytes).unwrap();
    batch.records().map(|r| r.unwrap().to_record()).collect()
}

fn when(condition: &str) -> Option<Condition> {
    Some(Condition::compile(condition).unwrap())
}

fn set(values: &[(&str, &str)]) -> Change {
    let value = |(target, expression): &(&str, &str)| {
        let expression = Expression::compile(expression).unwrap();
        (Target::parse(target).unwrap(), expression)
    };
    Change {
        set: values.iter().map(value).collect(),
        redact: None,
    }
}

fn redaction(names: &[&str], patterns: &[&str]) -> Redaction {
    let [names, patterns] =
        [names, patterns].map(|texts| texts.iter().map(|&text| text.to_owned()).collect());
    let patterns: Vec<String> = patterns;
    Redaction::new(names, &patterns).unwrap()
}

fn redact(names: &[&str], patterns: &[&str]) -> Change {
    Change {
        set: Vec::new(),
        redact: Some(redaction(names, patterns)),
    }
}

fn rule(when: Option<Condition>, action: distlog_rules::Action) -> IntakeRule {
    IntakeRule {
        name: "a rule".into(),
        when,
        action,
    }
}
