//! Test files are read with all their faults, and what fails is said with the condition that decided.

use std::path::Path;

use distlog_proto::{Kind, Outcome, Severity, Value};
use proptest::prelude::*;

use super::file::TestFile;
use super::*;
use crate::config::Config;

const CONFIG: &str = "\
intake:
  - { name: health, when: 'context.route == \"/health\"', drop: true }
  - { name: cards, redact: { fields: [card] } }
  - { name: load, when: 'service == \"load-test\"', sample: 0.01 }
processors:
  all: { file: { path: all.jsonl } }
  errors: { file: { path: errors.jsonl }, filter: 'kind != \"begin\"' }
  jaeger: { file: { path: jaeger.jsonl }, trees: { keep: 'tree.failed || tree.duration > duration(\"2s\")', else: 0.01 } }
rules:
  - to: [all, jaeger]
  - when: severity >= ERROR && service == \"shop\"
    to: [errors]
    set: { fields.team: '\"payments\"' }
";

fn config() -> Config {
    crate::config::load(CONFIG, "distlogd.yaml", &[]).unwrap_or_else(|faults| panic!("{faults}"))
}

fn file(text: &str) -> TestFile {
    read(Path::new("rules.yaml"), text).unwrap_or_else(|faults| panic!("{faults}"))
}

fn faults(text: &str) -> Vec<String> {
    let faults = read(Path::new("rules.yaml"), text).expect_err("it should be refused");
    let faults = faults.faults.iter();
    faults
        .map(|fault| format!("{}:{} {}", fault.line, fault.column, fault.message))
        .collect()
}

/// What is printed about tests of these items, and whether all passed.
fn ran(tests: &str) -> (String, bool) {
    let config = config();
    let mut coverage = Coverage::new(&config, "distlogd.yaml");
    let file = file(tests);
    let results = run(&file, &config, &mut coverage).unwrap_or_else(|faults| panic!("{faults}"));
    let mut out = String::new();
    results
        .iter()
        .for_each(|result| put_result(&mut out, result));
    (out, results.iter().all(TestResult::passed))
}

#[test]
fn a_tree_in_short_is_what_a_program_would_send() {
    let file = file(
        "
defaults: { service: shop, system: production, resource: { zone: eu } }
tests:
  - name: a
    tree:
      POST /orders:
        outcome: failed
        error: card refused
        fields: { user: leo }
        random: 0.995
        events:
          - order received
          - { warn: slow, fields: { took: 1.5, tags: [a, b] }, at: 3s }
        tasks:
          charge card: { service: payment, duration: 20ms, outcome: failed, kind: client }
          reserve stock: cancelled
      GET /health: ok
    records:
      - { error: disk full, service: disk }
    expect: [{ to: [all] }]
",
    );
    let records = &file.tests[0].records;
    let kinds: Vec<(Kind, &str, Outcome)> = records
        .iter()
        .map(|g| (g.record.kind, g.record.message.as_str(), g.record.outcome))
        .collect();
    assert_eq!(
        kinds,
        [
            (Kind::Begin, "POST /orders", Outcome::Unset),
            (Kind::Event, "order received", Outcome::Unset),
            (Kind::Event, "slow", Outcome::Unset),
            (Kind::Begin, "charge card", Outcome::Unset),
            (Kind::End, "charge card", Outcome::Failed),
            (Kind::Begin, "reserve stock", Outcome::Unset),
            (Kind::End, "reserve stock", Outcome::Cancelled),
            (Kind::End, "POST /orders", Outcome::Failed),
            (Kind::Begin, "GET /health", Outcome::Unset),
            (Kind::End, "GET /health", Outcome::Ok),
            (Kind::Event, "disk full", Outcome::Unset),
        ]
    );
    let record = |at: usize| &records[at].record;
    let task = |at: usize| record(at).task.as_ref().unwrap();
    assert_eq!(record(2).severity, Severity::WARN);
    assert_eq!(record(2).fields.get("took"), Some(&Value::F64(1.5)));
    assert_eq!(record(2).time - record(0).time, 3_000_000_000);
    assert_eq!(task(1).context.get("user"), Some(&Value::from("leo")));
    assert_eq!(task(3).parent_span_id, Some(task(0).span_id));
    assert_eq!(record(4).duration, 20_000_000);
    assert_eq!(
        (
            record(3).source.service.as_str(),
            record(5).source.service.as_str()
        ),
        ("payment", "shop")
    );
    assert_eq!(record(7).error.as_ref().unwrap().message, "card refused");
    assert!(record(7).duration >= 3_000_000_000);
    assert_ne!(task(0).trace_id, task(8).trace_id);
    assert!(record(10).task.is_none() && record(10).severity == Severity::ERROR);
    assert_eq!(records[4].task, ["POST /orders", "charge card"]);
    assert!(
        records
            .iter()
            .all(|g| g.record.source.resource.get("zone").is_some())
    );
    assert!(
        records
            .windows(2)
            .all(|two| two[0].record.time < two[1].record.time)
    );
}

