//! A running daemon takes another configuration: whole or not at all, and loses nothing by it.

use std::collections::HashMap;
use std::fs;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};

use distlog_testkit::{Daemon, Process, eventually};
use serde_json::Value;

const CLIENT: &str = env!("CARGO_BIN_EXE_e2e-client");
const DISTLOGD: &str = env!("CARGO_BIN_EXE_e2e-distlogd");

/// Logs so many records by a session, which ends when all are stored.
fn log(session: &str, count: usize) {
    let count = count.to_string();
    let mut client = Process::start(Command::new(CLIENT).args([session, "batch", "count", &count]));
    assert!(client.wait().success(), "{:?}", client.stderr());
}

fn reload(daemon: &Daemon, arguments: &[&str]) -> Output {
    Command::new(DISTLOGD)
        .args(["reload", "--url", daemon.http()])
        .args(arguments)
        .output()
        .unwrap()
}

/// What a reload that is taken says.
fn reloaded(daemon: &Daemon) -> String {
    let output = reload(daemon, &[]);
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    said.trim_end().to_owned()
}

/// How often a file has each record of the client, by its number.
fn seen(daemon: &Daemon, file: &str) -> HashMap<(String, u64), usize> {
    let mut seen = HashMap::new();
    for line in daemon.lines(file) {
        let record: Value = serde_json::from_str(&line).unwrap();
        if let Some(n) = record["fields"]["n"].as_u64() {
            let producer = record["distlog"]["producer"].as_str().unwrap().to_owned();
            *seen.entry((producer, n)).or_default() += 1;
        }
    }
    seen
}

/// All records of the clients are in a file, each once.
fn has_all_once(daemon: &Daemon, file: &str, count: usize) {
    let seen = eventually(&format!("{count} records in {file}"), || {
        let seen = seen(daemon, file);
        (seen.len() >= count).then_some(seen).ok_or(())
    });
    assert_eq!(seen.len(), count, "{file}");
    let twice: Vec<_> = seen.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "{file}: {twice:?}");
}

/// `steady` is the same in all of them; `moving` has other settings in each, `rerouted` another filter; `guest` comes
/// and goes.
fn variant(n: usize) -> String {
    let batch = 100 + n;
    let filter = ["severity >= INFO", "fields.n >= 0 || kind != 'event'"][n % 2];
    let guest = ["guest: { file: { path: guest.jsonl } }", ""][n % 2];
    let also = [", guest", ""][n % 2];
    format!(
        "
grace: 60s
processors:
  steady: {{ file: {{ path: steady.jsonl }} }}
  moving: {{ file: {{ path: moving.jsonl }}, batch: {{ records: {batch} }} }}
  rerouted: {{ file: {{ path: rerouted.jsonl }}, filter: \"{filter}\" }}
  {guest}
rules:
  - to: [steady, moving, rerouted{also}]"
    )
}

#[test]
fn a_thousand_reloads_under_load_lose_nothing_and_double_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), &variant(0));
    let session = daemon.receivers()[1].clone();
    let ended = AtomicBool::new(false);
    let agent = ureq::Agent::new_with_defaults();
    let logged = std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut logged = 0;
            while !ended.load(Ordering::Relaxed) {
                log(&session, 300);
                logged += 300;
            }
            logged
        });
        for n in 1..=1000 {
            daemon.reconfigure(&variant(n));
            let request = agent.post(format!("{}/api/v1/reload", daemon.http()));
            let mut answer = request.send_empty().unwrap();
            let changes = answer.body_mut().read_to_string().unwrap();
            let changes: Value = serde_json::from_str(&changes).unwrap();
            assert_eq!(changes["unchanged"], serde_json::json!(["steady"]));
            assert_eq!(changes["restarted"], serde_json::json!(["moving"]));
            assert_eq!(changes["rerouted"], serde_json::json!(["rerouted"]));
            let guest = [&changes["removed"], &changes["added"]][(n + 1) % 2];
            assert_eq!(guest, &serde_json::json!(["guest"]));
        }
        ended.store(true, Ordering::Relaxed);
        load.join().unwrap()
    });
    for file in ["steady.jsonl", "moving.jsonl", "rerouted.jsonl"] {
        has_all_once(&daemon, file, logged);
    }
    // A guest goes on where it was: what came while it was away is taken, too.
    has_all_once(&daemon, "guest.jsonl", logged);
    assert_eq!(daemon.stop().code(), Some(0));
}

const ONE: &str = "
processors:
  one: { file: { path: one.jsonl } }
rules:
  - to: [one]";

