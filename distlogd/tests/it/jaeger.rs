//! Jaeger's API over a real daemon: what exporters and distlog's own clients sent, as Jaeger's clients ask for it.

use distlog_bridge::otlp::trace::v1::span::SpanKind as OtlpKind;
use distlog_bridge::otlp::trace::v1::{Span, Status};
use distlog_proto::wire::BatchWriter;
use distlog_proto::{Kind, Outcome, Record, Source, Task, TaskId};
use distlog_testkit::{Daemon, eventually};
use prost::Message;
use serde_json::{Value, json};

use crate::kit::otlp::*;
use crate::kit::push_socket;

const HEX: &str = "e252a11fd33d483dba08bc8f642b2f10";
const TIMES: [(&str, &str); 2] = [
    ("query.start_time_min", "2023-11-14T22:13:00Z"),
    ("query.start_time_max", "2023-11-14T23:14:00+01:00"),
];

/// Status and answer, which is JSON in any case.
fn ask(daemon: &Daemon, path: &str, query: &[(&str, &str)]) -> (u16, Value) {
    ask_api(daemon, &format!("v3/{path}"), query)
}

fn ask_api(daemon: &Daemon, path: &str, query: &[(&str, &str)]) -> (u16, Value) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let mut request = agent.get(format!("{}/api/{path}", daemon.http()));
    for (name, value) in query {
        request = request.query(name, value);
    }
    let mut response = request.call().unwrap();
    let text = response.body_mut().read_to_string().unwrap();
    let json = serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}"));
    (response.status().as_u16(), json)
}

fn get(daemon: &Daemon, path: &str, query: &[(&str, &str)]) -> Value {
    let (status, answer) = ask(daemon, path, query);
    assert_eq!(status, 200, "{answer}");
    answer
}

