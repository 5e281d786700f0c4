//! What spans become of the records of a task.

use crate::fixtures::{BEGUN, attributes, record, task, text, through_the_wire};
use distlog_bridge::OpenSpan;
use distlog_bridge::otlp::common::v1::any_value::Value as Any;
use distlog_bridge::otlp::trace::v1::span::{Event, Link as SpanLink, SpanKind as Kinds};
use distlog_bridge::otlp::trace::v1::status::StatusCode;
use distlog_bridge::otlp::trace::v1::{Span, Status};
use distlog_proto::{ErrorInfo, Kind, Link, Otlp, Outcome, Record, SpanKind, TaskId};

/// The span of these records: the first begins, the last ends the task.
fn span(records: &[Record]) -> Span {
    through_the_wire(records, |records| {
        let mut open = match records[0].kind {
            Kind::Begin => OpenSpan::begin(&records[0]),
            _ => OpenSpan::without_begin(&records[0]),
        }
        .unwrap();
        for record in records {
            match record.kind {
                Kind::Begin => {}
                Kind::Bind => open.bind(record),
                Kind::Event => open.event(record),
                Kind::End => open.end(record),
            }
        }
        open.to_span()
    })
}

fn end(outcome: Outcome) -> Record {
    Record {
        time: BEGUN + 900,
        duration: 700,
        outcome,
        ..record(Kind::End)
    }
}

fn status(end: Record) -> Option<(i32, String)> {
    span(&[record(Kind::Begin), end])
        .status
        .map(|status| (status.code, status.message))
}

#[test]
fn a_whole_task_is_a_whole_span() {
    let other: TaskId = "00000000-0000-0000-0000-000000000001".parse().unwrap();
    let mut begin = record(Kind::Begin);
    begin.span_kind = SpanKind::Server;
    begin.links.push(Link {
        attributes: [("why", "retry")].into_iter().collect(),
        ..Link::from(&other)
    });
    let mut bind = record(Kind::Bind);
    bind.task.as_mut().unwrap().context.insert("amount", 12.5);
    let mut event = Record {
        time: BEGUN + 5,
        message: "paid".into(),
        ..record(Kind::Event)
    };
    event.fields.insert("method", "card");
    let mut end = end(Outcome::Failed);
    end.task = bind.task.clone();
    end.error = Some(ErrorInfo {
        kind: "io::Error".into(),
        message: "no bank".into(),
        chain: vec!["timed out".into(), "no route".into()],
        traceback: String::new(),
    });

    let expected = Span {
        trace_id: other_bytes("e252a11fd33d483dba08bc8f642b2f10"),
        span_id: other_bytes("14cc9aa201652fe0"),
        trace_state: "vendor=1".into(),
        parent_span_id: other_bytes("99134579e8496ab7"),
        flags: 3,
        name: "handle order {}".into(),
        kind: Kinds::Server as i32,
        start_time_unix_nano: BEGUN,
        end_time_unix_nano: BEGUN + 700,
        attributes: attributes([
            ("user", text("leo")),
            ("distlog.task", text(crate::fixtures::TASK)),
            ("code.file.path", text("src/orders.rs")),
            ("code.function.name", text("shop::orders::handle")),
            ("code.line.number", Any::IntValue(42)),
            ("thread.id", Any::IntValue(9)),
            ("thread.name", text("worker")),
            ("distlog.message", text("handle order 17")),
            ("amount", Any::DoubleValue(12.5)),
            ("distlog.outcome", text("failed")),
            ("error.type", text("io::Error")),
        ]),
        events: vec![
            Event {
                time_unix_nano: BEGUN + 5,
                name: "paid".into(),
                attributes: attributes([
                    ("method", text("card")),
                    ("level", text("INFO")),
                    ("target", text("shop::orders")),
                    ("code.file.path", text("src/orders.rs")),
                    ("code.function.name", text("shop::orders::handle")),
                    ("code.line.number", Any::IntValue(42)),
                ]),
                dropped_attributes_count: 0,
            },
            Event {
                time_unix_nano: BEGUN + 900,
                name: "exception".into(),
                attributes: attributes([
                    ("exception.type", text("io::Error")),
                    ("exception.message", text("no bank")),
                    (
                        "exception.stacktrace",
                        text("no bank\ncaused by: timed out\ncaused by: no route"),
                    ),
                ]),
                dropped_attributes_count: 0,
            },
        ],
        links: vec![SpanLink {
            trace_id: other_bytes("00000000000000000000000000000001"),
            span_id: other.span_id().to_bytes().to_vec(),
            attributes: attributes([("why", text("retry"))]),
            ..SpanLink::default()
        }],
        status: Some(Status {
            message: "no bank".into(),
            code: StatusCode::Error as i32,
        }),
        ..Span::default()
    };
    assert_eq!(span(&[begin, bind, event, end]), expected);
}

