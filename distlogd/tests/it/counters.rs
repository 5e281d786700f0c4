//! The metrics say what happened: of every receiver what came in, of every processor what became of it.

use distlog_bridge::otlp::collector::trace::v1::trace_service_client::TraceServiceClient;
use distlog_bridge::otlp::logs::v1::LogRecord;
use distlog_bridge::otlp::trace::v1::Span;
use distlog_layer::task;
use distlog_proto::wire::BatchWriter;
use distlog_proto::{BatchRef, ProducerId, Record};
use distlog_python::pickle;
use distlog_testkit::otlp::Collector;
use distlog_testkit::{Daemon, eventually};
use prost::Message;
use tracing_subscriber::prelude::*;

use crate::DISTLOGD;
use crate::kit::otlp::*;
use crate::kit::push_socket;

#[track_caller]
fn check(daemon: &Daemon, expected: &[(&str, f64)]) {
    let wrong = || -> Vec<String> {
        let counted = expected
            .iter()
            .map(|(name, value)| (name, value, daemon.metric(name)));
        let wrong = counted.filter(|(_, value, counted)| *value != counted);
        wrong
            .map(|(name, value, counted)| format!("{name} is {counted}, not {value}"))
            .collect()
    };
    eventually("the counters", || {
        let wrong = wrong();
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    });
}

/// A span with events.
fn with_events(number: u64, events: usize) -> Span {
    let mut span = span(number, None, "work");
    span.events = vec![span.events[0].clone(); events];
    span
}

fn send(daemon: &Daemon, path: &str, body: &[u8]) {
    assert_eq!(post(daemon, path, &[PROTOBUF], body).status, 200);
}

#[test]
fn every_receiver_counts_the_records_that_came() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
    // Three spans, of which one is refused: 2 · (begin and end) and 5 events.
    let spans = vec![
        with_events(1, 2),
        with_events(2, 3),
        Span {
            span_id: vec![1; 3],
            ..with_events(3, 7)
        },
    ];
    send(&daemon, "/v1/traces", &traces(spans).encode_to_vec());
    // It comes again, and is known.
    let again = traces(vec![with_events(4, 0)]).encode_to_vec();
    send(&daemon, "/v1/traces", &again);
    send(&daemon, "/v1/traces", &again);
    let bad = LogRecord {
        span_id: vec![1; 3],
        ..LogRecord::default()
    };
    let request = logs(vec![LogRecord::default(), bad, LogRecord::default()]);
    send(&daemon, "/v1/logs", &request.encode_to_vec());
    runtime().block_on(async {
        let endpoint = format!("http://{}", daemon.otlp_grpc());
        let mut client = TraceServiceClient::connect(endpoint).await.unwrap();
        client
            .export(traces(vec![with_events(5, 4)]))
            .await
            .unwrap();
    });

    let socket = push_socket(daemon.push());
    for n in 0..7 {
        let body = format!(r#"{{"message":"{n}"}}"#);
        socket.send_multipart(["TLJ", body.as_str()], 0).unwrap();
    }
    socket.send_multipart(["TLJ", "no JSON"], 0).unwrap();
    let record = Record {
        message: "pickled".into(),
        ..Record::default()
    };
    let mut batch = BatchWriter::new();
    batch.push(&record);
    let bytes = batch.finish();
    let parsed = BatchRef::parse(&bytes).unwrap();
    let mut pickled = Vec::new();
    pickle::encode(&parsed.records().next().unwrap().unwrap(), &mut pickled);
    socket
        .send_multipart([b"TLP".to_vec(), pickled], 0)
        .unwrap();
    for offset in 0..4 {
        let mut record = record.clone();
        record.source.producer = ProducerId::from_bytes([7; 16]);
        record.offset = offset;
        batch.push(&record);
    }
    socket
        .send_multipart([b"TLB".to_vec(), batch.finish()], 0)
        .unwrap();

    let (layer, guard) = distlog_layer::builder()
        .service("shop")
        .connect(daemon.session())
        .unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        task!("work").in_scope(|| (0..3).for_each(|n| tracing::info!(n)));
    });
    drop(guard);

    check(
        &daemon,
        &[
            (
                "distlogd_receiver_accepted_records_total{receiver=\"otlp_http\",encoding=\"otlp traces\"}",
                11.0,
            ),
            (
                "distlogd_receiver_refused_records_total{receiver=\"otlp_http\",encoding=\"otlp traces\"}",
                1.0,
            ),
            (
                "distlogd_receiver_messages_total{receiver=\"otlp_http\",encoding=\"otlp traces\"}",
                3.0,
            ),
            (
                "distlogd_receiver_accepted_records_total{receiver=\"otlp_http\",encoding=\"otlp logs\"}",
                2.0,
            ),
            (
                "distlogd_receiver_refused_records_total{receiver=\"otlp_http\",encoding=\"otlp logs\"}",
                1.0,
            ),
            (
                "distlogd_receiver_accepted_records_total{receiver=\"otlp_grpc\",encoding=\"otlp traces\"}",
                6.0,
            ),
            (
                "distlogd_receiver_accepted_records_total{receiver=\"push\",encoding=\"J\"}",
                7.0,
            ),
            (
                "distlogd_receiver_messages_total{receiver=\"push\",encoding=\"J\"}",
                8.0,
            ),
            (
                "distlogd_receiver_rejected_inputs_total{receiver=\"push\",reason=\"bad JSON\"}",
                1.0,
            ),
            (
                "distlogd_receiver_accepted_records_total{receiver=\"push\",encoding=\"P\"}",
                1.0,
            ),
            (
                "distlogd_receiver_accepted_records_total{receiver=\"push\",encoding=\"B\"}",
                4.0,
            ),
            (
                "distlogd_receiver_accepted_records_total{receiver=\"session\",encoding=\"B\"}",
                5.0,
            ),
            // All of that is stored.
            ("distlogd_store_stored_records_total", 36.0),
            ("distlogd_store_records", 36.0),
        ],
    );
}

