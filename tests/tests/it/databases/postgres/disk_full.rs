//! A server whose disk is full: that of its tables, and that of its log.
//!
//! Where a small file system may be mounted, that is filled. Without that right, a library in the server answers
//! ENOSPC as the kernel does (`FullDisk`).

use std::process::Command;

use distlog_testkit::{Daemon, Postgres, eventually};

use super::server_down::expect_failing;
use super::{compare, daemon, in_database, lag};
use crate::sessions::Client;

/// What the processor has said of a destination that fails.
fn complaints(daemon: &mut Daemon) -> Vec<String> {
    let said = daemon.process().stderr();
    let complaints = said
        .into_iter()
        .filter(|line| line.contains("tried again until it works"));
    complaints.collect()
}

/// Waits until it has tried so often, and asserts that it has said so once and which server it is.
fn said_once(daemon: &mut Daemon, server: &Postgres, why: &str) {
    eventually("attempts", || {
        let retries = daemon.metric("distlogd_processor_retries_total{processor=\"pg\"}");
        if retries >= 4.0 { Ok(()) } else { Err(retries) }
    });
    let complaints = complaints(daemon);
    let [line] = &complaints[..] else {
        panic!("{complaints:#?}")
    };
    let destination = format!("127.0.0.1:{}/logs: ", server.port());
    assert!(
        line.contains(&destination) && line.contains(why) && !line.contains("hunter2"),
        "{line}"
    );
    assert!(lag(daemon, "pg") > 0.0);
}

#[test]
#[ignore = "needs PostgreSQL and a C compiler: see .ci/run"]
fn a_full_disk_of_the_tables_delays_and_loses_nothing() {
    let mut server = Postgres::start(&[]);
    let disk = server.full_disk();
    server.kill();
    server.restart();
    let (_folder, mut daemon) = daemon(&server.url(), "timeout: 20s");
    let mut client = Client::start(&[daemon.session()], 0, &[("WAIT", "1")]);
    client.log(100);
    client.flush();
    compare(&daemon, &server, 101);
    disk.fill("/base/");
    // Under load: some of it fits into what the files have.
    client.log(20_000);
    client.flush();
    expect_failing(&mut daemon, "No space left on device");
    said_once(&mut daemon, &server, "No space left on device");
    // The server answers all the same, and a batch is there whole or not at all.
    let there = in_database(&server).len();
    assert!((101..20_101).contains(&there), "{there}");
    client.log(1000);
    client.flush();
    disk.free();
    compare(&daemon, &server, 21_101);
}

#[test]
#[ignore = "needs PostgreSQL and a C compiler: see .ci/run"]
fn a_server_that_a_full_disk_of_its_log_takes_down_delays_and_loses_nothing() {
    let mut server = Postgres::start(&["restart_after_crash=off"]);
    let disk = server.full_disk();
    server.kill();
    server.restart();
    let (_folder, mut daemon) = daemon(&server.url(), "timeout: 20s");
    let mut client = Client::start(&[daemon.session()], 0, &[("WAIT", "1")]);
    client.log(100);
    client.flush();
    compare(&daemon, &server, 101);
    disk.fill("/pg_wal/");
    // More than the log's file has room for.
    client.log(30_000);
    client.flush();
    eventually("a server that gives up", || {
        let said = server.said();
        let panic = said
            .iter()
            .any(|line| line.contains("PANIC:") && line.contains("No space left on device"));
        if panic { Ok(()) } else { Err(said) }
    });
    said_once(&mut daemon, &server, "");
    client.log(1000);
    client.flush();
    disk.free();
    server.restart();
    compare(&daemon, &server, 31_101);
}

/// A file system of 40 MiB, which only root can make.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<SmallDisk> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=40m", "tmpfs"])
            .arg(folder.path())
            .output();
        mounted.ok()?.status.success().then_some(SmallDisk(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
#[ignore = "needs PostgreSQL and the right to mount: see .ci/run"]
fn a_full_disk_of_the_server_delays_and_loses_nothing() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("NOT TESTED: no right to mount a small file system");
        return;
    };
    let server = Postgres::start(&[]);
    let space = disk.0.path().join("space");
    server.own(disk.0.path());
    server.own(&space);
    server.sql(&format!(
        "CREATE TABLESPACE small LOCATION '{}'",
        space.display()
    ));
    server.sql("ALTER DATABASE logs SET default_tablespace = small");
    let (_folder, mut daemon) = daemon(&server.url(), "timeout: 20s");
    let mut client = Client::start(&[daemon.session()], 0, &[("WAIT", "1")]);
    client.log(100);
    client.flush();
    compare(&daemon, &server, 101);
    let filler = disk.0.path().join("filler");
    std::fs::write(&filler, vec![0; 36 << 20]).unwrap();
    client.log(20_000);
    client.flush();
    expect_failing(&mut daemon, "No space left on device");
    said_once(&mut daemon, &server, "No space left on device");
    std::fs::remove_file(filler).unwrap();
    compare(&daemon, &server, 20_101);
}
