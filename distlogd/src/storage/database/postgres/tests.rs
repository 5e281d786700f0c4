//! A real server, filled by the processor.

use distlog_testkit::{Postgres as Server, eventually};
use tokio::runtime::Runtime;

use super::super::test_records::{self, Written, pages};
use super::*;
use crate::processors::postgres;
use crate::shutdown::Shutdown;

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().unwrap()
}

fn write(server: &Server, runtime: &Runtime, records: &[Record]) {
    let config = address::config(&server.url(), None).unwrap();
    let mut writer = postgres::writing(&config, runtime.handle(), &Shutdown::default());
    test_records::write(&mut *writer, records);
}

#[test]
#[ignore = "needs PostgreSQL"]
fn what_is_asked_comes_once_and_in_order() {
    let (server, runtime) = (Server::start(&[]), runtime());
    let records = test_records::records();
    write(&server, &runtime, &records);
    let database = Postgres::open(&server.url(), runtime.handle()).unwrap();
    assert!(!database.name().contains("hunter2"));
    let written = Written::new(records);
    written.compare(&database);
    // With statistics.
    server.sql("ANALYZE distlog.records");
    written.compare(&database);
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_server_that_was_restarted_is_read_again_and_one_that_is_gone_is_told() {
    let (mut server, runtime) = (Server::start(&[]), runtime());
    write(&server, &runtime, &test_records::records()[..10]);
    let database = Postgres::open(&server.url(), runtime.handle()).unwrap();
    assert_eq!(pages(&database, &Ask::ALL).len(), 10);
    server.kill();
    let error = database.times().unwrap_err().to_string();
    assert!(error.contains("connecting fails"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
    server.restart();
    eventually("an answer", || match database.times() {
        Ok(Some(_)) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(pages(&database, &Ask::ALL).len(), 10);
}

#[test]
#[ignore = "needs PostgreSQL"]
fn who_reads_needs_no_more_than_select_and_cannot_write() {
    let (server, runtime) = (Server::start(&[]), runtime());
    write(&server, &runtime, &test_records::records()[..10]);
    server.sql(
        "CREATE ROLE reader LOGIN PASSWORD 'lesen'; GRANT USAGE ON SCHEMA distlog TO reader; \
         GRANT SELECT ON distlog.records, distlog.versions TO reader",
    );
    let url = format!("postgres://reader:lesen@127.0.0.1:{}/logs", server.port());
    let database = Postgres::open(&url, runtime.handle()).unwrap();
    assert_eq!(pages(&database, &Ask::ALL).len(), 10);
    assert!(database.slices(&Ask::ALL, 1).unwrap().len() > 1);
    // Nor does who may write.
    let database = Postgres::open(&server.url(), runtime.handle()).unwrap();
    let error = database.rows("deleting", "DELETE FROM distlog.records", &[]);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("read-only transaction"), "{error}");
}

#[test]
#[ignore = "needs PostgreSQL"]
fn tables_that_are_not_there_or_newer_are_told() {
    let (server, runtime) = (Server::start(&[]), runtime());
    let open = |url: &str| Postgres::open(url, runtime.handle()).map(|_| ());
    let error = open(&server.url()).unwrap_err().to_string();
    assert!(error.contains("has no tables of distlog"), "{error}");
    write(&server, &runtime, &test_records::records()[..1]);
    assert_eq!(open(&server.url()), Ok(()));
    server.sql("INSERT INTO distlog.versions (version) VALUES (99)");
    let error = open(&server.url()).unwrap_err().to_string();
    assert!(error.contains("use a newer distlogd"), "{error}");
    let wrong = server.url().replace("hunter2", "falsch");
    let error = open(&wrong).unwrap_err().to_string();
    assert!(
        error.contains("password") && !error.contains("falsch"),
        "{error}"
    );
}
