//! What a program redacts never reaches the daemon, and what the daemon redacts reaches nobody else.

use std::path::Path;

use distlog_bridge::otlp::common::v1::any_value::Value as Any;
use distlog_bridge::otlp::common::v1::{AnyValue, KeyValue, KeyValueList};
use distlog_bridge::otlp::logs::v1::LogRecord;
use distlog_bridge::otlp::trace::v1::Span;
use distlog_bridge::otlp::trace::v1::span::Link;
use distlog_layer::task;
use distlog_proto::wire::BatchWriter;
use distlog_proto::{BatchRef, Callsite, ErrorInfo, Map, Record, Task, TaskId, Value};
use distlog_testkit::{Daemon, eventually, has_bytes};
use prost::Message;
use serde_json::json;
use tracing::{error, info};
use tracing_subscriber::prelude::*;

use crate::DISTLOGD;
use crate::kit::otlp::{NOW, PROTOBUF, logs, post, post_json, span, text, traces};
use crate::kit::push_socket;
use crate::kit::session_client::{id, source};
use crate::kit::spool::leave;

const CARD: &str = "4111111111111111";
const PASSWORD: &str = "Tr0ub4dor&3";

fn pay(folder: &Path, endpoint: &str, redact: bool) {
    let mut builder = distlog_layer::builder().spool(folder.join("spools"));
    if redact {
        builder = builder
            .redact(["password", "authorization"])
            .redact_patterns([r"\b\d{13,16}\b"])
            .unwrap();
    }
    let guard = pay_with(builder, endpoint);
    // What is not sent yet is in the spool.
    assert_eq!(has_bytes(folder, CARD.as_bytes()), !redact);
    drop(guard);
}

fn pay_with(builder: distlog_layer::Builder, endpoint: &str) -> distlog_layer::Guard {
    let (layer, guard) = builder.service("shop").connect(endpoint).unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let payment = task!(user.password = PASSWORD, "pay with {CARD}");
        payment.bind("http.request.header.authorization", PASSWORD);
        payment.in_scope(|| {
            info!(
                password = PASSWORD,
                card = 4111111111111111_u64,
                "the card {CARD} is good"
            );
            error!(error = %format!("card {CARD} was refused"), "refused");
        });
    });
    guard
}

#[test]
fn a_secret_is_in_no_file_and_in_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let config = "processors: { all: { file: { path: all.jsonl } } }\nrules: [ { to: all } ]\n";
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), config);
    pay(folder.path(), daemon.session(), true);
    let records = daemon.records("all.jsonl", 5);
    let found = daemon.get("/api/v1/records?q=refused&from=1h").unwrap();
    assert!(found.contains("[redacted] was refused"), "{found}");
    let text = format!("{records:?}{found}");
    assert!(text.contains("pay with [redacted]") && text.contains("the card [redacted] is good"));
    assert!(!text.contains(CARD) && !text.contains(PASSWORD), "{text}");
    assert!(daemon.stop().success());
    assert!(
        !has_bytes(folder.path(), CARD.as_bytes())
            && !has_bytes(folder.path(), PASSWORD.as_bytes())
    );
    assert!(has_bytes(folder.path(), b"[redacted]"));

    // The search finds what is there.
    daemon.restart();
    pay(folder.path(), daemon.session(), false);
    eventually("what is not redacted", || {
        match daemon.lines("all.jsonl").join("\n").contains(PASSWORD) {
            true => Ok(()),
            false => Err("not there"),
        }
    });
}

/// A record with secrets in every place that a Python program can put them.
fn record_with_secrets(message: &str) -> Record {
    let inner: Map = [("PASSWORD", Value::from(PASSWORD))].into_iter().collect();
    let mut fields: Map = [("user.password", Value::from(PASSWORD))]
        .into_iter()
        .collect();
    fields.insert("users", vec![Value::Map(inner.clone()), Value::from(CARD)]);
    fields.insert("number", 4_111_111_111_111_111_i64);
    fields.insert(CARD, Value::Map(inner));
    let task: TaskId = "7b1c1f0a-93b1-4a2c-8d3e-111111111111/1".parse().unwrap();
    let mut record = Record {
        source: source(id(9)),
        callsite: Callsite {
            target: "shop.pay".into(),
            template: format!("{message}: paid with {CARD}"),
            ..Callsite::default()
        },
        message: format!("{message}: paid with {CARD}"),
        time: NOW,
        task: Some(Task {
            context: [("authorization", PASSWORD), ("card", CARD)]
                .into_iter()
                .collect(),
            ..Task::from(&task)
        }),
        thread_name: format!("thread of {CARD}"),
        fields,
        error: Some(ErrorInfo {
            traceback: format!("Traceback:\n  card {CARD}"),
            ..ErrorInfo::default()
        }),
        stack: format!("Stack:\n  {CARD}"),
        ..Record::default()
    };
    record.source.resource.insert("api.password", PASSWORD);
    record
}

fn secret(key: &str) -> KeyValue {
    let entry = |key: &str, value: &str| text(key, value);
    let list = KeyValueList {
        values: vec![entry("password", PASSWORD), entry("card", CARD)],
    };
    KeyValue {
        key: key.into(),
        value: Some(AnyValue {
            value: Some(Any::KvlistValue(list)),
        }),
        ..KeyValue::default()
    }
}

