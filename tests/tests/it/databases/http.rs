//! Processor `http`: the bulk API of OpenSearch, and JSON lines.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use distlog_testkit::{Daemon, Process, eventually};
use serde_json::Value;

use super::{CLIENT, Client, DISTLOGD, count, metric};

const RECEIVER: &str = env!("CARGO_BIN_EXE_e2e-receiver");

/// A receiver in a process of its own.
struct Receiver {
    folder: PathBuf,
    refused: String,
    address: String,
    process: Process,
}

impl Receiver {
    /// It refuses documents with this text.
    fn start(folder: &Path, refused: &str) -> Receiver {
        let folder = folder.join("receiver");
        std::fs::create_dir(&folder).unwrap();
        let process = Receiver::spawn(&folder, "127.0.0.1:0", refused);
        let mut receiver = Receiver {
            folder,
            refused: refused.to_owned(),
            address: String::new(),
            process,
        };
        receiver.address = receiver.wait_until_ready();
        receiver
    }

    fn spawn(folder: &Path, address: &str, refused: &str) -> Process {
        let mut command = Command::new(RECEIVER);
        command.arg(folder).arg(address);
        if !refused.is_empty() {
            command.arg(refused);
        }
        Process::start(&mut command)
    }

    fn wait_until_ready(&mut self) -> String {
        self.process.expect_stdout("a running receiver", |line| {
            line.strip_prefix("listening ").map(str::to_owned)
        })
    }

    /// Kills it without a chance to clean up.
    fn kill(&mut self) {
        self.process.signal("KILL");
        self.process.wait();
    }

    /// Starts it again where it was.
    fn restart(&mut self) {
        self.process = Receiver::spawn(&self.folder, &self.address, &self.refused);
        self.wait_until_ready();
    }

    /// The next requests fail so.
    fn fail(&self, faults: &[&str]) {
        let faults = serde_json::to_string(faults).unwrap();
        let url = format!("http://{}/faults", self.address);
        ureq::post(&url).send(faults).unwrap();
    }

    /// What it has kept in a file. The last line may be half a line.
    fn kept(&self, file: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.join(file)).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        // An id goes before a document.
        let records = whole.lines().map(|line| &line[line.find('{').unwrap()..]);
        let records = records.map(serde_json::from_str);
        records.map(Result::unwrap).collect()
    }

    /// How often it has each of the numbers that a client counted.
    fn times(&self, file: &str) -> HashMap<u64, usize> {
        let mut times = HashMap::new();
        for record in self.kept(file) {
            *times
                .entry(record["fields"]["n"].as_u64().unwrap())
                .or_default() += 1;
        }
        times
    }

    /// Waits until each of so many numbers is there.
    fn wait_for(&self, file: &str, count: u64) -> HashMap<u64, usize> {
        eventually("all records", || {
            let times = self.times(file);
            let missing = (0..count).filter(|n| !times.contains_key(n)).count();
            if missing == 0 {
                Ok(times)
            } else {
                Err(format!("{missing} of {count} are missing"))
            }
        })
    }
}

fn config(receiver: &Receiver, path: &str, more: &str) -> String {
    let address = &receiver.address;
    format!(
        "
processors:
  out: {{ http: {{ url: 'http://{address}{path}'{more} }}, from: start }}
rules:
  - {{ when: 'has(fields.n)', to: [out] }}"
    )
}

const BULK: &str = ", format: elasticsearch";

#[test]
fn whatever_the_bulk_api_answers_each_record_is_there_once() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(folder.path(), "");
    receiver.fail(&["503", "busy items", "cut before", "lie", "cut", "429"]);
    let config = config(&receiver, "", BULK);
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), &config);
    count(&daemon, 5000);
    let times = receiver.wait_for("documents", 5000);
    assert!(times.values().all(|times| *times == 1));
    // What was wrong with answers is over, too.
    eventually("all is said to be there", || {
        let (sent, retries) = (metric(&daemon, "sent_records"), metric(&daemon, "retries"));
        let lag = daemon.metric("distlogd_processor_lag_records{processor=\"out\"}");
        if (sent, lag) == (5000.0, 0.0) && retries > 0.0 {
            Ok(())
        } else {
            Err((sent, lag, retries))
        }
    });
    assert_eq!(metric(&daemon, "rejected_records"), 0.0);
    assert!(receiver.kept("documents")[0]["@timestamp"].is_string());
}

