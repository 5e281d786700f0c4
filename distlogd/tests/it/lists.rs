//! `distlogd tasks`, `problems` and `diff`, by a real daemon.

use std::process::{Command, Output};

use distlog_bridge::otlp::logs::v1::LogRecord;
use distlog_bridge::otlp::trace::v1::span::Event;
use distlog_bridge::otlp::trace::v1::{Span, Status};
use distlog_proto::TaskId;
use distlog_testkit::{Daemon, eventually};
use prost::Message;
use serde_json::Value;

use crate::DISTLOGD;
use crate::kit::otlp::*;

const MS: u64 = 1_000_000;

fn command(daemon: &Daemon, arguments: &[&str]) -> Output {
    let mut command = Command::new(DISTLOGD);
    command.args(arguments).args(["--url", daemon.http()]);
    command.env("COLUMNS", "100").output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A span of a trace: name, begin and duration in ms, and why it failed.
fn timed(
    trace: &TaskId,
    (number, parent): (u64, Option<u64>),
    name: &str,
    (begin, took): (u64, u64),
    failed: Option<&str>,
) -> Span {
    Span {
        trace_id: trace.trace_id().to_bytes().to_vec(),
        start_time_unix_nano: NOW + begin * MS,
        end_time_unix_nano: NOW + (begin + took) * MS,
        events: Vec::new(),
        status: Some(Status {
            code: if failed.is_some() { 2 } else { 1 },
            message: failed.unwrap_or_default().into(),
        }),
        ..span(number, parent, name)
    }
}

fn exception(at: u64, message: &str) -> Event {
    Event {
        time_unix_nano: NOW + at * MS,
        name: "exception".into(),
        attributes: vec![
            text("exception.type", "CardError"),
            text("exception.message", message),
        ],
        ..Event::default()
    }
}

/// An order that went well, and one that did not.
fn orders() -> (TaskId, TaskId, Vec<Span>) {
    let (good, bad) = (TaskId::random(), TaskId::random());
    let mut charge = timed(
        &bad,
        (7, Some(5)),
        "charge card",
        (1020, 9),
        Some("card declined"),
    );
    charge.events = vec![exception(1025, "card declined")];
    let spans = vec![
        timed(&good, (1, None), "handle order", (0, 40), None),
        timed(&good, (2, Some(1)), "reserve stock", (4, 6), None),
        timed(&good, (3, Some(1)), "charge card", (11, 9), None),
        timed(&good, (4, Some(1)), "send mail", (21, 5), None),
        timed(
            &bad,
            (5, None),
            "handle order",
            (1000, 2500),
            Some("card declined"),
        ),
        timed(&bad, (6, Some(5)), "reserve stock", (1004, 6), None),
        charge,
    ];
    (good, bad, spans)
}

fn send(daemon: &Daemon, spans: Vec<Span>) {
    let body = traces(spans).encode_to_vec();
    assert_eq!(post(daemon, "/v1/traces", &[PROTOBUF], &body).status, 200);
}

#[test]
fn tasks_are_listed_over_all_that_is_stored_and_filtered() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
    let none = command(&daemon, &["tasks"]);
    assert_eq!(none.status.code(), Some(4), "{none:?}");
    let (good, bad, spans) = orders();
    send(&daemon, spans);
    // It names the trace, and no span of it.
    let log = LogRecord {
        trace_id: good.trace_id().to_bytes().to_vec(),
        span_id: Vec::new(),
        ..log("the courier has left", 0)
    };
    let body = logs(vec![log]).encode_to_vec();
    assert_eq!(post(&daemon, "/v1/logs", &[PROTOBUF], &body).status, 200);
    daemon.kill();
    daemon.restart();

    let list = daemon.json("/api/v1/tasks").unwrap();
    let names = |list: &Value| -> Vec<String> {
        let items = list["items"].as_array().unwrap().iter();
        items
            .map(|item| item["id"].as_str().unwrap()[..36].to_owned())
            .collect()
    };
    let (good, bad) = (good.trace_id().to_string(), bad.trace_id().to_string());
    assert_eq!(names(&list), [bad.clone(), good.clone()], "{list:#}");
    assert_eq!(list["next"], Value::Null);
    assert_eq!(list["items"][0]["failed"], 2);
    for (query, found) in [
        ("failed=true", vec![&bad]),
        ("failed=true&lost=true", vec![&bad]),
        ("ok=true", vec![&good]),
        ("q=mail", vec![&good]),
        ("q=reserve", vec![&bad, &good]),
        ("q=%22card+declined%22&name=order", vec![&bad]),
        ("q=mail&failed=true", vec![]),
        ("q=declined&failed=true", vec![&bad]),
        ("q=mail+declined", vec![]),
        ("q=courier", vec![&good]),
        ("q=courier&failed=true", vec![]),
        ("ok=true&failed=true", vec![&bad, &good]),
        ("running=true", vec![]),
        ("min_duration=2s", vec![&bad]),
        ("service=shop&name=ORDER", vec![&bad, &good]),
        ("service=other", vec![]),
        ("to=2023-11-14T22:13:20.5Z", vec![&good]),
        ("from=2023-11-14T22:13:20.5Z", vec![&bad]),
    ] {
        let list = daemon.json(&format!("/api/v1/tasks?{query}")).unwrap();
        assert_eq!(
            names(&list).iter().collect::<Vec<_>>(),
            found,
            "{query}: {list:#}"
        );
    }
    let first = daemon.json("/api/v1/tasks?limit=1").unwrap();
    let next = first["next"].as_str().unwrap();
    let second = daemon
        .json(&format!("/api/v1/tasks?limit=1&cursor={next}"))
        .unwrap();
    assert_eq!(
        (names(&first), names(&second)),
        (vec![bad.clone()], vec![good.clone()])
    );

    let all = said(&command(&daemon, &["tasks"]));
    let lines: Vec<&str> = all.lines().collect();
    assert!(lines[0].contains(&good) && lines[1].contains(&bad), "{all}");
    assert!(
        lines[1].contains('✗') && lines[1].contains("2.50s"),
        "{all}"
    );
    let well = said(&command(&daemon, &["tasks", "--ok"]));
    assert!(well.contains(&good) && !well.contains(&bad), "{well}");
    let slow = said(&command(
        &daemon,
        &["tasks", "--failed", "--min-duration", "1s", "--json"],
    ));
    assert_eq!(slow.lines().count(), 1);
    assert!(slow.contains(&bad), "{slow}");
    assert_eq!(
        command(&daemon, &["tasks", "--lost"]).status.code(),
        Some(4)
    );

    for (query, parameter) in [
        ("from=noon", "`from`"),
        ("from=now&to=1h", "`from`"),
        ("min_duration=5", "`min_duration`"),
        ("limit=0", "`limit`"),
        ("cursor=x", "`cursor`"),
        ("failed=maybe", "`failed`"),
        ("sevice=red", "did you mean `service`"),
    ] {
        let refused = daemon.get(&format!("/api/v1/tasks?{query}")).unwrap_err();
        assert!(
            refused.starts_with("400") && refused.contains(parameter),
            "{query}: {refused}"
        );
    }
}