/// Names of the spans that are found, sorted.
fn found(daemon: &Daemon, query: &[(&str, &str)]) -> Vec<String> {
    let query = [&TIMES[..], query].concat();
    let (status, answer) = ask(daemon, "traces", &query);
    if status == 404 {
        let expected = json!({"error": {"httpCode": 404, "message": "No traces found"}});
        assert_eq!(answer, expected);
        return Vec::new();
    }
    assert_eq!(status, 200, "{answer}");
    let mut names: Vec<String> = spans(&answer)
        .map(|span| span["name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

fn spans(answer: &Value) -> impl Iterator<Item = &Value> {
    let resources = answer["result"]["resourceSpans"].as_array().unwrap().iter();
    let scopes = resources.flat_map(|resource| resource["scopeSpans"].as_array().unwrap());
    scopes.flat_map(|scope| scope["spans"].as_array().unwrap())
}

fn send(daemon: &Daemon, spans: Vec<Span>) {
    let body = traces(spans).encode_to_vec();
    let answer = post(daemon, "/v1/traces", &[PROTOBUF], &body[..]);
    assert_eq!(answer.status, 200);
}

/// A trace of an SDK: `order`, a server, and below it `pay`, which failed.
fn by_otlp(daemon: &Daemon) {
    let mut pay = span(2, Some(1), "pay");
    pay.kind = OtlpKind::Client as i32;
    pay.attributes = vec![text("card", "visa"), text("user", "ann")];
    pay.end_time_unix_nano = pay.start_time_unix_nano + 5_000_000;
    pay.events[0].attributes = vec![text("reason", "no money")];
    pay.status = Some(Status {
        code: 2,
        message: "refused".into(),
    });
    send(daemon, vec![span(1, None, "order"), pay]);
}

/// A task of a client of distlog, in another trace: `pack`, which is through, and `wait`, which is not.
fn by_a_client(daemon: &Daemon) {
    let task = |id: &str| {
        let mut task = Task::from(&id.parse::<TaskId>().unwrap());
        task.context.insert("parcel", 17_i64);
        Some(task)
    };
    let mut writer = BatchWriter::new();
    let whole = "00000000-0000-0000-0000-00000000beef/1";
    let below = "00000000-0000-0000-0000-00000000beef/1/1";
    for (offset, kind, id, message) in [
        (0, Kind::Begin, whole, "pack"),
        (1, Kind::Begin, below, "wait"),
        (2, Kind::Event, whole, "taped"),
        (3, Kind::End, whole, "pack"),
    ] {
        writer.push(&Record {
            source: Source {
                process_name: "packer".into(),
                ..Source::default()
            },
            kind,
            offset,
            number: offset,
            time: NOW + 10_000_000 + offset,
            message: message.into(),
            task: task(id),
            duration: if kind == Kind::End { 3 } else { 0 },
            outcome: if kind == Kind::End {
                Outcome::Success
            } else {
                Outcome::Unset
            },
            ..Record::default()
        });
    }
    let parts = [b"TLB".to_vec(), writer.finish()];
    let socket = push_socket(daemon.push());
    socket.send_multipart(parts, 0).unwrap();
    eventually("the task is stored", || {
        daemon.get("/api/v1/tasks/00000000-0000-0000-0000-00000000beef")
    });
}

#[test]
fn services_and_their_operations_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    assert_eq!(get(&daemon, "services", &[]), json!({"services": []}));
    by_otlp(&daemon);
    by_a_client(&daemon);
    let expected = json!({"services": ["shop", "unknown_service:packer"]});
    assert_eq!(get(&daemon, "services", &[]), expected);

    let (order, pay) = (
        json!({"name": "order", "spanKind": "server"}),
        json!({"name": "pay", "spanKind": "client"}),
    );
    let operations =
        |query: &[(&str, &str)]| get(&daemon, "operations", query)["operations"].take();
    assert_eq!(operations(&[("service", "shop")]), json!([order, pay]));
    let clients = operations(&[("service", "shop"), ("span_kind", "client")]);
    assert_eq!(clients, json!([pay]));
    let expected = json!([
        {"name": "pack", "spanKind": "internal"},
        {"name": "wait", "spanKind": "internal"},
    ]);
    assert_eq!(
        operations(&[("service", "unknown_service:packer")]),
        expected
    );
    assert_eq!(operations(&[("service", "packer")]), json!([]));
}

#[test]
fn a_trace_is_what_was_sent() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    by_otlp(&daemon);
    // A log record is an event of its span.
    let body = logs(vec![log("late", 1)]).encode_to_vec();
    assert_eq!(
        post(&daemon, "/v1/logs", &[PROTOBUF], &body[..]).status,
        200
    );
    let times = |number: u64, nanos: u64| {
        (
            format!("{}", NOW + number),
            format!("{}", NOW + number + nanos),
        )
    };
    let ((from, to), (pay_from, pay_to)) = (times(1, 1_000_000), times(2, 5_000_000));
    let expected = json!({"result": {"resourceSpans": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
        "scopeSpans": [{
            "scope": {"name": "shop.orders"},
            "spans": [
                {
                    "traceId": HEX,
                    "spanId": "0000000000000001",
                    "name": "order",
                    "kind": 2,
                    "startTimeUnixNano": from,
                    "endTimeUnixNano": to,
                    "attributes": [{"key": "user", "value": {"stringValue": "leo"}}],
                    "events": [
                        {"timeUnixNano": format!("{}", NOW + 2), "name": "event of order"},
                        {"timeUnixNano": format!("{}", NOW + 5), "name": "late"},
                    ],
                },
                {
                    "traceId": HEX,
                    "spanId": "0000000000000002",
                    "parentSpanId": "0000000000000001",
                    "name": "pay",
                    "kind": 3,
                    "startTimeUnixNano": pay_from,
                    "endTimeUnixNano": pay_to,
                    "attributes": [
                        {"key": "card", "value": {"stringValue": "visa"}},
                        {"key": "user", "value": {"stringValue": "ann"}},
                    ],
                    "events": [{
                        "timeUnixNano": format!("{}", NOW + 3),
                        "name": "event of pay",
                        "attributes": [{"key": "reason", "value": {"stringValue": "no money"}}],
                    }],
                    "status": {"code": 2, "message": "refused"},
                },
            ],
        }],
    }]}});
    assert_eq!(get(&daemon, &format!("traces/{HEX}"), &[]), expected);
    let times = [
        ("start_time", TIMES[0].1),
        ("end_time", TIMES[1].1),
        ("raw_traces", "true"),
    ];
    assert_eq!(
        get(&daemon, &format!("traces/{}", HEX.to_uppercase()), &times),
        expected
    );
    let missing = json!({"error": {"httpCode": 404, "message": "No traces found"}});
    assert_eq!(ask(&daemon, "traces/beef", &[]), (404, missing));
}

