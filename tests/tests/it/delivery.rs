//! What comes in goes out: to the right processors, once, across restarts.

use std::path::{Path, PathBuf};
use std::process::Command;

use distlog_testkit::{Daemon, Process, eventually};
use serde_json::Value;

const CLIENT: &str = env!("CARGO_BIN_EXE_e2e-client");
const DISTLOGD: &str = env!("CARGO_BIN_EXE_e2e-distlogd");

/// By the push receiver, or, if the encoding is `session`, batches by the session receiver.
fn run(daemon: &Daemon, encoding: &str, story: &[&str]) -> Process {
    let [push, session] = daemon.receivers();
    let how = match encoding {
        "session" => [session.as_str(), "batch"],
        encoding => [push.as_str(), encoding],
    };
    let mut client = Process::start(Command::new(CLIENT).args(how).args(story));
    assert!(client.wait().success(), "{:?}", client.stderr());
    client
}

fn messages(records: &[Value]) -> Vec<&str> {
    records
        .iter()
        .map(|record| record["message"].as_str().unwrap())
        .collect()
}

const TO_FILE: &str = "
processors:
  everything: { file: { path: all.jsonl } }
rules:
  - to: [everything]";

/// What of a record depends on the run.
const OF_THE_RUN: [&str; 9] = [
    "created",
    "msecs",
    "asctime",
    "thread",
    "process",
    "hostname",
    "relativeCreated",
    "processName",
    "context",
];

/// Without what differs from run to run.
fn timeless(record: &Value) -> Value {
    let mut record = record.clone();
    let top = record.as_object_mut().unwrap();
    OF_THE_RUN.iter().for_each(|key| drop(top.remove(*key)));
    if let Some(own) = top.get_mut("distlog").and_then(Value::as_object_mut) {
        own.retain(|key, _| {
            ![
                "time",
                "trace_id",
                "span_id",
                "parent_span_id",
                "producer",
                "offset",
                "duration",
            ]
            .iter()
            .any(|word| key.starts_with(word))
        });
    }
    record
}

#[test]
fn all_three_encodings_arrive_with_every_field() {
    let mut seen: Vec<Vec<Value>> = Vec::new();
    for encoding in ["batch", "json", "pickle", "session"] {
        let folder = tempfile::tempdir().unwrap();
        let daemon = Daemon::start(DISTLOGD, &[], folder.path(), TO_FILE);
        run(&daemon, encoding, &["every-field"]);
        // begin, 2 events, bind, link, begin, event, end, error, end
        let records = daemon.records("all.jsonl", 10);
        assert_eq!(records.len(), 10, "{encoding}: {records:#?}");
        let event = records
            .iter()
            .find(|record| record["message"] == "event 1")
            .unwrap();
        let fields = &event["fields"];
        assert_eq!(fields["yes"], true);
        assert_eq!(fields["int"], -3);
        assert_eq!(fields["uint"], u64::MAX);
        assert_eq!(fields["float"], 1.5);
        assert_eq!(fields["text"], "zwölf");
        assert_eq!(fields["debug"], "Some(1)");
        assert_eq!(fields["big"], u128::MAX.to_string());
        assert_eq!(event["context"]["user"], "leo");
        assert_eq!(event["context"]["point"]["names"][1], "b");
        assert!(
            event["context"]["key"].as_str().unwrap().starts_with("1@"),
            "{event:#}"
        );
        assert_eq!(event["levelname"], "INFO");
        assert_eq!(
            records.last().unwrap()["message"],
            "do everything with 7",
            "an end repeats what was to be achieved"
        );
        assert_eq!(event["name"], "e2e_client");
        assert!(
            records
                .iter()
                .any(|record| record["message"] == "line one\nline two" && record["levelno"] == 30)
        );
        let text = serde_json::to_string(&records).unwrap();
        assert!(
            text.contains("invalid digit found in string"),
            "the cause of the error: {text}"
        );
        assert!(
            text.contains("e252a11fd33d483dba08bc8f642b2f10"),
            "the link: {text}"
        );
        seen.push(records.iter().map(timeless).collect());
    }
    assert_eq!(seen[0], seen[1], "JSON brings what a batch does");
    assert_eq!(seen[0], seen[2], "pickle brings what a batch does");
    assert_eq!(
        seen[0], seen[3],
        "a session brings what the push receiver does"
    );
}

