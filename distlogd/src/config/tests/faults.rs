//! Faults are reported all at once, each in its place.

use super::*;

#[test]
fn what_cannot_be_together_is_reported_in_its_place() {
    let text = "\
listen:
  push: tcp://127.0.0.1:7000
  session: { bind: 'tcp://127.0.0.1:7000' }
  http: 127.0.0.1:7000
  otlp_grpc: 127.0.0.1:0
  otlp_http: 127.0.0.1:0
drain: [a, 5, [b], '', a, { path: c, owners: [1, x], user: 5 }, { owners: 1 }]
";
    let expected = [
        (
            "3:20",
            "the receivers `push` (tcp://127.0.0.1:7000) and `session` (tcp://127.0.0.1:7000) cannot both listen on one port",
        ),
        (
            "4:9",
            "the receivers `session` (tcp://127.0.0.1:7000) and `http` (127.0.0.1:7000) cannot both listen on one port",
        ),
        ("7:12", "found number `5`, expected directories like"),
        ("7:15", "found a list, expected directories like"),
        ("7:20", "expected directories like"),
        ("7:24", "a stands twice"),
        ("7:50", "expected ids of users like [1001]"),
        ("7:54", "unknown key `user`"),
        ("7:65", "`path` is missing"),
    ];
    let found = faults(text);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (place, text) in expected {
        assert!(
            found
                .iter()
                .any(|(at, message)| at == place && message.contains(text)),
            "{place} {text}: {found:#?}"
        );
    }
    let one = load("drain: /var/spool/shop\n", "f").unwrap();
    assert_eq!(one.drain, [Drain::from(PathBuf::from("/var/spool/shop"))]);
    let others = load("drain: [{ path: a, owners: [1001, 0] }, b]\n", "f").unwrap();
    let owners = others.drain.iter().map(|drain| &drain.owners[..]);
    assert_eq!(owners.collect::<Vec<_>>(), [&[1001, 0][..], &[]]);
    let summary = others.to_string();
    assert!(
        summary.contains("drain      a, also of the users [1001, 0]\n"),
        "{summary}"
    );
    assert!(load("drain:\n", "f").unwrap().drain.is_empty());
}

#[test]
fn all_faults_are_reported_at_once_in_their_places() {
    let text = r#"lisen: {}
listen:
  push: tcp://0.0.0.0:5010
  sesion: off
  http: 127.0.0.1
  otlp_grpc: [1]
store:
  keep: { size: 10GiX, age: 7 }
  sync: never
  reserve: 1MiB
processors:
  all: { file: { pth: a.jsonl } }
  twice: { file: { path: b.jsonl, format: xml }, filter: 'severty > 3' }
  what: { fil: { path: c } }
  none: { filter: 'true' }
  both: { file: { path: d }, console: {} }
  bad/name: { console: {} }
  age: { file: { path: e, rotate: { keep: 5 } } }
  run: { exec: { command: [] } }
  open: { pub: { bind: 'tcp://*:1' } }
  gone: 5
rules:
  - to: [al, twice]
  - when: severity > "WARN"
    to: all
  - when: 7
  - too: all
grace: soon
"#;
    let found = faults(text);
    let places: Vec<&str> = found.iter().map(|(place, _)| place.as_str()).collect();
    let expected = [
        ("1:1", "unknown key `lisen`: did you mean `listen`?"),
        ("3:9", "`tcp://0.0.0.0:5010` is reachable by others"),
        ("4:3", "unknown key `sesion`: did you mean `session`?"),
        (
            "5:9",
            "`127.0.0.1` is no address: expected an address like 127.0.0.1:5080",
        ),
        (
            "6:14",
            "found a list, expected an address like 127.0.0.1:5080, { bind: ADDRESS, plaintext: true }, or off",
        ),
        (
            "8:17",
            "found string \"10GiX\", expected a size like 100MiB, or off",
        ),
        (
            "8:29",
            "found integer `7`, expected a duration like 5ms, 10s or 1d12h, or off",
        ),
        (
            "9:9",
            "found string \"never\", expected adaptive, a duration like 5ms, or always",
        ),
        ("12:18", "unknown key `pth`: did you mean `path`?"),
        (
            "13:43",
            "unknown value `xml`: expected one of `json`, `text`",
        ),
        ("13:59", "unknown name `severty`: did you mean `severity`?"),
        ("14:11", "unknown key `fil`: did you mean `file`?"),
        (
            "15:3",
            "the processor `none` does not say what it is: expected one of ",
        ),
        ("16:30", "the processor `both` is two things at once"),
        ("17:3", "`bad/name` is no name for a processor"),
        ("18:35", "it does not say when to rotate"),
        ("19:27", "the command is empty"),
        ("20:16", "`tcp://*:1` is reachable by others"),
        ("21:9", "found number `7`"),
        ("23:10", "unknown processor `al`: did you mean `all`?"),
        (
            "24:20",
            "a number is never comparable with a string; write WARN without quotes",
        ),
        ("26:5", "the rule leads nowhere: `to` is missing"),
        ("26:11", "found number `7`, expected a condition"),
        ("27:5", "unknown key `too`: did you mean `to`?"),
        (
            "28:8",
            "found string \"soon\", expected a duration like 5ms, 10s or 1d12h",
        ),
    ];
    // Each of the expected faults is reported exactly where it is.
    for (place, message) in expected
        .iter()
        .filter(|(place, _)| !["21:9"].contains(place))
    {
        let hit = found
            .iter()
            .any(|(at, text)| at == place && text.starts_with(message));
        assert!(hit, "{place} {message} is not among\n{found:#?}");
    }
    assert!(found.iter().any(|(at, text)| at == "21:9" && text.starts_with("found number `5`, expected one of")), "{found:#?}");
    assert!(
        places.len() <= expected.len(),
        "nothing is reported twice: {found:#?}"
    );
}

