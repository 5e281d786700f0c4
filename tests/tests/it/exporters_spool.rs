//! Exporters with a spool: what was exported arrives, once, whoever is killed.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use distlog_bridge::sdk::{self, ConnectError};
use distlog_testkit::{Daemon, Process, eventually};
use opentelemetry_sdk::error::OTelSdkError;
use serde_json::Value;

use crate::exporters::{expect, export};

const EXPORTER: &str = env!("CARGO_BIN_EXE_e2e-exporter");
const CLIENT: &str = env!("CARGO_BIN_EXE_e2e-client");
const DISTLOGD: &str = env!("CARGO_BIN_EXE_e2e-distlogd");

const TO_FILE: &str = "
lost_after: 1h
processors:
  everything: { file: { path: all.jsonl } }
rules:
  - to: [everything]";

/// A program that exports when it is told to.
struct Exporter {
    process: Process,
    trace: String,
}

impl Exporter {
    /// Its spans have the numbers from `first` on.
    fn start(daemon: &str, spool: &Path, first: u64) -> Exporter {
        let mut process = Process::start(
            Command::new(EXPORTER)
                .arg(daemon)
                .arg(spool)
                .arg(first.to_string())
                .stdin(Stdio::piped()),
        );
        let trace = process.expect_stdout("the trace's id", |line| Some(line.to_owned()));
        Exporter { process, trace }
    }

    /// Exports more, up to the number `last`.
    fn export(&mut self, more: u64, last: u64) {
        self.process.say(&more.to_string());
        let last = last.to_string();
        self.process
            .expect_stdout("the last number", |line| (line == last).then_some(()));
    }

    /// Kills it; gives its trace, and how many spans were exported.
    fn kill(mut self) -> (String, u64) {
        self.process.signal("KILL");
        self.process.wait();
        let said = self.process.stdout();
        let numbers = said.iter().skip(1).filter_map(|line| line.parse().ok());
        (self.trace, numbers.max().map_or(0, |last: u64| last + 1))
    }
}

/// How many records of each number the daemon's file has: begin, end and log record of a span.
fn found(daemon: &Daemon) -> HashMap<u64, [u64; 3]> {
    let mut found: HashMap<u64, [u64; 3]> = HashMap::new();
    for line in daemon.lines("all.jsonl") {
        // The last one may be half written.
        let Ok(record) = serde_json::from_str::<Value>(&line) else {
            continue;
        };
        let (place, named) = match record["distlog"]["kind"].as_str() {
            Some("begin") => (0, "context"),
            Some("end") => (1, "context"),
            _ => (2, "fields"),
        };
        if let Some(n) = record[named]["n"].as_u64() {
            found.entry(n).or_default()[place] += 1;
        }
    }
    found
}

/// Waits until the daemon has the numbers; each is there once. Gives how many there are in all.
fn expect_all(daemon: &Daemon, numbers: Range<u64>) -> usize {
    let found = eventually("all spans and log records", || {
        let found = found(daemon);
        let is_whole = |n| {
            found
                .get(&n)
                .is_some_and(|records| records.iter().all(|n| *n > 0))
        };
        let missing = numbers.clone().filter(|n| !is_whole(*n)).count();
        if missing == 0 {
            Ok(found)
        } else {
            Err(missing)
        }
    });
    let twice = found
        .iter()
        .find(|(_, records)| records.iter().any(|n| *n > 1));
    assert_eq!(twice, None);
    found.len()
}