#[test]
fn rules_route_as_written() {
    let folder = tempfile::tempdir().unwrap();
    let config = "
processors:
  everything: { file: { path: all.jsonl } }
  errors: { file: { path: errors.jsonl }, filter: 'severity >= ERROR' }
  big: { file: { path: big.jsonl } }
rules:
  - to: [everything, errors]
  - when: severity >= WARN && service == 'client' && fields.amount > 100.0
    to: [big]";
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), config);
    run(&daemon, "batch", &["levels"]);
    assert_eq!(
        messages(&daemon.records("all.jsonl", 5)),
        ["trace", "debug", "info", "warn", "error"]
    );
    assert_eq!(messages(&daemon.records("errors.jsonl", 1)), ["error"]);
    assert_eq!(messages(&daemon.records("big.jsonl", 1)), ["warn"]);
}

#[test]
fn a_restart_goes_on_where_each_processor_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), TO_FILE);
    let mut expected = Vec::new();
    for round in 0..6 {
        let receiver = if round < 4 { "batch" } else { "session" };
        run(&daemon, receiver, &["count", "500"]);
        expected.extend((0..500).map(|n| format!("record {n}")));
        if round % 2 == 0 {
            // What came must be durable before we kill: the push receiver acknowledges nothing. A client of the session
            // receiver ends when it is.
            let stored = daemon.metric("distlogd_store_records");
            assert!(receiver == "batch" || stored >= expected.len() as f64);
            eventually("the store", || {
                let stored = daemon.metric("distlogd_store_records");
                if stored >= expected.len() as f64 {
                    Ok(())
                } else {
                    Err(stored)
                }
            });
            daemon.kill();
        } else {
            assert!(daemon.stop().success());
        }
        daemon.restart();
    }
    let records = daemon.records("all.jsonl", expected.len());
    assert_eq!(messages(&records), expected, "each once, in order");
}

#[test]
fn a_destination_that_hangs_delays_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let config = "
grace: 1s
processors:
  everything: { file: { path: all.jsonl } }
  hangs: { exec: { command: [sleep, '1000'] } }
rules:
  - to: [everything, hangs]";
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), config);
    run(&daemon, "batch", &["count", "2000"]);
    assert_eq!(daemon.records("all.jsonl", 2000).len(), 2000);
    assert_eq!(
        daemon.metric("distlogd_processor_lag_records{processor=\"everything\"}"),
        0.0
    );
    assert_eq!(
        daemon.metric("distlogd_processor_lag_records{processor=\"hangs\"}"),
        2000.0
    );
    assert_eq!(
        daemon.stop().code(),
        Some(3),
        "it says that something is left"
    );
    assert!(
        daemon
            .process()
            .stderr()
            .iter()
            .any(|line| line.contains("processor hangs has not got 2000 records yet"))
    );
}

#[test]
fn rotation_loses_nothing_across_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let config = "
processors:
  everything: { file: { path: logs/all.jsonl, rotate: { size: 100KiB, keep: 100 } } }
rules:
  - to: [everything]";
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), config);
    run(&daemon, "batch", &["count", "3000"]);
    eventually("the store", || {
        if daemon.metric("distlogd_store_records") >= 3000.0 {
            Ok(())
        } else {
            Err(())
        }
    });
    daemon.kill();
    daemon.restart();
    eventually("the file", || {
        let lag = daemon.metric("distlogd_processor_lag_records{processor=\"everything\"}");
        if lag == 0.0 { Ok(()) } else { Err(lag) }
    });
    assert!(daemon.stop().success());
    let mut numbers: Vec<u64> = Vec::new();
    let mut files = 0;
    for file in std::fs::read_dir(folder.path().join("logs")).unwrap() {
        let path = file.unwrap().path();
        files += 1;
        let bytes = std::fs::read(&path).unwrap();
        let text = match path.extension().and_then(|e| e.to_str()) {
            Some("gz") => String::from_utf8(
                Command::new("gzip")
                    .args(["-dc"])
                    .arg(&path)
                    .output()
                    .unwrap()
                    .stdout,
            )
            .unwrap(),
            _ => String::from_utf8(bytes).unwrap(),
        };
        numbers.extend(text.lines().map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["fields"]["n"]
                .as_u64()
                .unwrap()
        }));
    }
    assert!(files > 5, "{files} files");
    numbers.sort_unstable();
    let wrong = (0..3000)
        .zip(&numbers)
        .find(|(expected, found)| expected != *found);
    assert_eq!((numbers.len(), wrong), (3000, None), "lost or twice");
}

