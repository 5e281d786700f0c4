//! The system's clock is set while the daemon runs: nothing is deleted, nothing stands still, and it is said.
//!
//! libfaketime moves the clock of the daemon (and, in one story, of a client); the monotonic clock is left alone, as
//! the system leaves it. `DISTLOG_TEST_FAKETIME` is the path of `libfaketime.so.1` where Debian's is not there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use distlog_layer::{Flush, builder};
use distlog_testkit::{Daemon, Process, eventually};
use tracing::info;
use tracing_subscriber::prelude::*;

const CLIENT: &str = env!("CARGO_BIN_EXE_e2e-client");
const DISTLOGD: &str = env!("CARGO_BIN_EXE_e2e-distlogd");
const LONG: Duration = Duration::from_secs(60);

const CONFIG: &str = "
store: { keep: { age: 7d } }
processors:
  all: { file: { path: all.jsonl, rotate: { age: 1d } } }
rules: [ { to: [all] } ]
lost_after: 2s";

fn library() -> PathBuf {
    let known = [
        "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
        "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    ];
    std::env::var_os("DISTLOG_TEST_FAKETIME").map_or_else(
        || {
            let found = known.iter().map(PathBuf::from).find(|path| path.exists());
            found.expect("libfaketime is installed: Debian's package faketime")
        },
        PathBuf::from,
    )
}

/// A clock that others have, in a file.
struct Clock(PathBuf);

impl Clock {
    fn new(folder: &Path) -> Clock {
        let clock = Clock(folder.join("clock"));
        clock.set("+0");
        clock
    }

    fn set(&self, offset: &str) {
        // Replaced at once, so that nobody reads half of it.
        let aside = self.0.with_extension("new");
        std::fs::write(&aside, format!("{offset}\n")).unwrap();
        std::fs::rename(&aside, &self.0).unwrap();
    }

    /// What a program's environment has to say.
    fn environment(&self) -> [String; 4] {
        [
            format!("LD_PRELOAD={}", library().display()),
            format!("FAKETIME_TIMESTAMP_FILE={}", self.0.display()),
            "FAKETIME_NO_CACHE=1".into(),
            "DONT_FAKE_MONOTONIC=1".into(),
        ]
    }
}

/// A daemon with a clock of its own.
fn start(folder: &Path, clock: &Clock) -> Daemon {
    let environment = clock.environment();
    let mut arguments: Vec<&str> = environment.iter().map(String::as_str).collect();
    arguments.push(DISTLOGD);
    Daemon::start("env", &arguments, folder, CONFIG)
}

/// Waits until the daemon says that its clock was set, for the time with this number.
fn expect_said(daemon: &mut Daemon, way: &str, count: usize) {
    eventually("that the clock was set", || {
        let said = daemon.process().stderr();
        let mut lines = said.iter().filter(|line| line.contains("clock was set"));
        match lines.clone().count() >= count {
            true => {
                assert!(lines.next_back().unwrap().contains(way));
                Ok(())
            }
            false => Err(format!("{said:#?}")),
        }
    });
}

/// Logs so many records of 100 kB.
fn fill(daemon: &Daemon, count: u64) {
    let (layer, guard) = builder()
        .service("filler")
        .overflow(distlog_layer::Overflow::Block(LONG))
        .connect(daemon.session())
        .unwrap();
    let text = "x".repeat(100_000);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        (0..count).for_each(|n| info!(n, text, "large"));
    });
    assert_eq!(guard.close(LONG), Flush::Flushed);
}

#[test]
#[ignore = "needs libfaketime"]
fn a_daemon_whose_clock_is_set_deletes_nothing_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::new(folder.path());
    let mut daemon = start(folder.path(), &clock);
    fill(&daemon, 1500);
    assert!(daemon.metric("distlogd_store_segments") >= 2.0);
    let records = |daemon: &Daemon| daemon.metric("distlogd_store_records");
    assert_eq!(records(&daemon), 1500.0);

    for (number, (offset, way)) in [("+400d", "forward"), ("-3d", "back"), ("+0", "forward")]
        .into_iter()
        .enumerate()
    {
        clock.set(offset);
        expect_said(&mut daemon, way, number + 1);
        // Retention was looked at since then.
        let before = records(&daemon);
        fill(&daemon, 10);
        assert_eq!(records(&daemon), before + 10.0);
        assert!(before >= 1500.0);
        assert_eq!(daemon.metric("distlogd_store_expired_records_total"), 0.0);
        // What waits goes on, too: a task whose process is gone is lost after two seconds.
        let mut client = Process::start(
            Command::new(CLIENT)
                .args([&format!("session={}", daemon.session()), "batch", "hang"])
                .stdin(Stdio::piped()),
        );
        let task = client.expect_stdout("a task", |line| Some(line.to_owned()));
        client.signal("KILL");
        daemon.tree(&task, |tree| tree["tasks"][0]["outcome"] == "lost");
    }
    // No file was rotated: none is a day old.
    let old = std::fs::read_dir(folder.path()).unwrap();
    let old = old.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().starts_with("all.jsonl.")
    });
    assert_eq!(old.count(), 0);
    // Killed with its clock wrong, and started again with it right: nothing is older for it.
    clock.set("+400d");
    expect_said(&mut daemon, "forward", 4);
    let before = records(&daemon);
    daemon.kill();
    daemon.restart();
    fill(&daemon, 10);
    assert!(records(&daemon) >= before + 10.0);
    assert_eq!(daemon.metric("distlogd_store_expired_records_total"), 0.0);
}

