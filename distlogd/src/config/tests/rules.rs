//! Rules, conditions, whole trees and levels.

use super::*;

#[test]
fn a_fault_inside_a_condition_is_where_it_is_in_the_file() {
    let rule = |when: &str| {
        format!("processors: {{ a: {{ console: {{}} }} }}\nrules:\n  - to: a\n    when: {when}\n")
    };
    assert_eq!(fault(&rule("kind == 'end' && oops")).0, "4:28");
    assert_eq!(fault(&rule("'kind == ''end'' && oops'")).0, "4:31");
    assert_eq!(fault(&rule("\"kind == \\\"end\\\" && oops\"")).0, "4:31");
    assert_eq!(
        fault(&rule("|\n      severity > 1 &&\n        oops > 2")).0,
        "6:9"
    );
    assert_eq!(
        fault(&rule(">-\n      severity > 1 &&\n      oops > 2")).0,
        "6:7"
    );
    assert_eq!(fault(&rule("severity > 1\n      && oops > 2")).0, "5:10");
    let (place, message) = fault(&rule("severity >"));
    assert!(place.starts_with("4:"), "{place}");
    assert!(message.contains("the end"), "{message}");
    assert_eq!(fault(&rule("message.matches('a(')")).0, "4:27");
}

#[test]
fn rules_that_change_records_are_read() {
    let text = r#"
intake:
  - { redact: { fields: [password, authorization], patterns: ['\b\d{13,16}\b'] } }
  - { name: noise, when: 'target == "hyper" && severity < WARN', drop: true }
  - { when: 'service == "load-test"', sample: 0.01 }
  - when: fields.route == "/pay"
    sample: 1
    set: { fields.team: '"payments"', message: service + "/" + target, severity: WARN, fields.n: 5, fields.yes: true }
processors:
  a: { file: { path: a }, set: { fields.http.host: host }, redact: { fields: user } }
rules:
  - { to: a, set: { message: '"x"' }, redact: { patterns: x+ } }
"#;
    let config = load(text, "x").unwrap_or_else(|faults| panic!("{faults}"));
    let [redact, noise, sample, set] = &config.intake[..] else {
        panic!("{:?}", config.intake)
    };
    let names = config.intake.iter().map(|rule| rule.name.as_str());
    assert_eq!(names.collect::<Vec<_>>(), ["1", "noise", "3", "4"]);
    assert!(redact.when.is_none() && noise.action == Action::Drop);
    let Action::Keep {
        sample: Some(ratio),
        change,
    } = &sample.action
    else {
        panic!("{sample:?}")
    };
    assert!(change.is_empty() && (ratio.ratio() - 0.01).abs() < 1e-6);
    let Action::Keep {
        sample: Some(_),
        change,
    } = &set.action
    else {
        panic!("{set:?}")
    };
    let values = change.set.iter().map(|(_, value)| value.text());
    let expected = [
        "\"payments\"",
        "service + \"/\" + target",
        "WARN",
        "5",
        "true",
    ];
    assert_eq!(values.collect::<Vec<_>>(), expected);
    assert_eq!(change.set[0].0, Target::Field("team".into()));
    assert!(!config.processors[0].change.is_empty() && !config.rules[0].change.is_empty());
    assert!(!config.outgoing("a").is_empty() && config.outgoing("b").is_empty());
    let summary = config.to_string();
    for line in [
        "intake     1: redact\n",
        "intake     noise: drop where target == \"hyper\" && severity < WARN\n",
        "intake     3: sample 0.010 where service == \"load-test\"\n",
        "intake     4: sample 1.000, set where fields.route == \"/pay\"\n",
    ] {
        assert!(summary.contains(line), "{summary}");
    }
}

