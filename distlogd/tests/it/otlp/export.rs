//! Programs that log, the daemon, a receiver of OTLP: all real. What arrives is the tree.

use distlog_bridge::otlp::trace::v1::Span;
use distlog_bridge::otlp::trace::v1::span::SpanKind;
use distlog_layer::{get_foreign_task, import_task, task, to};
use distlog_testkit::otlp::{Collector, body, text};
use distlog_testkit::{Daemon, eventually};
use tracing::{info, warn};
use tracing_subscriber::prelude::*;

use crate::DISTLOGD;

/// Runs a program of that service, which logs to the daemon; all it logged is on its way when this returns.
fn service<R>(daemon: &Daemon, name: &str, program: impl FnOnce() -> R) -> R {
    let (layer, guard) = distlog_layer::builder()
        .service(name)
        .connect_push(daemon.push())
        .unwrap();
    let result =
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), program);
    drop(guard);
    result
}

fn config(collector: &Collector) -> String {
    format!(
        "
processors:
  jaeger: {{ otlp: {{ endpoint: '{}' }} }}
rules:
  - to: [jaeger]",
        collector.endpoint()
    )
}

fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let mut found = spans.iter().filter(|span| span.name == name);
    let span = found
        .next()
        .unwrap_or_else(|| panic!("{name} is not among {spans:#?}"));
    assert!(found.next().is_none(), "{name} came twice");
    span
}

#[test]
fn a_tree_across_two_services_arrives_as_one_trace() {
    let collector = Collector::start();
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), &config(&collector));
    let (id, reserved) = service(&daemon, "shop", || {
        let job = task!(user = "leo", "handle order {}", 17);
        let reserved = job.in_scope(|| {
            info!(items = 3, "order received");
            get_foreign_task()
        });
        let failed: Result<(), &str> =
            job.run(|| to!("charge the card").run(|| Err("card declined")));
        assert!(failed.is_err());
        (job.id().unwrap(), reserved)
    });
    service(&daemon, "stock", || {
        import_task!(&reserved, "reserve stock").in_scope(|| warn!("only one left"))
    });

    let spans = eventually("three spans and two log records", || {
        let (spans, logs) = (collector.spans(), collector.logs());
        if spans.len() >= 3 && logs.len() >= 2 {
            Ok(spans)
        } else {
            Err((spans.len(), logs.len()))
        }
    });
    let (root, part) = (
        named(&spans, "handle order {}"),
        named(&spans, "reserve stock"),
    );
    let charge = named(&spans, "charge the card");
    let trace = id.trace_id().to_bytes();
    assert!(
        spans.iter().all(|span| span.trace_id == trace),
        "{spans:#?}"
    );
    assert_eq!(root.span_id, id.span_id().to_bytes());
    assert!(root.parent_span_id.is_empty());
    assert_eq!(
        (&charge.parent_span_id, &part.parent_span_id),
        (&root.span_id, &root.span_id)
    );
    assert_eq!(
        (root.kind(), part.kind()),
        (SpanKind::Internal, SpanKind::Consumer)
    );
    for (span, code) in [(root, 2), (charge, 2), (part, 0)] {
        assert_eq!(
            span.status.as_ref().map_or(0, |status| status.code),
            code,
            "{}",
            span.name
        );
        assert!(
            span.start_time_unix_nano > 0 && span.end_time_unix_nano >= span.start_time_unix_nano
        );
    }
    assert_eq!(charge.status.as_ref().unwrap().message, "card declined");
    assert!(
        root.start_time_unix_nano <= charge.start_time_unix_nano
            && charge.end_time_unix_nano <= root.end_time_unix_nano
    );
    assert_eq!(text(&root.attributes, "user").as_deref(), Some("leo"));
    assert_eq!(text(&root.attributes, "distlog.task"), Some(id.to_string()));
    assert!(
        text(&part.attributes, "distlog.task")
            .unwrap()
            .starts_with(&format!("{reserved}."))
    );

    let logs = collector.logs();
    let received = logs
        .iter()
        .find(|log| body(log) == "order received")
        .unwrap();
    assert_eq!(
        (&received.trace_id, &received.span_id),
        (&root.trace_id, &root.span_id)
    );
    assert_eq!(received.severity_number, 9);
    assert_eq!(
        text(&received.attributes, "items").as_deref(),
        Some("IntValue(3)")
    );
    let seen = collector.seen();
    let services: Vec<String> = seen
        .traces
        .iter()
        .flat_map(|request| &request.resource_spans)
        .filter_map(|resource| text(&resource.resource.as_ref()?.attributes, "service.name"))
        .collect();
    assert!(
        services.contains(&"shop".into()) && services.contains(&"stock".into()),
        "{services:?}"
    );
}

#[test]
fn names_do_not_vary_with_every_request() {
    let collector = Collector::start();
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), &config(&collector));
    service(&daemon, "shop", || {
        task!("handle order {}", 17).in_scope(|| ());
        task!("{}: {}", 17, 18).in_scope(|| ());
        task!(otel.name = "by hand", "{}", 17).in_scope(|| ());
    });
    let spans = eventually("the spans", || {
        let spans = collector.spans();
        if spans.len() == 3 {
            Ok(spans)
        } else {
            Err(spans)
        }
    });
    let message = |name| text(&named(&spans, name).attributes, "distlog.message");
    assert_eq!(
        message("handle order {}").as_deref(),
        Some("handle order 17")
    );
    assert_eq!(message(module_path!()).as_deref(), Some("17: 18"));
    assert_eq!(message("by hand").as_deref(), Some("17"));
}