#[test]
fn all_faults_are_said_at_once_with_their_places() {
    assert_eq!(
        faults(
            "confg: a.yaml
defaults: { servce: shop }
tests:
  - name: a
    tree:
      x: { outcme: failed, duration: soon, tasks: [] }
      y: faild
    records: [{ mesage: info }, { info: a, error: b }]
    expect:
      - { record: x }
      - { record: x, dropped: intake, to: [all] }
      - { record: x, too: [all] }
  - { name: b }
"
        ),
        [
            "1:1 unknown key `confg`: did you mean `config`?",
            "2:13 unknown key `servce`: did you mean `service`?",
            "6:12 unknown key `outcme`: did you mean `outcome`?",
            "6:38 found `soon`, expected a duration like 1.5s or 300ms",
            "6:51 found a list, expected tasks by their names",
            "7:10 found `faild`, expected how the task ended: ok, success, failed, lost or cancelled",
            "8:17 unknown key `mesage`: did you mean `message`?",
            "8:44 the record has a message already, by `info`",
            "10:9 nothing is expected: say `to`, `not_to`, `dropped`, `fields`, `at` or `stored`",
            "11:9 what the intake drops goes nowhere: `dropped` stands alone",
            "12:22 unknown key `too`: did you mean `to`?",
            "13:5 nothing comes in: `tree` or `records` is missing",
            "13:5 nothing is expected: `expect` is missing",
        ]
    );
    assert_eq!(faults("tests:\n  - a: [")[0].split(' ').next(), Some("2:8"));
    assert_eq!(faults("{}"), ["1:1 `tests` is missing: a list of tests"]);
    let config = config();
    let file = file("tests:
  - { tree: { x: ok }, expect: [{ record: x, to: [eror] }, { record: x, dropped: helth }, { record: x, dropped: 9 }] }");
    let error = run(&file, &config, &mut Coverage::new(&config, "c")).unwrap_err();
    let messages: Vec<&str> = error
        .faults
        .iter()
        .map(|fault| fault.message.as_str())
        .collect();
    assert!(
        messages[0].starts_with("unknown processor `eror`: did you mean `errors`?"),
        "{messages:?}"
    );
    assert!(
        messages[1].starts_with("unknown rule of the intake `helth`: did you mean `health`?"),
        "{messages:?}"
    );
    assert!(
        messages[2].starts_with("unknown rule of the intake `9`"),
        "{messages:?}"
    );
}

#[test]
fn what_holds_passes() {
    let (out, passed) = ran("
tests:
  - name: an error goes to the errors
    tree:
      POST /orders:
        service: shop
        outcome: failed
        events:
          - { error: payment refused, fields: { card: 4111 } }
    expect:
      - { record: payment refused, to: [all, errors, jaeger], not_to: [], stored: { fields: { card: '[redacted]' } } }
      - { record: payment refused, at: { errors: { fields: { team: payments } }, all: { fields: { team: null } } } }
      - { record: POST /orders, kind: begin, to: [jaeger, all], severity: info, message: POST /orders }
  - name: health checks are dropped, and a slow request is kept
    tree:
      health: { fields: { route: /health }, events: [ok] }
      slow: { duration: 3s }
      fast: { duration: 1s }
      lucky: { random: 0.999 }
    expect:
      - { task: health, dropped: health }
      - { record: ok, dropped: intake }
      - { record: slow, to: [all, jaeger] }
      - { record: fast, to: [all] }
      - { record: lucky, to: [all, jaeger] }
  - name: the load test is sampled
    tree:
      out: { service: load-test }
      in: { service: load-test, random: 0.995 }
    expect:
      - { record: out, dropped: load }
      - { record: in, not_to: [errors] }
");
    assert!(passed, "{out}");
    assert_eq!(out.lines().count(), 3, "{out}");
}

#[test]
fn a_failure_says_which_condition_decided() {
    let (out, passed) = ran("
tests:
  - name: refused payments go to the errors
    tree:
      POST /orders:
        service: billing
        events: [{ error: payment refused, fields: { card: 4111 } }]
    expect:
      - record: payment refused
        to: [all, errors]
        fields: { team: payments }
  - name: health checks are dropped
    tree: { health: { fields: { route: /healthz } } }
    expect: [{ record: health, kind: begin, dropped: health }]
  - name: a typo
    tree: { health: ok }
    expect: [{ record: helth, to: [] }]
  - name: fast requests are kept
    tree: { fast: { duration: 1s } }
    expect: [{ record: fast, kind: end, to: [all, jaeger] }]
");
    assert!(!passed);
    assert_eq!(out, include_str!("failures.txt"));
}

#[test]
fn coverage_counts_what_matched() {
    let config = config();
    let mut coverage = Coverage::new(&config, "distlogd.yaml");
    let file = file(
        "tests: [{ tree: { x: { service: shop, events: [{ error: e }] } }, expect: [{ record: e, not_to: [] , to: [all, errors] }] }]",
    );
    run(&file, &config, &mut coverage).unwrap();
    assert_eq!(coverage.counts(), (7, 4));
    assert!(!coverage.is_full());
    let mut out = String::new();
    put_coverage(&mut out, &coverage, false);
    assert_eq!(
        out,
        "distlogd.yaml: 4 of 7 conditions matched
  never  distlogd.yaml:2:27  intake rule health: context.route == \"/health\"
  never  distlogd.yaml:4:25  intake rule load: service == \"load-test\"
  never  distlogd.yaml:8:58  trees of jaeger: tree.failed || tree.duration > duration(\"2s\")
"
    );
}

#[test]
fn records_that_were_copied_are_read_in_every_form() {
    let folder = tempfile::tempdir().unwrap();
    let line = r#"{"levelname":"ERROR","message":"refused","created":1763871098.5,"distlog":{"kind":"event","service":"shop"}}"#;
    let tree = format!(
        r#"{{"trace_id":"e252a11f-d33d-483d-ba08-bc8f642b2f10","tasks":[{{"id":"x","items":[{{"record":{line}}},{{"task":{{"items":[{{"record":{line}}}]}}}}]}}],"next":null}}"#
    );
    for (text, count) in [
        (line.to_owned(), 1),
        (
            format!("{line}\n{line}\n{{\"next\":null,\"complete\":true}}\n"),
            2,
        ),
        (format!("[{line}, {line}]"), 2),
        (
            format!("{{\"items\":[{line}],\"next\":null,\"complete\":true}}"),
            1,
        ),
        (tree, 2),
    ] {
        let path = folder.path().join("records.json");
        std::fs::write(&path, &text).unwrap();
        let test = format!(
            "tests: [{{ records: {}, expect: [{{ record: refused, to: [] }}] }}]",
            path.display()
        );
        assert_eq!(file(&test).tests[0].records.len(), count, "{text}");
    }
    let test =
        format!("tests: [{{ records: [{line}, plain], expect: [{{ record: refused, to: [] }}] }}]");
    let file = file(&test);
    let records = &file.tests[0].records;
    assert_eq!(records[0].record.source.service, "shop");
    assert_eq!(records[1].record.message, "plain");
    let wrong = faults("tests: [{ records: none.json, expect: [{ to: [] }] }]");
    assert!(wrong[0].contains("cannot read none.json"), "{wrong:?}");
}

/// A test file that has everything, in which words are replaced.
const WHOLE: &str = "defaults: { service: shop, severity: info, resource: { a: 1 } }
tests:
  - name: a
    tree:
      x:
        { outcome: failed, duration: 3s, at: 1s, random: 0.5, fields: { a: [1, { b: null }] },
          events: [m, { warn: w, at: 5s }], tasks: { y: { kind: server, error: e }, z: lost } }
    records:
      - plain
      - { message: m, severity: 17, exception: { kind: K, message: m } }
      - { levelname: INFO, message: m, created: 1.5 }
    expect:
      - { record: m, kind: event, service: shop, task: x, to: [all], not_to: [errors],
          fields: { a: null }, message: m, severity: warn }
      - { at: { all: { fields: { a: 1 } } }, stored: { message: m } }
      - { record: x, dropped: 1 }
";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    /// Whatever is written wrongly is a fault with a place, or runs.
    #[test]
    fn no_file_makes_it_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(vec![
            "-1", "1e300", "18446744073709551615", "null", "[]", "{}", "~", "true", "9999999w", "x", "''", "[[{}]]", "all",
            "errors", "health", "4bf92f3577b34da6a3ce929d0e0e4736", "0", ".nan", "- a", "é",
        ])), 0..4),
    ) {
        let words = WHOLE.split_inclusive([' ', ',', '\n']);
        let mut words: Vec<String> = words.map(str::to_owned).collect();
        for (at, word) in &changes {
            let old = &mut words[at.index(WHOLE.matches([' ', ',', '\n']).count())];
            let end = old.pop().unwrap();
            *old = format!("{word}{end}");
        }
        let config = config();
        if let Ok(file) = read(Path::new("rules.yaml"), &words.concat()) {
            let mut out = String::new();
            if let Ok(results) = run(&file, &config, &mut Coverage::new(&config, "c")) {
                results.iter().for_each(|result| put_result(&mut out, result));
            }
        }
    }
}

#[test]
fn the_file_that_is_changed_is_right_itself() {
    let config = config();
    assert_eq!(
        run(&file(WHOLE), &config, &mut Coverage::new(&config, "c"))
            .unwrap()
            .len(),
        1
    );
}