#[test]
fn logs_that_come_before_their_span_are_events_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    let body = logs(vec![log("early", 1)]).encode_to_vec();
    assert_eq!(
        post(&daemon, "/v1/logs", &[PROTOBUF], &body[..]).status,
        200
    );
    send(&daemon, vec![span(1, None, "order")]);
    let trace = get(&daemon, &format!("traces/{HEX}"), &[]);
    let events = spans(&trace).next().unwrap()["events"].as_array().unwrap();
    let mut names: Vec<&str> = events.iter().map(|e| e["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["early", "event of order"]);
}

#[test]
fn a_task_of_our_own_is_a_span_once_it_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    by_a_client(&daemon);
    // Zeros in front may be missing.
    let trace = get(&daemon, "traces/beef", &[]);
    let all: Vec<&Value> = spans(&trace).collect();
    assert_eq!(all.len(), 1, "{trace:#}");
    let span = all[0];
    assert_eq!(span["name"], "pack");
    assert_eq!(span["kind"], 1);
    assert_eq!(span["status"], json!({"code": 1}));
    assert_eq!(span["events"][0]["name"], "taped");
    let attributes = span["attributes"].as_array().unwrap();
    assert!(attributes.contains(&json!({"key": "parcel", "value": {"intValue": "17"}})));
}

