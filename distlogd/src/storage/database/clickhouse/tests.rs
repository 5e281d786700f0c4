//! The real engine (`chdb`) behind ClickHouse's HTTP interface, filled by the processor.

use std::process::Command;

use distlog_testkit::Process;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::super::test_records::{self, Written, pages};
use super::*;
use crate::processors::clickhouse;

struct Server {
    _folder: TempDir,
    _process: Process,
    address: String,
    runtime: Runtime,
}

impl Server {
    fn start(password: &str) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let python = std::env::var("DISTLOG_TEST_PYTHON")
            .expect("DISTLOG_TEST_PYTHON names a Python with chdb");
        let script = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../tests/python/clickhouse_server.py"
        );
        let mut command = Command::new(python);
        command.arg(script).arg(folder.path()).arg("0");
        if !password.is_empty() {
            command.arg(password);
        }
        let mut process = Process::start(&mut command);
        let address = process.expect_stdout("a running server", |line| {
            line.strip_prefix("listening ").map(str::to_owned)
        });
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        Server {
            _folder: folder,
            _process: process,
            address,
            runtime: builder.worker_threads(1).enable_all().build().unwrap(),
        }
    }

    fn write(&self, records: &[Record]) {
        let yaml = format!("url: 'http://{}'", self.address);
        let config: clickhouse::Config = serde_saphyr::from_str(&yaml).unwrap();
        let writer = clickhouse::writing(&config, "test", self.runtime.handle());
        test_records::write(&mut *writer.unwrap(), records);
    }

    fn open(&self, database: &str) -> Result<ClickHouse, DatabaseError> {
        let url = format!("clickhouse://{}/{database}", self.address);
        ClickHouse::open(&url, self.runtime.handle())
    }
}

#[test]
#[ignore = "needs Python with chdb"]
fn what_is_asked_comes_once_and_in_order() {
    let server = Server::start("");
    let records = test_records::records();
    server.write(&records);
    let database = server.open("").unwrap();
    let written = Written::new(records);
    written.compare(&database);
    // What was inserted twice is read once, before it is merged, too.
    database
        .lines(
            "INSERT INTO distlog.otel_logs SELECT * FROM distlog.otel_logs WHERE record_offset < 500 \
             SETTINGS insert_deduplicate = 0",
        )
        .unwrap();
    assert_eq!(pages(&database, &Ask::ALL).len(), 3000);
}

#[test]
#[ignore = "needs Python with chdb"]
fn tables_that_are_not_there_or_another_programs_are_told() {
    let server = Server::start("");
    let said = |database: &str| server.open(database).unwrap_err().to_string();
    assert!(said("").contains("has no table otel_logs"), "{}", said(""));
    server.write(&test_records::records()[..1]);
    let database = server.open("").unwrap();
    assert_eq!(pages(&database, &Ask::ALL).len(), 1);
    database.lines("CREATE DATABASE other").unwrap();
    database
        .lines("CREATE TABLE other.otel_logs (Timestamp DateTime64(9), Body String) ENGINE = MergeTree ORDER BY Timestamp")
        .unwrap();
    let error = said("other");
    assert!(
        error.contains("lacks columns of distlog (producer, record_offset, "),
        "{error}"
    );
    // Nothing is there any more.
    database.lines("DROP TABLE distlog.otel_logs").unwrap();
    let error = database.times().unwrap_err().to_string();
    assert!(error.contains("ClickHouse answers 404"), "{error}");
}

#[test]
#[ignore = "needs Python with chdb"]
fn a_wrong_password_is_told_and_not_shown() {
    let server = Server::start("geheim");
    let url = |password: &str| format!("clickhouse://leo:{password}@{}/x", server.address);
    let open = |password| ClickHouse::open(&url(password), server.runtime.handle());
    let error = open("falsch").unwrap_err().to_string();
    assert!(
        error.contains("are `user` and `password` right?"),
        "{error}"
    );
    assert!(!error.contains("falsch"), "{error}");
    let error = open("geheim").unwrap_err().to_string();
    assert!(error.contains("has no table otel_logs"), "{error}");
}
