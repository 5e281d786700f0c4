//! Whatever comes in, by whatever receiver: what leaves, by whatever processor and from the API, is strict JSON, and
//! a name stands once, with its last value.

use std::io::{BufRead, BufReader};

use distlog_bridge::otlp::common::v1::KeyValue;
use distlog_bridge::otlp::common::v1::any_value::Value as Any;
use distlog_proto::wire::BatchWriter;
use distlog_proto::{Kind, Map, Outcome, Record, Task, TaskId};
use distlog_testkit::otlp::{Collector, text};
use distlog_testkit::{Daemon, eventually, strict_json as strict};
use serde_json::{Value, json};

use crate::DISTLOGD;
use crate::kit::otlp::{NOW, TRACE, post_json};
use crate::kit::push_socket;

const OTLP_TRACE: &str = "5b8efff7-9803-8103-d269-b633813fc601";
/// So many records come in: a span with an event and a log record, a task with an event, a Python record.
const RECORDS: usize = 8;

fn twice(name: &str) -> String {
    let value = |value: &str| format!(r#"{{"key":"{name}","value":{{"stringValue":"{value}"}}}}"#);
    let map = r#"{"key":"map","value":{"kvlistValue":{"values":[{"key":"m","value":{"intValue":"1"}},
        {"key":"m","value":{"doubleValue":"NaN"}}]}}}"#;
    format!("[{},{map},{}]", value("first"), value("last"))
}

fn by_otlp(daemon: &Daemon) {
    let (resource, scope) = (twice("service.name"), twice("s"));
    let head = format!(r#""resource":{{"attributes":{resource}}}"#);
    let scope = format!(r#""scope":{{"name":"x","attributes":{scope}}}"#);
    let ids = r#""traceId":"5b8efff798038103d269b633813fc601","spanId":"00f067aa0ba902b7""#;
    let span = format!(
        r#"{{{ids},"name":"work","startTimeUnixNano":"{NOW}","endTimeUnixNano":"{}","attributes":{},
        "events":[{{"name":"event","timeUnixNano":"{NOW}","attributes":{}}}],
        "links":[{{{ids},"attributes":{}}}]}}"#,
        NOW + 1_000_000,
        twice("a"),
        twice("a"),
        twice("a"),
    );
    let log = format!(
        r#"{{{ids},"timeUnixNano":"{NOW}","severityNumber":9,"attributes":{},
        "body":{{"kvlistValue":{{"values":{}}}}}}}"#,
        twice("a"),
        twice("a"),
    );
    for (path, body) in [
        (
            "/v1/traces",
            format!(
                r#"{{"resourceSpans":[{{{head},"scopeSpans":[{{{scope},"spans":[{span}]}}]}}]}}"#
            ),
        ),
        (
            "/v1/logs",
            format!(
                r#"{{"resourceLogs":[{{{head},"scopeLogs":[{{{scope},"logRecords":[{log}]}}]}}]}}"#
            ),
        ),
    ] {
        post_json(daemon, path, &body);
    }
}

/// A task whose context, fields and maps have a name twice, as older layers wrote them.
fn by_an_older_layer(socket: &zmq::Socket) {
    // Names of one length: in the bytes the second becomes the first.
    let map = |first: &str, last: &str| {
        let mut inner = Map::new();
        inner.insert("field-a", first);
        inner.insert("field-b", last);
        let mut map = inner.clone();
        map.insert("map", inner);
        map
    };
    let id: TaskId = TRACE.parse().unwrap();
    let task = Task {
        context: map("first", "last"),
        ..Task::from(&id)
    };
    let record = |kind, offset| Record {
        kind,
        offset,
        number: offset,
        time: NOW + offset,
        message: "ours".into(),
        task: Some(task.clone()),
        fields: map("first", "last"),
        ..Record::default()
    };
    let mut writer = BatchWriter::new();
    writer.push(&record(Kind::Begin, 0));
    writer.push(&record(Kind::Event, 1));
    writer.push(&Record {
        outcome: Outcome::Ok,
        ..record(Kind::End, 2)
    });
    let mut bytes = writer.finish();
    for at in 0..bytes.len() {
        if bytes[at..].starts_with(b"field-b") {
            bytes[at + 6] = b'a';
        }
    }
    socket.send_multipart([b"TLB".to_vec(), bytes], 0).unwrap();
}

