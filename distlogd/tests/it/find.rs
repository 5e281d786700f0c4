//! Finding records and counting them: the API, and the commands that ask it.

use std::process::{Command, Output};

use distlog_proto::{Kind, Record, Severity, Task, TaskId, Value as Field};
use distlogd::daemon::Daemon;
use serde_json::Value;

use crate::DISTLOGD;
use crate::kit::in_process::start;
use crate::kit::session_client::{Client, id, record};

/// A page by the API, and the status.
fn ask(daemon: &Daemon, path: &str, query: &[(&str, &str)], accept: &str) -> (u16, String) {
    let address = daemon.address("http").unwrap();
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let mut request = agent.get(format!("http://{address}/api/v1/{path}"));
    for (name, value) in query {
        request = request.query(name, value);
    }
    let mut response = request.header("accept", accept).call().unwrap();
    let text = response.body_mut().read_to_string().unwrap();
    (response.status().as_u16(), text)
}

fn page(daemon: &Daemon, query: &[(&str, &str)]) -> Value {
    let (status, text) = ask(daemon, "records", query, "*/*");
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

fn messages(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().unwrap().iter();
    items
        .map(|item| item["message"].as_str().unwrap().to_owned())
        .collect()
}

fn found(daemon: &Daemon, query: &[(&str, &str)]) -> Vec<String> {
    messages(&page(daemon, query))
}

/// The program, asking that daemon.
fn run(daemon: &Daemon, arguments: &[&str]) -> Output {
    let url = format!("http://{}", daemon.address("http").unwrap());
    run_at(&url, arguments)
}

fn run_at(url: &str, arguments: &[&str]) -> Output {
    let mut program = Command::new(DISTLOGD);
    program
        .args(arguments)
        .args(["--url", url])
        .output()
        .unwrap()
}

fn lines(output: &Output) -> Vec<String> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// A daemon with five records, a second apart.
fn filled(folder: &std::path::Path) -> Daemon {
    let daemon = start(folder);
    let context = zmq::Context::new();
    let mut client = Client::join(&context, &daemon, id(1), 1);
    let texts = [
        ("Order 17 accepted", Severity::INFO),
        ("card refused", Severity::ERROR),
        ("order 18: card accepted", Severity::INFO),
        ("refused by card issuer", Severity::WARN),
        ("orders closed\nfor today", Severity::DEBUG),
    ];
    let records = (0..).zip(texts).map(|(offset, (text, severity))| {
        let mut record = record(offset, text);
        record.time = 1_700_000_000_000_000_000 + offset * 1_000_000_000;
        record.severity = severity;
        record
            .fields
            .insert("amount", Field::I64(offset as i64 * 100));
        record
    });
    client.send(0, 5, records.collect());
    client.acked(5);
    daemon
}

#[test]
fn records_are_found_by_all_that_can_be_asked() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = filled(folder.path());
    let all = [
        "orders closed\nfor today",
        "refused by card issuer",
        "order 18: card accepted",
        "card refused",
        "Order 17 accepted",
    ];
    assert_eq!(found(&daemon, &[]), all, "newest first");
    for (query, expected) in [
        (&[("q", "order")][..], &[all[2], all[4]][..]),
        (&[("q", "card REFUSED")], &[all[1], all[3]]),
        (&[("q", "\"card refused\"")], &all[3..4]),
        (&[("q", "order*")], &[all[0], all[2], all[4]]),
        // A number in a field.
        (&[("q", "300")], &all[1..2]),
        (&[("filter", "fields.amount >= 300")], &all[..2]),
        (&[("severity", "warn")], &[all[1], all[3]]),
        (&[("service", "shop"), ("q", "17")], &all[4..]),
        (&[("service", "other")], &[]),
        (&[("from", "2023-11-14T22:13:23Z")], &all[..2]),
        (&[("to", "2023-11-14T22:13:21Z")], &all[4..]),
        (&[("from", "1h")], &[]),
    ] {
        assert_eq!(found(&daemon, query), expected, "{query:?}");
    }
}