#[test]
fn a_faulty_configuration_leaves_everything_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), ONE);
    let session = daemon.receivers()[1].clone();
    daemon.reconfigure(
        "
processors:
  one: { file: { path: other.jsonl } }
  two: { fiel: { path: two.jsonl } }
rules:
  - { when: severty > 3, to: [one, tow] }",
    );
    let refused = reload(&daemon, &[]);
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).unwrap();
    for fault in [
        "unknown key `fiel`: did you mean `file`?",
        "unknown name `severty`: did you mean `severity`?",
        "unknown processor `tow`: did you mean `two`?",
    ] {
        assert!(said.contains(fault), "{said}");
    }
    assert!(said.lines().all(|line| !line.contains("\\n")), "{said}");
    // The same by a signal, which is told in the log.
    daemon.process().signal("HUP");
    daemon
        .process()
        .expect_stderr("why it was not taken", |line| {
            line.contains("the configuration was not taken")
                .then_some(())
        });
    log(&session, 10);
    has_all_once(&daemon, "one.jsonl", 10);
    assert!(!folder.path().join("other.jsonl").exists());
}

#[test]
fn what_listens_and_where_the_store_is_needs_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), ONE);
    daemon.reconfigure(&format!(
        "store: {{ path: elsewhere, reserve: 1MiB }}\ndrain: [.]\n{ONE}"
    ));
    let refused = reload(&daemon, &[]);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8(refused.stderr).unwrap();
    let expected =
        "store.path, store.reserve, drain can only change with a restart: nothing was changed";
    assert!(said.contains(expected), "{said}");
    assert!(!folder.path().join("elsewhere").exists());
}

#[test]
fn a_signal_reloads_and_limits_of_the_store_change() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), ONE);
    let kept =
        |daemon: &Daemon| daemon.json("/api/v1/status").unwrap()["store"]["keep_bytes"].clone();
    assert_eq!(kept(&daemon), 10_u64 << 30);
    daemon.reconfigure(&format!("store: {{ keep: {{ size: 1GiB }} }}\n{ONE}"));
    daemon.process().signal("HUP");
    daemon.process().expect_stderr("that it was taken", |line| {
        line.contains("changed store.keep").then_some(())
    });
    assert_eq!(kept(&daemon), 1_u64 << 30);
    assert_eq!(reloaded(&daemon), "nothing changed");
}

#[test]
fn a_processor_with_a_new_name_goes_on_where_the_old_one_ended() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), ONE);
    let session = daemon.receivers()[1].clone();
    log(&session, 100);
    has_all_once(&daemon, "one.jsonl", 100);
    let renamed = |cursor: &str| {
        format!(
            "
processors:
  archive: {{ file: {{ path: one.jsonl }}, cursor: {cursor} }}
rules:
  - to: [archive]"
        )
    };
    daemon.reconfigure(&renamed("one"));
    assert_eq!(reloaded(&daemon), "added archive; removed one");
    log(&session, 100);
    has_all_once(&daemon, "one.jsonl", 200);
    // It has its own cursor from now on, and needs the old one no more.
    daemon.stop();
    fs::remove_file(folder.path().join("distlog-data/cursors/one")).unwrap();
    daemon.restart();
    log(&daemon.receivers()[1].clone(), 100);
    has_all_once(&daemon, "one.jsonl", 300);
    // One that is still there cannot be taken from.
    daemon.reconfigure(&renamed("archive"));
    let refused = reload(&daemon, &[]);
    let said = String::from_utf8(refused.stderr).unwrap();
    let why = "is a processor here: only the cursor of one that is gone can be taken";
    assert!(said.contains(&format!("`archive` {why}")), "{said}");
}

#[test]
fn a_destination_that_is_away_does_not_hold_up_a_reload() {
    let folder = tempfile::tempdir().unwrap();
    let away = "
processors:
  one: { file: { path: missing/folder/one.jsonl } }
rules:
  - to: [one]";
    // A file stands where the folder would be: nothing can be made there.
    fs::write(folder.path().join("missing"), "in the way").unwrap();
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), away);
    let session = daemon.receivers()[1].clone();
    log(&session, 50);
    eventually("a failing processor", || {
        let status = daemon.json("/api/v1/status")?;
        let failing = status["processors"][0]["failing"] == true;
        failing.then_some(()).ok_or_else(|| status.to_string())
    });
    daemon.reconfigure(ONE);
    assert_eq!(reloaded(&daemon), "restarted one");
    has_all_once(&daemon, "one.jsonl", 50);
}

#[test]
fn no_web_page_reloads() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let request = agent.post(format!("{}/api/v1/reload", daemon.http()));
    let answer = request
        .header("origin", daemon.http())
        .send_empty()
        .unwrap();
    assert_eq!(answer.status(), 403);
    assert_eq!(reloaded(&daemon), "nothing changed");
}