/// Many records wait, so threads convert them in pieces, and each kill finds the daemon in the midst of some.
#[test]
fn kills_neither_lose_nor_double_nor_mix_up_lines_that_several_threads_make() {
    const RECORDS: u64 = 60_000;
    const KILLS: u64 = 6;
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
    run(&daemon, "session", &["count", &RECORDS.to_string()]);
    assert!(daemon.stop().success());
    daemon.reconfigure(
        "
processors:
  everything:
    file: { path: logs/all.jsonl, rotate: { size: 3MiB, keep: off } }
    from: start
    batch: { wait: 20ms }
rules:
  - to: [everything]",
    );
    let logs = folder.path().join("logs");
    for kill in 1..=KILLS {
        daemon.restart();
        // A line has more than 500 bytes.
        let enough = RECORDS * 500 * kill / (KILLS + 1);
        eventually("some lines", || {
            let bytes: u64 = rotated(&logs)
                .iter()
                .filter_map(|path| Some(std::fs::metadata(path).ok()?.len()))
                .sum();
            (bytes >= enough).then_some(()).ok_or(bytes)
        });
        daemon.kill();
    }
    daemon.restart();
    eventually("the rest", || {
        let lag = daemon.metric("distlogd_processor_lag_records{processor=\"everything\"}");
        if lag == 0.0 { Ok(()) } else { Err(lag) }
    });
    assert!(daemon.stop().success());
    let files = rotated(&logs);
    assert!(files.len() > 5, "{files:?}");
    let mut next = 0;
    for path in files {
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let record: Value = serde_json::from_str(line).unwrap();
            assert_eq!(record["fields"]["n"], next, "each once, in order");
            next += 1;
        }
    }
    assert_eq!(next, RECORDS);
}

/// The files of a processor that are there, the oldest first.
fn rotated(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort_by_key(|path| (path.ends_with("all.jsonl"), path.clone()));
    files
}

#[test]
fn a_subscriber_follows_by_topic() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("ipc://{}/live", folder.path().display());
    let config = format!(
        "
processors:
  live: {{ pub: {{ bind: '{address}', encoding: json }} }}
rules:
  - to: [live]"
    );
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), &config);
    let context = zmq::Context::new();
    let socket = context.socket(zmq::SUB).unwrap();
    socket.set_linger(0).unwrap();
    socket.set_rcvtimeo(200).unwrap();
    socket.connect(&address).unwrap();
    socket.set_subscribe(b"TLJ").unwrap();
    // A subscription takes a moment to reach the publisher: log until something comes.
    let [topic, body] = eventually("a message", || {
        run(&daemon, "batch", &["count", "1"]);
        let frames = socket
            .recv_multipart(0)
            .map_err(|error| error.to_string())?;
        <[Vec<u8>; 2]>::try_from(frames).map_err(|frames| format!("{frames:?}"))
    });
    assert_eq!(topic, b"TLJ");
    let record: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(record["message"], "record 0");
}

#[test]
fn the_tail_follows_live() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
    let tail = |arguments: &[&str]| {
        Process::start(
            Command::new(DISTLOGD)
                .arg("tail")
                .args(["--url", daemon.http()])
                .args(arguments),
        )
    };
    let mut all = tail(&[]);
    let mut some = tail(&["--json", "--filter", "fields.n >= 900"]);
    // A tail begins with what comes after it is heard.
    let said = eventually("both tails", || {
        run(&daemon, "batch", &["count", "1000"]);
        let first = some.stdout();
        if all.stdout().is_empty() || first.is_empty() {
            Err(())
        } else {
            Ok(first)
        }
    });
    let record: Value = serde_json::from_str(&said[0]).unwrap();
    assert!(record["fields"]["n"].as_u64().unwrap() >= 900);
    all.expect_stdout("a line for people", |line| {
        (line.contains(" INFO  client ") && line.contains("record 5  n=5")).then_some(())
    });
    some.signal("TERM");
    some.wait();
    let wrong = Command::new(DISTLOGD)
        .args(["tail", "--url", daemon.http(), "--filter", "severty > 3"])
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("did you mean `severity`?"));
}

#[test]
fn the_console_shows_a_live_tree() {
    let folder = tempfile::tempdir().unwrap();
    let config = "
processors:
  terminal: { console: {} }
rules:
  - to: [terminal]";
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), config);
    run(&daemon, "batch", &["every-field"]);
    let process = daemon.process();
    process.expect_stdout("the end", |line| {
        line.contains("✗ do everything with 7").then_some(())
    });
    let seen = process.stdout();
    let at = |words: &str| {
        seen.iter()
            .position(|line| line.contains(words))
            .unwrap_or_else(|| panic!("{words} is not in {seen:#?}"))
    };
    let order = [
        at("▶ do everything with 7  user=leo"),
        at("│ event 1  yes=true"),
        at("│ ▶ a part"),
        at("│ │ line one"),
        at("│ ✔ a part"),
    ];
    assert!(order.is_sorted(), "{seen:#?}");
    assert!(
        seen.iter().all(|line| !line.contains('\u{1b}')),
        "no colours where there is no terminal"
    );
}
