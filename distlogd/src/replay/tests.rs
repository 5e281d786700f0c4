//! What two configurations do with the same records.

use distlog_proto::{Kind, Outcome, Record, Severity, Task, TaskId, TraceId};
use proptest::prelude::*;

use super::*;
use crate::config::Config;
use crate::evaluate::{Evaluator, Route, batch_of};

fn config(text: &str) -> Config {
    crate::config::load(text, "distlogd.yaml", &[]).unwrap_or_else(|faults| panic!("{faults}"))
}

fn compare(old: &str, new: &str, records: &[Record]) -> serde_json::Value {
    let (old, new) = (config(old), config(new));
    let sides = [(&old, "old.yaml".to_owned()), (&new, "new.yaml".to_owned())];
    let mut comparison = Comparison::new(sides, 3, u64::MAX);
    records.iter().for_each(|record| comparison.take(record));
    comparison.finish();
    json_report(&comparison)
}

/// A record of a trace, or of none.
fn record(trace: Option<u8>, kind: Kind, severity: Severity, time: u64) -> Record {
    let task = trace.map(|n| Task::from(&TaskId::top(TraceId::from_bytes([n + 1; 16]).unwrap())));
    let ends = kind == Kind::End;
    Record {
        kind,
        task,
        severity,
        time: time * 1_000_000_000,
        outcome: match ends && severity >= Severity::ERROR {
            true => Outcome::Failed,
            false if ends => Outcome::Ok,
            false => Outcome::Unset,
        },
        message: format!("{kind:?} at {time}"),
        ..Record::default()
    }
}

const CONFIGS: [&str; 5] = [
    "processors:
  a: { file: { path: a } }
rules: [{ to: a }]",
    "processors:
  a: { file: { path: a } }
  b: { file: { path: b } }
rules: [{ to: a }, { when: severity >= WARN, to: b, set: { fields.x: '1' } }]",
    "processors:
  a: { file: { path: a }, trees: { keep: tree.failed, quiet: 2s, wait: 10s } }
  b: { file: { path: b }, filter: 'kind == \"event\"' }
rules: [{ to: [a, b] }]",
    "intake: [{ name: ends, when: 'kind == \"event\" && severity < WARN', drop: true }]
processors:
  a: { file: { path: a }, trees: { keep: 'tree.records > 3', quiet: 1s, wait: 5s } }
  b: { file: { path: b }, trees: { keep: tree.failed } }
rules: [{ to: [a, b] }]",
    "intake: [{ set: { fields.y: severity } }]
processors:
  b: { file: { path: b }, redact: { fields: [y] } }
rules: [{ when: severity >= WARN, to: b }]",
];

/// By processor, which records a configuration sends.
fn sent(text: &str, records: &[Record]) -> Vec<(String, Vec<bool>)> {
    let config = config(text);
    let mut evaluator = Evaluator::new(&config, u64::MAX);
    let evaluated: Vec<_> = records
        .iter()
        .map(|record| evaluator.take(batch_of(record)))
        .collect();
    evaluator.finish();
    let judged = evaluator.judged();
    let passes = |at: usize, trace: TraceId| {
        // The first decision about a trace counts: it waited for that one.
        judged
            .iter()
            .find(|(of, one)| *of == at && one.trace == trace)
            .unwrap()
            .1
            .passes
    };
    let destinations = evaluator.destinations().iter().enumerate();
    let of = |(at, destination): (usize, &crate::evaluate::Destination)| {
        let gets = evaluated.iter().map(|one| match one.routes[at] {
            Route::Sent => true,
            Route::Waits(trace) => passes(at, trace),
            _ => false,
        });
        (destination.name.clone(), gets.collect())
    };
    destinations.map(of).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Against an oracle that keeps everything.
    #[test]
    fn counts_are_those_of_each_configuration_by_itself(
        old in prop::sample::select(CONFIGS.to_vec()),
        new in prop::sample::select(CONFIGS.to_vec()),
        steps in prop::collection::vec((prop::option::of(0..4_u8), 0..3_u8, any::<bool>(), 0..3_u64), 0..60),
    ) {
        let mut time = 1000;
        let records: Vec<Record> = steps.into_iter().map(|(trace, kind, bad, later)| {
            time += later;
            let kind = [Kind::Begin, Kind::Event, Kind::End][usize::from(kind)];
            record(trace, kind, if bad { Severity::ERROR } else { Severity::INFO }, time)
        }).collect();
        let report = compare(old, new, &records);
        let (of_old, of_new) = (sent(old, &records), sent(new, &records));
        // Where both have the same intake it is passed over.
        prop_assume!(old != new || config(old).intake.is_empty());
        for processor in report["processors"].as_array().unwrap() {
            let name = processor["processor"].as_str().unwrap();
            let of = |all: &[(String, Vec<bool>)]| {
                let mut all = all.iter();
                all.find(|(known, _)| known == name).map(|(_, sent)| sent.clone())
            };
            let (old, new) = (of(&of_old), of(&of_new));
            let number = |sent: &[bool]| sent.iter().filter(|sent| **sent).count() as u64;
            let count = |sent: &Option<Vec<bool>>| sent.as_deref().map(number);
            prop_assert_eq!(processor["old"].as_u64(), count(&old), "{}: {}", name, report);
            prop_assert_eq!(processor["new"].as_u64(), count(&new), "{}: {}", name, report);
            let none = vec![false; records.len()];
            let (old, new) = (old.unwrap_or(none.clone()), new.unwrap_or(none));
            let differ = |a: &[bool], b: &[bool]| a.iter().zip(b).filter(|(a, b)| !**a && **b).count() as u64;
            prop_assert_eq!(processor["gained"].as_u64(), Some(differ(&old, &new)), "{}", report);
            prop_assert_eq!(processor["lost"].as_u64(), Some(differ(&new, &old)), "{}", report);
        }
    }
}

