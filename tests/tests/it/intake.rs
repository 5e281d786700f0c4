//! What `intake` drops and redacts, whoever sends it and whenever the daemon is killed.

use std::collections::HashMap;
use std::process::Command;

use distlog_testkit::otlp::Collector;
use distlog_testkit::{Daemon, Nats, Process, Proxy, eventually, has_bytes};
use serde_json::Value;

use crate::databases::nats::{Load, start};

const CLIENT: &str = env!("CARGO_BIN_EXE_e2e-client");
const DISTLOGD: &str = env!("CARGO_BIN_EXE_e2e-distlogd");

const CARD: &str = "4111111111111111";
const PASSWORD: &str = "Tr0ub4dor&3";
const REDACT: &str =
    r"{ redact: { fields: [password, authorization], patterns: ['\b\d{13,16}\b'] } }";

#[test]
fn a_daemon_that_is_killed_again_and_again_drops_and_redacts_each_record_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = r"
intake:
  - { when: 'kind == event && fields.n % 2 == 0', drop: true }
  - { redact: { fields: [n], patterns: ['\bn = \d+', 'record \d+', 'task \d*7\b'] } }
processors: { all: { file: { path: all.jsonl } } }
rules: [{ to: [all] }]";
    let config = config.replace("kind == event", "kind == \"event\"");
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), &config);
    let mut load = Load::start(&[&daemon]);
    for _ in 0..8 {
        // It is killed while they are on their way.
        load.run(5000);
        daemon.kill();
        load.run(1000);
        daemon.restart();
    }
    load.arrive();
    let tasks = 48_000;
    let (begins, ends, events) = (tasks, tasks, tasks / 2);
    let lines = eventually("all that is not dropped", || {
        let lines = daemon.lines("all.jsonl");
        match lines.len() >= begins + ends + events {
            true => Ok(lines),
            false => Err(lines.len()),
        }
    });
    let (mut keys, mut kinds) = (HashMap::new(), HashMap::new());
    for line in lines {
        let record: Value = serde_json::from_str(&line).unwrap();
        let own = &record["distlog"];
        *keys
            .entry((own["producer"].to_string(), own["offset"].as_u64()))
            .or_insert(0) += 1;
        let redacted = record["message"].as_str().unwrap().contains("[redacted]");
        let kind = own["kind"].as_str().unwrap_or("event").to_owned();
        *kinds.entry((kind, redacted)).or_insert(0) += 1;
    }
    assert_eq!(keys.values().filter(|count| **count > 1).count(), 0);
    let counted = |kind: &str, redacted| {
        kinds
            .get(&(kind.to_owned(), redacted))
            .copied()
            .unwrap_or(0)
    };
    let ending_in_7 = tasks / 10;
    assert_eq!(
        [counted("begin", true), counted("begin", false)],
        [ending_in_7, begins - ending_in_7]
    );
    assert_eq!(
        [counted("end", true), counted("end", false)],
        [ending_in_7, ends - ending_in_7]
    );
    assert_eq!(
        [counted("event", true), counted("event", false)],
        [events, 0]
    );
    assert!(daemon.stop().success());
    for secret in ["record 1", "task 4997", "task 47997"] {
        assert!(!has_bytes(folder.path(), secret.as_bytes()), "{secret}");
    }
}

#[test]
#[ignore = "needs the Python package, OpenTelemetry's SDK and nats-server: see .ci/run"]
fn what_python_an_sdk_and_a_stream_bring_is_redacted() {
    let python = std::env::var("DISTLOG_TEST_PYTHON").expect(
        "DISTLOG_TEST_PYTHON names a Python with distlog, pyzmq, six and OpenTelemetry's SDK",
    );
    let folder = tempfile::tempdir().unwrap();
    let nats = Nats::start(folder.path(), 1, "");
    // The agent redacts nothing.
    let agent = format!(
        "processors: {{ hub: {{ nats: {{ url: {}, stream: distlog, partitions: 2 }} }} }}\nrules: [{{ to: [hub] }}]",
        nats.urls()
    );
    let agent = start(folder.path(), "agent", &agent);
    // What leaves the hub is looked at on its way.
    let collector = Collector::start();
    let wire = Proxy::tapped(collector.address.port());
    let hub = format!(
        "sources: {{ agents: {{ nats: {{ url: {}, stream: distlog, group: hub }} }} }}
intake: [{REDACT}]
processors:
  all: {{ file: {{ path: all.jsonl }} }}
  wire: {{ otlp: {{ endpoint: 'http://{}', compression: none }} }}
rules: [{{ to: [all, wire] }}]",
        nats.urls(),
        wire.at()
    );
    let mut hub = start(folder.path(), "hub", &hub);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/log_secrets.py");
    for (daemon, protocol) in [(&hub, "grpc"), (&agent, "http/protobuf")] {
        let otlp = match protocol {
            "grpc" => daemon.otlp_grpc(),
            _ => daemon.otlp_http(),
        };
        let mut program = Process::start(
            Command::new(&python)
                .args([script, daemon.push(), CARD, PASSWORD])
                .env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
                .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{otlp}"))
                .env("OTEL_SERVICE_NAME", protocol),
        );
        assert!(program.wait().success(), "{:?}", program.stderr());
    }
    let mut layer = Process::start(
        Command::new(CLIENT)
            .args([
                &format!("session={}", agent.session()),
                "batch",
                "secret",
                CARD,
            ])
            .env("PASSWORD", PASSWORD),
    );
    assert!(layer.wait().success(), "{:?}", layer.stderr());

    // Two of each: what came to the hub, and what came by the stream.
    let expected = [
        ("json: paid with [redacted]", 2),
        ("pickle: paid with [redacted]", 2),
        ("grpc: paid with [redacted]", 2),
        ("the card [redacted] is good", 1),
    ];
    let lines = eventually("what all have logged", || {
        let lines = hub.lines("all.jsonl");
        let found = expected.map(|(mark, _)| {
            let one = format!("\"message\":\"{mark}\"");
            lines.iter().filter(|line| line.contains(&one)).count()
        });
        match found == expected.map(|(_, count)| count) {
            true => Ok(lines),
            false => Err(format!("{found:?} in {lines:#?}")),
        }
    });
    assert!(
        lines
            .iter()
            .any(|line| line.contains("card [redacted] was refused"))
    );
    let answers = [
        "records?from=1h&limit=1000",
        "tasks?from=1h",
        "problems?from=1h",
        "status",
    ];
    for path in answers {
        let answer = hub.get(&format!("/api/v1/{path}")).unwrap();
        assert!(
            !answer.contains(CARD) && !answer.contains(PASSWORD),
            "{path}: {answer}"
        );
    }
    let has = |passed: &[u8], text: &str| {
        let mut windows = passed.windows(text.len());
        windows.any(|window| window == text.as_bytes())
    };
    let passed = eventually("all of it on the wire", || {
        let passed = wire.passed();
        match expected.iter().find(|(mark, _)| !has(&passed, mark)) {
            Some((missing, _)) => Err(*missing),
            None => Ok(passed),
        }
    });
    assert!(!has(&passed, CARD) && !has(&passed, PASSWORD));
    let own = hub.folder().to_owned();
    assert!(hub.stop().success());
    for secret in [CARD, PASSWORD] {
        assert!(
            has_bytes(agent.folder(), secret.as_bytes()),
            "the search finds {secret}"
        );
        assert!(!has_bytes(&own, secret.as_bytes()), "{secret}");
    }
}
