//! OTLP that is unusual but real, into a real daemon: times that are missing, span ids that are shared, traces without
//! a root, deep and large ones.

use distlog_testkit::otlp::Collector;
use distlog_testkit::{Daemon, eventually};
use serde_json::{Value, json};

use crate::DISTLOGD;
use crate::kit::otlp::post_json;

const TRACE: &str = "e252a11fd33d483dba08bc8f642b2f10";
const START: u64 = 1_700_000_000_000_000_000;
const SECOND: u64 = 1_000_000_000;

fn daemon(folder: &tempfile::TempDir, more: &str) -> Daemon {
    let config = format!(
        "processors: {{ all: {{ file: {{ path: all.jsonl }} }}{more} }}\nrules: [{{ to: [all] }}]"
    );
    Daemon::start(DISTLOGD, &[], folder.path(), &config)
}

fn span(id: u64, name: &str, more: Value) -> Value {
    let mut span = json!({
        "traceId": TRACE, "spanId": format!("{id:016x}"), "name": name, "kind": 1,
        "startTimeUnixNano": START.to_string(), "endTimeUnixNano": (START + SECOND).to_string(),
    });
    let fields = span.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    span
}

/// Sends the spans of a service; all are taken.
fn send(daemon: &Daemon, service: &str, spans: &[Value]) {
    let body = json!({ "resourceSpans": [{
        "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": service } }] },
        "scopeSpans": [{ "spans": spans }],
    }] });
    post_json(daemon, "/v1/traces", &body.to_string());
}

fn text(daemon: &Daemon, query: &str) -> String {
    let path = format!("/api/v1/tasks/{TRACE}?format=text{query}");
    daemon.get(&path).unwrap()
}

#[test]
fn unknown_times_are_unknown_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(
        DISTLOGD,
        &[],
        folder.path(),
        "processors: { all: { file: { path: all.jsonl } }, short: { file: { path: short.jsonl } }, text: { file: { path: all.log, format: text } } }
rules: [{ to: [all, text] }, { to: [short], when: 'duration < duration(\"1h\")' }]",
    );
    let far = u64::MAX;
    let spans = [
        span(
            1,
            "late",
            json!({ "startTimeUnixNano": (START + 9).to_string() }),
        ),
        span(2, "no end", json!({ "endTimeUnixNano": "0" })),
        span(3, "no start", json!({ "startTimeUnixNano": "0" })),
        span(
            4,
            "back",
            json!({ "endTimeUnixNano": (START - 5).to_string() }),
        ),
        span(
            5,
            "no length",
            json!({ "endTimeUnixNano": START.to_string() }),
        ),
        span(
            6,
            "in 2554",
            json!({ "startTimeUnixNano": (far - SECOND).to_string(), "endTimeUnixNano": far.to_string() }),
        ),
    ];
    send(&daemon, "shop", &spans);
    let drawn = text(&daemon, "");
    let line = |name: &str| {
        let found = drawn.lines().find(|line| line.contains(name));
        found.unwrap_or_else(|| panic!("{drawn}")).to_owned()
    };
    for unknown in ["no end", "no start", "back"] {
        assert!(line(unknown).ends_with(" · shop  –"), "{}", line(unknown));
    }
    assert!(line("no length").ends_with("  0ns"), "{drawn}");
    assert!(line("in 2554").ends_with("  1.00s"), "{drawn}");
    let order: Vec<&str> = drawn
        .lines()
        .skip(1)
        .map(|line| line.split(" ·").next().unwrap())
        .collect();
    assert_eq!(
        order,
        [
            "✔ no end",
            "✔ back",
            "✔ no length",
            "✔ late",
            "✔ no start",
            "✔ in 2554"
        ]
    );

    let tree = daemon.json(&format!("/api/v1/tasks/{TRACE}")).unwrap();
    for task in tree["tasks"].as_array().unwrap() {
        let name = task["name"].as_str().unwrap();
        let known = !matches!(name, "no end" | "no start" | "back");
        assert_eq!(task.get("duration_ns").is_some(), known, "{name}");
        assert_eq!(
            task.get("begin_ns").is_some(),
            name != "no start" || task["begin_ns"] == json!(START + SECOND),
            "{name}"
        );
    }
    let all = daemon.records("all.jsonl", 12);
    let durations: Vec<&Value> = all
        .iter()
        .filter_map(|record| record["distlog"].get("duration"))
        .collect();
    assert_eq!(durations.len(), 2, "{durations:?}");
    // That of no length, too.
    let short = daemon.records("short.jsonl", 3);
    assert_eq!(short.len(), 3, "what is not known is not short");
    assert!(
        daemon
            .lines("all.log")
            .iter()
            .all(|line| !line.contains("498"))
    );
}

