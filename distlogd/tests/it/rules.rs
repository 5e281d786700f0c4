//! What rules do to records: before they are stored, and for one destination.

use std::collections::BTreeSet;

use distlog_proto::session::ByeReason;
use distlog_proto::{Kind, Record, Task, TaskId};
use distlog_testkit::otlp::{Collector, text as attribute};
use distlog_testkit::{Daemon, eventually};
use prost::Message;
use serde_json::Value;

use crate::DISTLOGD;
use crate::kit::otlp::{PROTOBUF, post, span, traces};
use crate::kit::session_client::{Client, id, record};

const TO_FILE: &str = "
processors: { all: { file: { path: all.jsonl } } }
rules: [{ to: all }]
";

fn messages(lines: &[Value]) -> Vec<&str> {
    lines
        .iter()
        .map(|line| line["message"].as_str().unwrap())
        .collect()
}

#[test]
fn dropped_records_are_acknowledged_counted_and_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "intake:
  - {{ name: noise, when: 'message.startsWith(\"noise\")', drop: true }}
  - {{ when: 'message == \"news\"', set: {{ fields.team: '\"payments\"', severity: WARN, fields.none: fields.x + 1 }} }}
  - {{ when: 'fields.team == \"payments\"', set: {{ message: 'message + \" for \" + fields.team' }} }}
{TO_FILE}"
    );
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), &config);
    let context = zmq::Context::new();
    let mut client = Client::connect_to(&context, daemon.session(), id(1));
    client.hello(1, 0);
    client.welcomed();
    client.send(0, 3, (0..3).map(|n| record(n, "noise")).collect());
    client.acked(3);
    client.send(
        3,
        9,
        vec![record(3, "noise"), record(5, "news"), record(8, "else")],
    );
    client.acked(9);
    let lines = daemon.records("all.jsonl", 2);
    assert_eq!(messages(&lines), ["news for payments", "else"]);
    assert_eq!(lines[0]["levelname"], "WARNING");
    let count = |name: &str, rule: &str| {
        daemon.metric(&format!("distlogd_intake_{name}_total{{rule=\"{rule}\"}}"))
    };
    assert_eq!(count("dropped_records", "noise"), 4.0);
    assert_eq!(
        (count("failed_values", "2"), count("failed_values", "3")),
        (1.0, 0.0)
    );
    let status = daemon.json("/api/v1/status").unwrap();
    assert_eq!(status["intake"][0]["rule"], "noise");
    assert_eq!(status["intake"][0]["dropped_records"], 4);
    assert_eq!(status["intake"][1]["failed_values"], 1);
    let mut receivers = status["receivers"].as_array().unwrap().iter();
    let session = receivers.find(|one| one["receiver"] == "session").unwrap();
    assert_eq!(session["accepted_records"], 6);

    // The position lasts, also where nothing was stored behind it.
    client.send(9, 12, vec![record(9, "noise")]);
    client.acked(12);
    client.bye(ByeReason::Moving);
    assert!(daemon.stop().success());
    daemon.restart();
    let mut again = Client::connect_to(&context, daemon.session(), id(1));
    again.hello(2, 0);
    assert_eq!(again.welcomed().stored_to, 12);
    again.send(12, 13, vec![record(12, "last")]);
    again.acked(13);
    assert_eq!(messages(&daemon.records("all.jsonl", 3))[2], "last");
}

/// A task whose begin was dropped is not lost, and one whose end matches ends all the same.
#[test]
fn no_task_is_lost_by_what_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "intake:
  - {{ when: 'message == \"drop me\"', drop: true }}
lost_after: 1s
{TO_FILE}"
    );
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), &config);
    let context = zmq::Context::new();
    let mut client = Client::connect_to(&context, daemon.session(), id(1));
    client.hello(1, 0);
    client.welcomed();
    let of = |task: &TaskId, kind: Kind, offset: u64, message: &str| Record {
        kind,
        task: Some(Task::from(task)),
        ..record(offset, message)
    };
    let [whole, torn, begun, open] = std::array::from_fn(|_| TaskId::random());
    client.send(
        0,
        7,
        vec![
            of(&whole, Kind::Begin, 0, "drop me"),
            of(&torn, Kind::Begin, 1, "begin"),
            of(&begun, Kind::Begin, 2, "drop me"),
            of(&open, Kind::Begin, 3, "open"),
            of(&whole, Kind::End, 4, "drop me"),
            of(&torn, Kind::End, 5, "drop me"),
            of(&begun, Kind::Event, 6, "event"),
        ],
    );
    client.acked(7);
    client.bye(ByeReason::Died);
    // The open one is lost, and no other.
    let lines = daemon.records("all.jsonl", 5);
    let lost: Vec<&Value> = lines
        .iter()
        .filter(|line| line["distlog"]["outcome"] == "lost")
        .collect();
    assert_eq!(lost.len(), 1, "{lines:#?}");
    assert!(lost[0].to_string().contains(&open.to_string()), "{lost:#?}");
    let tree = daemon.json(&format!("/api/v1/tasks/{torn}")).unwrap();
    assert_ne!(tree["tasks"][0]["outcome"], "lost", "{tree:#}");
    assert!(!tree.to_string().contains("running"), "{tree:#}");
}

