//! A token that reads some services only: whatever is asked, no answer has a word of the others.

use distlog_bridge::otlp::collector::logs::v1::ExportLogsServiceRequest;
use distlog_bridge::otlp::collector::trace::v1::ExportTraceServiceRequest;
use distlog_bridge::otlp::logs::v1::{ResourceLogs, ScopeLogs};
use distlog_bridge::otlp::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use distlog_testkit::Daemon;
use prost::Message;
use serde_json::json;

use super::*;
use crate::kit::http::{Reply, ask_with};
use crate::kit::otlp::*;

/// It is in everything that the other service stores: its name, names of spans, logs, attributes, its errors.
const SECRET: &str = "zanzibar";

/// One trace over two services, a trace of the other one alone, and logs of both.
fn store(daemon: &Daemon, token: &str) {
    let failed = Some(Status {
        code: 2,
        message: format!("{SECRET} failed"),
    });
    let other = format!("{SECRET}-bank");
    let secret = |number, parent, trace: Option<u8>| Span {
        attributes: vec![text(SECRET, SECRET)],
        status: failed.clone(),
        trace_id: trace.map_or(trace_id(), |byte| vec![byte; 16]),
        ..span(number, parent, &format!("{SECRET} {number}"))
    };
    let of = |service: &str, spans| ResourceSpans {
        resource: resource(service),
        scope_spans: vec![ScopeSpans {
            scope: scope(),
            spans,
            ..ScopeSpans::default()
        }],
        ..ResourceSpans::default()
    };
    let spans = ExportTraceServiceRequest {
        resource_spans: vec![
            // The root is the other's, and so is what is between two of ours.
            of(
                &other,
                vec![
                    secret(1, None, None),
                    secret(3, Some(2), None),
                    secret(9, None, Some(7)),
                ],
            ),
            of(
                "shop",
                vec![
                    span(2, Some(1), "handle order"),
                    span(4, Some(3), "write receipt"),
                ],
            ),
        ],
    };
    let logged = |service: &str, text: &str, span| ResourceLogs {
        resource: resource(service),
        scope_logs: vec![ScopeLogs {
            scope: scope(),
            log_records: vec![log(text, span)],
            ..ScopeLogs::default()
        }],
        ..ResourceLogs::default()
    };
    let logs = ExportLogsServiceRequest {
        resource_logs: vec![
            logged(&other, &format!("{SECRET} is late"), 1),
            logged("shop", "order is late", 2),
        ],
    };
    let authorization = ("authorization", &*bearer(token));
    for (path, body) in [
        ("/v1/traces", spans.encode_to_vec()),
        ("/v1/logs", logs.encode_to_vec()),
    ] {
        assert_eq!(
            post(daemon, path, &[PROTOBUF, authorization], &body).status,
            200
        );
    }
}

fn ask(daemon: &Daemon, path: &str, token: &str) -> Reply {
    ask_with(
        daemon,
        path,
        &format!("authorization: {}\r\n", bearer(token)),
    )
}