fn other_bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap())
        .collect()
}

#[test]
fn the_status_is_what_the_design_says() {
    let error = |message: &str| Some((StatusCode::Error as i32, message.to_owned()));
    assert_eq!(status(end(Outcome::Ok)), None);
    assert_eq!(status(end(Outcome::Cancelled)), None);
    assert_eq!(
        status(end(Outcome::Success)),
        Some((StatusCode::Ok as i32, String::new()))
    );
    assert_eq!(
        status(Record {
            message: "FAILED handle order".into(),
            ..end(Outcome::Failed)
        }),
        error("FAILED handle order")
    );
    assert_eq!(
        status(Record {
            status_code: 2,
            status_message: "full".into(),
            ..end(Outcome::Failed)
        }),
        error("full")
    );
    assert_eq!(
        status(Record {
            status_code: 1,
            ..end(Outcome::Ok)
        }),
        Some((StatusCode::Ok as i32, String::new()))
    );
    assert_eq!(
        status(end(Outcome::Lost)),
        error("lost: the end of the task never arrived")
    );
    assert_eq!(
        status(Record {
            status_message: "pid 4711 died".into(),
            ..end(Outcome::Lost)
        }),
        error("pid 4711 died")
    );
    let early = Record {
        status_code: 2,
        status_message: "said before".into(),
        ..record(Kind::Bind)
    };
    let span = span(&[record(Kind::Begin), early, end(Outcome::Ok)]);
    assert_eq!(
        span.status.map(|s| (s.code, s.message)),
        error("said before")
    );
}

#[test]
fn what_is_not_known_is_not_made_up() {
    let mut begin = Record {
        time: BEGUN,
        kind: Kind::Begin,
        task: Some(task()),
        message: "m".into(),
        ..Record::default()
    };
    begin.task.as_mut().unwrap().parent_span_id = None;
    begin.task.as_mut().unwrap().context = Default::default();
    let end = Record {
        kind: Kind::End,
        time: BEGUN + 30,
        ..begin.clone()
    };
    let span = span(&[begin, end]);
    assert_eq!(span.name, "m");
    assert_eq!(span.kind, Kinds::Internal as i32);
    assert_eq!(span.parent_span_id, Vec::<u8>::new());
    assert_eq!(
        span.attributes,
        attributes([("distlog.task", text(crate::fixtures::TASK))])
    );
    assert_eq!(
        span.end_time_unix_nano,
        BEGUN + 30,
        "without a duration the end's own time counts"
    );
}

#[test]
fn a_name_that_comes_late_counts() {
    let bind = Record {
        name: "GET /orders".into(),
        ..record(Kind::Bind)
    };
    assert_eq!(
        span(&[record(Kind::Begin), bind.clone(), end(Outcome::Ok)]).name,
        "GET /orders"
    );
    let named = Record {
        name: "POST /orders".into(),
        ..end(Outcome::Ok)
    };
    assert_eq!(
        span(&[record(Kind::Begin), bind, named]).name,
        "POST /orders"
    );
}

#[test]
fn an_end_alone_is_still_a_span() {
    let span = span(&[end(Outcome::Ok)]);
    assert_eq!(
        (span.start_time_unix_nano, span.end_time_unix_nano),
        (BEGUN + 200, BEGUN + 900)
    );
    assert_eq!(span.name, "handle order {}");
    assert!(
        span.attributes
            .contains(&attributes([("user", text("leo"))])[0])
    );
    assert!(
        span.attributes
            .contains(&attributes([("distlog.task", text(crate::fixtures::TASK))])[0])
    );
}

