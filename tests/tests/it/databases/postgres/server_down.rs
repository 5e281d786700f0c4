//! A server that hangs, or is locked by others.

use std::process::Stdio;

use distlog_testkit::{Daemon, Postgres, Process, eventually};

use super::{DISTLOGD, compare, config, daemon, lag};
use crate::sessions::Client;

/// Waits until the processor says that it fails, and why.
pub(super) fn expect_failing(daemon: &mut Daemon, why: &str) {
    daemon
        .process()
        .expect_stderr(why, |line| line.contains(why).then_some(()));
}

#[test]
#[ignore = "needs PostgreSQL: see .ci/run"]
fn a_lock_of_another_session_delays_and_loses_nothing() {
    let server = Postgres::start(&[]);
    let (_folder, mut daemon) = daemon(&server.url(), "timeout: 1s");
    let mut client = Client::start(&[daemon.session()], 0, &[]);
    client.log(100);
    client.flush();
    compare(&daemon, &server, 101);

    let mut other = Process::start(server.session("logs").stdin(Stdio::piped()));
    other.say("BEGIN; LOCK TABLE distlog.records IN ACCESS EXCLUSIVE MODE;");
    let held = "SELECT count(*) FROM pg_locks WHERE relation = 'distlog.records'::regclass \
         AND mode = 'AccessExclusiveLock' AND granted";
    eventually("the lock", || match server.sql(held) {
        count if count == "1" => Ok(()),
        other => Err(other),
    });
    client.log(5000);
    client.flush();
    expect_failing(&mut daemon, "lock timeout");
    assert!(lag(&daemon, "pg") > 0.0);
    other.say("COMMIT;");
    compare(&daemon, &server, 5101);
}

#[test]
#[ignore = "needs PostgreSQL: see .ci/run"]
fn a_server_that_hangs_delays_no_stop() {
    let server = Postgres::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let text = config(&server.url(), "timeout: 1h").replace("grace: 20s", "grace: 1s");
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), &text);
    let mut client = Client::start(&[daemon.session()], 0, &[]);
    client.log(100);
    client.flush();
    compare(&daemon, &server, 101);
    server.freeze();
    client.log(3000);
    client.flush();
    eventually("records that wait", || {
        let lag = lag(&daemon, "pg");
        if lag > 0.0 { Ok(()) } else { Err(lag) }
    });
    assert_eq!(daemon.stop().code(), Some(3), "something is left");
    server.thaw();
    daemon.restart();
    compare(&daemon, &server, 3101);
}

#[test]
#[ignore = "needs PostgreSQL: see .ci/run"]
fn a_server_that_hangs_is_left_after_its_time_and_found_again() {
    let server = Postgres::start(&[]);
    let (_folder, mut daemon) = daemon(&server.url(), "timeout: 1s");
    let mut client = Client::start(&[daemon.session()], 0, &[]);
    client.log(100);
    client.flush();
    compare(&daemon, &server, 101);
    server.freeze();
    client.log(3000);
    client.flush();
    expect_failing(&mut daemon, "within 1s");
    server.thaw();
    compare(&daemon, &server, 3101);
}