#[test]
fn keys_that_stand_twice_are_reported() {
    let (place, message) = fault("processors:\n  a: { console: {} }\n  a: { console: {} }\n");
    assert_eq!(
        (place.as_str(), message.as_str()),
        ("3:3", "`a` stands twice, first in line 2")
    );
    assert_eq!(fault("grace: 1s\nstore: {}\ngrace: 2s\n").0, "3:1");
}

#[test]
fn two_processors_on_one_file_are_reported() {
    let (place, message) = fault(
        "processors:\n  a: { file: { path: x/y.log } }\n  b: { file: { path: ./x//y.log } }\n",
    );
    assert_eq!(place, "3:3");
    assert!(message.contains("`a` and `b`"), "{message}");
}

#[test]
fn a_missing_value_and_its_consequences_are_one_fault() {
    let (place, message) = fault("processors: { a: { file: {} } }\n");
    assert_eq!(
        (place.as_str(), message.as_str()),
        ("1:26", "`path` is missing")
    );
    // The path is wrong; that it is missing then is not reported as well.
    let (place, message) = fault("processors: { a: { file: { path: [1] } } }\n");
    assert_eq!(
        (place.as_str(), message.starts_with("found a list")),
        ("1:34", true),
        "{message}"
    );
}

#[test]
fn what_is_no_yaml_is_reported_with_its_place() {
    let (place, message) = fault("store:\n  path: [a\nrules: x\n");
    assert!(
        place.starts_with('3') || place.starts_with('2'),
        "{place} {message}"
    );
    assert!(message.starts_with("is no YAML: "), "{message}");
    assert_eq!(
        fault("- a\n- b\n").1,
        "found a list, expected the sections of a configuration"
    );
    assert!(fault("just text").1.starts_with("found `just text`"));
}

#[test]
fn a_section_of_the_wrong_type_gets_an_example_of_the_right_one() {
    for (text, message) in [
        (
            "listen: 5",
            "found number `5`, expected addresses of receivers, like http: localhost:5080",
        ),
        (
            "store: [x]",
            "found a list, expected settings of the store, like path: ./distlog-data",
        ),
        (
            "store: { keep: 7d }",
            "found `7d`, expected limits like { size: 10GiB, age: 7d }",
        ),
        (
            "processors: [console]",
            "found a list, expected processors by name, like errors: { file: { path: errors.log } }",
        ),
        (
            "rules: { to: all }",
            "found a map, expected a list of rules like - { when: CONDITION, to: [PROCESSOR] }",
        ),
    ] {
        assert_eq!(fault(text).1, message, "{text}");
    }
}

#[test]
fn faults_are_shown_with_the_line_that_they_are_in() {
    let faults = load("grace: 1s\nstore: { pth: x }\n", "distlogd.yaml").unwrap_err();
    assert_eq!(
        faults.to_string(),
        "distlogd.yaml:2:10: unknown key `pth`: did you mean `path`?\n   2 | store: { pth: x }\n     |          ^"
    );
}

#[cfg(not(feature = "sqlite"))]
#[test]
fn a_processor_that_was_not_built_in_is_the_only_fault() {
    let text = "processors: { db: { sqlite: { path: x } } }\nrules: [{ to: db }]";
    let said = load(text, "x").unwrap_err().to_string();
    assert!(
        said.starts_with("x:1:21: this distlogd was built without the processor `sqlite`"),
        "{said}"
    );
    assert!(
        !said.contains("x:2:") && said.lines().count() == 3,
        "{said}"
    );
}