#[test]
fn to_what_came_by_otlp_nothing_is_added() {
    let otlp = |otlp: Otlp| Some(Box::new(otlp));
    let mut begin = record(Kind::Begin);
    begin.name = "GET".into();
    begin.otlp = otlp(Otlp {
        dropped_attributes: 1,
        dropped_events: 2,
        dropped_links: 3,
        ..Otlp::default()
    });
    let event = Record {
        otlp: otlp(Otlp {
            event_name: "cache.miss".into(),
            dropped_attributes: 4,
            span_event: true,
            ..Otlp::default()
        }),
        message: String::new(),
        ..record(Kind::Event)
    };
    let mut end = end(Outcome::Failed);
    end.otlp = otlp(Otlp::default());
    end.status_code = 2;
    let span = span(&[begin, event, end]);
    assert_eq!(span.attributes, attributes([("user", text("leo"))]));
    assert_eq!(
        (
            span.dropped_attributes_count,
            span.dropped_events_count,
            span.dropped_links_count
        ),
        (1, 2, 3)
    );
    assert_eq!(span.kind, Kinds::Unspecified as i32);
    assert_eq!(
        span.status,
        Some(Status {
            code: 2,
            message: String::new()
        })
    );
    let expected = Event {
        time_unix_nano: BEGUN,
        name: "cache.miss".into(),
        dropped_attributes_count: 4,
        ..Event::default()
    };
    assert_eq!(span.events, [expected]);
}

#[test]
fn events_beyond_the_room_are_counted() {
    let mut records = vec![record(Kind::Begin)];
    let long = "x".repeat(100_000);
    records.extend((0..20).map(|_| Record {
        message: long.clone(),
        ..record(Kind::Event)
    }));
    records.push(end(Outcome::Ok));
    let span = span(&records);
    assert_eq!(span.events.len(), 10);
    assert_eq!(span.dropped_events_count, 10);
}

#[test]
fn a_record_without_a_task_is_no_span() {
    let stray = Record {
        task: None,
        ..record(Kind::Begin)
    };
    through_the_wire(&[stray], |records| {
        assert!(OpenSpan::begin(&records[0]).is_none());
        assert!(OpenSpan::without_begin(&records[0]).is_none());
    });
}

#[test]
fn of_many_attributes_each_stands_once() {
    let fields = (0..5000).map(|i| (format!("k{i}"), i)).collect();
    let begin = Record {
        fields,
        ..record(Kind::Begin)
    };
    let mut end = end(Outcome::Ok);
    end.fields = begin.fields.clone();
    let span = span(&[begin, end]);
    let mut names: Vec<_> = span.attributes.iter().map(|a| a.key.clone()).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(count > 5000);
}

#[test]
fn a_template_of_nothing_but_placeholders_is_no_name() {
    let named = |template: &str, function: &str, target: &str| {
        let mut begin = record(Kind::Begin);
        begin.name = String::new();
        begin.message = "17 of 3".into();
        begin.callsite.template = template.into();
        begin.callsite.function = function.into();
        begin.callsite.target = target.into();
        span(&[begin, end(Outcome::Ok)])
    };
    for (template, function, target, name) in [
        ("handle order {}", "f", "shop::orders", "handle order {}"),
        ("{} of {}", "f", "shop::orders", "{} of {}"),
        ("{}: {}", "", "shop::orders", "shop::orders"),
        ("{id} / {count:>4}", "handle", "shop::orders", "handle"),
        ("%s - %(count)d", "handle", "root", "handle"),
        ("{}", "", "", "{}"),
    ] {
        let span = named(template, function, target);
        assert_eq!(span.name, name, "{template}");
        // What it said is still there.
        let said = attributes([("distlog.message", text("17 of 3"))]);
        assert!(span.attributes.contains(&said[0]), "{span:?}");
    }
}
