//! `distlogd replay` beside a real daemon: what it says that a configuration sends is what that daemon sent.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use distlog_proto::session::ByeReason;
use distlog_proto::{Kind, Outcome, Record, Severity, Task, TaskId};
use distlog_testkit::{Daemon, Process, eventually};
use serde_json::Value;

use crate::DISTLOGD;
use crate::kit::session_client::{Client, id, record};

const OLD: &str = "
intake:
  - { name: noise, when: 'message.startsWith(\"noise\")', drop: true }
  - { when: 'has(fields.n)', set: { fields.n: 'fields.n + 1' } }
processors:
  all: { file: { path: all.jsonl } }
  warnings: { file: { path: warnings.jsonl }, filter: 'kind == \"event\"' }
  trees: { file: { path: trees.jsonl }, trees: { keep: tree.failed, quiet: 200ms, wait: 60s } }
rules:
  - to: [all, trees]
  - { when: severity >= WARN, to: warnings, set: { fields.label: '\"bad\"' } }
";

const TRACES: u64 = 40;

/// Records of many requests, some of which fail, and some outside of tasks.
fn records() -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    let mut push =
        |task: Option<&TaskId>, kind: Kind, message: String, change: &dyn Fn(&mut Record)| {
            let offset = records.len() as u64;
            let mut record = Record {
                kind,
                task: task.map(Task::from),
                time: 1_790_000_000_000_000_000 + offset * 1_000_000,
                ..record(offset, &message)
            };
            record.severity = Severity::INFO;
            change(&mut record);
            records.push(record);
        };
    for n in 0..TRACES {
        let task = TaskId::random();
        push(Some(&task), Kind::Begin, format!("request {n}"), &|_| {});
        for event in 0..n % 4 {
            let message = if event == 2 { "noise" } else { "step" };
            push(
                Some(&task),
                Kind::Event,
                format!("{message} {n}"),
                &|record| {
                    record.fields.insert("n", event as i64);
                    if (n + event) % 5 == 0 {
                        record.severity = Severity::WARN;
                    }
                },
            );
        }
        push(Some(&task), Kind::End, format!("request {n}"), &|record| {
            record.duration = 1_000_000;
            record.outcome = if n % 3 == 0 {
                Outcome::Failed
            } else {
                Outcome::Ok
            };
        });
        push(None, Kind::Event, format!("outside {n}"), &|_| {});
    }
    records
}

fn send(daemon: &Daemon, records: Vec<Record>) {
    let context = zmq::Context::new();
    let mut client = Client::connect_to(&context, daemon.session(), id(1));
    client.hello(1, 0);
    client.welcomed();
    let end = records.len() as u64;
    let mut from = 0;
    for part in records.chunks(17) {
        let to = from + part.len() as u64;
        client.send(from, to, part.to_vec());
        from = to;
    }
    client.acked(end);
    client.bye(ByeReason::Moving);
}

fn replay(folder: &Path, arguments: &[&str]) -> Output {
    let mut program = Command::new(DISTLOGD);
    let program = program.arg("replay").args(arguments).current_dir(folder);
    program.output().unwrap()
}

fn report(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What is counted of a processor: old, new, gained, lost, changed.
fn counts(report: &Value, name: &str) -> [u64; 5] {
    let mut all = report["processors"].as_array().unwrap().iter();
    let found = all.find(|one| one["processor"] == name);
    let found = found.unwrap_or_else(|| panic!("{report:#}"));
    ["old", "new", "gained", "lost", "changed"].map(|key| found[key].as_u64().unwrap())
}

/// Name, length and content of each file of the store but its lock, which has a process id.
fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            let inner = content(&path).into_iter();
            found.extend(inner.map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
        } else if name != "lock" {
            found.insert(name, std::fs::read(&path).unwrap());
        }
    }
    found
}

/// Sends all records; how many of them the intake lets pass.
fn send_all(daemon: &Daemon) -> usize {
    let records = records();
    let is_noise = |record: &&Record| record.message.starts_with("noise");
    let stored = records.len() - records.iter().filter(is_noise).count();
    send(daemon, records);
    stored
}

