//! Deleting records: gone from all answers at once, from the files soon after, also when the daemon is killed.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use distlog_bridge::otlp::logs::v1::LogRecord;
use distlog_proto::{Kind, Outcome, Record, Severity, Task, TaskId, Value as Field};
use distlog_testkit::{Daemon, eventually};
use prost::Message;
use serde_json::Value;

use crate::DISTLOGD;
use crate::kit::otlp::{NOW, PROTOBUF, TRACE, logs, post, text, trace_id};
use crate::kit::session_client::{Client, id, record};

fn daemon(folder: &Path) -> Daemon {
    Daemon::start(
        DISTLOGD,
        &[],
        folder,
        "store: { path: store, reserve: 16MiB }",
    )
}

fn run(daemon: &Daemon, arguments: &[&str]) -> Output {
    Command::new(DISTLOGD)
        .args(arguments)
        .args(["--url", daemon.http()])
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn printed(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8(both).unwrap()
}

/// What the daemon answers to a request to delete: status and body.
fn delete(daemon: &Daemon, query: &[(&str, &str)], origin: Option<&str>) -> (u16, String) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let mut request = agent.delete(format!("{}/api/v1/records", daemon.http()));
    for (name, value) in query {
        request = request.query(name, value);
    }
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    let mut response = request.call().unwrap();
    let text = response.body_mut().read_to_string().unwrap();
    (response.status().as_u16(), text)
}

/// Three records of a task that fails, which all have the secret.
fn task(id: &TaskId, from: u64, secret: &str) -> Vec<Record> {
    let kinds = [Kind::Begin, Kind::Event, Kind::End];
    let records = (from..).zip(kinds).map(|(offset, kind)| {
        let mut record = record(offset, &format!("order of {secret}"));
        record.kind = kind;
        record.task = Some(Task::from(id));
        record.callsite.template = format!("order of {secret}");
        record.fields.insert("customer", Field::from(secret));
        if kind == Kind::End {
            (record.outcome, record.duration) = (Outcome::Failed, 7);
            record.severity = Severity::ERROR;
        }
        record
    });
    records.collect()
}

fn holds(dir: &Path, text: &str) -> bool {
    fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, text);
        }
        // A file may go while it is looked for.
        let bytes = fs::read(path).unwrap_or_default();
        let mut parts = bytes.windows(text.len());
        parts.any(|part| part == text.as_bytes())
    })
}

/// Waits until nothing is being deleted.
fn wait_deleted(daemon: &Daemon) {
    eventually("the end of the deletion", || {
        let status = daemon.json("/api/v1/status")?;
        match status["deletions"].as_array() {
            Some(none) if none.is_empty() => Ok(()),
            _ => Err(status["deletions"].to_string()),
        }
    });
}

fn found(daemon: &Daemon, query: &str) -> usize {
    let page = daemon.json(&format!("/api/v1/records?{query}")).unwrap();
    page["items"].as_array().unwrap().len()
}