#[test]
fn who_reads_some_services_sees_nothing_of_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let all = new(folder.path(), "all", &["--may", "ingest,read,admin"]);
    let shop = new(
        folder.path(),
        "shop",
        &["--may", "read", "--services", "shop,web"],
    );
    let daemon = Daemon::listening(DISTLOGD, &[], folder.path(), LISTEN, "");
    store(&daemon, &all);

    let other_trace = "07070707-0707-0707-0707-070707070707";
    let hex = TRACE.replace('-', "");
    let times =
        "query.start_time_min=2020-01-01T00:00:00Z&query.start_time_max=2030-01-01T00:00:00Z";
    // Each with something of what is ours, where there is such a thing.
    let asked = [
        ("/".to_owned(), "/api/v1/tasks"),
        ("/api/v1/records".into(), "order is late"),
        ("/api/v1/records?format=text".into(), "order is late"),
        (format!("/api/v1/records?q={SECRET}"), "\"items\":[]"),
        (
            format!("/api/v1/records?service={SECRET}-bank"),
            "\"items\":[]",
        ),
        (
            "/api/v1/records?filter=true&progress=true".into(),
            "order is late",
        ),
        (
            "/api/v1/stats?by=service,severity,message".into(),
            "\"shop\"",
        ),
        ("/api/v1/stats?by=task_name".into(), "handle order"),
        ("/api/v1/stats".into(), "\"records\":7"),
        ("/api/v1/stats?every=1m".into(), "\"records\":7"),
        ("/api/v1/stats?by=context.user".into(), "leo"),
        ("/api/v1/tasks".into(), "handle order"),
        (format!("/api/v1/tasks?q={SECRET}"), "\"items\":[]"),
        ("/api/v1/tasks?failed=true".into(), "\"items\":[]"),
        (
            format!("/api/v1/tasks/{TRACE}"),
            "records of other services than shop, web are left out",
        ),
        (
            format!("/api/v1/tasks/{TRACE}?format=text"),
            "records of other services than shop, web",
        ),
        (
            format!("/api/v1/tasks/{TRACE}?format=outline"),
            "records of other services than shop, web",
        ),
        (
            format!("/api/v1/tasks/{TRACE}?format=records"),
            "order is late",
        ),
        ("/api/v1/problems".into(), "\"items\":[]"),
        (format!("/api/v1/diff?a={TRACE}&b={TRACE}"), "handle order"),
        ("/api/v1/names".into(), "severity"),
        ("/api/v1/openapi.json".into(), "openapi"),
        ("/api/v1/tail?from=1&timeout=400ms".into(), "order is late"),
        ("/api/v1/changes?timeout=300ms".into(), "\"end\""),
        ("/api/v3/services".into(), "\"services\":[\"shop\"]"),
        ("/api/v3/operations?service=shop".into(), "handle order"),
        (
            format!("/api/v3/operations?service={SECRET}-bank"),
            "\"operations\":[]",
        ),
        (
            format!("/api/v3/traces?query.service_name=shop&{times}"),
            "handle order",
        ),
        (format!("/api/v3/traces/{hex}"), "write receipt"),
        (
            format!("/api/v3/trace-summaries?query.service_name=shop&{times}"),
            "summaries",
        ),
        ("/api/services".into(), "shop"),
        ("/api/services/shop/operations".into(), "handle order"),
        ("/api/operations?service=shop".into(), "handle order"),
        ("/api/traces?service=shop".into(), "handle order"),
        (format!("/api/traces/{hex}"), "write receipt"),
        (
            "/api/dependencies?endTs=4000000000000&lookback=4000000000000".into(),
            "\"data\":[]",
        ),
    ];
    for (path, ours) in &asked {
        let Reply(status, _, body) = ask(&daemon, path, &shop);
        let text = String::from_utf8_lossy(&body).to_lowercase();
        assert_eq!(status, 200, "{path}: {text}");
        let ours = ours.to_lowercase();
        assert!(text.contains(&ours), "{path} has no {ours}: {text}");
        assert!(!text.contains(SECRET), "{path}: {text}");
        let everything = ask(&daemon, path, &all);
        assert_eq!(everything.0, 200, "{path}");
    }
    // Nothing of it is there.
    for path in [
        format!("/api/v1/tasks/{other_trace}"),
        format!("/api/v3/traces/{}", "07".repeat(16)),
    ] {
        assert_eq!(ask(&daemon, &path, &all).0, 200, "{path}");
        let Reply(status, _, body) = ask(&daemon, &path, &shop);
        assert_eq!(status, 404, "{path}");
        assert!(!String::from_utf8_lossy(&body).contains(SECRET));
    }
    // It cannot be told for some services.
    for path in ["/api/v1/status", "/metrics"] {
        let reply = ask(&daemon, path, &shop);
        assert_eq!(reply.0, 403, "{path}");
        let detail = reply.problem()["detail"].to_string();
        assert!(detail.contains("reads some services only"), "{detail}");
    }
    // All that is described was asked.
    let description = ask(&daemon, "/api/v1/openapi.json", &all).json();
    for (path, operations) in description["paths"].as_object().unwrap() {
        let asked = asked.iter().any(|(asked, _)| {
            let asked = asked.split('?').next().unwrap();
            let place = path.split("{id}").next().unwrap();
            asked == path || (path.contains("{id}") && asked.starts_with(place) && asked != place)
        });
        let other = operations.get("get").is_none() || path == "/api/v1/status";
        assert!(asked || other, "{path} is not asked");
    }
    if cfg!(feature = "mcp") {
        tools(&daemon, &shop);
    }
}

/// All tools for agents.
fn tools(daemon: &Daemon, token: &str) {
    let url = format!("{}/mcp", daemon.http());
    let authorization = bearer(token);
    let accept = ("accept", "application/json, text/event-stream");
    let headers = [JSON, accept, ("authorization", &authorization)];
    for (tool, arguments, ours) in [
        ("find", json!({}), "order is late"),
        ("find", json!({"q": SECRET}), "no such records"),
        ("tasks", json!({}), "handle order"),
        (
            "tree",
            json!({"id": TRACE}),
            "records of other services than shop, web are left out",
        ),
        ("stats", json!({"by": "service"}), "shop"),
        ("problems", json!({}), ""),
    ] {
        let params = json!({"name": tool, "arguments": arguments});
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
        let answer = post_to(&url, &headers, call.to_string().as_bytes());
        let text = answer.text();
        assert_eq!(answer.status, 200, "{text}");
        assert!(text.contains(ours), "{tool}: {text}");
        assert!(!text.contains(SECRET), "{tool}: {text}");
    }
}