/// The spools of batches in a folder, or of all kinds.
fn spools(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

fn expect_spools(folder: &Path, count: usize) {
    eventually("a number of spools", || match spools(folder) {
        spools if spools == count => Ok(()),
        spools => Err(spools),
    });
}

/// The trace is one tree: the spans below the first one, each with its log record.
fn expect_tree(daemon: &Daemon, trace: &str, count: usize) {
    let tree = daemon.tree(trace, |tree| {
        let items = tree["tasks"][0]["items"].as_array();
        items.is_some_and(|items| items.len() == count)
    });
    let [top] = &tree["tasks"].as_array().unwrap()[..] else {
        panic!("{tree:#}")
    };
    assert_eq!(
        (&top["name"], &top["service"]),
        (&"serve".into(), &"shop".into())
    );
    for item in top["items"].as_array().unwrap() {
        let work = &item["task"];
        assert_eq!(work["name"], "work", "{item:#}");
        let [log] = &work["items"].as_array().unwrap()[..] else {
            panic!("{work:#}")
        };
        assert_eq!(log["record"]["message"], "working");
    }
}

#[test]
fn the_next_process_delivers_what_a_killed_one_exported() {
    let [folder, spool] = [0; 2].map(|_| tempfile::tempdir().unwrap());
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), TO_FILE);
    let address = daemon.session().to_owned();
    let mut first = Exporter::start(&address, spool.path(), 0);
    first.export(20, 19);
    expect_all(&daemon, 0..20);
    // It has acknowledged half.
    daemon.kill();
    first.export(20, 39);
    let (trace, exported) = first.kill();
    assert_eq!((exported, spools(spool.path())), (40, 1));

    // Another without a daemon, which dies as well, with the first one's spool unsent.
    let mut second = Exporter::start(&address, spool.path(), 40);
    second.export(5, 44);
    second.kill();
    assert_eq!(spools(spool.path()), 2);

    daemon.restart();
    let mut third = Exporter::start(&address, spool.path(), 45);
    third.export(5, 49);
    assert_eq!(expect_all(&daemon, 0..50), 50);
    expect_tree(&daemon, &trace, 40);
    expect_spools(spool.path(), 1);
    // It leaves nothing when it ends.
    third.process.say("end");
    third.process.wait();
    assert!(third.process.stdout().contains(&"closed".into()));
    assert_eq!(spools(spool.path()), 0);
}

#[test]
fn a_program_with_the_layer_delivers_what_a_killed_one_exported() {
    let [folder, spool] = [0; 2].map(|_| tempfile::tempdir().unwrap());
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), TO_FILE);
    let mut exporter = Exporter::start("tcp://127.0.0.1:1", spool.path(), 0);
    exporter.export(10, 9);
    let (trace, _) = exporter.kill();
    let _client = Process::start(
        Command::new(CLIENT)
            .args([
                &format!("session={}", daemon.session()),
                "batch",
                "keep-on",
                "0",
            ])
            .env("SPOOL", spool.path())
            .stdin(Stdio::piped()),
    );
    assert_eq!(expect_all(&daemon, 0..10), 10);
    expect_tree(&daemon, &trace, 10);
    expect_spools(spool.path(), 1);
}

#[test]
fn what_a_killed_one_exported_is_drained_by_command() {
    let [folder, spool] = [0; 2].map(|_| tempfile::tempdir().unwrap());
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), TO_FILE);
    let mut exporter = Exporter::start(daemon.session(), spool.path(), 0);
    exporter.export(10, 9);
    expect_all(&daemon, 0..10);
    daemon.kill();
    exporter.export(10, 19);
    let id = exporter.process.id();
    let (trace, _) = exporter.kill();
    let output = Command::new(DISTLOGD)
        .args(["--config", "distlogd.yaml", "--drain"])
        .arg(spool.path())
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    // Begin, end and log record of each. What was stored but not acknowledged in time is not stored again.
    let expected = format!("shop, process {id}: 30 records");
    assert!(said.contains(&expected), "{said}");
    assert_eq!(spools(spool.path()), 0);
    daemon.restart();
    assert_eq!(expect_all(&daemon, 0..20), 20);
    expect_tree(&daemon, &trace, 20);
}

