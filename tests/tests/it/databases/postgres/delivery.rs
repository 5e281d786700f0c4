//! What was logged is in the database, once, whoever is killed.

use std::process::Command;

use distlog_testkit::{Daemon, Postgres, Process, Proxy, eventually};

use super::{DISTLOGD, compare, config, daemon, settled};
use crate::sessions::Client;

/// Logs everything that a record can hold, and levels, by the session receiver.
fn every_field(daemon: &Daemon) {
    for story in ["every-field", "levels"] {
        let address = format!("session={}", daemon.session());
        let mut client = Process::start(
            Command::new(env!("CARGO_BIN_EXE_e2e-client")).args([&address, "batch", story]),
        );
        assert!(client.wait().success(), "{:?}", client.stderr());
    }
}

#[test]
#[ignore = "needs PostgreSQL: see .ci/run"]
fn records_and_tasks_are_in_the_database() {
    let server = Postgres::start(&[]);
    let (_folder, daemon) = daemon(&server.url(), "keep: 30d");
    every_field(&daemon);
    compare(&daemon, &server, 15);
    let tasks = server.sql(
        "SELECT name, service, outcome, error IS NOT NULL, begin_time < end_time, \
                end_time_ns - begin_time_ns >= duration_ns, parent_span_id IS NULL \
         FROM distlog.tasks ORDER BY begin_time_ns",
    );
    assert_eq!(
        tasks,
        "do everything with {}|client|failed|t|t|t|t\na part|client|ok|f|t|t|f"
    );
    let event = server.sql(
        "SELECT kind, severity, target, host IS NOT NULL, process_id > 0, line > 0, \
                fields->>'uint', context->>'user', resource->>'team', \
                abs(extract(epoch FROM time) * 1e9 - time_ns) < 1000, time > now() - interval '1 hour', \
                task ^@ trace_id::text \
         FROM distlog.records WHERE message = 'event 1'",
    );
    assert_eq!(
        event,
        "event|9|e2e_client|t|t|t|18446744073709551615|leo|core|t|t|t"
    );
    let template =
        server.sql("SELECT template, message FROM distlog.records WHERE kind = 'begin' LIMIT 1");
    assert_eq!(template, "do everything with {}|do everything with 7");
    let failed = server.sql("SELECT name, outcome FROM distlog.failed_tasks");
    assert_eq!(failed, "do everything with {}|failed");
}

#[test]
#[ignore = "needs PostgreSQL: see .ci/run"]
fn a_killed_server_loses_nothing_and_gets_nothing_twice() {
    let mut server = Postgres::start(&[]);
    let (_folder, daemon) = daemon(&server.url(), "timeout: 5s");
    let mut client = Client::start(&[daemon.session()], 0, &[]);
    for _ in 0..4 {
        client.log(4000);
        // In the middle of it: nobody waits for the server.
        server.kill();
        client.log(1000);
        server.restart();
    }
    assert_eq!(client.flush(), (20_000, 0));
    compare(&daemon, &server, 20_001);
    let running = server.sql("SELECT name FROM distlog.running_tasks");
    assert_eq!(running, "never done");
}

#[test]
#[ignore = "needs PostgreSQL: see .ci/run"]
fn a_cut_connection_loses_nothing_and_doubles_nothing() {
    let server = Postgres::start(&[]);
    let proxy = Proxy::start(server.port());
    let (_folder, daemon) = daemon(&server.url_at(proxy.at()), "timeout: 5s");
    let mut client = Client::start(&[daemon.session()], 0, &[]);
    for _ in 0..10 {
        client.log(2000);
        // It has come back, and is in the middle of it or will be soon.
        eventually("a connection", || match proxy.cut() {
            0 => Err(()),
            cut => Ok(cut),
        });
    }
    client.flush();
    compare(&daemon, &server, 20_001);
    let retries = daemon.metric("distlogd_processor_retries_total{processor=\"pg\"}");
    assert!(retries >= 3.0, "{retries} retries");
}

#[test]
#[ignore = "needs PostgreSQL: see .ci/run"]
fn a_killed_daemon_loses_nothing_and_doubles_nothing() {
    let server = Postgres::start(&[]);
    let (_folder, mut daemon) = daemon(&server.url(), "timeout: 5s");
    let mut client = Client::start(&[daemon.session()], 0, &[]);
    for _ in 0..6 {
        client.log(3000);
        daemon.kill();
        client.log(500);
        daemon.restart();
    }
    assert_eq!(client.flush(), (21_000, 0));
    compare(&daemon, &server, 21_001);
}

#[test]
#[ignore = "needs PostgreSQL: see .ci/run"]
fn two_daemons_write_into_one_database() {
    let server = Postgres::start(&[]);
    // Both find it empty.
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let text = config(&server.url(), "timeout: 5s");
    let daemons = folders
        .each_ref()
        .map(|folder| Daemon::start(DISTLOGD, &[], folder.path(), &text));
    let mut clients = daemons
        .each_ref()
        .map(|daemon| Client::start(&[daemon.session()], 0, &[]));
    for _ in 0..5 {
        clients.iter_mut().for_each(|client| _ = client.log(2000));
    }
    clients.iter_mut().for_each(|client| _ = client.flush());
    daemons.iter().for_each(settled);
    assert_eq!(server.sql("SELECT count(*) FROM distlog.tasks"), "2");
    let count = "SELECT count(*), count(DISTINCT (producer, record_offset)) FROM distlog.records \
         WHERE message ^@ 'record '";
    assert_eq!(server.sql(count), "20000|20000");

    // A daemon with the same records, as after a fail-over.
    let [mut first, _second] = daemons;
    assert!(first.stop().success());
    let copy = tempfile::tempdir().unwrap();
    let copied = Command::new("cp")
        .arg("-a")
        .arg(folders[0].path().join("distlog-data"))
        .arg(copy.path())
        .status();
    assert!(copied.unwrap().success());
    for entry in std::fs::read_dir(copy.path().join("distlog-data"))
        .unwrap()
        .flatten()
    {
        if entry.file_name().to_string_lossy().contains("cursor") {
            let _ = std::fs::remove_file(entry.path());
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    let before = server.sql("SELECT count(*) FROM distlog.records");
    let again = text.replace("retry:", "from: start, retry:");
    let third = Daemon::start(DISTLOGD, &[], copy.path(), &again);
    eventually("the records again", || {
        let sent = third.metric("distlogd_processor_sent_records_total{processor=\"pg\"}");
        if sent >= 10_000.0 { Ok(()) } else { Err(sent) }
    });
    settled(&third);
    assert_eq!(server.sql(count), "20000|20000");
    assert_eq!(server.sql("SELECT count(*) FROM distlog.tasks"), "2");
    assert!(before.parse::<u64>().unwrap() >= 20_002);
}
