//! What a record holds when it arrives.
//!
//! Their program is their own: it installs a logger of the crate `log` for the whole process.
#![allow(missing_docs)]

mod common;

use std::collections::BTreeMap;
use std::fmt;

use common::*;
use distlog_layer::{Encoding, Flush, builder, val};
use distlog_proto::{Kind, Severity, SpanKind, Value};
use tracing::{debug, error, info, info_span, warn};
use tracing_subscriber::prelude::*;

#[derive(Debug)]
struct Outer(Inner);

#[derive(Debug)]
struct Inner;

impl fmt::Display for Outer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("outer broke")
    }
}

impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("inner broke")
    }
}

impl std::error::Error for Outer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl std::error::Error for Inner {}

#[test]
fn every_type_of_field_arrives_as_it_is() {
    let records = records_of(|| {
        info!(
            yes = true,
            small = -7i64,
            large = u64::MAX,
            huge = u128::MAX,
            wide = i128::from(i64::MIN),
            real = 2.5,
            string = "st\"ring",
            display = %Inner,
            debug = ?Inner,
            bytes = &b"\x00\xff"[..],
            missing = Option::<u32>::None,
            a.b = 1,
            "quoted.name" = 2,
            "hello {}",
            "you"
        );
    });
    let record = records.with_message("hello you");
    let expected: &[(&str, Value)] = &[
        ("yes", Value::Bool(true)),
        ("small", Value::I64(-7)),
        ("large", Value::U64(u64::MAX)),
        ("huge", text("340282366920938463463374607431768211455")),
        ("wide", Value::I64(i64::MIN)),
        ("real", Value::F64(2.5)),
        ("string", Value::Str("st\"ring".into())),
        ("display", text("inner broke")),
        ("debug", text("Inner")),
        ("bytes", Value::Bytes(vec![0, 255])),
        ("a.b", Value::I64(1)),
        ("quoted.name", Value::I64(2)),
    ];
    let fields: Vec<_> = record
        .fields
        .iter()
        .map(|(name, value)| (name, value.clone()))
        .collect();
    assert_eq!(fields, expected);
    assert_eq!(record.kind, Kind::Event);
    assert_eq!(record.task, None);
}

#[test]
fn a_record_says_where_when_and_who() {
    let before = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_nanos() as u64;
    let mut line = 0;
    let records = records_through(
        |builder| {
            builder
                .resource("region", "here")
                .resource("region", "there")
                .host("box")
        },
        |layer, work| {
            tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work)
        },
        || {
            line = line!() + 1;
            warn!(target: "my::target", "careful");
        },
    );
    let after = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_nanos() as u64;
    let record = records.with_message("careful");
    assert_eq!(record.callsite.severity, Severity::WARN);
    assert_eq!(record.callsite.target, "my::target");
    assert!(record.callsite.file.ends_with("tests/records.rs"));
    assert_eq!(record.callsite.line, line);
    assert_eq!(record.callsite.module, "records");
    const SLACK: u64 = 50_000_000;
    assert!(
        (before - SLACK..=after + SLACK).contains(&record.time),
        "{before} {} {after}",
        record.time
    );
    assert_eq!(record.thread_name, "a_record_says_where_when_and_who");
    assert_ne!(record.thread_id, 0);
    assert_eq!(record.source.service, "test");
    assert_eq!(record.source.host, "box");
    assert_eq!(record.source.process_id, u64::from(std::process::id()));
    assert!(record.source.process_name.starts_with("records"));
    assert_eq!(
        record.source.resource.get("region"),
        Some(&Value::Str("there".into()))
    );
    assert!(record.source.producer.is_known());
}

#[test]
fn records_come_in_order_and_their_offsets_rise() {
    let records = records_of(|| (0..5000).for_each(|i| info!(i, "count")));
    assert_eq!(records.len(), 5000);
    for (i, pair) in records.windows(2).enumerate() {
        assert!(pair[0].offset < pair[1].offset);
        assert_eq!(pair[1].fields.get("i"), Some(&Value::I64(i as i64 + 1)));
    }
}

