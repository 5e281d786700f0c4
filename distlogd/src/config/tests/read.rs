//! What a configuration says.

use super::*;

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
