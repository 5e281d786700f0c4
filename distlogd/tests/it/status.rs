//! `GET /api/v1/status` and `distlogd status` say how the daemon does.

use std::process::Command;

use distlog_bridge::otlp::trace::v1::Span;
use distlog_testkit::{Daemon, eventually};
use prost::Message;
use serde_json::Value;

use crate::DISTLOGD;
use crate::kit::otlp::*;

/// One destination that takes everything, and one that is not there.
const PROCESSORS: &str = "\
processors:
  all: { file: { path: all.jsonl } }
  gone: { otlp: { endpoint: 'http://127.0.0.1:1' } }
rules: [ { to: [all, gone] } ]";

fn find<'v>(list: &'v Value, name: &str, value: &str) -> &'v Value {
    let mut items = list.as_array().unwrap().iter();
    let found = items.find(|one| one[name] == value);
    found.unwrap_or_else(|| panic!("no {name} {value} in {list:#}"))
}

#[test]
fn the_status_tells_what_came_where_it_went_and_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), PROCESSORS);
    let bad = Span {
        span_id: vec![1; 3],
        ..span(2, None, "bad")
    };
    let body = traces(vec![span(1, None, "work"), bad]).encode_to_vec();
    assert_eq!(post(&daemon, "/v1/traces", &[PROTOBUF], &body).status, 200);
    assert_eq!(
        post(&daemon, "/v1/traces", &[PROTOBUF], b"junk").status,
        400
    );

    let status = eventually("a failing processor, and one that has everything", || {
        let status = daemon.json("/api/v1/status")?;
        let all = find(&status["processors"], "processor", "all");
        let gone = find(&status["processors"], "processor", "gone");
        let done = all["lag_records"] == 0 && all["sent_records"].as_u64() > Some(0);
        let fails = gone["failing"] == true && gone["lag_ns"].as_u64() > Some(0);
        let known = !status["producers"].as_array().unwrap().is_empty();
        if done && fails && known {
            Ok(status)
        } else {
            Err(status)
        }
    });
    let stored = status["store"]["records"].as_u64().unwrap();
    assert_eq!(status["store"]["path"], "./distlog-data");
    assert!(
        status["store"]["free_bytes"].as_u64() > Some(0),
        "{status:#}"
    );
    assert!(status["store"]["oldest_ns"].as_u64() < status["time_ns"].as_u64());
    assert!(daemon.http().ends_with(status["http"].as_str().unwrap()));

    let otlp = find(&status["receivers"], "receiver", "otlp_http");
    assert_eq!(
        otlp["accepted_records"].as_u64(),
        Some(stored),
        "{status:#}"
    );
    assert_eq!(otlp["refused_records"], 1);
    assert!(otlp["rejected_inputs"].as_u64() >= Some(2), "{otlp:#}");
    assert!(
        otlp["last_error"]["message"]
            .as_str()
            .unwrap()
            .contains("127.0.0.1")
    );
    assert_eq!(otlp["addresses"][0], daemon.otlp_http());

    let gone = find(&status["processors"], "processor", "gone");
    assert_eq!(gone["lag_records"].as_u64(), Some(stored));
    let said = gone["last_error"]["message"].as_str().unwrap();
    assert!(said.contains("127.0.0.1:1"), "{said}");
    let all = find(&status["processors"], "processor", "all");
    assert_eq!(all["sent_records"].as_u64(), Some(stored));
    assert!(all["last_error"].is_null() && all["failing"] == false);

    // What the log of the daemon warns of is told, too.
    let warned = find(&status["reports"], "level", "WARN");
    assert!(warned["count"].as_u64() > Some(0), "{warned}");
    assert!(warned["target"].as_str().unwrap().starts_with("distlog"));
    let reports = status["reports"].as_array().unwrap();
    let told = |part: &str| {
        reports
            .iter()
            .any(|one| one["message"].as_str().unwrap().contains(part))
    };
    assert!(told("127.0.0.1:1"), "{reports:#?}");

    let [producer] = &status["producers"].as_array().unwrap()[..] else {
        panic!("one producer: {status:#}");
    };
    assert_eq!(producer["records"].as_u64(), Some(stored));
    assert_eq!(producer["state"], "open");

    let page = |columns: &str| {
        let mut command = Command::new(DISTLOGD);
        command.args(["status", "--url", daemon.http()]);
        let output = command.env("COLUMNS", columns).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let wide = page("200");
    for part in [
        "otlp_http",
        "✗ gone",
        "last error ",
        daemon.session(),
        "PRODUCER",
        "WARN ",
    ] {
        assert!(wide.contains(part), "no {part}:\n{wide}");
    }
    let narrow = page("60");
    let tables = narrow
        .lines()
        .filter(|line| !line.starts_with("  ") && !line.starts_with("WARN "));
    assert!(
        tables.skip(2).all(|line| line.chars().count() <= 60),
        "{narrow}"
    );

    assert_eq!(
        daemon.json("/api/v1/status?producers=0").unwrap()["more_producers"],
        1
    );
    let refused = daemon.get("/api/v1/status?producer=1").unwrap_err();
    assert!(refused.contains("producers"), "{refused}");
}

#[test]
fn producers_of_before_a_restart_are_known() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
    let body = traces(vec![span(1, None, "work")]).encode_to_vec();
    assert_eq!(post(&daemon, "/v1/traces", &[PROTOBUF], &body).status, 200);
    daemon.kill();
    daemon.restart();
    let producer = eventually("the producer", || {
        let status = daemon.json("/api/v1/status")?;
        let known = status["producers"].as_array().unwrap().first().cloned();
        known.ok_or(status)
    });
    // They came to the daemon before.
    assert_eq!(producer["records"], 0);
    assert!(producer["last_seen_ns"].as_u64() > Some(0));
}