#[test]
fn a_trace_is_gone_from_all_answers_at_once_and_then_from_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = daemon(folder.path());
    let context = zmq::Context::new();
    let mut client = Client::connect_to(&context, daemon.session(), id(1));
    client.hello(1, 0);
    client.welcomed();
    let (gone, kept) = (TaskId::random(), TaskId::random());
    let (secret, other) = ("Jane-Doe-4711", "John-Roe-4712");
    client.send(0, 3, task(&gone, 0, secret));
    client.send(3, 6, task(&kept, 3, other));
    client.acked(6);
    let (gone, kept) = (gone.to_string(), kept.to_string());
    assert!(holds(folder.path(), secret));
    eventually("the task", || daemon.json(&format!("/api/v1/tasks/{gone}")));

    let output = run(&daemon, &["delete", "--trace", &gone, "--dry-run"]);
    assert_eq!(printed(&output), "3 records would be deleted\n");
    let output = run(&daemon, &["delete", "--trace", &gone]);
    assert_eq!(output.status.code(), Some(1));
    assert!(printed(&output).contains("say --yes"), "{output:?}");
    assert_eq!(found(&daemon, "q=doe"), 3);
    let output = run(&daemon, &["delete", "--trace", &gone, "--yes"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(
        printed(&output).starts_with("deleted 3 records"),
        "{output:?}"
    );

    let check = |daemon: &Daemon| {
        for path in [
            format!("/api/v1/tasks/{gone}"),
            format!("/api/v1/tasks/{gone}?format=records"),
            format!("/api/v1/diff?a={gone}&b={kept}"),
            format!("/api/v3/traces/{}", gone.replace('-', "")),
        ] {
            let why = daemon.get(&path).unwrap_err();
            assert!(why.starts_with("404"), "{path}: {why}");
        }
        for path in [
            "/api/v1/records",
            "/api/v1/tasks",
            "/api/v1/problems",
            "/api/v1/stats?by=message",
            "/api/v1/stats?by=fields.customer",
        ] {
            let text = daemon.get(path).unwrap();
            assert!(
                !text.contains(secret) && !text.contains(&gone),
                "{path}: {text}"
            );
        }
        assert_eq!(found(daemon, "q=doe"), 0);
        assert_eq!(found(daemon, ""), 3);
        let counts = daemon.json("/api/v1/stats?by=service").unwrap();
        assert_eq!(counts["items"][0]["count"], 3, "{counts}");
        daemon.tree(&kept, |tree| tree.to_string().contains(other));
        let tail = ureq::get(format!("{}/api/v1/tail?from=1", daemon.http()));
        let lines = BufReader::new(tail.call().unwrap().into_body().into_reader()).lines();
        let mut data = lines
            .map(Result::unwrap)
            .filter(|line| line.starts_with("data: {"));
        assert!(data.next().unwrap().contains(other));
    };
    check(&daemon);
    let output = run(&daemon, &["delete", "--trace", &gone, "--yes"]);
    assert_eq!(output.status.code(), Some(4));

    // What comes later is not deleted.
    client.send(6, 7, vec![record(6, "later")]);
    client.acked(7);
    wait_deleted(&daemon);
    assert!(!holds(folder.path(), secret));
    let said = format!("deleted the records of trace {gone}: 3 records");
    daemon
        .process()
        .expect_stderr("the end", |line| line.contains(&said).then_some(()));
    assert_eq!(found(&daemon, "q=later"), 1);

    daemon.stop();
    daemon.restart();
    assert_eq!(found(&daemon, "q=doe"), 0);
    assert_eq!(found(&daemon, ""), 4);
    // The producer stands where it stood.
    let mut client = Client::connect_to(&context, daemon.session(), id(1));
    client.hello(2, 0);
    assert_eq!(client.welcomed().stored_to, 7);
}

#[test]
fn a_kill_in_the_midst_of_a_deletion_brings_nothing_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = daemon(folder.path());
    let context = zmq::Context::new();
    for round in 0..6u64 {
        let mut client = Client::connect_to(&context, daemon.session(), id(1));
        client.hello(round + 1, 0);
        let mut at = client.welcomed().stored_to;
        let secret = format!("Jane-Doe-{round}");
        for n in 0..40 {
            let mut records = task(&TaskId::random(), at, &secret);
            records.push(record(at + 3, &format!("kept in round {round}")));
            // Some fill for the segments.
            records[1].stack = format!("{n} ").repeat(2000);
            client.send(at, at + 4, records);
            at += 4;
        }
        client.acked(at);
        let filter = format!("has(fields.customer) && fields.customer == '{secret}'");
        let output = run(
            &daemon,
            &["delete", "-f", &filter, "--until", "now", "--yes"],
        );
        assert!(
            printed(&output).starts_with("deleted 120 records"),
            "{output:?}"
        );
        if round % 3 == 1 {
            // Later, when segments are closed and written anew.
            std::thread::sleep(std::time::Duration::from_millis(1000 * round));
        }
        daemon.kill();
        daemon.restart();
        assert_eq!(found(&daemon, &format!("q={secret}&limit=1000")), 0);
        assert_eq!(
            found(&daemon, "q=kept&limit=1000"),
            40 * (round as usize + 1)
        );
    }
    wait_deleted(&daemon);
    assert!(!holds(folder.path(), "Jane-Doe"));
    let counts = daemon.json("/api/v1/stats?by=service").unwrap();
    assert_eq!(counts["items"][0]["count"], 240, "{counts}");
    assert_eq!(daemon.metric("distlogd_store_damaged_total"), 0.0);
}