#[test]
fn what_a_killed_one_exported_is_drained_by_the_daemon() {
    let [folder, spool] = [0; 2].map(|_| tempfile::tempdir().unwrap());
    let mut exporter = Exporter::start("tcp://127.0.0.1:1", spool.path(), 0);
    exporter.export(10, 9);
    let (trace, _) = exporter.kill();
    let config = format!("drain: ['{}']{TO_FILE}", spool.path().display());
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), &config);
    assert_eq!(expect_all(&daemon, 0..10), 10);
    expect_tree(&daemon, &trace, 10);
    expect_spools(spool.path(), 0);
}

/// Killed in the midst of exporting to a daemon that acknowledges: whatever was exported is there once, and so is what
/// was about to be.
#[test]
fn one_that_is_killed_while_it_exports_loses_nothing() {
    let [folder, spool] = [0; 2].map(|_| tempfile::tempdir().unwrap());
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), TO_FILE);
    let mut all = 0;
    for round in 1..=3 {
        let first = round * 1_000_000;
        let mut exporter = Exporter::start(daemon.session(), spool.path(), first);
        exporter.process.say("1000000");
        eventually("some exports", || match exporter.process.stdout().len() {
            exported if exported > 200 * round as usize => Ok(()),
            exported => Err(exported),
        });
        let (_, end) = exporter.kill();
        // The end of the next program sends it, too, if it has the time.
        eventually("a program that sends it", || {
            let output = Command::new(EXPORTER)
                .arg(daemon.session())
                .arg(spool.path())
                .stdin(Stdio::null())
                .output()
                .unwrap();
            assert!(output.status.success(), "{output:?}");
            match spools(spool.path()) {
                0 => Ok(()),
                _ => Err(output),
            }
        });
        let found = expect_all(&daemon, first..end);
        all += (end - first) as usize;
        // The log record of one may be exported before its span, and a span before its number is printed: one more in
        // each round, which may be in the file only in the next.
        let more = round as usize;
        assert!((all..=all + more).contains(&found), "{found} of {all}");
    }
}

/// What does not fit fails, and is counted: by the daemon that gets the rest.
#[test]
fn a_full_spool_fails_the_export_and_counts_it() {
    let [folder, spool] = [0; 2].map(|_| tempfile::tempdir().unwrap());
    let (spans, logs) = sdk::builder()
        .spool(spool.path())
        .max_bytes(1)
        .connect("tcp://127.0.0.1:1")
        .unwrap();
    export(&spans, [0]).unwrap();
    for n in 1..4 {
        let error = export(&spans, [n]).unwrap_err();
        let is_full = |error: &OTelSdkError| error.to_string().contains("max_bytes");
        assert!(is_full(&error), "{error}");
    }
    drop((spans, logs));
    let config = format!("drain: ['{}']{TO_FILE}", spool.path().display());
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), &config);
    expect(&daemon, [0]);
    expect_spools(spool.path(), 0);
    // Begin and end of each.
    let dropped = daemon.metric("distlogd_dropped_records_total{level=\"info\"}");
    assert_eq!(dropped, 6.0);
}

/// Without the file an export is done when the daemon has acknowledged it.
#[test]
fn exports_go_on_when_somebody_removes_the_file() {
    let [folder, spool] = [0; 2].map(|_| tempfile::tempdir().unwrap());
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), TO_FILE);
    let (spans, _logs) = sdk::builder()
        .spool(spool.path())
        .timeout(Duration::from_secs(10))
        .connect(daemon.session())
        .unwrap();
    export(&spans, [0]).unwrap();
    let file = std::fs::read_dir(spool.path()).unwrap().next().unwrap();
    std::fs::remove_file(file.unwrap().path()).unwrap();
    export(&spans, [1]).unwrap();
    expect(&daemon, [0, 1]);
    daemon.kill();
    let failed = export(&spans, [2]);
    assert!(
        matches!(failed, Err(OTelSdkError::Timeout(_))),
        "{failed:?}"
    );
}

#[test]
fn a_directory_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = sdk::builder()
        .spool(&file)
        .connect("tcp://127.0.0.1:1")
        .unwrap_err();
    assert!(matches!(error, ConnectError::Spool(_)), "{error}");
}