#[test]
fn spans_that_share_an_id_are_two_tasks_also_where_they_leave() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start();
    let out = format!(
        ", out: {{ otlp: {{ endpoint: '{}' }} }}",
        collector.endpoint()
    );
    let config = format!(
        "processors: {{ all: {{ file: {{ path: all.jsonl }} }}{out} }}\nrules: [{{ to: [all, out] }}]"
    );
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), &config);
    let client = span(7, "ask", json!({ "kind": 3 }));
    let server = span(
        7,
        "answer",
        json!({ "kind": 2, "endTimeUnixNano": (START + SECOND / 2).to_string() }),
    );
    let below = span(
        8,
        "look up",
        json!({ "parentSpanId": format!("{:016x}", 7), "startTimeUnixNano": (START + 1).to_string() }),
    );
    // In one request and in two, of one service and of two.
    send(&daemon, "shop", &[client.clone(), server.clone()]);
    send(&daemon, "stock", &[server.clone(), below]);
    // A client that did not hear the answer sends again, together with something else.
    send(
        &daemon,
        "shop",
        &[client.clone(), span(9, "other", json!({}))],
    );
    let drawn = text(&daemon, "");
    for (wanted, count) in [
        ("✔ ask · shop (client)  1.00s", 1),
        ("✔ answer · shop (server)  500ms", 1),
        ("✔ answer · stock (server)  500ms\n└─ ✔ look up  1.00s", 1),
        ("✔ other", 1),
    ] {
        assert_eq!(drawn.matches(wanted).count(), count, "{wanted} in {drawn}");
    }
    let listed = daemon.json("/api/v1/tasks").unwrap();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed:#}");
    eventually("that all left", || {
        let mut names: Vec<String> = collector
            .spans()
            .into_iter()
            .map(|span| span.name)
            .collect();
        names.sort();
        names.dedup();
        match names == ["answer", "ask", "look up", "other"] && collector.spans().len() >= 5 {
            true => Ok(()),
            false => Err(format!("{names:?}")),
        }
    });
}

#[test]
fn a_trace_is_listed_before_its_root_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder, "");
    let orphan = span(
        2,
        "orphan",
        json!({ "parentSpanId": format!("{:016x}", 1), "status": { "code": 2 } }),
    );
    send(&daemon, "stock", &[orphan]);
    let list = |good: &dyn Fn(&Value) -> bool| {
        eventually("the list", || {
            let list = daemon.json("/api/v1/tasks")?;
            if good(&list["items"][0]) {
                Ok(list)
            } else {
                Err(format!("{list:#}"))
            }
        })
    };
    let listed = list(&|first| first["name"] == "orphan");
    assert_eq!(listed["items"][0]["root"], false);
    assert_eq!(
        listed["items"][0]["id"],
        "e252a11f-d33d-483d-ba08-bc8f642b2f10"
    );
    send(&daemon, "shop", &[span(1, "order", json!({}))]);
    let listed = list(&|first| first["name"] == "order");
    assert_eq!(
        (&listed["items"][0]["root"], &listed["items"][0]["failed"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
}

#[test]
fn the_command_line_lists_what_is_unknown_as_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder, "");
    let trace = |n: u64| json!(format!("{n:032x}"));
    let unknown_start = json!({ "traceId": trace(1), "startTimeUnixNano": "0" });
    let parent = format!("{:016x}", 1);
    let orphan = json!({ "traceId": trace(2), "parentSpanId": parent });
    let spans = [
        span(1, "no start", unknown_start),
        span(2, "orphan", orphan),
    ];
    send(&daemon, "shop", &spans);
    let log = json!({ "traceId": trace(3), "spanId": format!("{:016x}", 3),
        "timeUnixNano": START.to_string(), "body": { "stringValue": "only a log" } });
    let logs = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [log] }] }] });
    post_json(&daemon, "/v1/logs", &logs.to_string());
    eventually("three lines", || {
        let said = std::process::Command::new(DISTLOGD)
            .args(["tasks", "--url", daemon.http()])
            .output()
            .map_err(|error| error.to_string())?;
        let lines = String::from_utf8_lossy(&said.stdout).into_owned();
        let has = |trace: u64, mark: &str, end: &str| {
            let id = format!("{mark} 00000000-0000-0000-0000-{trace:012x}");
            lines
                .lines()
                .any(|line| line.contains(&id) && line.ends_with(end))
        };
        let all = has(1, "✔", "no start · shop  –")
            && has(2, "✔", "orphan · shop  (its root is not here)")
            && has(3, "?", "  (its root is not here)")
            && lines.lines().count() == 3;
        if all {
            Ok(())
        } else {
            Err(format!("{said:?}"))
        }
    });
}