#[test]
fn what_no_program_redacts_the_intake_does() {
    const WAYS: usize = 9;
    let folder = tempfile::tempdir().unwrap();
    let programs = tempfile::tempdir().unwrap();
    let spools = programs.path().join("spools");
    let mut dead = record_with_secrets("dead spool");
    dead.source.producer = id(8);
    leave(&spools, &dead.source, std::slice::from_ref(&dead), [0; 5]);
    let database = match cfg!(feature = "sqlite") {
        true => "  db: { sqlite: { path: logs.db } }\n",
        false => "",
    };
    let to = match cfg!(feature = "sqlite") {
        true => "[all, text, db]",
        false => "[all, text]",
    };
    let config = format!(
        "intake:
  - {{ redact: {{ fields: [password, Authorization], patterns: ['\\b\\d{{13,16}}\\b'] }} }}
drain: {}
processors:
  all: {{ file: {{ path: all.jsonl }} }}
  text: {{ file: {{ path: all.log, format: text }} }}
{database}rules: [ {{ to: {to} }} ]
",
        spools.display()
    );
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), &config);

    // A session: begin, two events, bind and end.
    drop(pay_with(distlog_layer::builder(), daemon.session()));
    let socket = push_socket(daemon.push());
    let ways = ["json", "pickle", "batch"].map(record_with_secrets);
    let mut writer = BatchWriter::new();
    for (record, topic) in ways.iter().zip(["TLJ", "TLP", "TLB"]) {
        writer.push(record);
        let batch = writer.finish();
        let parsed = BatchRef::parse(&batch).unwrap();
        let parsed = parsed.records().next().unwrap().unwrap();
        let mut body = Vec::new();
        match topic {
            "TLJ" => distlog_python::json::encode(&parsed, &mut body),
            "TLP" => distlog_python::pickle::encode(&parsed, &mut body),
            _ => body = batch.clone(),
        }
        socket.send_multipart([topic.as_bytes(), &body], 0).unwrap();
    }
    // A dictionary as its message, and the text that Python makes of it.
    let dictionary = json!({
        "name": "root", "levelno": 20, "created": 1_700_000_000.5,
        "message": format!("{{'password': '{PASSWORD}', 'cards': ['{CARD}'], 'way': 'dictionary'}}"),
        "msg": {"password": PASSWORD, "cards": [CARD], "way": "dictionary"},
    });
    let dictionary = dictionary.to_string();
    socket
        .send_multipart(["TLJ".as_bytes(), dictionary.as_bytes()], 0)
        .unwrap();
    let log = LogRecord {
        body: secret("").value,
        attributes: vec![secret("user"), text("way", "otlp log")],
        ..LogRecord::default()
    };
    let of_span = Span {
        attributes: vec![secret("user")],
        links: vec![Link {
            trace_id: vec![1; 16],
            span_id: vec![2; 8],
            attributes: vec![secret("order")],
            ..Link::default()
        }],
        ..span(1, None, &format!("otlp span {CARD}"))
    };
    let logs = logs(vec![log]).encode_to_vec();
    assert_eq!(post(&daemon, "/v1/logs", &[PROTOBUF], &logs).status, 200);
    let traces = traces(vec![of_span]).encode_to_vec();
    assert_eq!(
        post(&daemon, "/v1/traces", &[PROTOBUF], &traces).status,
        200
    );
    let body = json!({"resourceLogs": [{
        "resource": {"attributes": [{"key": "password", "value": {"stringValue": PASSWORD}}]},
        "scopeLogs": [{"logRecords": [{
            "timeUnixNano": NOW.to_string(), "body": {"stringValue": format!("otlp json {CARD}")},
            "attributes": [{"key": "authorization", "value": {"stringValue": PASSWORD}}],
        }]}],
    }]});
    post_json(&daemon, "/v1/logs", &body.to_string());

    let marked = [
        "pay with [redacted]",
        "json: paid with [redacted]",
        "pickle: paid with [redacted]",
        "batch: paid with [redacted]",
        "dead spool: paid with [redacted]",
        "dictionary",
        "otlp log",
        "otlp span [redacted]",
        "otlp json [redacted]",
    ];
    assert_eq!(marked.len(), WAYS);
    eventually("records of all ways", || {
        let lines = daemon.lines("all.jsonl").join("\n");
        match marked.iter().find(|mark| !lines.contains(*mark)) {
            None => Ok(()),
            Some(missing) => Err(format!("{missing}: {lines}")),
        }
    });
    let found = daemon
        .get("/api/v1/records?from=10000d&limit=1000")
        .unwrap();
    assert!(marked.iter().all(|mark| found.contains(mark)), "{found}");
    let answers = ["tasks?from=10000d", "problems?from=10000d", "status"]
        .map(|path| daemon.get(&format!("/api/v1/{path}")).unwrap());
    let metrics = daemon.get("/metrics").unwrap();
    for answer in answers.iter().chain([&found, &metrics]) {
        assert!(
            !answer.contains(CARD) && !answer.contains(PASSWORD),
            "{answer}"
        );
    }
    let redacted = daemon.metric("distlogd_intake_redacted_records_total{rule=\"1\"}");
    assert!(redacted >= WAYS as f64, "{redacted}");
    let status = daemon.json("/api/v1/status").unwrap();
    assert_eq!(
        status["intake"][0]["redacted_records"].as_f64(),
        Some(redacted)
    );
    assert!(daemon.stop().success());
    for secret in [CARD, PASSWORD] {
        assert!(!has_bytes(folder.path(), secret.as_bytes()), "{secret}");
    }
    assert!(has_bytes(folder.path(), b"[redacted]"));
}