#[test]
fn names_of_events_are_kept_shown_and_exported() {
    let collector = Collector::start();
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "
processors:
  logs: {{ otlp: {{ endpoint: '{0}', events: logs }} }}
  spans: {{ otlp: {{ endpoint: '{0}', events: span }} }}
  all: {{ file: {{ path: all.jsonl }} }}
  text: {{ file: {{ path: all.log, format: text }} }}
rules: [ {{ to: [logs, spans, all, text] }} ]",
        collector.endpoint()
    );
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), &config);
    let id = service(&daemon, "shop", || {
        let job = task!("work");
        job.in_scope(|| {
            info!(name: "order.received", a = 1);
            info!(name: "order.paid", a = 2, "paid by card");
            info!(a = 3, "without a name");
        });
        job.id().unwrap().to_string()
    });
    let lines = daemon.records("all.jsonl", 5);
    let events: Vec<_> = lines
        .iter()
        .filter(|line| line["distlog"]["kind"] == "event")
        .collect();
    let name = |at: usize| events[at]["distlog"]["event_name"].as_str();
    assert_eq!(name(0), Some("order.received"));
    assert_eq!(
        (
            events[0]["message"].as_str(),
            events[0]["fields"]["a"].as_i64()
        ),
        (Some(""), Some(1))
    );
    assert_eq!(name(1), Some("order.paid"));
    assert_eq!(events[1]["message"], "paid by card");
    assert_eq!(name(2), None);

    let tree = daemon
        .get(&format!("/api/v1/tasks/{id}?format=text"))
        .unwrap();
    let tail = ureq::get(format!("{}/api/v1/tail?from=1&format=text", daemon.http()))
        .call()
        .unwrap();
    let tail = std::io::BufReader::new(tail.into_body().into_reader());
    let tail: Vec<String> = std::io::BufRead::lines(tail)
        .map(Result::unwrap)
        .filter(|line| line.starts_with("data: "))
        .take(5)
        .collect();
    let file = eventually("the text", || {
        let lines = daemon.lines("all.log");
        if lines.len() == 5 {
            Ok(lines)
        } else {
            Err(lines)
        }
    });
    for shown in [tree, tail.join("\n"), file.join("\n")] {
        assert!(shown.contains("order.received  a=1"), "{shown}");
        assert!(
            shown.contains("paid by card  event.name=order.paid  a=2"),
            "{shown}"
        );
        assert!(shown.contains("without a name  a=3"), "{shown}");
        assert_eq!(shown.matches("event.name").count(), 1, "{shown}");
    }

    let logs = eventually("the log records", || {
        let logs = collector.logs();
        if logs.len() == 3 { Ok(logs) } else { Err(logs) }
    });
    let names: Vec<&str> = logs.iter().map(|log| log.event_name.as_str()).collect();
    assert_eq!(names, ["order.received", "order.paid", ""]);
    assert!(logs[0].body.is_none());
    assert_eq!(body(&logs[1]), "paid by card");
    // The other processor's span has the events.
    let events = eventually("the span with its events", || {
        let spans = collector.spans();
        let span = spans.into_iter().find(|span| !span.events.is_empty());
        span.map(|span| span.events).ok_or("no events")
    });
    let names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["order.received", "order.paid", "without a name"]);
    assert_eq!(
        text(&events[1].attributes, "distlog.message").as_deref(),
        Some("paid by card")
    );
    assert_eq!(text(&events[0].attributes, "distlog.message"), None);
}

#[test]
fn a_task_that_ends_after_a_restart_arrives_whole_and_a_lost_one_as_failed() {
    let collector = Collector::start();
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(
        DISTLOGD,
        &[],
        folder.path(),
        &format!("lost_after: 2s\n{}", config(&collector)),
    );
    // One program stays, across the restart of the daemon at another port: so its end is sent by a second connection.
    let long = service(&daemon, "long", || {
        let job = task!(step = 1, "a long job");
        let reserved = job.in_scope(get_foreign_task);
        // As if the process had died: the end is never sent.
        std::mem::forget(job);
        reserved
    });
    eventually("the begin in the store", || {
        let stored = daemon.metric("distlogd_store_records");
        if stored >= 1.0 { Ok(()) } else { Err(stored) }
    });
    daemon.kill();
    daemon.restart();
    service(&daemon, "after", || {
        import_task!(&long, "a part after the restart").in_scope(|| info!("done"))
    });
    let spans = eventually("the part, and the lost job", || {
        let spans = collector.spans();
        if spans.len() >= 2 {
            Ok(spans)
        } else {
            Err(spans)
        }
    });
    let (lost, part) = (
        named(&spans, "a long job"),
        named(&spans, "a part after the restart"),
    );
    assert_eq!(lost.span_id, part.parent_span_id);
    assert_eq!(lost.status.as_ref().unwrap().code, 2);
    assert_eq!(
        text(&lost.attributes, "step").as_deref(),
        Some("IntValue(1)"),
        "the begin came from the store: {lost:#?}"
    );
    assert_eq!(
        text(&lost.attributes, "distlog.outcome").as_deref(),
        Some("lost")
    );
}