/// The traces that a daemon has.
fn stored(daemon: &Daemon) -> BTreeSet<String> {
    let found = daemon.get("/api/v1/tasks?from=10000d&limit=1000").unwrap();
    let found: Value = serde_json::from_str(&found).unwrap();
    let items = found["items"].as_array().unwrap().iter();
    let ids = items.map(|item| item["id"].as_str().unwrap()[..36].to_owned());
    ids.collect()
}

#[test]
fn every_daemon_samples_the_same_traces_and_a_smaller_ratio_a_part_of_them() {
    let traces_of: Vec<TaskId> = (0..200).map(|_| TaskId::random()).collect();
    let sampled = |ratio: &str| {
        let folder = tempfile::tempdir().unwrap();
        let config = format!("intake: [{{ sample: {ratio} }}]\n");
        let daemon = Daemon::start(DISTLOGD, &[], folder.path(), &config);
        for id in &traces_of {
            let mut whole = [span(1, None, "work"), span(2, Some(1), "part")];
            for span in &mut whole {
                span.trace_id = id.trace_id().to_bytes().to_vec();
            }
            let body = traces(whole.to_vec()).encode_to_vec();
            assert_eq!(post(&daemon, "/v1/traces", &[PROTOBUF], &body).status, 200);
        }
        let dropped = daemon.metric("distlogd_intake_dropped_records_total{rule=\"1\"}");
        let stored = stored(&daemon);
        // Of each span its begin, its event and its end.
        assert_eq!(dropped as usize, 6 * (traces_of.len() - stored.len()));
        stored
    };
    let third = sampled("0.3333333333333333");
    // As the specification has it: `th` is aaab.
    let expected = traces_of.iter().map(TaskId::trace_id).filter(|trace| {
        let low = u128::from_be_bytes(trace.to_bytes()) & ((1 << 56) - 1);
        low >= 0x00aa_ab00_0000_0000
    });
    assert_eq!(third, expected.map(|trace| trace.to_string()).collect());
    assert_eq!(third, sampled("0.3333333333333333"));
    let tenth = sampled("0.1");
    assert!(tenth.is_subset(&third) && tenth.len() < third.len());
}

#[test]
fn what_leaves_for_one_destination_is_changed_and_what_is_stored_is_not() {
    let collector = Collector::start();
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "
processors:
  all: {{ file: {{ path: all.jsonl }} }}
  partner: {{ file: {{ path: partner.jsonl }}, redact: {{ fields: [user], patterns: ['secret-\\w+'] }} }}
  jaeger: {{ otlp: {{ endpoint: '{}' }}, set: {{ fields.region: '\"eu\"' }} }}
rules:
  - {{ to: all }}
  - {{ to: partner, set: {{ message: '\"for you: \" + message' }} }}
  - {{ to: jaeger, redact: {{ fields: [user] }} }}
",
        collector.endpoint()
    );
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), &config);
    let task = TaskId::random();
    let of_task = |kind: Kind, offset: u64, message: &str| {
        let mut record = record(offset, message);
        record.kind = kind;
        let mut task = Task::from(&task);
        task.context.insert("user", "leo");
        record.task = Some(task);
        record.fields.insert("user", "leo");
        record
    };
    let context = zmq::Context::new();
    let mut client = Client::connect_to(&context, daemon.session(), id(1));
    client.hello(1, 0);
    client.welcomed();
    client.send(0, 1, vec![of_task(Kind::Begin, 0, "secret-one")]);
    client.acked(1);
    assert_eq!(messages(&daemon.records("all.jsonl", 1)), ["secret-one"]);
    let partner = daemon.records("partner.jsonl", 1);
    assert_eq!(messages(&partner), ["for you: [redacted]"]);
    assert!(!partner[0].to_string().contains("leo"), "{partner:#?}");
    // What the task began with is looked up in the store after a restart, and changed as well.
    client.bye(ByeReason::Moving);
    assert!(daemon.stop().success());
    daemon.restart();
    let mut client = Client::connect_to(&context, daemon.session(), id(1));
    client.hello(2, 1);
    client.welcomed();
    client.send(1, 2, vec![of_task(Kind::End, 1, "secret-one")]);
    client.acked(2);
    let spans = eventually("the span", || match collector.spans() {
        spans if spans.is_empty() => Err("none"),
        spans => Ok(spans),
    });
    let [span] = &spans[..] else {
        panic!("{spans:#?}")
    };
    assert_eq!(
        attribute(&span.attributes, "user").as_deref(),
        Some("[redacted]")
    );
    assert_eq!(attribute(&span.attributes, "region").as_deref(), Some("eu"));
    let found = daemon.get("/api/v1/records?from=10000d").unwrap();
    assert!(found.contains("leo") && found.contains("secret-one") && !found.contains("for you"));
}