#[test]
fn log_records_arrive_from_where_they_were_logged() {
    let _ = tracing_log::LogTracer::init();
    let mut line = 0;
    let records = records_of(|| {
        line = line!() + 1;
        log::warn!(target: "old::style", "from {}", "log");
    });
    let record = records.with_message("from log");
    assert_eq!(record.callsite.target, "old::style");
    assert_eq!(record.callsite.severity, Severity::WARN);
    assert_eq!(record.callsite.line, line);
    assert!(record.callsite.file.ends_with("tests/records.rs"));
    assert!(record.fields.is_empty(), "{:?}", record.fields);
}

#[derive(serde::Serialize)]
struct Order<'a> {
    id: u32,
    note: Option<&'a str>,
    items: Vec<Item>,
    by: BTreeMap<u8, f64>,
}

#[derive(serde::Serialize)]
enum Item {
    Tea,
    Milk(u8),
    Sugar { grams: i64 },
}

#[test]
fn val_carries_structure_and_is_text_within_text() {
    let order = Order {
        id: 7,
        note: None,
        items: vec![Item::Tea, Item::Milk(2), Item::Sugar { grams: -1 }],
        by: [(3, 0.5)].into(),
    };
    let shown = r#"{"id": 7, "note": null, "items": ["Tea", {"Milk": 2}, {"Sugar": {"grams": -1}}], "by": {"3": 0.5}}"#;
    assert_eq!(format!("{:?}", val(&order)), shown);
    let records = records_of(|| {
        info!(order = ?val(&order), wrapped = ?Some(val(&order)), list = ?val(&[1, 2]), plain = ?val("x"), "order {:?}", val(&1));
        info_span!("with structure", order = ?val(&order.id), list = ?val(&["a"]))
            .in_scope(|| info!("inside"));
    });
    let record = records.with_message("order 1");
    let Some(Value::Map(map)) = record.fields.get("order") else {
        panic!("{record:#?}")
    };
    assert_eq!(map.get("id"), Some(&Value::I64(7)));
    assert_eq!(map.get("note"), Some(&Value::Null));
    let Some(Value::List(items)) = map.get("items") else {
        panic!("{map:#?}")
    };
    assert_eq!(items[0], Value::Str("Tea".into()));
    assert_eq!(
        items[2],
        Value::Map(
            [("Sugar", Value::Map([("grams", -1)].into_iter().collect()))]
                .into_iter()
                .collect()
        )
    );
    assert_eq!(
        record.fields.get("wrapped"),
        Some(&text(&format!("Some({shown})")))
    );
    assert_eq!(
        record.fields.get("list"),
        Some(&Value::List(vec![Value::I64(1), Value::I64(2)]))
    );
    assert_eq!(record.fields.get("plain"), Some(&Value::Str("x".into())));
    let context = &task(records.with_message("inside")).context;
    assert_eq!(context.get("order"), Some(&Value::I64(7)));
    assert_eq!(
        context.get("list"),
        Some(&Value::List(vec![Value::Str("a".into())]))
    );
}

#[test]
fn errors_keep_their_causes() {
    let records = records_of(|| {
        let error = Outer(Inner);
        error!(error = &error as &dyn std::error::Error, "typed");
        error!(error = %error, "displayed");
        info!(why = &error as &dyn std::error::Error, "not called error");
    });
    let typed = records.with_message("typed").error.clone().unwrap();
    assert_eq!(
        (typed.message.as_str(), typed.chain.as_slice()),
        ("outer broke", &["inner broke".to_owned()][..])
    );
    assert_eq!(
        records.with_message("typed").fields.get("error"),
        Some(&text("outer broke"))
    );
    let displayed = records.with_message("displayed").error.clone().unwrap();
    assert_eq!(
        (displayed.message.as_str(), displayed.chain.len()),
        ("outer broke", 0)
    );
    assert_eq!(
        records.with_message("not called error").fields.get("why"),
        Some(&text("outer broke"))
    );
}