#[test]
fn a_deep_trace_says_where_it_goes_on_and_does() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder, "");
    let spans: Vec<Value> = (1..=250u64)
        .map(|level| {
            let parent = if level > 1 {
                format!("{:016x}", level - 1)
            } else {
                String::new()
            };
            let start = (START + level).to_string();
            span(
                level,
                &format!("level {level}"),
                json!({ "parentSpanId": parent, "startTimeUnixNano": start }),
            )
        })
        .collect();
    send(&daemon, "shop", &spans);
    let drawn = text(&daemon, "");
    assert_eq!(
        drawn.lines().filter(|line| line.starts_with('✔')).count(),
        1,
        "one root"
    );
    let (cut, id) = drawn.trim_end().rsplit_once("distlogd tree ").unwrap();
    assert!(
        cut.ends_with("… 150 tasks below: "),
        "{}",
        &cut[cut.len() - 300..]
    );
    let path = format!("/api/v1/tasks/{}?format=text&depth=1000", id);
    let rest = daemon.get(&path).unwrap();
    assert_eq!(
        rest.matches("✔ level").count(),
        151,
        "the one that is asked for, and all below"
    );
    let shallow = daemon
        .json(&format!("/api/v1/tasks/{TRACE}?depth=1"))
        .unwrap();
    assert_eq!(shallow["tasks"][0]["cut"], 249);
}

#[test]
fn a_span_with_a_hundred_thousand_events_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder, "");
    let events: Vec<Value> = (0..100_000u64)
        .map(|n| json!({ "timeUnixNano": (START + n).to_string(), "name": format!("event {n}") }))
        .collect();
    send(
        &daemon,
        "shop",
        &[
            span(1, "before", json!({})),
            span(2, "many events", json!({ "events": events })),
            span(3, "after", json!({})),
        ],
    );
    let lines = daemon.records("all.jsonl", 100_006);
    let of_span = lines
        .iter()
        .filter(|record| record["distlog"]["span_id"] == format!("{:016x}", 2));
    let mut numbers: Vec<u64> = of_span
        .map(|record| record["context"]["key"].as_str().unwrap())
        .map(|key| key.split('@').next().unwrap().parse().unwrap())
        .collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..100_002));
    assert!(daemon.metric("distlogd_store_records") == 100_006.0);
    let drawn = text(&daemon, "");
    assert_eq!(
        drawn.matches(" UNSET event ").count() + drawn.matches("  event ").count(),
        100_000,
        "{}",
        &drawn[..300]
    );
}

#[test]
fn a_large_trace_comes_in_parts_that_make_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder, "");
    let child = |id: u64| {
        let more = json!({ "parentSpanId": format!("{:016x}", id / 10), "startTimeUnixNano": (START + id).to_string() });
        span(id, &format!("child {id}"), more)
    };
    let mut spans = vec![span(1, "root", json!({}))];
    spans.extend((10..20).chain(100..200).map(child));
    send(&daemon, "shop", &spans);
    let (mut seen, mut cursor) = (0, String::new());
    loop {
        let query = format!("&limit=7{cursor}");
        let drawn = text(&daemon, &query);
        let is_new = |line: &&str| line.contains(" child ") && !line.contains("(continued from");
        seen += drawn.lines().filter(is_new).count();
        let part = daemon
            .json(&format!("/api/v1/tasks/{TRACE}?limit=7{cursor}"))
            .unwrap();
        match part["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
        // What comes meanwhile does not shift the parts.
        send(&daemon, "shop", &[child(200 + seen as u64)]);
    }
    let continued = text(&daemon, "&limit=7").matches("--cursor").count();
    assert_eq!(continued, 1);
    assert_eq!(seen, 110);
    assert!(
        daemon
            .get(&format!("/api/v1/tasks/{TRACE}?cursor=nonsense"))
            .is_err()
    );
}
