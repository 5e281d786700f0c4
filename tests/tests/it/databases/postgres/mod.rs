//! Processor `postgres` with a real PostgreSQL.

mod delivery;
mod disk_full;
mod hostile;
mod server_down;
mod tables;
mod tls;

use std::collections::BTreeMap;

use distlog_testkit::{Daemon, Postgres, eventually};
use serde_json::Value;
use tempfile::TempDir;

const DISTLOGD: &str = env!("CARGO_BIN_EXE_e2e-distlogd");

/// Everything goes to a file, too, to compare with. `more` are further keys of the processor's kind.
fn config(url: &str, more: &str) -> String {
    format!(
        "
lost_after: 1h
grace: 20s
processors:
  everything: {{ file: {{ path: all.jsonl }} }}
  pg: {{ postgres: {{ url: '{url}', {more} }}, retry: {{ first: 50ms, most: 500ms }} }}
rules:
  - to: [everything, pg]"
    )
}

/// A daemon that writes into the database.
fn daemon(url: &str, more: &str) -> (TempDir, Daemon) {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), &config(url, more));
    (folder, daemon)
}

fn lag(daemon: &Daemon, processor: &str) -> f64 {
    daemon.metric(&format!(
        "distlogd_processor_lag_records{{processor=\"{processor}\"}}"
    ))
}

/// Waits until file and database have all that is stored.
fn settled(daemon: &Daemon) {
    for processor in ["everything", "pg"] {
        eventually(&format!("all of {processor}"), || {
            let lag = lag(daemon, processor);
            if lag == 0.0 {
                Ok(())
            } else {
                Err((lag, daemon.get("/api/v1/status")))
            }
        });
    }
}

/// Producer and offset of a record.
type Key = (String, i64);

/// What the daemon's file has of each record: its message and fields.
fn in_file(daemon: &Daemon) -> BTreeMap<Key, (String, Value)> {
    let mut found = BTreeMap::new();
    for line in daemon.lines("all.jsonl") {
        let record: Value = serde_json::from_str(&line).unwrap();
        let own = &record["distlog"];
        let key = (
            own["producer"].as_str().unwrap().replace('-', ""),
            own["offset"].as_i64().unwrap_or_default(),
        );
        let message = record["message"].as_str().unwrap_or_default().to_owned();
        let fields = record.get("fields").cloned().unwrap_or(Value::Null);
        let twice = found.insert(key, (message, fields));
        assert!(twice.is_none(), "twice in the file: {line}");
    }
    found
}

/// What the database has of each record.
fn in_database(server: &Postgres) -> BTreeMap<Key, (String, Value)> {
    let rows = server.sql(
        "SELECT json_build_array(replace(producer::text, '-', ''), record_offset, message, fields) FROM distlog.records",
    );
    let mut found = BTreeMap::new();
    for row in rows.lines() {
        let Ok((producer, offset, message, fields)) = serde_json::from_str(row) else {
            panic!("{row}")
        };
        let twice = found.insert((producer, offset), (message, fields));
        assert!(twice.is_none(), "twice in the database: {row}");
    }
    found
}

/// Asserts that the database has what the daemon's file has, record by record, and at least so many.
fn compare(daemon: &Daemon, server: &Postgres, at_least: usize) {
    settled(daemon);
    let (expected, found) = (in_file(daemon), in_database(server));
    let missing = expected.iter().find(|(key, _)| !found.contains_key(key));
    let unknown = found.iter().find(|(key, _)| !expected.contains_key(key));
    assert_eq!((missing, unknown), (None, None), "lost or unknown");
    let other = expected
        .iter()
        .find(|(key, record)| found.get(key) != Some(record));
    assert_eq!(
        other,
        None,
        "{:?}",
        other.and_then(|(key, _)| found.get(key))
    );
    assert!(found.len() >= at_least, "{} records", found.len());
}
