//! The session receiver: what was logged arrives, once, whoever is killed; and what does not fit is counted.

use std::path::Path;
use std::process::{Command, Stdio};

use distlog_testkit::{Daemon, Process, eventually};
use serde_json::Value;

const CLIENT: &str = env!("CARGO_BIN_EXE_e2e-client");
const DISTLOGD: &str = env!("CARGO_BIN_EXE_e2e-distlogd");

/// Silence alone makes no task lost here.
pub(super) const TO_FILE: &str = "
lost_after: 1h
processors:
  everything: { file: { path: all.jsonl } }
rules:
  - to: [everything]";

/// A client that logs when it is told to.
pub(super) struct Client {
    pub(super) process: Process,
    /// The task that it leaves open.
    task: String,
    answers: usize,
}

impl Client {
    /// Its records have the numbers from `first` on.
    pub(super) fn start(daemons: &[&str], first: u64, settings: &[(&str, &str)]) -> Client {
        let address = format!("session={}", daemons.join(","));
        Client::start_at(&address, first, settings)
    }

    /// The address is as `e2e-client` is told it.
    pub(super) fn start_at(address: &str, first: u64, settings: &[(&str, &str)]) -> Client {
        let mut process = Process::start(
            Command::new(CLIENT)
                .args([address, "batch", "keep-on", &first.to_string()])
                .envs(settings.iter().copied())
                .stdin(Stdio::piped()),
        );
        let task = process.expect_stdout("the task's id", |line| Some(line.to_owned()));
        Client {
            process,
            task,
            answers: 1,
        }
    }

    /// Logs so many more records; says how many it has logged and how many of them were dropped.
    pub(super) fn log(&mut self, more: u64) -> (u64, u64) {
        self.ask(&more.to_string())
    }

    /// Waits until everything has arrived.
    pub(super) fn flush(&mut self) -> (u64, u64) {
        self.ask("flush")
    }

    fn ask(&mut self, line: &str) -> (u64, u64) {
        self.process.say(line);
        let nth = self.answers;
        self.answers += 1;
        let answer = eventually(&format!("the answer to {line}"), || {
            let said = self.process.stdout();
            said.get(nth).cloned().ok_or_else(|| self.process.stderr())
        });
        let (next, dropped) = answer.split_once(' ').unwrap();
        (next.parse().unwrap(), dropped.parse().unwrap())
    }

    fn kill(mut self) -> String {
        self.process.signal("KILL");
        self.process.wait();
        self.task
    }
}

fn parsed(daemon: &Daemon) -> Vec<Value> {
    let lines = daemon.lines("all.jsonl");
    // The last one may be half written.
    lines
        .iter()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// The numbers that the daemon's file has, in its order.
pub(super) fn numbers(daemon: &Daemon) -> Vec<u64> {
    let numbers = |record: &Value| record["fields"]["n"].as_u64();
    parsed(daemon).iter().filter_map(numbers).collect()
}

/// Waits until the file has so many numbers, and asserts that they are `0..count`, each once, in order.
pub(super) fn expect_all(daemon: &Daemon, count: u64) {
    let found = eventually("all records", || {
        let found = numbers(daemon);
        if found.len() as u64 >= count {
            Ok(found)
        } else {
            Err(found.len())
        }
    });
    let wrong = (0..count).zip(&found).find(|(n, found)| n != *found);
    assert_eq!((found.len() as u64, wrong), (count, None), "lost or twice");
}

fn outcome(daemon: &Daemon, task: &str) -> Option<Value> {
    let tree = daemon.json(&format!("/api/v1/tasks/{task}")).ok()?;
    Some(tree["tasks"][0]["outcome"].clone())
}

fn expect_lost(daemon: &Daemon, task: &str) {
    daemon.tree(task, |tree| tree["tasks"][0]["outcome"] == "lost");
}

fn spools(folder: &Path) -> usize {
    let files = std::fs::read_dir(folder).unwrap().flatten();
    files
        .filter(|file| file.path().extension().is_some_and(|kind| kind == "spool"))
        .count()
}

#[test]
fn a_killed_daemon_loses_nothing_and_stores_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), TO_FILE);
    let mut client = Client::start(&[daemon.session()], 0, &[]);
    for _ in 0..4 {
        client.log(3000);
        // In the middle of it, since logging does not wait for the daemon.
        daemon.kill();
        client.log(500);
        daemon.restart();
    }
    assert_eq!(client.flush(), (14_000, 0));
    expect_all(&daemon, 14_000);
    assert_eq!(outcome(&daemon, &client.task), Some("running".into()));
}

#[test]
fn the_next_process_delivers_what_a_killed_one_left() {
    let folder = tempfile::tempdir().unwrap();
    let spool = tempfile::tempdir().unwrap();
    let settings = [("SPOOL", spool.path().to_str().unwrap())];
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), TO_FILE);
    let address = daemon.session().to_owned();

    let mut first = Client::start(&[&address], 0, &settings);
    first.log(100);
    first.flush();
    daemon.kill();
    assert_eq!(first.log(1000), (1100, 0));
    let left_open = first.kill();
    assert_eq!(spools(spool.path()), 1);

    daemon.restart();
    assert_eq!(outcome(&daemon, &left_open), Some("running".into()));
    let mut second = Client::start(&[&address], 1100, &settings);
    // What the dead one left has no order with what this one logs.
    eventually("what the first one left", || {
        let found = numbers(&daemon).len();
        if found == 1100 { Ok(()) } else { Err(found) }
    });
    second.log(10);
    second.flush();
    expect_all(&daemon, 1110);
    expect_lost(&daemon, &left_open);
    assert_eq!(outcome(&daemon, &second.task), Some("running".into()));
    eventually("the end of the first one's spool", || {
        match spools(spool.path()) {
            1 => Ok(()),
            left => Err(left),
        }
    });
}