#[test]
fn what_is_asked_wrongly_is_refused_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = start(folder.path());
    let many = "a ".repeat(65);
    let deep = "(".repeat(5000);
    for (path, name, value, why) in [
        ("records", "q", "...", "`q` is wrong: found `...`"),
        ("records", "q", &*many, "expected at most 64 words"),
        ("records", "filter", &*deep, "`filter`: line 1"),
        ("records", "cursor", "x", "`cursor` is wrong: found `x`"),
        (
            "records",
            "limit",
            "10001",
            "expected a number from 1 to 10000",
        ),
        (
            "records",
            "sinze",
            "1h",
            "the parameter `sinze` is not known",
        ),
        ("records", "progress", "maybe", "`progress` is wrong"),
        ("stats", "by", "servce", "did you mean `service`?"),
        ("stats", "every", "0", "`every` is wrong"),
    ] {
        let (status, text) = ask(&daemon, path, &[(name, value)], "*/*");
        assert_eq!(status, 400, "{text}");
        assert!(text.contains(why), "{text}");
    }
}

#[test]
fn pages_stay_right_while_records_come() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = start(folder.path());
    let context = zmq::Context::new();
    let mut client = Client::join(&context, &daemon, id(1), 1);
    let mut sent = 0;
    let mut send = |count: u64| {
        let records = (sent..sent + count).map(|offset| record(offset, &format!("n{offset}")));
        client.send(sent, sent + count, records.collect());
        sent += count;
        client.acked(sent);
    };
    send(1000);
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let mut query = vec![("limit", "70")];
        if !cursor.is_empty() {
            query.push(("cursor", &cursor));
        }
        let page = page(&daemon, &query);
        all.extend(messages(&page));
        match page["next"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
        send(50);
    }
    let expected: Vec<String> = (0..1000).rev().map(|n| format!("n{n}")).collect();
    assert_eq!(all, expected);
}

#[test]
fn a_query_out_of_time_says_where_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = start(folder.path());
    let context = zmq::Context::new();
    let mut client = Client::join(&context, &daemon, id(1), 1);
    let filler = "x".repeat(2000);
    for from in (0..1000).step_by(100) {
        let records = (from..from + 100).map(|n| record(n, &format!("n{n} {filler}")));
        client.send(from, from + 100, records.collect());
    }
    client.acked(1000);
    let query = [("limit", "10000"), ("timeout", "1ns")];
    let first = page(&daemon, &query);
    assert_eq!(first["complete"], false);
    let mut all = messages(&first);
    assert!(!all.is_empty() && all.len() < 1000, "{}", all.len());
    let mut next = first["next"].as_str().unwrap().to_owned();
    loop {
        let page = page(&daemon, &[query[0], query[1], ("cursor", &next)]);
        all.extend(messages(&page));
        match page["next"].as_str() {
            Some(more) => next = more.to_owned(),
            None => break,
        }
    }
    let mut numbers: Vec<u64> = all
        .iter()
        .map(|text| text[1..].split(' ').next().unwrap().parse().unwrap())
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
}

#[test]
fn answers_come_as_lines() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = filled(folder.path());
    let query = [("limit", "2"), ("progress", "true")];
    let (status, text) = ask(&daemon, "records", &query, "*/*");
    assert_eq!(status, 200);
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line.get("progress").is_none())
        .collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert_eq!(lines[1]["message"], "refused by card issuer");
    assert!(lines[2]["next"].is_string());
    assert_eq!(lines[2]["complete"], true);
}

