//! Spans that failed, have no begin yet, or came in parts.

use distlog_bridge::otlp::trace::v1::span::Event;
use distlog_bridge::otlp::trace::v1::{Span, Status};
use distlog_testkit::eventually;
use prost::Message;

use crate::kit::otlp::*;

#[test]
fn a_failed_span_looks_like_a_failed_task() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    let stack =
        "Traceback (most recent call last):\n  File \"shop.py\", line 7\nValueError: no money";
    let failed = Span {
        status: Some(Status {
            code: 2,
            message: "no money".into(),
        }),
        attributes: vec![text("user", "leo"), text("code.function.name", "pay")],
        events: vec![Event {
            time_unix_nano: NOW + 2,
            name: "exception".into(),
            attributes: vec![
                text("exception.type", "ValueError"),
                text("exception.message", "no money"),
                text("exception.stacktrace", stack),
            ],
            ..Event::default()
        }],
        ..span(1, None, "pay")
    };
    let body = traces(vec![failed]).encode_to_vec();
    assert_eq!(
        post(&daemon, "/v1/traces", &[PROTOBUF], &body[..]).status,
        200
    );
    let drawn = daemon
        .get(&format!("/api/v1/tasks/{TRACE}?format=text"))
        .unwrap();
    let expected = format!(
        "{TRACE}\n✗ pay · shop (server)  1.00ms  no money  user=leo\n\
         └─ 2023-11-14 22:13:20.000 ERROR ValueError: no money\n   \
         ┆ Traceback (most recent call last):\n   ┆   File \"shop.py\", line 7\n   ┆ ValueError: no money\n"
    );
    assert_eq!(drawn, expected);
}

#[test]
fn a_span_whose_logs_come_first_is_running_also_in_python() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    let mut early = logs(vec![log("on it", 1)]);
    let resource = early.resource_logs[0].resource.as_mut().unwrap();
    // What OpenTelemetry's SDK for Python says of itself. Tasks of the package `distlog` for Python may have no end.
    resource
        .attributes
        .push(text("telemetry.sdk.language", "python"));
    let body = early.encode_to_vec();
    assert_eq!(
        post(&daemon, "/v1/logs", &[PROTOBUF], &body[..]).status,
        200
    );
    let tree = daemon.json(&format!("/api/v1/tasks/{TRACE}")).unwrap();
    assert_eq!(tree["tasks"][0]["outcome"], "running", "{tree:#}");
}

#[test]
fn a_part_that_failed_before_its_whole_came_is_counted_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    let failed = Span {
        status: Some(Status {
            code: 2,
            ..Status::default()
        }),
        ..span(2, Some(1), "pay")
    };
    for spans in [vec![failed], vec![span(1, None, "order")]] {
        let body = traces(spans).encode_to_vec();
        let answered = post(&daemon, "/v1/traces", &[PROTOBUF], &body[..]);
        assert_eq!(answered.status, 200);
    }
    eventually("the task in the list", || {
        let tasks = daemon.json("/api/v1/tasks")?;
        let (name, failed) = (&tasks["items"][0]["name"], &tasks["items"][0]["failed"]);
        if name == "order" && failed == 1 {
            Ok(())
        } else {
            Err(tasks.to_string())
        }
    });
}
