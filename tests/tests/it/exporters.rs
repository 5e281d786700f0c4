//! The exporters for OpenTelemetry's SDK, to a real daemon: what is said to be exported is there, once.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use distlog_bridge::sdk::{self, ConnectError, SpanExporter};
use distlog_testkit::{Daemon, eventually};
use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider, Severity};
use opentelemetry::trace::{
    Link, Span, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId,
    TraceState, Tracer, TracerProvider,
};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::trace::{
    SdkTracerProvider, SpanData, SpanEvents, SpanExporter as _, SpanLinks,
};
use serde_json::{Value, json};

const DISTLOGD: &str = env!("CARGO_BIN_EXE_e2e-distlogd");

const TO_FILE: &str = "
processors:
  everything: { file: { path: all.jsonl } }
rules:
  - to: [everything]";

/// Nothing here takes as long on any machine.
const LONG: Duration = Duration::from_secs(60);

fn resource() -> Resource {
    Resource::builder_empty()
        .with_service_name("shop")
        .with_attribute(KeyValue::new("host.name", "here"))
        .with_attribute(KeyValue::new("answer", 42))
        .build()
}

/// A span as the SDK hands it over.
fn span(n: u64) -> SpanData {
    let context = SpanContext::new(
        TraceId::from(u128::from(n) + 1),
        SpanId::from(n + 1),
        TraceFlags::SAMPLED,
        false,
        TraceState::NONE,
    );
    SpanData {
        span_context: context,
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: "work".into(),
        start_time: SystemTime::now(),
        end_time: SystemTime::now(),
        attributes: vec![KeyValue::new("n", n as i64)],
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::builder("tests").build(),
    }
}

/// Runs an export as the SDK's processors do, without a runtime.
pub fn export(exporter: &SpanExporter, spans: impl IntoIterator<Item = u64>) -> OTelSdkResult {
    let spans = spans.into_iter().map(span).collect();
    futures_executor::block_on(exporter.export(spans))
}

/// The begins and ends of spans in the daemon's file, by the number in the span.
fn found(daemon: &Daemon) -> HashMap<u64, u64> {
    let mut found = HashMap::new();
    for line in daemon.lines("all.jsonl") {
        // The last one may be half written.
        let Ok(record) = serde_json::from_str::<Value>(&line) else {
            continue;
        };
        if let Some(n) = record["context"]["n"].as_u64() {
            *found.entry(n).or_default() += 1;
        }
    }
    found
}

/// Waits until the file has these spans, each once, and no others.
pub fn expect(daemon: &Daemon, wanted: impl IntoIterator<Item = u64>) {
    let wanted: HashMap<u64, u64> = wanted.into_iter().map(|n| (n, 2)).collect();
    let found = eventually("all spans", || {
        let found = found(daemon);
        let complete = wanted.keys().all(|n| found.get(n) >= Some(&2));
        if complete {
            Ok(found)
        } else {
            Err(found.len())
        }
    });
    assert_eq!(found, wanted, "begin and end of each, once");
}