#[test]
#[ignore = "needs libfaketime"]
fn a_daemon_that_starts_with_a_wrong_clock_which_is_then_set_right_deletes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::new(folder.path());
    let mut daemon = start(folder.path(), &clock);
    fill(&daemon, 1500);
    assert!(daemon.metric("distlogd_store_segments") >= 2.0);
    daemon.stop();
    clock.set("+400d");
    daemon.restart();
    // Each is said before retention is looked at: with the second it was, by the clock that is wrong.
    for (number, (offset, way)) in [("+401d", "forward"), ("+0", "back")]
        .into_iter()
        .enumerate()
    {
        clock.set(offset);
        expect_said(&mut daemon, way, number + 1);
    }
    fill(&daemon, 10);
    for _ in 0..2 {
        assert_eq!(daemon.metric("distlogd_store_records"), 1510.0);
        assert_eq!(daemon.metric("distlogd_store_expired_records_total"), 0.0);
        daemon.kill();
        daemon.restart();
    }
}

/// Has a client that keeps on log ten records, and then wait until they have arrived.
fn log_ten(client: &mut Process) {
    client.say("10");
    client.say("flush");
}

/// Waits until so many have arrived.
fn expect_arrived(client: &Process, said: u32) {
    let done = format!("{said} 0");
    // Each of the two lines is answered with it: the second time everything has arrived.
    eventually("that all arrived", || {
        let said = client.stdout();
        match said.iter().filter(|line| **line == done).count() {
            2 => Ok(()),
            _ => Err(said),
        }
    });
}

#[test]
#[ignore = "needs libfaketime"]
fn a_client_whose_clock_is_set_back_while_the_daemon_is_gone_connects_again() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::new(folder.path());
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), CONFIG);
    let mut client = Process::start(
        Command::new("env")
            .args(clock.environment())
            .args([CLIENT, &format!("session={}", daemon.session()), "batch"])
            .args(["keep-on", "0"])
            .stdin(Stdio::piped()),
    );
    client.expect_stdout("a task", |line| Some(line.to_owned()));
    log_ten(&mut client);
    expect_arrived(&client, 10);
    for (said, offset) in [(20, "-400d"), (30, "-800d")] {
        daemon.kill();
        log_ten(&mut client);
        // It waits for the daemon, and has timers for that.
        std::thread::sleep(Duration::from_millis(300));
        clock.set(offset);
        std::thread::sleep(Duration::from_millis(300));
        daemon.restart();
        expect_arrived(&client, said);
    }
}

#[test]
#[ignore = "needs libfaketime"]
fn a_client_whose_clock_is_set_goes_on_and_its_tasks_last_as_long_as_they_do() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::new(folder.path());
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), CONFIG);
    let mut client = Process::start(
        Command::new("env")
            .args(clock.environment())
            .args([CLIENT, &format!("session={}", daemon.session()), "batch"])
            .args(["keep-on", "0"])
            .stdin(Stdio::piped()),
    );
    let task = client.expect_stdout("a task", |line| Some(line.to_owned()));
    let mut said = 0;
    for offset in ["+400d", "-400d", "+0"] {
        clock.set(offset);
        said += 10;
        log_ten(&mut client);
        expect_arrived(&client, said);
    }
    client.signal("KILL");
    let tree = daemon.tree(&task, |tree| tree["tasks"][0]["outcome"] == "lost");
    let records = tree["tasks"][0]["items"].as_array().unwrap();
    assert_eq!(records.len(), 30, "{tree:#}");
}