#[test]
fn a_failure_is_one_problem_wherever_it_shows() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
    assert_eq!(command(&daemon, &["problems"]).status.code(), Some(4));
    let mut ids = Vec::new();
    for at in 0..7 {
        let (_, bad, spans) = orders();
        send(&daemon, spans);
        ids.push(bad.trace_id().to_string());
        // Another one, that only the task tells.
        if at == 0 {
            let other = TaskId::random();
            send(
                &daemon,
                vec![timed(
                    &other,
                    (9, None),
                    "clean up",
                    (9000, 5),
                    Some("disk full"),
                )],
            );
        }
    }
    let list = eventually("the problems", || {
        let list = daemon.json("/api/v1/problems")?;
        if list["items"][1]["count"] == 7 {
            Ok(list)
        } else {
            Err(list)
        }
    });
    assert_eq!(list["items"].as_array().unwrap().len(), 2, "{list:#}");
    let [disk, card] = [&list["items"][0], &list["items"][1]];
    assert_eq!(
        (&disk["kind"], &disk["count"]),
        (&"failed".into(), &1.into())
    );
    assert_eq!(disk["message"], "disk full");
    let at = disk["first_seen_ns"].clone();
    let once = serde_json::json!({ "from_ns": at, "every_ns": 1, "counts": [1] });
    assert_eq!(disk["times"], once);
    let counts = card["times"]["counts"].as_array().unwrap().iter();
    assert_eq!(counts.map(|count| count.as_u64().unwrap()).sum::<u64>(), 7);
    assert_eq!(card["kind"], "CardError");
    assert!(card["message"].as_str().unwrap().contains("card declined"));
    let newest = card["ids"].as_array().unwrap();
    assert_eq!(newest.len(), 5);
    assert!(
        newest
            .iter()
            .all(|id| ids.contains(&id.as_str().unwrap()[..36].to_owned()))
    );

    let said = said(&command(&daemon, &["problems"]));
    let first = said.lines().next().unwrap();
    assert!(
        first.starts_with("7× CardError") && first.contains("card declined"),
        "{said}"
    );
    assert!(
        said.lines().all(|line| line.chars().count() <= 100),
        "{said}"
    );
    let first = daemon.json("/api/v1/problems?limit=1").unwrap();
    let next = first["next"].as_str().unwrap();
    let second = daemon
        .json(&format!("/api/v1/problems?limit=1&cursor={next}"))
        .unwrap();
    assert_eq!((&first["items"][0], &second["items"][0]), (disk, card));
    assert_eq!(second["next"], Value::Null);
    let recent = command(&daemon, &["problems", "--since", "1d"]);
    assert_eq!(recent.status.code(), Some(4), "{recent:?}");
}