#[test]
fn spans_and_logs_arrive_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), TO_FILE);
    let (spans, logs) = sdk::builder().connect(daemon.session()).unwrap();
    let traces = SdkTracerProvider::builder()
        .with_batch_exporter(spans)
        .with_resource(resource())
        .build();
    let logs = SdkLoggerProvider::builder()
        .with_batch_exporter(logs)
        .with_resource(resource())
        .build();
    let tracer = traces.tracer("orders");
    let other = SpanContext::new(
        TraceId::from(5),
        SpanId::from(6),
        TraceFlags::SAMPLED,
        true,
        TraceState::NONE,
    );
    let mut top = tracer
        .span_builder("handle order")
        .with_kind(SpanKind::Server)
        .with_attributes([
            KeyValue::new("user", "leo"),
            KeyValue::new(
                "items",
                opentelemetry::Value::Array(opentelemetry::Array::String(vec![
                    opentelemetry::StringValue::from("tea"),
                    "pot".into(),
                ])),
            ),
        ])
        .with_links(vec![Link::with_context(other)])
        .start(&tracer);
    top.add_event("received", vec![KeyValue::new("bytes", 120)]);
    let [trace, top_id] = [
        top.span_context().trace_id().to_string(),
        top.span_context().span_id().to_string(),
    ];
    let context = Context::new().with_span(top);
    let mut low = tracer.start_with_context("charge", &context);
    low.set_status(Status::error("card declined"));
    let low_id = low.span_context().span_id().to_string();
    let in_low = context.with_span(low);
    {
        let _guard = in_low.clone().attach();
        let logger = logs.logger("payment");
        let mut record = logger.create_log_record();
        record.set_severity_number(Severity::Warn);
        record.set_body("the bank is slow".into());
        record.add_attribute("tries", AnyValue::Int(3));
        logger.emit(record);
    }
    in_low.span().end();
    context.span().end();
    traces.force_flush().unwrap();
    logs.force_flush().unwrap();

    // begin, event, end; begin, end; the log record
    let records = daemon.records("all.jsonl", 6);
    assert_eq!(records.len(), 6, "{records:#?}");
    let [trace_id, top_id, low_id] = [trace, top_id, low_id];
    let tree = daemon.tree(&trace_id, |tree| {
        let text = tree.to_string();
        text.contains("the bank is slow") && text.contains("charge") && !text.contains("running")
    });
    let [top] = &tree["tasks"].as_array().unwrap()[..] else {
        panic!("{tree:#}")
    };
    assert_eq!(top["name"], "handle order");
    assert_eq!(top["service"], "shop");
    assert_eq!(top["kind"], "server");
    let low = top["items"]
        .as_array()
        .unwrap()
        .iter()
        .find_map(|item| item.get("task"))
        .unwrap();
    assert_eq!(
        (&low["name"], &low["outcome"]),
        (&json!("charge"), &json!("failed"))
    );

    let of = |kind: &str, message: &str| {
        let found = records.iter().find(|record| {
            record["distlog"]["kind"] == kind
                && (record["message"] == message || record["distlog"]["name"] == message)
        });
        found.unwrap_or_else(|| panic!("no {kind} {message} in {records:#?}"))
    };
    let begin = of("begin", "handle order");
    assert_eq!(begin["context"]["user"], "leo");
    assert_eq!(begin["context"]["items"], json!(["tea", "pot"]));
    assert_eq!(begin["hostname"], "here");
    assert_eq!(begin["distlog"]["span_id"], top_id);
    assert_eq!(begin["distlog"]["links"][0]["span_id"], "0000000000000006");
    let event = of("event", "received");
    assert_eq!(event["fields"]["bytes"], 120);
    assert_eq!(event["distlog"]["span_id"], top_id);
    let low_begin = of("begin", "charge");
    assert_eq!(low_begin["distlog"]["parent_span_id"], top_id);
    let log = of("event", "the bank is slow");
    assert_eq!(log["levelname"], "WARNING");
    assert_eq!(log["name"], "payment");
    assert_eq!(log["fields"]["tries"], 3);
    assert_eq!(
        log["distlog"]["trace_id"]
            .as_str()
            .unwrap()
            .replace('-', ""),
        trace_id
    );
    assert_eq!(log["distlog"]["span_id"], low_id);

    // One session for both, which ends with the second of them.
    let open = |wanted: f64| {
        eventually("a number of sessions", || {
            match daemon.metric("distlogd_sessions") {
                open if open == wanted => Ok(()),
                open => Err(open),
            }
        });
    };
    open(1.0);
    traces.shutdown().unwrap();
    let logger = logs.logger("payment");
    logger.emit(logger.create_log_record());
    logs.force_flush().unwrap();
    logs.shutdown().unwrap();
    open(0.0);
    assert_eq!(daemon.metric("distlogd_session_started_total"), 1.0);
}

#[test]
fn what_was_exported_outlives_the_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), TO_FILE);
    let (spans, _) = sdk::builder().connect(daemon.session()).unwrap();
    export(&spans, 0..100).unwrap();
    daemon.kill();
    daemon.restart();
    expect(&daemon, 0..100);
    export(&spans, 100..200).unwrap();
    expect(&daemon, 0..200);
}

#[test]
fn a_daemon_that_is_killed_all_the_time_loses_nothing_and_stores_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), TO_FILE);
    let (spans, _) = sdk::builder()
        .timeout(LONG)
        .connect(daemon.session())
        .unwrap();
    let (done, exported) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let first = exported.load(Ordering::Relaxed);
                export(&spans, first..first + 20).unwrap();
                exported.store(first + 20, Ordering::Relaxed);
            }
        });
        for round in 1..=4 {
            let before = exported.load(Ordering::Relaxed);
            eventually("more exports", || {
                let now = exported.load(Ordering::Relaxed);
                if now > before + 40 { Ok(()) } else { Err(now) }
            });
            if round % 2 == 0 {
                daemon.stop();
            } else {
                daemon.kill();
            }
            daemon.restart();
        }
        done.store(true, Ordering::Relaxed);
    });
    expect(&daemon, 0..exported.load(Ordering::Relaxed));
}

#[test]
fn without_a_daemon_exports_fail_in_time_and_work_again_later() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), TO_FILE);
    let timeout = Duration::from_millis(200);
    let (spans, _) = sdk::builder()
        .timeout(timeout)
        .connect(daemon.session())
        .unwrap();
    daemon.kill();
    let mut lost = 0;
    for n in 0..5 {
        let began = Instant::now();
        let result = export(&spans, n..n + 1);
        assert!(
            matches!(result, Err(OTelSdkError::Timeout(after)) if after == timeout),
            "{result:?}"
        );
        assert!(began.elapsed() >= timeout && began.elapsed() < LONG / 2);
        lost += 1;
    }
    daemon.restart();
    // The first ones may fail yet, while it connects.
    let mut next = 100;
    eventually("an export", || {
        let result = export(&spans, next..next + 1);
        next += 1;
        lost += u64::from(result.is_err());
        result
    });
    drop(spans);
    // Of those that failed some may have come all the same, which are then no losses.
    eventually("what came and what was dropped", || {
        let dropped = daemon.metric("distlogd_dropped_records_total{level=\"info\"}");
        let found = found(&daemon);
        let lost = 2.0 * (lost + 1 - found.len() as u64) as f64;
        let whole = found.values().all(|records| *records == 2);
        match found.contains_key(&(next - 1)) && whole && dropped == lost {
            true => Ok(()),
            false => Err((dropped, found)),
        }
    });
}

