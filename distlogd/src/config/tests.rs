//! The configuration: what is read, and the faults that are reported.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::{self, Config, Drain, Faults, StartAt, SyncPolicy};
use crate::processors::Kind;
use crate::worker::{Batch, Retry};
use distlog_rules::{Action, Target};

fn load(text: &str, file: &str) -> Result<Config, Faults> {
    config::load(text, file, &[])
}

/// `line:column` and message of every fault.
fn faults(text: &str) -> Vec<(String, String)> {
    let faults = load(text, "distlogd.yaml").expect_err("it should be refused");
    faults
        .faults
        .into_iter()
        .map(|fault| (format!("{}:{}", fault.line, fault.column), fault.message))
        .collect()
}

/// The one fault.
fn fault(text: &str) -> (String, String) {
    let mut faults = faults(text);
    assert_eq!(faults.len(), 1, "{faults:#?}");
    faults.remove(0)
}

#[test]
fn nothing_at_all_is_a_configuration() {
    for text in [
        "",
        "# nothing\n",
        "---\n",
        "listen:\nstore:\nprocessors:\nrules:\n",
        "listen: {}\nrules: []\n",
    ] {
        let config = load(text, "x").unwrap_or_else(|faults| panic!("{text:?}: {faults}"));
        let listen = &config.listen;
        assert_eq!(listen.push, Some("tcp://localhost:5010".into()));
        assert_eq!(listen.session, Some("tcp://localhost:5011".into()));
        assert_eq!(listen.otlp_grpc, Some("localhost:4317".into()));
        assert_eq!(listen.otlp_http, Some("localhost:4318".into()));
        assert_eq!(listen.http, Some("localhost:5080".into()));
        assert_eq!(config.store.path.to_str(), Some("./distlog-data"));
        assert_eq!(config.store.keep.size, Some(10 << 30));
        assert_eq!(config.store.keep.age, Some(Duration::from_secs(7 * 86_400)));
        assert_eq!(config.store.sync, SyncPolicy::Adaptive);
        assert_eq!(config.store.reserve, 256 << 20);
        assert_eq!(
            (config.lost_after, config.grace),
            (Duration::from_secs(60), Duration::from_secs(10))
        );
        assert!(config.processors.is_empty() && config.rules.is_empty());
    }
}