#[test]
fn the_command_prints_what_it_finds_with_the_newest_last() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = filled(folder.path());
    let output = run(&daemon, &["find", "card", "refused", "-n", "1"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let printed = lines(&output);
    assert_eq!(printed.len(), 1);
    assert!(
        printed[0].contains("WARN  shop")
            && printed[0].ends_with("refused by card issuer  amount=300")
    );
    let more = String::from_utf8(output.stderr).unwrap();
    let cursor = more.trim().strip_prefix("… older ones: --cursor ").unwrap();
    let output = run(&daemon, &["find", "card", "refused", "--cursor", cursor]);
    assert!(lines(&output)[0].contains("card refused"));
    assert!(output.stderr.is_empty());

    let output = run(&daemon, &["find", "--until", "2023-11-14T22:13:22Z"]);
    let printed = lines(&output);
    assert!(printed[0].contains("Order 17") && printed[1].contains("card refused"));

    let output = run(&daemon, &["find", "order*", "--json"]);
    let printed = lines(&output);
    assert_eq!(printed.len(), 3);
    let newest: Value = serde_json::from_str(&printed[0]).unwrap();
    assert_eq!(newest["message"], "orders closed\nfor today");

    let output = run(&daemon, &["find", "card accepted now"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(output.stdout.is_empty());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "nothing found\n");
    let output = run(&daemon, &["find", "--since", "noon"]);
    let why = String::from_utf8(output.stderr).unwrap();
    assert!(
        why.starts_with("distlogd: `--since` is wrong: found `noon`"),
        "{why}"
    );
    let output = run(&daemon, &["find", "--severity", "loud"]);
    assert_eq!(output.status.code(), Some(2));
    let why = String::from_utf8(output.stderr).unwrap();
    assert!(
        why.starts_with("distlogd: `--severity` is wrong: found `loud`"),
        "{why}"
    );
}

#[test]
fn wrong_arguments_and_other_servers_are_told_from_nothing_found() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = filled(folder.path());
    let id = TaskId::random().to_string();
    for (arguments, why) in [
        (&["find", "-n", "0"][..], "`-n` is wrong: found `0`"),
        (&["find", "-n", "-1"], "'-1' for '--limit <LIMIT>'"),
        (
            &["find", "--since", "-5m"],
            "`--since` is wrong: found `-5m`",
        ),
        (&["find", "-f", "1 +"], "`--filter`: "),
        (
            &["find", "--since", "1h", "--until", "2h"],
            "not before `--until`",
        ),
        (&["tasks", "--cursor", "x"], "`--cursor` is wrong"),
        (
            &["stats", "--every", "0s"],
            "`--every` is wrong: found `0s`, expected a duration as `5s` or `1m30s`, more than 0\n",
        ),
        (&["stats", "--by", "nosuch"], "`--by`: unknown name"),
        (&["tree", &id, "--depth", "0"], "`--depth` is wrong"),
        (&["tree", "f40ae939"], "find --full"),
        (&["diff", "a", "b"], "`a` is"),
        (&["tail", "-f", "x y"], "`--filter`: "),
    ] {
        let output = run(&daemon, arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(why), "{arguments:?}: {said}");
    }
    let output = run_at("localhost:5080", &["status"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("write http:// before it"), "{said}");
    let elsewhere = format!("http://{}/elsewhere", daemon.address("http").unwrap());
    let output = run_at(&elsewhere, &["status"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("no distlogd answers at"), "{said}");

    let output = run(&daemon, &["find", "amount=1000"]);
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "nothing found\na field is found by -f 'fields.amount == 1000'\n"
    );
    let output = run(&daemon, &["tasks", "--json", "--lost"]);
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "no such tasks\n");
    let printed = run(&daemon, &["stats", "--by", "service, severity"]);
    assert!(lines(&printed)[1].ends_with("INFO"), "{printed:?}");
}

#[test]
fn records_are_counted_and_tasks_timed() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = filled(folder.path());
    let context = zmq::Context::new();
    let mut client = Client::join(&context, &daemon, id(2), 1);
    let ends = (0..10).map(|offset| Record {
        kind: Kind::End,
        name: "pay".into(),
        duration: (offset + 1) * 1_000_000,
        task: Some(Task::from(&TaskId::random())),
        time: 1_700_000_060_000_000_000,
        ..record(offset, "")
    });
    client.send(0, 10, ends.collect());
    client.acked(10);

    let (_, text) = ask(
        &daemon,
        "stats",
        &[("by", "severity"), ("q", "card")],
        "*/*",
    );
    let stats: Value = serde_json::from_str(&text).unwrap();
    let expected = serde_json::json!([
        {"severity": "ERROR", "count": 1},
        {"severity": "INFO", "count": 1},
        {"severity": "WARN", "count": 1},
    ]);
    assert_eq!(stats["items"], expected);
    assert_eq!(
        (&stats["records"], &stats["complete"]),
        (&3.into(), &true.into())
    );

    let output = run(
        &daemon,
        &["stats", "--by", "task_name", "-f", "kind == 'end'"],
    );
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let printed = lines(&output);
    assert_eq!(
        printed[0],
        "    count      p50      p90      p99      max  task_name"
    );
    assert!(
        printed[1].starts_with("       10   5.") && printed[1].ends_with("10.0ms  pay"),
        "{printed:?}"
    );

    let output = run(&daemon, &["stats", "--every", "30s"]);
    let printed = lines(&output);
    assert_eq!(printed.len(), 3, "{printed:?}");
    assert!(
        printed[0].ends_with(&format!("  5 {}", "█".repeat(20))),
        "{printed:?}"
    );
    assert!(printed[1].ends_with("  0") && printed[2].ends_with(&"█".repeat(40)));
    let output = run(&daemon, &["stats", "nowhere"]);
    assert_eq!(output.status.code(), Some(4));
}
