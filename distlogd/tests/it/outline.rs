//! `GET /api/v1/tasks/{id}?format=outline`, as a page that shows a tree asks for it.

use distlog_bridge::otlp::trace::v1::Status;
use distlog_testkit::{Daemon, eventually};
use prost::Message;
use serde_json::Value;

use crate::kit::otlp::*;

/// Ten tasks below one, each with two records, one of which fails.
fn store(daemon: &Daemon) {
    let mut spans = vec![span(1, None, "handle order")];
    spans.extend((2..12).map(|n| span(n, Some(1), "charge card")));
    spans[3].status = Some(Status {
        code: 2,
        message: "card declined".into(),
    });
    let body = traces(spans).encode_to_vec();
    assert_eq!(post(daemon, "/v1/traces", &[PROTOBUF], &body).status, 200);
    let records = (1..12).map(|span| log("order is late", span));
    let body = logs(records.collect()).encode_to_vec();
    assert_eq!(post(daemon, "/v1/logs", &[PROTOBUF], &body).status, 200);
    daemon.tree(TRACE, |tree| tree.to_string().contains("order is late"));
}

fn outline(daemon: &Daemon, parameters: &str) -> Vec<Value> {
    let path = format!("/api/v1/tasks/{TRACE}?format=outline{parameters}");
    let text = daemon.get(&path).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

#[test]
fn an_outline_is_read_in_parts_and_followed_from_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    store(&daemon);
    let whole = outline(&daemon, "");
    let (first, last) = (&whole[0], whole.last().unwrap());
    assert_eq!(first["id"], TRACE);
    assert_eq!(first["begin_ns"], NOW + 1);
    assert_eq!(*last, serde_json::json!({ "next": null }));
    let lines = &whole[1..whole.len() - 1];
    assert_eq!(
        (&lines[0]["tasks"], &lines[0]["records"]),
        (&10.into(), &22.into())
    );
    assert_eq!(lines.len(), 1 + 10 + 22);
    let failed: Vec<&Value> = lines
        .iter()
        .filter(|line| line["outcome"] == "failed")
        .collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["error"], "card declined");
    // The records have numbers of their own, all before the end.
    let end = first["end"].as_u64().unwrap();
    let mut numbers: Vec<u64> = lines
        .iter()
        .filter_map(|line| line["number"].as_u64())
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 22);
    assert!(*numbers.last().unwrap() < end, "{numbers:?} {end}");
    // One of them is the first that a tail from there has.
    let late = lines
        .iter()
        .find(|line| line["record"] == "order is late")
        .unwrap();
    let tail = format!(
        "/api/v1/tail?from={}&timeout=300ms&reorder=false",
        late["number"]
    );
    let events = daemon.get(&tail).unwrap();
    let data = events
        .lines()
        .find_map(|line| line.strip_prefix("data: "))
        .unwrap();
    assert!(data.contains("\"message\":\"order is late\""), "{events}");

    let mut parts = Vec::new();
    let mut cursor = String::new();
    loop {
        let mut part = outline(&daemon, &format!("&limit=5{cursor}"));
        let next = part.pop().unwrap()["next"].clone();
        assert_eq!(part.remove(0), *first);
        parts.extend(
            part.into_iter()
                .filter(|line| line.get("continued").is_none()),
        );
        let Some(next) = next.as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(parts, lines);

    // What comes later is behind the end.
    let body = logs(vec![log("order is lost", 1)]).encode_to_vec();
    assert_eq!(post(&daemon, "/v1/logs", &[PROTOBUF], &body).status, 200);
    let grown = eventually("the record", || {
        let grown = outline(&daemon, "");
        let found = grown.iter().find(|line| line["record"] == "order is lost");
        found.cloned().ok_or("not there yet")
    });
    assert!(grown["number"].as_u64().unwrap() >= end, "{grown}");
}

#[test]
fn an_outline_comes_as_lines_that_are_not_compressed() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    store(&daemon);
    let url = format!("{}/api/v1/tasks/{TRACE}?format=outline", daemon.http());
    let mut answer = ureq::get(&url)
        .header("accept-encoding", "gzip, zstd")
        .call()
        .unwrap();
    let header = |name: &str| {
        answer
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(
        header("content-type").as_deref(),
        Some("application/x-ndjson")
    );
    assert_eq!(header("content-encoding"), None);
    assert!(
        answer
            .body_mut()
            .read_to_string()
            .unwrap()
            .ends_with("{\"next\":null}\n")
    );
    let missing = daemon.get("/api/v1/tasks/8b1a9953-c461-4d2e-a0e0-f0c39c2b6a1b?format=outline");
    assert!(missing.unwrap_err().contains("no record of task"));
}