#[test]
fn each_difference_has_examples_that_say_what_decided() {
    let records: Vec<Record> = vec![
        record(Some(1), Kind::Begin, Severity::INFO, 1),
        record(Some(1), Kind::Event, Severity::WARN, 1),
        record(Some(1), Kind::End, Severity::INFO, 2),
        record(None, Kind::Event, Severity::INFO, 3),
    ];
    let old = "processors:
  a: { file: { path: a } }
  b: { file: { path: b }, filter: severity < WARN }
  c: { file: { path: c } }
rules:
  - to: [a, b]
  - to: c
";
    let new = "intake:
  - { name: quiet, when: '!has(context.x) && severity < WARN && trace_id == \"\"', drop: true }
processors:
  a: { file: { path: a }, trees: { keep: tree.failed } }
  b: { file: { path: b }, set: { fields.x: '1' } }
rules:
  - to: [a, b]
";
    let report = compare(old, new, &records);
    let processor = |name: &str| {
        let mut all = report["processors"].as_array().unwrap().iter();
        all.find(|one| one["processor"] == name).unwrap()
    };
    let counts = |name: &str| {
        let one = processor(name);
        ["old", "new", "gained", "lost", "changed"].map(|key| one[key].as_u64())
    };
    assert_eq!(counts("a"), [Some(4), Some(0), Some(0), Some(4), Some(0)]);
    assert_eq!(counts("b"), [Some(3), Some(3), Some(1), Some(1), Some(2)]);
    assert_eq!(counts("c"), [Some(4), None, Some(0), Some(4), Some(0)]);
    let words = |name: &str, difference: &str, side: &str| {
        let mut all = processor(name)["examples"].as_array().unwrap().iter();
        let found = all.find(|one| one["difference"] == difference).unwrap();
        found[side].as_str().unwrap().to_owned()
    };
    assert_eq!(words("a", "lost", "old"), "rule 1 (old.yaml:6:5)");
    let reasons: Vec<&str> = processor("a")["examples"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["new"].as_str().unwrap())
        .collect();
    assert!(
        reasons.contains(&"its tree does not pass (new.yaml:4:42)"),
        "{reasons:?}"
    );
    assert!(
        reasons.contains(&"intake rule quiet drops it (new.yaml:2:26)"),
        "{reasons:?}"
    );
    assert_eq!(
        words("b", "gained", "old"),
        "its filter holds it back (old.yaml:3:35)"
    );
    assert_eq!(
        words("b", "changed", "new"),
        "rule 1 (new.yaml:7:5): fields.x is set"
    );
    assert_eq!(words("c", "lost", "new"), "there is no processor c");
    let example = &processor("c")["examples"][0];
    assert_eq!(example["id"], "02020202-0202-0202-0202-020202020202");
    assert!(
        example["record"].as_str().unwrap().contains("Begin at 1"),
        "{example}"
    );
    assert_eq!(processor("c")["examples"].as_array().unwrap().len(), 3);
}

#[test]
fn the_same_intake_is_passed_over_and_said() {
    let text =
        "intake: [{ drop: true }]\nprocessors: { a: { file: { path: a } } }\nrules: [{ to: a }]";
    let report = compare(text, text, &[Record::default()]);
    assert_eq!(report["processors"][0]["new"], 1, "{report}");
    assert_eq!(report["notes"].as_array().unwrap().len(), 2, "{report}");
}