#[test]
fn every_processor_counts_what_became_of_the_records() {
    let collector = Collector::start();
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "
processors:
  all: {{ file: {{ path: all.jsonl }} }}
  text: {{ file: {{ path: all.log, format: text }} }}
  screen: {{ console: {{}} }}
  live: {{ pub: {{ bind: 'tcp://127.0.0.1:0' }} }}
  picky: {{ exec: {{ command: [python3, -u, picky.py] }} }}
  away: {{ otlp: {{ endpoint: '{}' }} }}
rules: [ {{ to: [all, text, screen, live, picky, away] }} ]",
        collector.endpoint()
    );
    // It does not like logs.
    let picky = "import json, sys\nfor line in sys.stdin:\n    entry = json.loads(line)\n    n = entry['n']\n    print(json.dumps({'reject': n, 'reason': 'no'}) if entry['record']['message'] == 'log' else n)\n";
    std::fs::write(folder.path().join("picky.py"), picky).unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), &config);
    let log = LogRecord {
        body: Some(distlog_bridge::otlp::common::v1::AnyValue {
            value: Some(
                distlog_bridge::otlp::common::v1::any_value::Value::StringValue("log".into()),
            ),
        }),
        ..LogRecord::default()
    };
    {
        let mut seen = collector.seen();
        seen.log_answers.push_back(Ok((2, "two are too old")));
        seen.trace_answers.push_back(Ok((1, "one is too large")));
    }
    send(&daemon, "/v1/logs", &logs(vec![log; 5]).encode_to_vec());
    // At once, so that all of them leave in one request.
    check(
        &daemon,
        &[(
            "distlogd_processor_rejected_records_total{processor=\"away\"}",
            2.0,
        )],
    );
    let spans = vec![with_events(1, 2), with_events(2, 0), with_events(3, 0)];
    send(&daemon, "/v1/traces", &traces(spans).encode_to_vec());

    let records = 5 + 4 + 2 + 2;
    let processor =
        |name: &str, what: &str| format!("distlogd_processor_{what}_total{{processor=\"{name}\"}}");
    for (name, taken, rejected) in [
        ("all", records, 0),
        ("text", records, 0),
        ("screen", records, 0),
        ("live", records, 0),
        ("picky", records - 5, 5),
        ("away", records - 3, 3),
    ] {
        check(
            &daemon,
            &[
                (&processor(name, "sent_records"), f64::from(taken)),
                (&processor(name, "rejected_records"), f64::from(rejected)),
                (&processor(name, "skipped_records"), 0.0),
                (&processor(name, "retries"), 0.0),
                (
                    &format!("distlogd_processor_lag_records{{processor=\"{name}\"}}"),
                    0.0,
                ),
            ],
        );
    }
    check(
        &daemon,
        &[
            (&processor("away", "otlp_spans"), 2.0),
            (&processor("away", "otlp_log_records"), 3.0),
            (&processor("away", "otlp_rejected_items"), 3.0),
            (&processor("away", "otlp_requests"), 2.0),
            (&processor("away", "otlp_store_lookups"), 0.0),
            (&processor("away", "otlp_repeated_ends"), 0.0),
            (&processor("away", "otlp_unplaced_events"), 0.0),
        ],
    );
    let metrics = daemon.get("/metrics").unwrap();
    for name in [
        "otlp_bytes",
        "otlp_unplaced_events",
        "otlp_repeated_ends",
        "otlp_store_lookups",
    ] {
        assert!(metrics.contains(&processor("away", name)), "{metrics}");
        assert!(!metrics.contains(&processor("all", name)), "{metrics}");
    }
    assert_eq!(daemon.lines("all.jsonl").len(), records as usize);
    listed_in_the_docs(&metrics);
}

/// The page has no metric that `docs/metrics.md` does not list with its kind and labels, and has all that need no
/// label.
fn listed_in_the_docs(metrics: &str) {
    let docs = include_str!("../../../docs/metrics.md");
    let rows: Vec<Vec<&str>> = docs
        .lines()
        .filter(|line| line.starts_with("| `distlogd_"))
        .map(|line| {
            line.split('|')
                .map(|cell| cell.trim().trim_matches('`'))
                .collect()
        })
        .collect();
    let kinds = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    for (name, kind) in kinds.filter_map(|line| line.split_once(' ')) {
        let total = if kind == "counter" { "_total" } else { "" };
        let row = rows.iter().find(|row| row[1] == format!("{name}{total}"));
        let row = row.unwrap_or_else(|| panic!("{name} is not listed"));
        assert_eq!(row[2], kind, "{name}");
    }
    for row in rows {
        let shown = metrics
            .lines()
            .filter(|line| line.starts_with(row[1]))
            .collect::<Vec<_>>();
        if row[3].is_empty() {
            assert_eq!(shown.len(), 1, "{}", row[1]);
        }
        for label in row[3]
            .split(", ")
            .map(|label| label.trim_matches('`'))
            .filter(|l| !l.is_empty())
        {
            assert!(
                shown
                    .iter()
                    .all(|line| line.contains(&format!("{label}=\""))),
                "{}: {label}",
                row[1]
            );
        }
    }
}
