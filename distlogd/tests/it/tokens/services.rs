//! A token that reads some services only: whatever is asked, no answer has a word of the others.

use distlog_bridge::otlp::collector::logs::v1::ExportLogsServiceRequest;
use distlog_bridge::otlp::collector::trace::v1::ExportTraceServiceRequest;
use distlog_bridge::otlp::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use distlog_bridge::otlp::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use distlog_testkit::{Daemon, eventually};
use prost::Message;
use serde_json::json;

use super::*;
use crate::kit::http::{Reply, ask_with};
use crate::kit::otlp::*;

/// It is in everything that the other service stores: its name, names of spans, logs, attributes, its errors.
const SECRET: &str = "zanzibar";
/// An answer that is the same for all.
const NOTHING: &str = "";
/// An answer that has other numbers for who reads all.
const NUMBERS: &str = "numbers";

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
    let levels = format!("levels: {{ shop: debug, {SECRET}-bank: trace }}");
    let daemon = Daemon::listening(DISTLOGD, &[], folder.path(), LISTEN, &levels);
    store(&daemon, &all);
    // First from the open segment, then from blocks of a sealed one.
    everything(&daemon, &all, &shop);
    seal(&daemon, &all, folder.path());
    everything(&daemon, &all, &shop);
}

/// Has the segment with all that was stored so far sealed: more is stored than a segment holds, by the other service.
fn seal(daemon: &Daemon, token: &str, folder: &Path) {
    // Older than the rest, which so stays on the first pages.
    let filler = || LogRecord {
        time_unix_nano: NOW - 1_000_000_000,
        trace_id: Vec::new(),
        span_id: Vec::new(),
        ..log(&format!("{SECRET} {}", "filler ".repeat(8_000)), 0)
    };
    let logs = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: resource(&format!("{SECRET}-bank")),
            scope_logs: vec![ScopeLogs {
                scope: scope(),
                log_records: (0..200).map(|_| filler()).collect(),
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    };
    let body = logs.encode_to_vec();
    let authorization = ("authorization", &*bearer(token));
    for _ in 0..(110 << 20) / body.len() {
        let answer = post(daemon, "/v1/logs", &[PROTOBUF, authorization], &body);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let segments = folder.join("distlog-data/segments");
    eventually("a sealed segment", || {
        let names = std::fs::read_dir(&segments).unwrap().flatten();
        let names: Vec<_> = names.map(|entry| entry.file_name()).collect();
        let sealed = |name: &std::ffi::OsString| name.to_string_lossy().ends_with(".seal");
        names
            .iter()
            .any(sealed)
            .then_some(())
            .ok_or(format!("{names:?}"))
    });
}

/// Asks everything that can be asked, with a token for all services and one for some.
fn everything(daemon: &Daemon, all: &str, shop: &str) {
    let other_trace = "07070707-0707-0707-0707-070707070707";
    let hex = TRACE.replace('-', "");
    let times =
        "query.start_time_min=2020-01-01T00:00:00Z&query.start_time_max=2030-01-01T00:00:00Z";
    // Each with something of what is ours, where there is such a thing, and whether others' are in the whole answer.
    let asked = [
        ("/".to_owned(), "/api/v1/tasks", NOTHING),
        ("/api/v1/records".into(), "order is late", SECRET),
        (
            "/api/v1/records?format=text".into(),
            "order is late",
            SECRET,
        ),
        (
            format!("/api/v1/records?q={SECRET}"),
            "\"items\":[]",
            SECRET,
        ),
        (
            format!("/api/v1/records?service={SECRET}-bank"),
            "\"items\":[]",
            SECRET,
        ),
        (
            "/api/v1/records?filter=true&progress=true".into(),
            "order is late",
            SECRET,
        ),
        (
            "/api/v1/stats?by=service,severity,message".into(),
            "\"shop\"",
            SECRET,
        ),
        ("/api/v1/stats?by=task_name".into(), "handle order", SECRET),
        ("/api/v1/stats".into(), "\"records\":7", NUMBERS),
        ("/api/v1/stats?every=1m".into(), "\"records\":7", NUMBERS),
        ("/api/v1/stats?by=context.user".into(), "leo", NUMBERS),
        ("/api/v1/tasks".into(), "handle order", SECRET),
        (format!("/api/v1/tasks?q={SECRET}"), "\"items\":[]", SECRET),
        ("/api/v1/tasks?failed=true".into(), "\"items\":[]", SECRET),
        (
            format!("/api/v1/tasks/{TRACE}"),
            "records of other services than shop, web are left out",
            SECRET,
        ),
        (
            format!("/api/v1/tasks/{TRACE}?format=text"),
            "records of other services than shop, web",
            SECRET,
        ),
        (
            format!("/api/v1/tasks/{TRACE}?format=outline"),
            "records of other services than shop, web",
            SECRET,
        ),
        (
            format!("/api/v1/tasks/{TRACE}?format=records"),
            "order is late",
            SECRET,
        ),
        ("/api/v1/problems".into(), "\"items\":[]", SECRET),
        (
            format!("/api/v1/diff?a={TRACE}&b={TRACE}"),
            "handle order",
            SECRET,
        ),
        ("/api/v1/levels".into(), "\"shop\"", SECRET),
        ("/api/v1/names".into(), "severity", NOTHING),
        ("/api/v1/openapi.json".into(), "openapi", NOTHING),
        (
            "/api/v1/tail?from=1&timeout=400ms".into(),
            "order is late",
            SECRET,
        ),
        ("/api/v1/changes?timeout=300ms".into(), "\"end\"", NOTHING),
        ("/api/v3/services".into(), "\"services\":[\"shop\"]", SECRET),
        (
            "/api/v3/operations?service=shop".into(),
            "handle order",
            NOTHING,
        ),
        (
            format!("/api/v3/operations?service={SECRET}-bank"),
            "\"operations\":[]",
            SECRET,
        ),
        (
            format!("/api/v3/traces?query.service_name=shop&{times}"),
            "handle order",
            SECRET,
        ),
        (format!("/api/v3/traces/{hex}"), "write receipt", SECRET),
        (
            format!("/api/v3/trace-summaries?query.service_name=shop&{times}"),
            "summaries",
            SECRET,
        ),
        ("/api/services".into(), "shop", SECRET),
        (
            "/api/services/shop/operations".into(),
            "handle order",
            NOTHING,
        ),
        (
            "/api/operations?service=shop".into(),
            "handle order",
            NOTHING,
        ),
        ("/api/traces?service=shop".into(), "handle order", SECRET),
        (format!("/api/traces/{hex}"), "write receipt", SECRET),
        (
            "/api/dependencies?endTs=4000000000000&lookback=4000000000000".into(),
            "\"data\":[]",
            SECRET,
        ),
    ];
    for (path, ours, others) in &asked {
        let Reply(status, _, body) = ask(daemon, path, shop);
        let text = String::from_utf8_lossy(&body).to_lowercase();
        assert_eq!(status, 200, "{path}: {text}");
        let ours = ours.to_lowercase();
        assert!(text.contains(&ours), "{path} has no {ours}: {text}");
        assert!(!text.contains(SECRET), "{path}: {text}");
        // Else it would be no wonder.
        let Reply(status, _, body) = ask(daemon, path, all);
        let whole = String::from_utf8_lossy(&body).to_lowercase();
        assert_eq!(status, 200, "{path}: {whole}");
        match *others {
            NOTHING => {}
            NUMBERS => assert_ne!(whole, text, "{path}"),
            secret => assert!(whole.contains(secret), "{path}: {whole}"),
        }
    }
    // Nothing of it is there.
    for path in [
        format!("/api/v1/tasks/{other_trace}"),
        format!("/api/v3/traces/{}", "07".repeat(16)),
    ] {
        assert_eq!(ask(daemon, &path, all).0, 200, "{path}");
        let Reply(status, _, body) = ask(daemon, &path, shop);
        assert_eq!(status, 404, "{path}");
        assert!(!String::from_utf8_lossy(&body).contains(SECRET));
    }
    // It cannot be told for some services.
    for path in ["/api/v1/status", "/metrics"] {
        let reply = ask(daemon, path, shop);
        assert_eq!(reply.0, 403, "{path}");
        let detail = reply.problem()["detail"].to_string();
        assert!(detail.contains("reads some services only"), "{detail}");
    }
    // All that is described was asked.
    let description = ask(daemon, "/api/v1/openapi.json", all).json();
    for (path, operations) in description["paths"].as_object().unwrap() {
        let asked = asked.iter().any(|(asked, _, _)| {
            let asked = asked.split('?').next().unwrap();
            let place = path.split("{id}").next().unwrap();
            asked == path || (path.contains("{id}") && asked.starts_with(place) && asked != place)
        });
        let other = operations.get("get").is_none() || path == "/api/v1/status";
        assert!(asked || other, "{path} is not asked");
    }
    pages(daemon, all, shop);
    if cfg!(feature = "mcp") {
        tools(daemon, all, shop);
    }
}

/// A cursor that somebody was given who reads all is of no more use to others than their own.
fn pages(daemon: &Daemon, all: &str, shop: &str) {
    for path in [
        "/api/v1/records?limit=1".to_owned(),
        format!("/api/v1/records?q={SECRET}&limit=1"),
        "/api/v1/tasks?limit=1".into(),
        "/api/v1/problems?limit=1".into(),
        format!("/api/v1/tasks/{TRACE}?limit=1"),
        format!("/api/v1/diff?a={TRACE}&b={TRACE}&limit=1"),
    ] {
        let (mut next, mut secrets) = (String::new(), 0);
        for _ in 0..20 {
            let cursor = format!("{path}{next}");
            let Reply(_, _, body) = ask(daemon, &cursor, shop);
            let text = String::from_utf8_lossy(&body).to_lowercase();
            assert!(!text.contains(SECRET), "{cursor}: {text}");
            let whole = ask(daemon, &cursor, all);
            let text = String::from_utf8_lossy(&whole.2).to_lowercase();
            assert_eq!(whole.0, 200, "{cursor}: {text}");
            secrets += usize::from(text.contains(SECRET));
            match whole.json()["next"].as_str() {
                Some(cursor) => next = format!("&cursor={cursor}"),
                None => break,
            }
        }
        assert!(secrets > 0, "{path}");
        assert!(!next.is_empty(), "{path} has one page");
    }
}

/// All tools for agents.
fn tools(daemon: &Daemon, all: &str, shop: &str) {
    let url = format!("{}/mcp", daemon.http());
    let ask = |token: &str, call: &serde_json::Value| {
        let authorization = bearer(token);
        let accept = ("accept", "application/json, text/event-stream");
        let headers = [JSON, accept, ("authorization", &authorization)];
        let answer = post_to(&url, &headers, call.to_string().as_bytes());
        let text = answer.text();
        assert_eq!(answer.status, 200, "{text}");
        text
    };
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
        let text = ask(shop, &call);
        assert!(text.contains(ours), "{tool}: {text}");
        assert!(!text.contains(SECRET), "{tool}: {text}");
        let whole = ask(all, &call);
        assert!(whole.contains(SECRET), "{tool}: {whole}");
    }
}