#[test]
fn records_that_only_name_a_trace_and_those_of_any_time_are_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = daemon(folder.path());
    let log = |word: &str, time: u64, trace_id: Vec<u8>| LogRecord {
        time_unix_nano: time,
        trace_id,
        attributes: vec![text("word", word)],
        ..LogRecord::default()
    };
    let sent = logs(vec![
        log("named", NOW, trace_id()),
        log("ahead", u64::MAX, Vec::new()),
        log("ahead", 4_102_444_800_000_000_000, Vec::new()),
        log("kept", NOW, Vec::new()),
    ]);
    let answer = post(&daemon, "/v1/logs", &[PROTOBUF], &sent.encode_to_vec());
    assert_eq!(answer.status, 200);
    eventually("the records", || match found(&daemon, "") {
        4 => Ok(()),
        few => Err(few),
    });
    let counts = daemon.json("/api/v1/stats?by=service").unwrap();
    assert_eq!(counts["items"][0]["count"], 4, "{counts}");
    let counted = |query: &[(&str, &str)]| {
        let (status, text) = delete(&daemon, query, None);
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["complete"], true, "{text}");
        (status, answer["records"].as_u64().unwrap())
    };
    let ahead = ("filter", "fields.word == 'ahead'");
    assert_eq!(counted(&[ahead, ("to", "1s")]), (200, 0));
    let from = ("from", "2099-01-01T00:00:00Z");
    assert_eq!(
        counted(&[ahead, from, ("to", "now"), ("dry_run", "true")]),
        (200, 2)
    );
    assert_eq!(counted(&[ahead, ("to", "now")]), (202, 2));
    assert_eq!(counted(&[("trace", TRACE), ("dry_run", "true")]), (200, 1));
    assert_eq!(counted(&[("trace", TRACE)]), (202, 1));
    // What is not there any more begins no deletion.
    assert_eq!(counted(&[("trace", TRACE)]), (200, 0));
    assert_eq!(found(&daemon, ""), 1);

    wait_deleted(&daemon);
    let stored =
        |daemon: &Daemon| daemon.json("/api/v1/status").unwrap()["store"]["records"].clone();
    assert_eq!(stored(&daemon), 1);
    assert_eq!(daemon.metric("distlogd_store_records"), 1.0);
    daemon.stop();
    daemon.restart();
    assert_eq!(stored(&daemon), 1);
    assert_eq!(found(&daemon, "q=kept"), 1);
}

#[test]
fn only_what_is_said_clearly_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(folder.path());
    let id = TaskId::random().to_string();
    for (query, part) in [
        (&[][..], "expected either `trace`, or `filter`"),
        (&[("trace", &*id), ("filter", "true")], "expected either"),
        (&[("trace", "nothing")], "`trace` is wrong: found `nothing`"),
        (&[("filter", "true")], "`to` is wrong"),
        (&[("filter", "message ="), ("to", "now")], "`filter`: "),
        (
            &[("filter", "true"), ("to", "2h"), ("from", "1h")],
            "`from` is wrong",
        ),
        (&[("q", "text"), ("trace", &*id)], "`q` is not known"),
    ] {
        let (status, text) = delete(&daemon, query, None);
        assert_eq!(status, 400, "{query:?}: {text}");
        assert!(text.contains(part), "{query:?}: {text}");
    }
    let query = [("trace", &*id)];
    assert_eq!(delete(&daemon, &query, Some("http://evil.example")).0, 403);
    assert_eq!(delete(&daemon, &query, Some(daemon.http())).0, 403);
    let (status, text) = delete(&daemon, &[("trace", &id), ("dry_run", "true")], None);
    let counted: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &counted["records"]), (200, &Value::from(0)));
    for arguments in [
        &["delete"][..],
        &["delete", "--filter", "true"],
        &["delete", "--trace", &id, "--until", "now"],
    ] {
        assert_eq!(
            run(&daemon, arguments).status.code(),
            Some(2),
            "{arguments:?}"
        );
    }
    let usage = printed(&run(&daemon, &["delete"]));
    assert!(usage.contains("--filter <CEL> --until <TIME>"), "{usage}");
    assert!(!usage.contains("--url"), "{usage}");
}
