//! What an earlier version left is read: a store with its cursors, a spool. The files in `fixtures/0.1.0-dev/` were
//! written by a daemon and a client of November 2026 and are never written anew.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::Command;

use distlog_testkit::{Daemon, eventually};
use flate2::read::GzDecoder;
use serde_json::Value;

const CLIENT: &str = env!("CARGO_BIN_EXE_e2e-client");
const DISTLOGD: &str = env!("CARGO_BIN_EXE_e2e-distlogd");
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/0.1.0-dev");

/// Unpacks a folder of the fixtures.
fn unpack(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            unpack(&path, &to.join(path.file_name().unwrap()));
        } else {
            let mut packed = GzDecoder::new(File::open(&path).unwrap());
            let mut file = File::create(to.join(path.file_stem().unwrap())).unwrap();
            io::copy(&mut packed, &mut file).unwrap();
        }
    }
}

fn fixture(name: &str) -> String {
    fs::read_to_string(Path::new(FIXTURES).join(name)).unwrap()
}

#[test]
fn a_store_of_an_earlier_version_is_read_and_continued() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    unpack(&Path::new(FIXTURES).join("store"), &store);
    let config = "
store: { path: store, keep: { age: off } }
lost_after: 100ms
processors: { all: { file: { path: all.jsonl } } }
rules: [ { to: [all] } ]";
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), config);
    // The tree is what the earlier daemon made of the same records.
    let expected: Value = serde_json::from_str(&fixture("tree.json")).unwrap();
    let id = expected["tasks"][0]["id"].as_str().unwrap();
    let tree = daemon.tree(id, |tree| !tree["tasks"].as_array().unwrap().is_empty());
    assert_eq!(tree, expected);
    // The tracker goes on where it was: it knows the task that was running.
    daemon.tree(fixture("running").trim(), |tree| {
        tree["tasks"][0]["outcome"] == "lost"
    });
    // The processor goes on where it was, too: it gets what is new, and nothing again.
    let client = Command::new(CLIENT)
        .args([&format!("session={}", daemon.session()), "batch", "levels"])
        .output()
        .unwrap();
    assert!(client.status.success());
    let messages = eventually("the new records", || {
        let messages: Vec<String> = daemon
            .records("all.jsonl", 1)
            .iter()
            .filter(|record| record["distlog"]["service"] == "client")
            .map(|record| record["message"].as_str().unwrap().to_owned())
            .collect();
        match messages.len() {
            5.. => Ok(messages),
            _ => Err(messages),
        }
    });
    assert_eq!(messages, ["trace", "debug", "info", "warn", "error"]);
    let old = daemon.lines("all.jsonl");
    let old = old
        .iter()
        .filter(|line| line.contains("do everything with"));
    assert_eq!(old.count(), 0, "written a second time");
}

#[test]
fn a_spool_of_an_earlier_version_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool");
    unpack(&Path::new(FIXTURES).join("spool"), &spool);
    let config = format!(
        "
processors: {{ all: {{ file: {{ path: all.jsonl }} }} }}
rules: [ {{ to: [all] }} ]
drain: ['{}']",
        spool.display()
    );
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), &config);
    let records = daemon.records("all.jsonl", 20);
    let messages: Vec<&str> = records
        .iter()
        .map(|record| record["message"].as_str().unwrap())
        .collect();
    let expected: Vec<String> = (0..20).map(|n| format!("record {n}")).collect();
    assert_eq!(messages, expected);
    eventually("an empty directory", || {
        let left = fs::read_dir(&spool).unwrap().count();
        if left == 0 { Ok(()) } else { Err(left) }
    });
}