#[test]
fn many_threads_export_spans_and_logs_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), TO_FILE);
    let (spans, logs) = sdk::builder().connect(daemon.session()).unwrap();
    let logs = SdkLoggerProvider::builder()
        .with_simple_exporter(logs)
        .build();
    let spans = Arc::new(spans);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let spans = &spans;
            scope.spawn(move || {
                for n in 0..25 {
                    export(spans, [thread * 25 + n]).unwrap();
                }
            });
        }
        let logger = logs.logger("numbers");
        for _ in 0..25 {
            let mut record = logger.create_log_record();
            record.set_body("logged".into());
            logger.emit(record);
        }
    });
    expect(&daemon, 0..100);
    let count = || {
        let lines = daemon.lines("all.jsonl");
        lines
            .iter()
            .filter(|line| line.contains("\"logged\""))
            .count()
    };
    eventually("all logs", || match count() {
        25 => Ok(()),
        count => Err(count),
    });
}

#[test]
fn a_large_export_is_cut_and_arrives_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), TO_FILE);
    let (spans, _) = sdk::builder()
        .timeout(LONG)
        .max_bytes(1)
        .connect(daemon.session())
        .unwrap();
    export(&spans, [0]).unwrap();
    daemon.kill();
    // A single export always fits, however large; another one beside it does not then.
    let (say, said) = std::sync::mpsc::channel();
    let halves = [1..20_000, 20_000..40_000];
    std::thread::scope(|scope| {
        for half in halves {
            let (spans, say) = (&spans, say.clone());
            scope.spawn(move || say.send((export(spans, half.clone()), half)));
        }
        let (refused, _) = said.recv_timeout(LONG).unwrap();
        let full = |error: &OTelSdkError| error.to_string().contains("max_bytes");
        assert!(refused.as_ref().is_err_and(full), "{refused:?}");
        daemon.restart();
        let (taken, half) = said.recv_timeout(LONG).unwrap();
        taken.unwrap();
        expect(&daemon, half.chain([0]));
    });
}

#[test]
fn the_next_endpoint_takes_what_the_first_cannot_and_the_first_is_preferred_again() {
    let [first, second] = [0; 2].map(|_| tempfile::tempdir().unwrap());
    let mut first = Daemon::start(DISTLOGD, &[], first.path(), TO_FILE);
    let second = Daemon::start(DISTLOGD, &[], second.path(), TO_FILE);
    let (spans, _) = sdk::builder()
        .timeout(LONG)
        .connect([first.session(), second.session()])
        .unwrap();
    export(&spans, 0..10).unwrap();
    expect(&first, 0..10);
    first.kill();
    export(&spans, 10..20).unwrap();
    expect(&second, 10..20);
    first.restart();
    let mut last = 20;
    eventually("an export to the first daemon", || {
        export(&spans, last..last + 1).unwrap();
        last += 1;
        match found(&first).keys().any(|n| *n >= 20) {
            true => Ok(()),
            false => Err(last),
        }
    });
    let everywhere = || {
        let mut all = found(&first);
        all.extend(found(&second));
        all
    };
    eventually("all spans in one of the two", || {
        let all = everywhere();
        match (0..last).all(|n| all.get(&n) == Some(&2)) {
            true => Ok(()),
            false => Err(all.len()),
        }
    });
}

#[test]
fn nothing_is_exported_after_the_shutdown() {
    let (mut spans, logs) = sdk::builder().connect("tcp://127.0.0.1:1").unwrap();
    spans.set_resource(&resource());
    let began = Instant::now();
    spans.shutdown_with_timeout(LONG).unwrap();
    assert!(matches!(
        export(&spans, [1]),
        Err(OTelSdkError::AlreadyShutdown)
    ));
    assert!(matches!(
        spans.shutdown(),
        Err(OTelSdkError::AlreadyShutdown)
    ));
    drop(logs);
    assert!(began.elapsed() < LONG / 2);
}

#[test]
fn a_wrong_address_is_refused() {
    for address in [
        "",
        "127.0.0.1:5011",
        "tcp://127.0.0.1",
        "inproc://x",
        "tcp://:x",
    ] {
        let error = sdk::builder().connect(address).unwrap_err();
        assert!(matches!(&error, ConnectError::Address { address: said, .. } if said == address));
        assert!(error.to_string().contains("tcp://HOST:PORT"), "{error}");
    }
}
