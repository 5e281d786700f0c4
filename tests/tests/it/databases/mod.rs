//! Processors for databases: what is there is what the store has, each record once, whatever is killed meanwhile.

mod clickhouse;
mod http;
pub(crate) mod nats;
mod nats_access;
mod postgres;
mod sqlite;
mod view;

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use distlog_testkit::{Daemon, Process};
use serde_json::Value;

const CLIENT: &str = env!("CARGO_BIN_EXE_e2e-client");
const DISTLOGD: &str = env!("CARGO_BIN_EXE_e2e-distlogd");

/// Producer (32 hex digits) and offset of a record.
pub type Key = (String, i64);

/// What the daemon's store has of services that are not the daemon itself: the message of each record.
pub fn stored(daemon: &Daemon) -> BTreeMap<Key, String> {
    let mut found = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/v1/records?limit=10000{cursor}&filter=service!='distlogd'");
        let page = daemon.json(&path).unwrap();
        for record in page["items"].as_array().unwrap() {
            let own = &record["distlog"];
            let producer = own["producer"].as_str().unwrap().replace('-', "");
            let offset = own["offset"].as_i64().unwrap_or(0);
            let message = record["message"].as_str().unwrap().to_owned();
            assert_eq!(
                found.insert((producer, offset), message),
                None,
                "twice in the store"
            );
        }
        match &page["next"] {
            Value::String(next) => cursor = format!("&cursor={next}"),
            _ => return found,
        }
    }
}

/// What is missing in a database, and what it has too much, in words; empty if it has what the store has.
pub fn difference(stored: &BTreeMap<Key, String>, there: &[(Key, String)]) -> String {
    let keys: BTreeMap<&Key, &String> = there.iter().map(|(key, message)| (key, message)).collect();
    let missing = stored
        .iter()
        .filter(|(key, message)| keys.get(key) != Some(message))
        .count();
    let more = keys
        .keys()
        .filter(|key| !stored.contains_key(**key))
        .count();
    let twice = there.len() - keys.len();
    if missing + more + twice == 0 {
        return String::new();
    }
    format!(
        "{missing} missing, {more} that the store has not, {twice} twice, of {}",
        stored.len()
    )
}

/// A client counts so many records, and ends when they are stored.
fn count(daemon: &Daemon, records: u64) {
    let session = format!("session={}", daemon.session());
    let records = records.to_string();
    let mut client =
        Process::start(Command::new(CLIENT).args([&session, "batch", "count", &records]));
    assert!(client.wait().success(), "{:?}", client.stderr());
}

/// A client that logs so many more records each time it is told.
struct Client(Process);

impl Client {
    fn start(daemon: &Daemon) -> Client {
        let session = format!("session={}", daemon.session());
        let mut command = Command::new(CLIENT);
        command.args([&session, "batch", "keep-on", "0"]);
        // What is not acknowledged while the daemon is away stays in the ring.
        command.env("WAIT", "1").stdin(Stdio::piped());
        Client(Process::start(&mut command))
    }

    fn log(&mut self, more: u64) {
        self.0.say(&more.to_string());
    }

    fn wait_until_stored(&mut self, total: u64) {
        self.0.say("flush");
        self.0.expect_stdout("all are stored", |line| {
            (line == format!("{total} 0")).then_some(())
        });
    }
}

/// A counter of the processor `out`.
fn metric(daemon: &Daemon, name: &str) -> f64 {
    daemon.metric(&format!(
        "distlogd_processor_{name}_total{{processor=\"out\"}}"
    ))
}