#[test]
fn too_long_values_are_cut_and_marked() {
    let long = "ä".repeat(100_000);
    let list: Vec<u32> = (0..100_000).collect();
    let records = records_through(
        |builder| builder.ring_bytes(64 * 1024),
        |layer, work| {
            tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work)
        },
        || {
            info!("begin {long}");
            info!(long, "a field");
            info!(long = ?long, list = ?val(&list), after = 1, "more fields");
            info!(bytes = long.as_bytes(), "bytes");
            let _entered = info_span!("a context", long).entered();
            info!("inside");
        },
    );
    assert_eq!(records.len(), 7, "{}", records.len());
    assert!(records[0].message.ends_with(" bytes cut]"));
    assert!(records[0].message.starts_with("begin äää"));
    assert!(records[0].message.len() < 8192);
    let cut = |value: Option<&Value>| matches!(value, Some(Value::Text(text)) if text.ends_with(" bytes cut]"));
    assert!(cut(records[1].fields.get("long")));
    assert!(cut(records[2].fields.get("list")));
    assert_eq!(records[2].fields.get("after"), Some(&Value::I64(1)));
    assert!(cut(records[3].fields.get("bytes")));
    assert!(cut(task(records.with_message("inside"))
        .context
        .get("long")));
}

#[test]
fn otel_fields_mean_what_they_mean_there() {
    let records = records_of(|| {
        let _entered = info_span!(
            "span",
            "otel.name" = "GET /x",
            otel.kind = "server",
            user = 1
        )
        .entered();
        debug!("inside");
    });
    let begin = records.begin("span");
    assert_eq!(begin.name, "GET /x");
    assert_eq!(begin.span_kind, SpanKind::Server);
    assert_eq!(
        task(begin)
            .context
            .iter()
            .map(|(name, _)| name)
            .collect::<Vec<_>>(),
        ["user"]
    );
}

#[test]
fn a_silent_process_says_that_it_lives_whatever_its_encoding() {
    for encoding in [Encoding::Batch, Encoding::Json, Encoding::Pickle] {
        let daemon = Daemon::tcp();
        let heartbeat = std::time::Duration::from_millis(30);
        let (_layer, guard) = builder()
            .service("quiet")
            .encoding(encoding)
            .heartbeat(heartbeat)
            .connect_push(daemon.address.clone())
            .unwrap();
        for _ in 0..3 {
            let message = daemon.message(LONG).unwrap();
            assert_eq!(message[0], b"TLB");
            let batch = distlog_proto::BatchRef::parse(&message[1]).unwrap();
            assert_eq!(batch.records().count(), 0);
            assert_eq!(batch.source().service, "quiet");
            assert_eq!(batch.source().producer, guard.producer());
        }
    }
}

#[test]
fn ipc_works_too() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::at(&format!("ipc://{}/socket", dir.path().display()));
    let (layer, guard) = builder().connect_push(daemon.address.clone()).unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        info!("over ipc")
    });
    assert_eq!(guard.flush(LONG), Flush::Flushed);
    assert!(daemon.until_message("over ipc").is_empty());
}

#[test]
fn bad_addresses_are_errors() {
    for address in [
        "",
        "localhost:5010",
        "http://localhost",
        "inproc://x",
        "tcp://",
        "tcp://localhost",
        "tcp://1.2.3.4:port",
    ] {
        let error = builder()
            .connect_push(address)
            .map(|_| ())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(address) && error.contains("expected tcp://HOST:PORT"),
            "{error}"
        );
    }
}

#[test]
fn names_of_events_arrive_and_places_are_no_names() {
    let _ = tracing_log::LogTracer::init();
    let records = records_of(|| {
        info!(name: "order.received", a = 1);
        info!(name: "event of mine", "named");
        info!("unnamed");
        tracing::event!(name: "e", tracing::Level::WARN, "event!");
        // As `log` records come.
        log::info!("by log");
    });
    let names: Vec<(&str, &str)> = records
        .iter()
        .map(|record| (record.message.as_str(), record.name.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            ("", "order.received"),
            ("named", "event of mine"),
            ("unnamed", ""),
            ("event!", "e"),
            ("by log", ""),
        ]
    );
}