#[test]
fn two_trees_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
    let (good, bad, spans) = orders();
    send(&daemon, spans);
    let (a, b) = (good.trace_id().to_string(), bad.trace_id().to_string());
    let diff = daemon.json(&format!("/api/v1/diff?a={a}&b={b}")).unwrap();
    let first = &diff["first_difference"];
    // Its event comes before its end, and before the mail that was not sent.
    assert_eq!(first["kind"], "only_a", "{diff:#}");
    assert!(
        first["text"].as_str().unwrap().contains("send mail"),
        "{first}"
    );
    let nodes = diff["nodes"].as_array().unwrap();
    let of = |name: &str| nodes.iter().find(|node| node["template"] == name).unwrap();
    assert_eq!(nodes.len(), 4);
    assert_eq!(of("handle order")["difference_ns"], 2_460_000_000_i64);
    assert_eq!(of("charge card")["b"]["error"], "card declined");
    assert_eq!(of("charge card")["records"][0]["b"], 1);
    assert_eq!(of("reserve stock")["difference_ns"], 0);
    assert!(of("send mail")["b"].is_null());
    let part = daemon
        .json(&format!("/api/v1/diff?a={a}&b={b}&limit=3"))
        .unwrap();
    let next = part["next"].as_str().unwrap();
    let rest = daemon
        .json(&format!("/api/v1/diff?a={a}&b={b}&cursor={next}"))
        .unwrap();
    assert_eq!(rest["nodes"].as_array().unwrap()[..], nodes[3..]);
    assert_eq!(rest["next"], Value::Null);
    let last = said(&command(&daemon, &["diff", &a, &b, "--cursor", next]));
    assert!(last.starts_with(&format!("a {a}")), "{last}");
    let refused = daemon.get(&format!("/api/v1/diff?a={a}&b={b}&cursor=3"));
    assert!(refused.unwrap_err().contains("`cursor` is wrong"));

    let text = said(&command(&daemon, &["diff", &a, &b]));
    let has = |line: &str| {
        text.lines()
            .any(|other| other.trim_start().starts_with(line))
    };
    assert!(text.contains("first difference after "), "{text}");
    assert!(
        has("~ ✔→✗ handle order") && has("-   ✔ send mail") && has("… 1 task alike"),
        "{text}"
    );
    assert!(
        text.lines().all(|line| line.chars().count() <= 100),
        "{text}"
    );
    let same = said(&command(&daemon, &["diff", &a, &a]));
    assert!(same.contains("both did the same"), "{same}");
    let missing = command(&daemon, &["diff", &a, &TaskId::random().to_string()]);
    assert_eq!(missing.status.code(), Some(4), "{missing:?}");
    let refused = daemon.get("/api/v1/diff?a=x&b=y").unwrap_err();
    assert!(
        refused.starts_with("400") && refused.contains("`a`"),
        "{refused}"
    );
}