/// A folder with the spool of a killed client, which logged 1000 records; and its open task.
fn left_by_a_killed_client(daemon: &mut Daemon) -> (tempfile::TempDir, String) {
    let spool = tempfile::tempdir().unwrap();
    let address = daemon.session().to_owned();
    daemon.kill();
    let settings = [("SPOOL", spool.path().to_str().unwrap())];
    let mut client = Client::start(&[&address], 0, &settings);
    client.log(1000);
    let task = client.kill();
    (spool, task)
}

#[test]
fn what_killed_processes_left_is_drained_by_command() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), TO_FILE);
    let (spool, _) = left_by_a_killed_client(&mut daemon);
    let drain = || {
        Command::new(DISTLOGD)
            .args(["--config", "distlogd.yaml", "--drain"])
            .arg(spool.path())
            .current_dir(folder.path())
            .output()
            .unwrap()
    };
    let output = drain();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    // With the begin of its task.
    assert!(
        said.contains("client") && said.contains("1001 records"),
        "{said}"
    );
    assert_eq!(spools(spool.path()), 0);
    assert!(drain().status.success(), "nothing to do is no failure");

    daemon.restart();
    expect_all(&daemon, 1000);
}

#[test]
fn what_killed_processes_left_is_drained_by_the_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let mut other = Daemon::start(DISTLOGD, &[], folder.path(), TO_FILE);
    let (spool, task) = left_by_a_killed_client(&mut other);

    let folder = tempfile::tempdir().unwrap();
    let config = format!("drain: ['{}']{TO_FILE}", spool.path().display());
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), &config);
    expect_all(&daemon, 1000);
    expect_lost(&daemon, &task);
    eventually("the end of the spool", || match spools(spool.path()) {
        0 => Ok(()),
        left => Err(left),
    });
}

#[test]
fn a_client_goes_to_the_next_daemon_and_comes_back() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut first = Daemon::start(DISTLOGD, &[], here.path(), TO_FILE);
    let second = Daemon::start(DISTLOGD, &[], there.path(), TO_FILE);
    let mut client = Client::start(&[first.session(), second.session()], 0, &[]);
    client.log(100);
    client.flush();
    expect_all(&first, 100);
    assert!(numbers(&second).is_empty(), "the first one is there");

    first.kill();
    client.log(100);
    client.flush();
    eventually("the records in the second daemon", || {
        let found = numbers(&second);
        if found.contains(&199) {
            Ok(())
        } else {
            Err(found)
        }
    });

    first.restart();
    let mut logged = 200;
    eventually("a record in the first daemon", || {
        (logged, _) = client.log(1);
        client.flush();
        if numbers(&first).last() > Some(&199) {
            Ok(())
        } else {
            Err(())
        }
    });
    let mut all: Vec<u64> = eventually("all records in one of them", || {
        let (one, other) = (numbers(&first), numbers(&second));
        for numbers in [&one, &other] {
            assert!(numbers.is_sorted_by(|a, b| a < b), "twice: {numbers:?}");
        }
        let all = [one, other].concat();
        match (0..logged).find(|n| !all.contains(n)) {
            None => Ok(all),
            Some(missing) => Err(missing),
        }
    });
    all.sort_unstable();
    all.dedup();
    assert_eq!(all, (0..logged).collect::<Vec<_>>());
    assert_ne!(outcome(&first, &client.task), Some("lost".into()));
}

#[test]
fn what_does_not_fit_while_the_daemon_is_away_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), TO_FILE);
    let address = daemon.session().to_owned();
    daemon.kill();
    let mut client = Client::start(&[&address], 0, &[("RING", "65536")]);
    let (logged, dropped) = client.log(5000);
    assert!(logged == 5000 && dropped > 3000, "{dropped} dropped");
    daemon.restart();
    assert_eq!(client.flush(), (5000, dropped));

    let found = eventually("all records", || {
        let found = numbers(&daemon);
        if found.len() as u64 >= logged - dropped {
            Ok(found)
        } else {
            Err(found.len())
        }
    });
    let kept: Vec<u64> = (0..logged - dropped).collect();
    assert_eq!(found, kept, "what came first was kept");
    let said = eventually("a record about it", || {
        let records = parsed(&daemon);
        let loss = records
            .iter()
            .find(|record| record["fields"]["lost.total"].is_u64());
        loss.cloned().ok_or(records.len())
    });
    let fields = &said["fields"];
    assert_eq!(fields["lost.total"], dropped, "{said:#}");
    assert_eq!(fields["lost.info"], dropped, "{said:#}");
    assert_eq!(fields["lost.sum"], dropped, "{said:#}");
    assert!(fields["lost.from"].as_u64() <= fields["lost.to"].as_u64());
    eventually("the daemon's counter", || {
        let counted = daemon.metric("distlogd_dropped_records_total{level=\"info\"}");
        if counted == dropped as f64 {
            Ok(())
        } else {
            Err(counted)
        }
    });
}