#[test]
fn a_document_that_is_refused_is_counted_and_costs_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(folder.path(), "record 77\"");
    let config = config(&receiver, "", BULK);
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), &config);
    count(&daemon, 200);
    eventually("the rest", || {
        let (sent, rejected) = (
            metric(&daemon, "sent_records"),
            metric(&daemon, "rejected_records"),
        );
        if (sent, rejected) == (199.0, 1.0) {
            Ok(())
        } else {
            Err((sent, rejected))
        }
    });
    let times = receiver.times("documents");
    assert!(times.len() == 199 && !times.contains_key(&77), "{times:?}");
    let status = daemon.get("/api/v1/status").unwrap();
    assert!(
        status.contains("an item is answered 400: mapper_parsing_exception"),
        "{status}"
    );
}

#[test]
fn killed_receivers_and_daemons_leave_each_document_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut receiver = Receiver::start(folder.path(), "");
    let config = config(&receiver, "", BULK);
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), &config);
    let mut client = Client::start(&daemon);
    let mut total = 0;
    for round in 0..6 {
        client.log(3000);
        total += 3000;
        receiver.fail(&["cut", "busy items"]);
        // In the midst of it, some of it is there.
        eventually("something", || {
            if receiver.times("documents").len() as u64 > total - 3000 {
                Ok(())
            } else {
                Err(())
            }
        });
        if round % 2 == 0 {
            receiver.kill();
            client.log(1000);
            total += 1000;
            receiver.restart();
        } else {
            daemon.kill();
            daemon.restart();
        }
    }
    client.wait_until_stored(total);
    let times = receiver.wait_for("documents", total);
    assert_eq!(times.len() as u64, total);
    assert!(times.values().all(|times| *times == 1));
}

#[test]
fn lines_come_once_whatever_becomes_of_the_receiver() {
    let folder = tempfile::tempdir().unwrap();
    let mut receiver = Receiver::start(folder.path(), "");
    // One request at a time: lines come in order.
    let config = config(&receiver, "/lines", ", in_flight: 1");
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), &config);
    receiver.fail(&["503", "cut before", "429"]);
    count(&daemon, 5000);
    // All are acknowledged by then.
    eventually("all are sent", || match metric(&daemon, "sent_records") {
        5000.0 => Ok(()),
        sent => Err(sent),
    });
    receiver.kill();
    let session = format!("session={}", daemon.session());
    let mut client =
        Process::start(Command::new(CLIENT).args([&session, "batch", "count", "10000"]));
    assert!(client.wait().success());
    receiver.restart();
    eventually("all lines", || {
        let lines = receiver.kept("lines").len();
        if lines >= 15_000 { Ok(()) } else { Err(lines) }
    });
    let numbers: Vec<u64> = receiver
        .kept("lines")
        .iter()
        .map(|record| record["fields"]["n"].as_u64().unwrap())
        .collect();
    let expected: Vec<u64> = (0..5000).chain(0..10_000).collect();
    assert_eq!(numbers, expected, "each once, in order");
}

#[test]
fn lines_that_a_killed_daemon_repeats_are_recognised() {
    for path in ["/lines", "/lines-by-key"] {
        let folder = tempfile::tempdir().unwrap();
        let receiver = Receiver::start(folder.path(), "");
        let config = config(&receiver, path, "");
        let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), &config);
        let mut client = Client::start(&daemon);
        for round in 1..4 {
            client.log(4000);
            eventually("something", || {
                if receiver.kept("lines").len() > 4000 * (round - 1) {
                    Ok(())
                } else {
                    Err(())
                }
            });
            daemon.kill();
            daemon.restart();
        }
        client.wait_until_stored(12_000);
        receiver.wait_for("lines", 12_000);
        // What is there twice has the same producer and offset.
        let mut places = HashMap::new();
        for record in receiver.kept("lines") {
            let own = &record["distlog"];
            let place = (own["producer"].to_string(), own["offset"].to_string());
            let known = places.entry(place).or_insert_with(|| record.clone());
            assert_eq!(*known, record);
        }
        assert_eq!(places.len(), 12_000);
    }
}

#[test]
fn a_wrong_address_is_told_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(folder.path(), "");
    let wrong = config(&receiver, "/nowhere", "");
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), &wrong);
    count(&daemon, 100);
    daemon.process().expect_stderr("what to do", |line| {
        let said = format!(
            "http://{}/nowhere: the receiver answers 404",
            receiver.address
        );
        (line.contains(&said) && line.contains("is `url` right?")).then_some(())
    });
    daemon.kill();
    let right = config(&receiver, "/lines", "");
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), &right);
    receiver.wait_for("lines", 100);
    drop(daemon);
}