#[test]
fn it_says_what_the_daemon_sent_and_what_another_configuration_would_send() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), OLD);
    let stored = send_all(&daemon);
    let all = daemon.records("all.jsonl", stored);
    assert_eq!(all.len(), stored);
    // Of each trace that failed everything, and what is outside of traces.
    let mut kept: BTreeMap<&str, u64> = BTreeMap::new();
    for line in &all {
        let trace = line["distlog"]["trace_id"].as_str().unwrap_or("");
        *kept.entry(trace).or_default() += 1;
    }
    let failed = all
        .iter()
        .filter(|line| line["distlog"]["outcome"] == "failed");
    let traces = failed.map(|line| line["distlog"]["trace_id"].as_str().unwrap());
    let in_trees = traces.chain([""]).map(|trace| kept[trace]).sum::<u64>() as usize;
    let trees = daemon.records("trees.jsonl", in_trees);
    let warned =
        |line: &&Value| line["levelname"] == "WARNING" && line["distlog"]["kind"] == "event";
    let warnings = daemon.records("warnings.jsonl", all.iter().filter(warned).count());
    assert!(!warnings.is_empty() && trees.len() < all.len());

    // The same beside itself: no difference, and the counts are the lines of the files.
    let same = [
        "--config",
        "distlogd.yaml",
        "--json",
        "--url",
        daemon.http(),
    ];
    let report_of_daemon = report(&replay(folder.path(), &same));
    let lines = [
        ("all", all.len()),
        ("warnings", warnings.len()),
        ("trees", trees.len()),
    ];
    for (name, lines) in lines {
        let lines = lines as u64;
        assert_eq!(
            counts(&report_of_daemon, name),
            [lines, lines, 0, 0, 0],
            "{name}"
        );
    }
    assert_eq!(report_of_daemon["records"], stored);

    // Another one, in words.
    let new = OLD
        .replace(
            "severity >= WARN, to",
            "severity >= WARN || outcome == \"failed\", to",
        )
        .replace(", filter: 'kind == \"event\"'", "")
        .replace("'\"bad\"'", "'\"worse\"'")
        .replace("keep: tree.failed", "keep: 'tree.records > 3'")
        .replace("  all: {", "  every: {")
        .replace("to: [all, trees]", "to: [every, trees]");
    std::fs::write(folder.path().join("new.yaml"), new).unwrap();
    let other = [
        "--config",
        "new.yaml",
        "--json",
        "--examples",
        "1",
        "--url",
        daemon.http(),
    ];
    let differs = report(&replay(folder.path(), &other));
    let ended_badly = TRACES.div_ceil(3);
    let bad = warnings.len() as u64;
    assert_eq!(
        counts(&differs, "warnings"),
        [bad, bad + ended_badly, ended_badly, 0, bad]
    );
    let [old, new, gained, lost, changed] = counts(&differs, "trees");
    assert_eq!(
        (old, old + gained - lost, changed),
        (trees.len() as u64, new, 0)
    );
    assert!(gained > 0 && lost > 0, "{differs:#}");
    let text = replay(
        folder.path(),
        &["--config", "new.yaml", "--url", daemon.http()],
    );
    let text = String::from_utf8(text.stdout).unwrap();
    for said in [
        "\nwarnings: 14 more\n",
        "    old  no rule that leads there matches\n",
        "fields.label differs\n",
        "    new  there is no processor all\n",
        "    new  its tree does not pass (new.yaml:",
        "What the intake of distlogd.yaml dropped before is not stored",
    ] {
        assert!(text.contains(said), "{said:?} is not in:\n{text}");
    }

    // Only what is recent: nothing is, by the clock of the receiver it is.
    let until = [
        "--config",
        "new.yaml",
        "--until",
        "2020-01-01",
        "--url",
        daemon.http(),
    ];
    assert_eq!(replay(folder.path(), &until).status.code(), Some(4));
    let since = [
        "--config",
        "distlogd.yaml",
        "--json",
        "--since",
        "1h",
        "--url",
        daemon.http(),
    ];
    assert_eq!(report(&replay(folder.path(), &since))["records"], stored);

    // A store that a daemon has is not opened; one that none has is read, and stays as it is.
    let direct = [
        "--config",
        "distlogd.yaml",
        "--json",
        "--store",
        "distlog-data",
    ];
    let refused = replay(folder.path(), &direct);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(
        said.contains("cannot read the store distlog-data: "),
        "{said}"
    );
    assert!(daemon.stop().success());
    let store = folder.path().join("distlog-data");
    let before = content(&store);
    assert_eq!(report(&replay(folder.path(), &direct)), report_of_daemon);
    assert!(before == content(&store), "the store was changed");
}

#[test]
fn a_store_of_a_killed_daemon_is_read_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), OLD);
    let stored = send_all(&daemon);
    daemon.kill();
    let store = folder.path().join("distlog-data");
    let before = content(&store);
    let direct = [
        "--config",
        "distlogd.yaml",
        "--json",
        "--store",
        "distlog-data",
    ];
    assert_eq!(report(&replay(folder.path(), &direct))["records"], stored);
    assert!(before == content(&store), "the store was changed");
}

#[test]
fn a_shadow_compares_what_comes() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), OLD);
    let new = OLD.replace("severity >= WARN, to", "severity >= INFO, to");
    std::fs::write(folder.path().join("new.yaml"), new).unwrap();
    let before: Vec<Record> = (0..7).map(|n| record(n, "before")).collect();
    send(&daemon, before);
    daemon.records("all.jsonl", 7);
    let mut shadow = Process::start(
        Command::new(DISTLOGD)
            .args([
                "replay",
                "--config",
                "new.yaml",
                "--shadow",
                "--json",
                "--url",
                daemon.http(),
            ])
            .current_dir(folder.path()),
    );
    shadow.expect_stderr("a shadow that follows", |line| {
        line.contains("compares what comes").then_some(())
    });
    let context = zmq::Context::new();
    let mut client = Client::connect_to(&context, daemon.session(), id(2));
    client.hello(1, 0);
    client.welcomed();
    let of = |n: u64, severity: Severity| Record {
        severity,
        ..record(n, "after")
    };
    client.send(
        0,
        3,
        vec![
            of(0, Severity::INFO),
            of(1, Severity::WARN),
            of(2, Severity::DEBUG),
        ],
    );
    client.acked(3);
    daemon.records("all.jsonl", 10);
    shadow.expect_stderr("three records", |line| {
        line.contains("3 records, 1 difference").then_some(())
    });
    shadow.signal("INT");
    assert!(shadow.wait().success(), "{:?}", shadow.stderr());
    let report: Value = eventually("the report", || {
        serde_json::from_str(&shadow.stdout().join("\n"))
    });
    assert_eq!(report["records"], 3, "{report:#}");
    assert_eq!(counts(&report, "warnings"), [1, 2, 1, 0, 0], "{report:#}");

    // For a time.
    let arguments = [
        "--config",
        "new.yaml",
        "--shadow",
        "--for",
        "200ms",
        "--url",
        daemon.http(),
    ];
    let output = replay(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(4), "nothing came");
}