#[test]
fn traces_are_found_by_what_a_span_of_them_is() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    by_otlp(&daemon);
    by_a_client(&daemon);
    let (ours, theirs) = (&["pack"][..], &["order", "pay"][..]);
    for (query, expected) in [
        (&[][..], &["order", "pack", "pay"][..]),
        (&[("query.service_name", "shop")], theirs),
        (&[("query.serviceName", "unknown_service:packer")], ours),
        (&[("query.service_name", "packer")], &[]),
        (&[("query.operation_name", "pay")], theirs),
        (&[("query.operation_name", "pack")], ours),
        (
            &[
                ("query.service_name", "shop"),
                ("query.operation_name", "pack"),
            ],
            &[],
        ),
        (&[("query.num_traces", "1")], ours),
        (&[("query.search_depth", "1")], ours),
        (&[("query.duration_min", "2ms")], theirs),
        (
            &[("query.duration_min", "2ms"), ("query.duration_max", "4ms")],
            &[],
        ),
        (&[("query.duration_max", "1.5µs")], ours),
        (&[("query.attributes", r#"{"card":"visa"}"#)], theirs),
        (&[("query.attributes", r#"{"parcel":"17"}"#)], ours),
        // Of an event, of the resource, of the status.
        (
            &[("query.attributes", r#"{"reason":"no money","card":"visa"}"#)],
            theirs,
        ),
        (
            &[(
                "query.attributes",
                r#"{"service.name":"shop","card":"visa"}"#,
            )],
            theirs,
        ),
        (&[("query.attributes", r#"{"error":"true"}"#)], theirs),
        (
            &[
                ("query.operation_name", "order"),
                ("query.attributes", r#"{"error":"true"}"#),
            ],
            &[],
        ),
        // One span has to have them all.
        (
            &[("query.attributes", r#"{"card":"visa","user":"leo"}"#)],
            &[],
        ),
        (
            &[
                ("query.attributes", r#"{"card":"visa"}"#),
                ("query.operation_name", "order"),
            ],
            &[],
        ),
    ] {
        assert_eq!(found(&daemon, query), expected, "{query:?}");
    }
    let later = [("query.start_time_min", "2023-11-14T22:13:21Z"), TIMES[1]];
    assert_eq!(ask(&daemon, "traces", &later).0, 404);
    let earlier = [TIMES[0], ("query.start_time_max", "2023-11-14T22:13:19Z")];
    assert_eq!(ask(&daemon, "traces", &earlier).0, 404);
}

#[test]
fn what_is_asked_wrongly_is_refused_as_jaeger_does() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    for (path, query, why) in [
        (
            "traces",
            &[][..],
            "query.start_time_min and query.start_time_max are required",
        ),
        (
            "traces",
            &[("query.start_time_min", "noon")],
            "`query.start_time_min` is wrong: found `noon`",
        ),
        (
            "traces",
            &[TIMES[0], TIMES[1], ("query.num_traces", "1501")],
            "a number from 1 to 1500",
        ),
        (
            "traces",
            &[TIMES[0], TIMES[1], ("query.duration_min", "soon")],
            "`query.duration_min` is wrong",
        ),
        (
            "traces",
            &[TIMES[0], TIMES[1], ("query.attributes", "card=visa")],
            "a JSON object of strings",
        ),
        (
            "traces",
            &[TIMES[0], TIMES[1], ("query.servce_name", "a")],
            "did you mean `query.service_name`?",
        ),
        ("traces/xyz", &[], "`trace_id` is wrong: found `xyz`"),
        ("traces/0", &[], "`trace_id` is wrong: found `0`"),
        ("operations", &[], "`service` is wrong: found nothing"),
        (
            "operations",
            &[("service", "a"), ("span_kind", "big")],
            "`span_kind` is wrong: found `big`",
        ),
    ] {
        let (status, answer) = ask(&daemon, path, query);
        assert_eq!(status, 400, "{answer}");
        assert_eq!(answer["error"]["httpCode"], 400);
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(why), "{message}");
    }
}

/// What was sent to Jaeger 2.13 by OTLP in JSON, and its answer for the trace.
const SENT: &str = include_str!("../fixtures/jaeger/sent.json");
const ANSWERED: &str = include_str!("../fixtures/jaeger/answered.json");

fn send_as_to_jaeger(daemon: &Daemon) {
    let answer = post(daemon, "/v1/traces", &[JSON], SENT.as_bytes());
    assert_eq!(answer.status, 200);
}

/// Spans by their ids, each with its process; without what Jaeger says of clocks.
fn comparable(mut answer: Value) -> Value {
    let trace = answer["data"][0].as_object_mut().unwrap();
    let processes = trace.remove("processes").unwrap();
    let mut spans = trace.remove("spans").unwrap();
    for span in spans.as_array_mut().unwrap() {
        let process = span["processID"].take();
        span["processID"] = processes[process.as_str().unwrap()].clone();
        span["warnings"].take();
        let tags = span["tags"].as_array_mut().unwrap();
        tags.sort_by_key(|tag| tag["key"].to_string());
    }
    let spans = spans.as_array_mut().unwrap();
    spans.sort_by_key(|span| span["spanID"].to_string());
    json!([trace, spans])
}

#[test]
fn the_older_api_answers_with_a_trace_as_jaeger_does() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    send_as_to_jaeger(&daemon);
    let expected: Value = serde_json::from_str(ANSWERED).unwrap();
    let ends = |answer: &Value| {
        let ends = ["total", "limit", "offset", "errors"].map(|name| answer[name].clone());
        json!(ends)
    };
    for (path, query) in [
        (format!("traces/{HEX}"), &[][..]),
        ("traces".to_owned(), &[("traceID", HEX)]),
        (
            "traces".to_owned(),
            &[
                ("service", "shop"),
                ("operation", "pay"),
                ("tags", r#"{"error":"true","card":"visa"}"#),
                ("start", "1789999999000000"),
                ("end", "1790000001000000"),
                ("lookback", "custom"),
                ("limit", "20"),
                ("minDuration", "900us"),
                ("maxDuration", ""),
            ],
        ),
        (
            "traces".to_owned(),
            &[("service", "bank"), ("tag", "service.name:bank")],
        ),
    ] {
        let (status, answer) = ask_api(&daemon, &path, query);
        assert_eq!(status, 200, "{answer}");
        assert_eq!(ends(&answer), ends(&expected));
        assert_eq!(
            comparable(answer),
            comparable(expected.clone()),
            "{query:?}"
        );
    }
}

#[test]
fn the_older_api_lists_services_operations_and_calls() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    send_as_to_jaeger(&daemon);
    let data = |path: &str, query: &[(&str, &str)]| {
        let (status, mut answer) = ask_api(&daemon, path, query);
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["errors"], Value::Null);
        answer["data"].take()
    };
    assert_eq!(data("services", &[]), json!(["bank", "shop"]));
    let names = json!(["int", "order", "pay"]);
    assert_eq!(data("services/shop/operations", &[]), names);
    let server = json!([{"name": "order", "spanKind": "server"}]);
    let query = [("service", "shop"), ("spanKind", "server")];
    assert_eq!(data("operations", &query), server);
    let times = [("endTs", "1790000100000"), ("lookback", "604800000")];
    let calls = json!([
        {"parent": "shop", "child": "bank", "callCount": 1},
        {"parent": "shop", "child": "shop", "callCount": 2},
    ]);
    assert_eq!(data("dependencies", &times), calls);
    let before = [("endTs", "1780000000000"), ("lookback", "1000")];
    assert_eq!(data("dependencies", &before), json!([]));
    let query = [("service", "nobody"), ("limit", "20")];
    assert_eq!(data("traces", &query), json!([]));

    for (path, query, status, why) in [
        ("traces/beef", &[][..], 404, "trace not found"),
        ("traces/zzz", &[], 400, "`trace_id` is wrong"),
        ("traces", &[], 400, "parameter 'service' is required"),
        ("operations", &[], 400, "parameter 'service' is required"),
        (
            "traces",
            &[("service", "a"), ("start", "noon")],
            400,
            "`start` is wrong: found `noon`",
        ),
        (
            "traces",
            &[("service", "a"), ("limit", "0")],
            400,
            "`limit`",
        ),
    ] {
        let (found, answer) = ask_api(&daemon, path, query);
        assert_eq!((found, &answer["data"]), (status, &Value::Null), "{answer}");
        assert_eq!(answer["errors"][0]["code"], status);
        let message = answer["errors"][0]["msg"].as_str().unwrap();
        assert!(message.contains(why), "{message}");
    }
}

#[test]
fn traces_are_summed_up() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    send_as_to_jaeger(&daemon);
    let query = [
        ("query.serviceName", "shop"),
        ("query.startTimeMin", "2026-09-21T14:13:00.000Z"),
        ("query.startTimeMax", "2026-09-21T14:14:00.000Z"),
        ("query.searchDepth", "20"),
    ];
    let expected = json!({"summaries": [{
        "traceId": HEX,
        "rootServiceName": "shop",
        "rootOperationName": "order",
        "minStartTimeUnixNano": "1790000000000001234",
        "maxEndTimeUnixNano": "1790000000005003456",
        "spanCount": 5,
        "errorSpanCount": 1,
        "orphanSpanCount": 1,
        "services": [
            {"name": "bank", "spanCount": 1},
            {"name": "shop", "spanCount": 4, "errorSpanCount": 1},
        ],
    }]});
    assert_eq!(get(&daemon, "trace-summaries", &query), expected);
    let later = [
        ("query.startTimeMin", "2026-09-22T14:13:00.000Z"),
        ("query.startTimeMax", "2026-09-22T14:14:00.000Z"),
    ];
    let none = json!({"summaries": []});
    assert_eq!(get(&daemon, "trace-summaries", &later), none);
}