#[test]
fn all_that_is_wrong_with_rules_that_change_records_is_reported_in_its_place() {
    let text = r#"
intake:
  - { when: severty > 1, drop: true }
  - { name: a, drop: true, sample: 0.5 }
  - { name: a, sample: 1.5 }
  - { sample: lots }
  - { when: 'true' }
  - { drop: false }
  - { dorp: true }
  - set: { context.user: '1', mesage: '1', fields.x: payments, fields.y: 1 +, message: 1, severity: '"WARN"' }
  - { redact: { fields: [password, 5], patterns: ['a(', '[b'] } }
  - { redact: {} }
  - { redact: { names: [x] } }
  - 5
  - { set: [] }
processors:
  a: { file: { path: a }, set: { severity: nothing }, redact: { patterns: '*' } }
rules:
  - { to: a, set: {}, redact: password }
"#;
    let expected = [
        ("3:13", "unknown name `severty`: did you mean `severity`?"),
        (
            "4:28",
            "what is dropped is not stored: `sample` and `drop` belong to rules of their own",
        ),
        ("5:13", "the name `a` stands twice"),
        (
            "5:24",
            "`1.5` is no ratio: expected a number from 0 (none) to 1 (all)",
        ),
        (
            "6:15",
            "found `lots`, expected a number from 0 (none) to 1 (all), like 0.01",
        ),
        (
            "7:5",
            "the rule does nothing: expected drop, sample, set or redact",
        ),
        ("8:13", "`drop: false` does nothing: leave it out"),
        ("9:7", "unknown key `dorp`: did you mean `drop`?"),
        (
            "10:12",
            "`context.user` cannot be set; expected fields.NAME, message or severity",
        ),
        ("10:31", "`mesage` cannot be set: did you mean `message`?"),
        ("10:54", "; a text is written '\"payments\"'"),
        ("10:77", "expected"),
        (
            "10:88",
            "`message` is a string, as string(…) makes one, but this is a number",
        ),
        (
            "10:101",
            "`severity` is a number from 1 to 24, or WARN and so on, but this is a string",
        ),
        (
            "11:36",
            "found number `5`, expected names of fields like [password]",
        ),
        ("11:51", "`a(` is no regular expression: unclosed group"),
        (
            "11:57",
            "`[b` is no regular expression: unclosed character class",
        ),
        ("12:15", "nothing is redacted"),
        ("13:17", "unknown key `names`"),
        (
            "14:5",
            "expected a rule like { when: CONDITION, drop: true }",
        ),
        ("15:12", "found a list, expected values by their names"),
        ("17:44", "unknown name `nothing`"),
        ("17:75", "`*` is no regular expression"),
        ("19:19", "found a map, expected values by their names"),
        ("19:31", "what is redacted, like { fields: [password] }"),
    ];
    let found = faults(text);
    for (place, text) in expected {
        let is_it = |(at, message): &(String, String)| at == place && message.contains(text);
        assert!(found.iter().any(is_it), "{place} {text}: {found:#?}");
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}

#[test]
fn alerts_and_levels_do_not_wait_for_trees() {
    let text = "
processors:
  a: { alert: { count: '< 1', in: 5m, to: [ { exec: { command: [x] } } ] }, trees: { keep: tree.failed } }
  b: { levels: { task: debug }, trees: { keep: tree.failed } }
rules: [{ to: [a, b] }]
";
    let faults = load(text, "distlogd.yaml").unwrap_err().faults;
    let [fault, other] = &faults[..] else {
        panic!("{faults:#?}")
    };
    assert_eq!((other.line, other.column), (4, 33));
    assert_eq!((fault.line, fault.column), (3, 77));
    assert!(
        fault.message.contains("`trees` holds them back"),
        "{fault:?}"
    );
}

#[test]
fn trees_are_read_and_their_faults_are_told_where_they_are() {
    let config = load(
        "processors:\n  a: { console: {}, trees: { keep: tree.failed, else: 0.25, wait: 5m, quiet: 500ms, open: 10_000 } }\n  \
         b: { console: {}, trees: { keep: 'tree.severity >= WARN' } }\nrules: [{ to: [a, b] }]\n",
        "x",
    )
    .unwrap_or_else(|faults| panic!("{faults}"));
    let [a, b] = &config.processors[..] else {
        panic!()
    };
    let (a, b) = (a.trees.as_ref().unwrap(), b.trees.as_ref().unwrap());
    assert_eq!(
        (a.keep.text(), a.other.ratio(), a.open),
        ("tree.failed", 0.25, 10_000)
    );
    assert_eq!(
        (a.wait, a.quiet),
        (Duration::from_secs(300), Duration::from_millis(500))
    );
    assert_eq!((b.other.ratio(), b.open), (0.0, 1 << 20));
    assert_eq!(
        (b.wait, b.quiet),
        (Duration::from_secs(60), Duration::from_secs(2))
    );

    let text = "processors:
  a: { console: {}, trees: { keep: tree.faild, els: 1 } }
  b: { console: {}, trees: { else: 2 } }
  c:
    console: {}
    trees:
      keep: |
        tree.root &&
          severity >= WARN
      open: 0
  d: { console: {}, trees: true }
rules: [{ to: [a, b, c, d] }]
";
    let faults = faults(text);
    let told = |place: &str, part: &str| {
        let found = faults
            .iter()
            .any(|(at, message)| at == place && message.contains(part));
        assert!(found, "{place} {part}: {faults:#?}");
    };
    told("2:40", "did you mean `tree.failed`?");
    told("2:48", "els");
    told("3:28", "`keep` is missing");
    told("3:36", "a share from 0 (none) to 1 (all), like 0.01");
    told("9:11", "did you mean `tree.severity`?");
    told("10:13", "a number of trees like 1000000, at least 1");
    told("11:28", "which trees pass, like");
}

#[test]
fn levels_of_services_are_read_and_their_faults_have_a_place() {
    let yaml = "levels: { orders: 'info,orders::cart=debug', hyper: off }";
    let config = load(yaml, "x").unwrap();
    let levels = config.levels.iter();
    let levels: Vec<String> = levels.map(|(name, set)| format!("{name} {set}")).collect();
    assert_eq!(levels, ["orders info,orders::cart=debug", "hyper off"]);
    let faults = faults(
        "levels:\n  orders: 'info,orders=debgu'\n  billing: loud\n  shop: [debug]\n  hyper: \"info,\"\n",
    );
    let places: Vec<&str> = faults.iter().map(|(place, _)| place.as_str()).collect();
    assert_eq!(places, ["2:24", "3:12", "4:9", "5:16"], "{faults:#?}");
    assert!(
        faults[0].1.starts_with("`debgu` is no level"),
        "{faults:#?}"
    );
    assert_eq!(fault("levels: debug").0, "1:9");
}