fn by_python(socket: &zmq::Socket) {
    let body = r#"{"name":"py","msg":{"a":1,"a":NaN},"message":"python","levelno":20,"levelname":"INFO","a":"first",
        "created":1700000000.0,"a":Infinity,"lone":"\ud800","context":{"key":"no","key":"label"}}"#;
    socket.send_multipart(["TLJ", body], 0).unwrap();
}

/// Each attribute once.
fn check_attributes(attributes: &[KeyValue]) {
    let mut names: Vec<&str> = attributes.iter().map(|a| a.key.as_str()).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count, "{attributes:?}");
    for attribute in attributes {
        if let Some(Any::KvlistValue(map)) = &attribute.value.as_ref().unwrap().value {
            check_attributes(&map.values);
        }
    }
}

#[test]
fn a_name_stands_once_in_all_that_leaves() {
    let collector = Collector::start();
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "
processors:
  all: {{ file: {{ path: all.jsonl }} }}
  last: {{ file: {{ path: last.jsonl }} }}
  first: {{ file: {{ path: first.jsonl }} }}
  text: {{ file: {{ path: all.log, format: text }} }}
  mine: {{ exec: {{ command: [sh, -c, 'tee -a seen | sed -u \"s/^.*\\\"n\\\":\\([0-9]*\\).*$/\\1/\"'] }} }}
  live: {{ pub: {{ bind: 'tcp://127.0.0.1:0' }} }}
  away: {{ otlp: {{ endpoint: '{}', events: logs }} }}
rules:
  - {{ to: [all, text, mine, live, away] }}
  - {{ when: 'fields[\"a\"] == \"last\" || context[\"field-a\"] == \"last\" || fields[\"field-a\"] == \"last\" || context[\"a\"] == \"last\"', to: [last] }}
  - {{ when: 'fields[\"a\"] == \"first\" || fields[\"field-a\"] == \"first\" || fields.map(k, fields[k]).exists(v, v == \"first\")', to: [first] }}",
        collector.endpoint()
    );
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), &config);
    let endpoint = daemon.process().expect_stderr("the publisher", |line| {
        let (_, endpoint) = line.split_once("publishes on ")?;
        endpoint.split_whitespace().next().map(str::to_owned)
    });
    let context = zmq::Context::new();
    let subscriber = context.socket(zmq::SUB).unwrap();
    subscriber.set_linger(0).unwrap();
    subscriber.set_rcvtimeo(100).unwrap();
    subscriber.set_subscribe(b"TLJ").unwrap();
    subscriber.connect(&endpoint).unwrap();
    let socket = push_socket(daemon.push());
    // Until the subscription has reached the publisher.
    let mut greetings = 0;
    eventually("the subscription", || {
        greetings += 1;
        socket
            .send_multipart(["TLJ", r#"{"message":"hello"}"#], 0)
            .unwrap();
        subscriber.recv_multipart(0)
    });

    by_otlp(&daemon);
    by_an_older_layer(&socket);
    by_python(&socket);
    let wanted = RECORDS + greetings;

    let lines = eventually("the file", || {
        let lines = daemon.lines("all.jsonl");
        if lines.len() == wanted {
            Ok(lines)
        } else {
            Err(lines.len())
        }
    });
    lines.iter().for_each(|line| strict::check(line.as_bytes()));
    let seen = eventually("what the program was given", || {
        let lines = daemon.lines("seen");
        if lines.len() == wanted {
            Ok(lines)
        } else {
            Err(lines.len())
        }
    });
    seen.iter().for_each(|line| strict::check(line.as_bytes()));

    let record = |of: &[String], message: &str, kind: &str| -> Value {
        let mut found = of
            .iter()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        found
            .find(|line| line["message"] == message && line["distlog"]["kind"] == kind)
            .unwrap_or_else(|| panic!("{message} is not there: {of:#?}"))
    };
    let begin = record(&lines, "work", "begin");
    assert_eq!(begin["context"]["a"], "last");
    assert_eq!(begin["context"]["map"], json!({"m": {"$float": "NaN"}}));
    assert_eq!(begin["distlog"]["service"], "last");
    assert_eq!(begin["distlog"]["resource"]["service.name"], "last");
    assert_eq!(begin["distlog"]["otlp"]["scope_attributes"]["s"], "last");
    assert_eq!(begin["distlog"]["links"][0]["attributes"]["a"], "last");
    assert_eq!(record(&lines, "event", "event")["fields"]["a"], "last");
    let ours = record(&lines, "ours", "event");
    for map in [&ours["fields"], &ours["fields"]["map"], &ours["context"]] {
        assert_eq!(map["field-a"], "last", "{ours}");
        assert_eq!(map["field-b"], Value::Null);
    }
    let python = record(&lines, "python", "event");
    assert_eq!(python["fields"]["a"], json!({"$float": "Infinity"}));
    assert_eq!(python["fields"]["msg"]["a"], json!({"$float": "NaN"}));
    assert_eq!(python["fields"]["lone"], "\\ud800");

    // What subscribers get.
    let mut heard = 0;
    eventually("what is published", || {
        let frames = subscriber.recv_multipart(0).map_err(|_| heard)?;
        strict::check(&frames[1]);
        heard += usize::from(!frames[1].windows(7).any(|part| part == b"\"hello\""));
        if heard == RECORDS { Ok(()) } else { Err(heard) }
    });

    // What the API says.
    for trace in [OTLP_TRACE, TRACE] {
        let tree = daemon.get(&format!("/api/v1/tasks/{trace}")).unwrap();
        strict::check(tree.as_bytes());
        let records = daemon
            .get(&format!("/api/v1/tasks/{trace}?format=records"))
            .unwrap();
        assert!(records.lines().count() >= 3);
        records
            .lines()
            .for_each(|line| strict::check(line.as_bytes()));
    }
    strict::check(daemon.get("/api/v1/tasks").unwrap().as_bytes());
    let tail = ureq::get(format!("{}/api/v1/tail?from=1", daemon.http()))
        .call()
        .unwrap();
    let tail = BufReader::new(tail.into_body().into_reader());
    let data = tail
        .lines()
        .filter_map(|line| line.unwrap().strip_prefix("data: ").map(str::to_owned));
    data.take(wanted)
        .for_each(|line| strict::check(line.as_bytes()));

    // What rules see: the same.
    daemon.records("last.jsonl", 6);
    assert_eq!(daemon.lines("first.jsonl"), Vec::<String>::new());

    // What leaves by OTLP.
    eventually("what leaves by OTLP", || {
        let came = (collector.spans().len(), collector.logs().len());
        if came.0 == 2 && came.1 >= 3 {
            Ok(())
        } else {
            Err(came)
        }
    });
    for span in collector.spans() {
        check_attributes(&span.attributes);
        let name = if span.name == "work" { "a" } else { "field-a" };
        assert_eq!(text(&span.attributes, name).as_deref(), Some("last"));
        span.links
            .iter()
            .for_each(|link| check_attributes(&link.attributes));
        span.events
            .iter()
            .for_each(|event| check_attributes(&event.attributes));
    }
    collector
        .logs()
        .iter()
        .for_each(|log| check_attributes(&log.attributes));
    for resource in collector
        .seen()
        .traces
        .iter()
        .flat_map(|request| &request.resource_spans)
    {
        check_attributes(&resource.resource.as_ref().unwrap().attributes);
        for scope in resource
            .scope_spans
            .iter()
            .filter_map(|scope| scope.scope.as_ref())
        {
            check_attributes(&scope.attributes);
        }
    }
}
