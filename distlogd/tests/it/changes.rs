//! `GET /api/v1/changes`, as who shows a list follows it.

use std::io::{BufRead, BufReader};

use distlog_testkit::Daemon;
use prost::Message;
use serde_json::Value;

use crate::kit::otlp::*;

/// Ids and data of the events.
fn follow(
    daemon: &Daemon,
    query: &str,
    last: Option<u64>,
) -> impl Iterator<Item = (u64, Value)> + use<> {
    let mut request = ureq::get(format!("{}/api/v1/changes{query}", daemon.http()));
    if let Some(last) = last {
        request = request.header("last-event-id", last.to_string());
    }
    let body = request.call().unwrap().into_body().into_reader();
    let mut lines = BufReader::new(body).lines().map(Result::unwrap);
    std::iter::from_fn(move || {
        let (mut id, mut data) = (None, None);
        loop {
            let line = lines.next()?;
            if let Some(number) = line.strip_prefix("id: ") {
                id = Some(number.parse().unwrap());
            } else if let Some(text) = line.strip_prefix("data: ") {
                data = Some(serde_json::from_str(text).unwrap());
            } else if let (true, Some(id), Some(data)) = (line.is_empty(), id, data.take()) {
                return Some((id, data));
            }
        }
    })
}

fn store(daemon: &Daemon, text: &str) {
    let body = logs(vec![log(text, 1)]).encode_to_vec();
    assert_eq!(post(daemon, "/v1/logs", &[PROTOBUF], &body).status, 200);
}

#[test]
fn who_follows_is_told_of_each_change_once() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    let mut events = follow(&daemon, "", None);
    let (newest, held) = events.next().unwrap();
    assert_eq!(held["deletions"], 0);
    let end = held["end"].as_u64().unwrap();
    assert_eq!(newest, end - 1);
    store(&daemon, "order is late");
    let (newest, held) = events.next().unwrap();
    assert_eq!((newest, &held["end"]), (end, &(end + 1).into()));

    // Who knows that already is told when there is more.
    let mut by_end = follow(&daemon, &format!("?from={}", end + 1), None);
    let mut by_last = follow(&daemon, "", Some(newest));
    // Who knows less is told at once.
    let (known, _) = follow(&daemon, &format!("?from={end}"), None)
        .next()
        .unwrap();
    assert_eq!(known, newest);
    store(&daemon, "order is lost");
    for events in [&mut by_end, &mut by_last] {
        let (newest, held) = events.next().unwrap();
        assert_eq!((newest, &held["end"]), (end + 1, &(end + 2).into()));
    }

    let deleted = ureq::delete(format!("{}/api/v1/records?trace={TRACE}", daemon.http())).call();
    assert!(deleted.unwrap().status().is_success());
    let (_, held) = by_end.next().unwrap();
    assert_eq!(
        (&held["end"], &held["deletions"]),
        (&(end + 2).into(), &1.into())
    );

    // A stream ends when it is told to, and with the daemon.
    assert_eq!(follow(&daemon, "?timeout=1ms", None).count(), 1);
    let mut daemon = daemon;
    assert!(daemon.stop().success());
    assert!(by_end.all(|(_, held)| held["end"] == end + 2));
}

#[test]
fn too_many_who_follow_are_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    let mut following: Vec<_> = (0..256).map(|_| follow(&daemon, "", None)).collect();
    let refused = daemon.get("/api/v1/changes?timeout=1ms").unwrap_err();
    assert!(refused.contains("ask again later"), "{refused}");
    // Tails have a limit of their own.
    assert!(daemon.get("/api/v1/tail?timeout=1ms").is_ok());
    following.pop();
    distlog_testkit::eventually("a place", || daemon.get("/api/v1/changes?timeout=1ms"));
}
