//! Programs that log, the daemon, a receiver of OTLP: all real. What arrives is the tree.

mod otlp_support;

use distlog_bridge::otlp::trace::v1::Span;
use distlog_bridge::otlp::trace::v1::span::SpanKind;
use distlog_layer::{get_foreign_task, import_task, task, to};
use distlog_tests::{Daemon, eventually};
use otlp_support::collector::{Collector, body, text};
use tracing::{info, warn};
use tracing_subscriber::prelude::*;

const DISTLOGD: &str = env!("CARGO_BIN_EXE_distlogd");

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