#[test]
fn the_design_s_example_is_read() {
    let config = load(
        r#"
listen:
  push: tcp://127.0.0.1:5010
  session: { bind: 'tcp://0.0.0.0:0', plaintext: true }
  otlp_grpc: off
  otlp_http: localhost:4318
  http: 127.0.0.1:0            # port 0 is chosen and printed
store:
  path: ./distlog-data
  keep: { size: 10GiB, age: off }
  sync: always
processors:
  everything: { file: { path: logs/all.jsonl, rotate: { size: 100MiB, keep: 5, compress: zstd } } }
  errors:     { file: { path: logs/errors.log, format: text }, filter: 'severity >= ERROR', from: start }
  live:       { pub: { bind: 'tcp://127.0.0.1:5012', encoding: batch } }
  jaeger:     { otlp: { endpoint: 'http://127.0.0.1:14317' } }
  mine:       { exec: { command: [python3, my_processor.py, 7] } }
rules:
  - to: [everything, jaeger, live]
  - when: severity >= WARN && service == "orders" && fields.amount > 100.0
    to: [errors, mine]
lost_after: 1.5m
grace: 3s
drain: [/var/spool/shop]
"#,
        "x",
    )
    .unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(config.listen.session, Some("tcp://0.0.0.0:0".into()));
    assert_eq!(
        (
            config
                .listen
                .otlp_grpc
                .as_ref()
                .map(|grpc| grpc.bind.as_str()),
            &config.listen.http
        ),
        (None, &Some("127.0.0.1:0".into()))
    );
    assert_eq!(
        (config.store.sync, config.store.keep.age),
        (SyncPolicy::Always, None)
    );
    assert_eq!(
        (config.lost_after, config.grace),
        (Duration::from_secs(90), Duration::from_secs(3))
    );
    let names: Vec<&str> = config
        .processors
        .iter()
        .map(|entry| entry.name.as_str())
        .collect();
    assert_eq!(names, ["everything", "errors", "live", "jaeger", "mine"]);
    assert_eq!(
        (config.processors[0].from, config.processors[1].from),
        (StartAt::End, StartAt::Start)
    );
    assert_eq!(
        config.processors[1].filter.as_ref().unwrap().text(),
        "severity >= ERROR"
    );
    let Kind::File(file) = &config.processors[0].kind else {
        panic!("{:?}", config.processors[0].kind)
    };
    let rotate = file.rotate.as_ref().unwrap();
    assert_eq!(
        (rotate.size, rotate.keep, rotate.age),
        (Some(100 << 20), Some(5), None)
    );
    let Kind::Exec(exec) = &config.processors[4].kind else {
        panic!("{:?}", config.processors[4].kind)
    };
    assert_eq!(exec.command, ["python3", "my_processor.py", "7"]);
    assert_eq!(config.rules.len(), 2);
    assert_eq!(config.rules[1].to, ["errors", "mine"]);
    assert!(config.warnings.is_empty());
    let summary = config.to_string();
    for line in [
        "push       tcp://127.0.0.1:5010\n",
        "session    tcp://0.0.0.0:0\n",
        "otlp_grpc  off\n",
        "otlp_http  localhost:4318\n",
        "drain      /var/spool/shop\n",
    ] {
        assert!(summary.contains(line), "{summary}");
    }
    assert!(
        summary.contains("everything → everything, jaeger, live"),
        "{summary}"
    );
}

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
fn others_may_connect_only_where_the_file_allows_it() {
    let text = "\
listen:
  otlp_grpc: 0.0.0.0:4317
  otlp_http: { bind: '[::]:4318', cors: ['https://shop.example'] }
  http:
    bind: logs.example:5080
    hosts: [logs.example]
";
    let found = faults(text);
    for (place, address) in [
        ("2:14", "0.0.0.0:4317"),
        ("3:14", "[::]:4318"),
        ("5:5", "logs.example:5080"),
    ] {
        let hint = format!("write {{ bind: '{address}', plaintext: true }} if the network");
        assert!(
            found
                .iter()
                .any(|(at, message)| at == place && message.contains(&hint)),
            "{place} {hint}: {found:#?}"
        );
    }
    assert_eq!(found.len(), 3, "{found:#?}");

    // Allowed.
    let text = "\
listen:
  otlp_grpc: { bind: '0.0.0.0:4317', plaintext: true }
  otlp_http: { bind: '[::]:4318', plaintext: true, cors: ['https://shop.example'] }
  http: { bind: 'logs.example:5080', plaintext: true, hosts: [logs.example, 10.0.0.1] }
";
    let listen = load(text, "x").unwrap().listen;
    assert_eq!(
        listen.otlp_grpc.as_ref().map(|grpc| grpc.bind.as_str()),
        Some("0.0.0.0:4317")
    );
    assert_eq!(listen.http.unwrap().hosts, ["logs.example", "10.0.0.1"]);

    for (text, place, expected) in [
        (
            "listen: { http: { bind: 'localhost:5080', cors: [] } }",
            "1:43",
            "unknown key `cors`",
        ),
        (
            "listen: { otlp_http: { bind: 'localhost:1', cors: ['*'] } }",
            "1:52",
            "expected the origin of web pages like https://shop.example",
        ),
        (
            "listen: { http: { bind: 'localhost:5080', hosts: ['a:1'] } }",
            "1:51",
            "expected the name of a host",
        ),
        (
            "listen: { otlp_grpc: { plaintext: true } }",
            "1:22",
            "`bind` is missing",
        ),
        // Where push is without being named.
        (
            "listen: { http: '127.0.0.1:5010' }",
            "1:17",
            "the receivers `push` (tcp://localhost:5010) and `http` (127.0.0.1:5010) cannot both",
        ),
    ] {
        let (at, message) = fault(text);
        assert_eq!(at, place, "{message}");
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn what_listens_beyond_loopback_says_so() {
    for receiver in ["otlp_grpc", "otlp_http", "http"] {
        for address in ["0.0.0.0:5000", "[::]:5000", "10.1.2.3:5000", "here:5000"] {
            let (place, message) = fault(&format!("listen:\n  {receiver}: '{address}'\n"));
            let column = receiver.len() + 5;
            assert_eq!(place, format!("2:{column}"));
            let hint = format!("write {{ bind: '{address}', plaintext: true }}");
            assert!(message.contains(&hint), "{message}");
            let as_object = |more: &str| {
                load(
                    &format!("listen: {{ {receiver}: {{ bind: '{address}'{more} }} }}"),
                    "f",
                )
            };
            assert!(as_object("").is_err() && as_object(", plaintext: false").is_err());
            let config = as_object(", plaintext: true").unwrap();
            assert!(config.to_string().contains(address), "{config}");
        }
        for address in ["localhost:0", "127.0.0.1:0", "127.9.9.9:0", "'[::1]:0'"] {
            for written in [address.to_owned(), format!("{{ bind: {address} }}")] {
                let text = format!("listen: {{ {receiver}: {written} }}");
                load(&text, "f").unwrap_or_else(|faults| panic!("{faults}"));
            }
        }
    }
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
fn permissions_of_files_are_octal() {
    let mode = |text: &str| {
        let text = format!("processors: {{ a: {{ file: {{ path: x, mode: {text} }} }} }}\n");
        load(&text, "x").map(|config| match &config.processors[0].kind {
            Kind::File(file) => file.mode.0,
            other => panic!("{other:?}"),
        })
    };
    for text in ["0640", "'0640'", "640"] {
        assert_eq!(mode(text).unwrap(), 0o640, "{text}");
    }
    for wrong in ["0888", "rw-r-----", "0040", "7777"] {
        let text = format!("processors: {{ a: {{ file: {{ path: x, mode: {wrong} }} }} }}\n");
        let (_, message) = fault(&text);
        assert!(
            message.contains("permissions in octal like 0640"),
            "{message}"
        );
    }
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

#[test]
fn a_processor_without_rules_is_a_warning_and_names_may_come_from_code() {
    let config = load("processors: { a: { console: {} } }\n", "x").unwrap();
    assert_eq!(config.warnings.len(), 1);
    assert_eq!(
        config.warnings[0].message,
        "no rule leads to the processor `a`: it gets nothing"
    );

    let text = "rules: [{ to: [mine] }]\n";
    assert_eq!(fault(text).0, "1:16");
    let config = config::load(text, "x", &["mine"]).unwrap();
    assert!(!config.router("mine").is_closed());
    assert!(config.router("other").is_closed());
    assert!(config::load("processors: { mine: { console: {} } }\n", "x", &["mine"]).is_err());
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
fn anchors_and_merges_are_understood() {
    let config = load(
        "processors:\n  a: { file: { path: a, rotate: &r { size: 1MiB } } }\n  b: { file: { path: b, rotate: *r } }\nrules: [{ to: [a, b] }]\n",
        "x",
    )
    .unwrap_or_else(|faults| panic!("{faults}"));
    let Kind::File(file) = &config.processors[1].kind else {
        panic!()
    };
    assert_eq!(file.rotate.as_ref().unwrap().size, Some(1 << 20));
}

/// The YAML blocks of the documentation that are configurations of distlogd.
fn examples() -> Vec<String> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut examples = Vec::new();
    let mut pages = vec![
        "README.md",
        "docs/alerts.md",
        "docs/opentelemetry.md",
        "docs/databases.md",
        "docs/levels.md",
        "docs/rule-cookbook.md",
        "docs/rules.md",
        "docs/trees.md",
    ];
    if cfg!(feature = "http-export") {
        pages.push("docs/http.md");
    }
    if cfg!(feature = "clickhouse") {
        pages.push("docs/clickhouse.md");
    }
    if cfg!(feature = "nats") {
        pages.push("docs/past-one-machine.md");
    }
    for page in pages {
        let text = std::fs::read_to_string(root.join(page)).unwrap();
        let blocks = text.split("```yaml\n").skip(1);
        let blocks = blocks.map(|block| block.split("```").next().unwrap().to_owned());
        // Others configure the Collector, Grafana and Prometheus.
        let others = ["exporters:", "datasources:", "groups:"];
        let built = |block: &String| {
            let mut missing = Kind::NOT_BUILT.iter();
            !missing.any(|(kind, _)| block.contains(&format!("{kind}: {{")))
        };
        examples.extend(
            blocks
                .filter(|block| built(block) && !others.iter().any(|other| block.contains(other))),
        );
    }
    examples
}

#[test]
fn the_documentation_s_examples_fit_the_schema_and_the_loader() {
    let schema = config::schema().to_value();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let examples = examples();
    assert!(examples.len() >= 5, "{examples:#?}");
    // Their certificate and key exist.
    let folder = tempfile::tempdir().unwrap();
    let pair = rcgen::generate_simple_self_signed(vec!["logs.example".to_owned()]).unwrap();
    std::fs::write(folder.path().join("cert.pem"), pair.cert.pem()).unwrap();
    let key = pair.signing_key.serialize_pem();
    std::fs::write(folder.path().join("key.pem"), key).unwrap();
    let tls = format!(" {}/", folder.path().display());
    for text in &examples {
        let text = &text.replace(" tls/", &tls);
        if let Err(faults) = load(text, "example") {
            panic!("{faults}\n{text}");
        }
        let value: serde_json::Value = serde_saphyr::from_str(text).unwrap();
        let errors: Vec<String> = schema.iter_errors(&value).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}\n{text}");
    }
    for wrong in [
        "lisen: {}",
        "listen: { http: { bnd: 'localhost:1' } }",
        "processors: { a: {} }",
        "processors: { a: { file: { path: x, format: xml } } }",
        "processors: { a: { exec: { command: [] } } }",
        "processors: { a: { pub: {} } }",
        "rules: [{ when: 'true' }]",
        "intake: [{ drp: true }]",
        "intake: [{ sample: 2 }]",
        "intake: [{ set: { context.x: '1' } }]",
        "intake: [{ redact: { names: [x] } }]",
    ] {
        let value: serde_json::Value = serde_saphyr::from_str(wrong).unwrap();
        assert!(!schema.is_valid(&value), "{wrong}");
        assert!(load(wrong, "wrong").is_err(), "{wrong}");
    }
}

#[test]
fn a_zeromq_receiver_beyond_loopback_has_keys_or_says_that_it_has_none() {
    let listen = |receiver: &str| load(&format!("listen: {{ session: {receiver} }}"), "x");
    let config = listen("{ bind: 'tcp://0.0.0.0:0', curve: { key: a.key, clients: b } }").unwrap();
    let curve = config.listen.session.unwrap().curve.unwrap();
    assert_eq!((curve.key, curve.clients), ("a.key".into(), "b".into()));
    for (receiver, fault) in [
        ("tcp://0.0.0.0:0", "curve: { key: FILE, clients: FOLDER }"),
        (
            "{ bind: 'tcp://0.0.0.0:0', plaintext: true, curve: { key: a, clients: b } }",
            "exclude each other",
        ),
        (
            "{ bind: 'tcp://0.0.0.0:0', curve: { key: a } }",
            "`clients` is missing",
        ),
    ] {
        let faults = listen(receiver).unwrap_err().to_string();
        assert!(faults.contains(fault), "{receiver}: {faults}");
    }
}

#[test]
fn a_limit_that_would_let_nobody_in_is_refused() {
    for (limit, why) in [
        (
            "connections: 0",
            "expected a number of connections, at least 1; `off` in place of its address closes a receiver",
        ),
        ("peer_connections: 0", "at least 1"),
        ("connections: -1", "at least 1"),
        ("connections: many", "at least 1"),
        (
            "peer_bytes_per_second: 0",
            "expected a size like 20MiB, at least 1, or `off`",
        ),
    ] {
        let text = format!("listen: {{ limits: {{ {limit} }} }}");
        let faults = load(&text, "x").expect_err(limit).faults;
        assert!(
            faults.len() == 1 && faults[0].message.contains(why),
            "{faults:?}"
        );
    }
    let limits = |text: &str| {
        let text = format!("listen: {{ limits: {{ {text} }} }}");
        load(&text, "x").unwrap().listen.limits
    };
    assert_eq!(limits("connections: 1").connections, 1);
    assert_eq!(
        limits("peer_bytes_per_second: off").peer_bytes_per_second,
        None
    );
    let bytes = limits("peer_bytes_per_second: 1KiB").peer_bytes_per_second;
    assert_eq!(bytes, Some(1024));
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

#[test]
fn pace_is_read() {
    let with = |keys: &str| {
        load(
            &format!("processors: {{ a: {{ console: {{}}, {keys} }} }}\nrules: [{{ to: a }}]"),
            "x",
        )
    };
    let config = with("from: start").unwrap();
    let entry = &config.processors[0];
    assert_eq!(
        (&entry.batch, &entry.retry),
        (&Batch::default(), &Retry::default())
    );
    let config =
        with("batch: { records: 10_000, wait: 2s }, retry: { first: 10ms, most: 1m }").unwrap();
    let entry = &config.processors[0];
    assert_eq!(entry.batch.records, Some(10_000));
    assert_eq!(entry.batch.wait, Duration::from_secs(2));
    assert_eq!(entry.batch.idle, Batch::default().idle);
    assert_eq!(entry.retry.first, Duration::from_millis(10));
    assert_eq!(entry.retry.most, Duration::from_secs(60));
    for (keys, fault) in [
        (
            "batch: { records: 0 }",
            "expected a number of records like 10000, or off",
        ),
        ("batch: { size: 5 }", "unknown key `size`"),
        (
            "batch: 5",
            "expected limits like { records: 10000, wait: 1s }",
        ),
        (
            "retry: { first: 0 }",
            "expected a duration like 100ms or 30s, above 0",
        ),
        ("retry: { max: 3s }", "unknown key `max`"),
    ] {
        let said = with(keys).unwrap_err().to_string();
        assert!(said.contains(fault), "{keys}: {said}");
    }
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
