//! What dead processes left, taken by a daemon and by the command line.

use std::os::unix::fs::chown;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use distlog_proto::{Kind, Task, TaskId};
use distlog_testkit::eventually;
use distlogd::daemon::Builder;

use crate::DISTLOGD;
use crate::kit::in_process::*;
use crate::kit::session_client::*;
use crate::kit::spool::{leave, path};

#[test]
fn a_daemon_stores_what_the_dead_left_and_says_what_was_lost() {
    let folder = tempfile::tempdir().unwrap();
    let spools = folder.path().join("spools");
    let open = TaskId::random();
    let mut begin = record(0, "work");
    (begin.kind, begin.task) = (Kind::Begin, Some(Task::from(&open)));
    let records: Vec<_> = std::iter::once(begin)
        .chain((1..3000).map(|n| record(0, &format!("record {n}"))))
        .collect();
    let (offsets, end) = leave(&spools, &source(id(1)), &records, [0, 2, 0, 0, 0]);
    leave(&spools, &source(id(2)), &records[1..3], [0; 5]);
    // Somebody else's file, and one that is damaged.
    std::fs::write(spools.join("notes.txt"), "mine").unwrap();
    std::fs::write(path(&spools, id(3)), "x".repeat(8192)).unwrap();

    let mut config = config(folder.path());
    config.drain = vec![
        folder.path().join("not there").into(),
        spools.clone().into(),
    ];
    config.lost_after = Duration::from_secs(3600);
    let daemon = Builder::new().start(&config).unwrap();
    eventually("the spools are gone", || {
        let left = [1, 2].map(|n| path(&spools, id(n)).exists());
        if left == [false; 2] {
            Ok(())
        } else {
            Err(left)
        }
    });
    let found = stored(daemon.reader(), id(1));
    let messages = found.iter().map(|(_, message)| message.as_str());
    let expected = records.iter().map(|record| record.message.as_str());
    assert!(messages.take(3000).eq(expected), "in order");
    let places: Vec<u64> = found.iter().map(|(offset, _)| *offset).collect();
    assert_eq!(places[..3000], offsets);
    // What it could not say any more.
    assert_eq!(
        (found.len(), places[3000]),
        (3001, end),
        "{:?}",
        found[3000..].first()
    );
    assert_eq!(stored(daemon.reader(), id(2)).len(), 2);
    assert_eq!(
        metric(&daemon, "distlogd_dropped_records_total{level=\"warn\"}"),
        2
    );
    eventually("its task is lost", || {
        let tree = get(&daemon, &format!("/api/v1/tasks/{open}"));
        if tree.contains("its process died before the task ended") {
            Ok(())
        } else {
            Err(tree)
        }
    });

    assert!(path(&spools, id(3)).exists() && spools.join("notes.txt").exists());
    assert!(!folder.path().join("not there").exists());
    eventually("the trouble is counted", || {
        let seen = [
            metric(&daemon, "distlogd_dead_spools_drained_total"),
            metric(
                &daemon,
                "distlogd_receiver_accepted_records_total{receiver=\"dead_spools\",encoding=\"B\"}",
            ),
            metric(&daemon, "distlogd_dead_spools_failing"),
        ];
        if seen == [2, 3003, 2] {
            Ok(())
        } else {
            Err(seen)
        }
    });
    daemon.stop();
}

#[test]
fn what_came_through_a_session_is_not_stored_again() {
    let folder = tempfile::tempdir().unwrap();
    let spools = folder.path().join("spools");
    let records: Vec<_> = (0..100).map(|n| record(0, &n.to_string())).collect();
    let (offsets, _) = leave(&spools, &source(id(1)), &records, [0; 5]);
    let context = zmq::Context::new();
    let daemon = start(folder.path());
    let mut client = Client::join(&context, &daemon, id(1), 1);
    let sent = (0..40)
        .map(|n| record(offsets[n], &n.to_string()))
        .collect();
    client.send(0, offsets[40], sent);
    client.acked(offsets[40]);
    daemon.stop();

    let mut config = config(folder.path());
    config.drain = vec![spools.clone().into()];
    let daemon = Builder::new().start(&config).unwrap();
    eventually("the spool is gone", || {
        if path(&spools, id(1)).exists() {
            Err("there")
        } else {
            Ok(())
        }
    });
    let expected: Vec<(u64, String)> = (0..100).map(|n| (offsets[n], n.to_string())).collect();
    assert_eq!(stored(daemon.reader(), id(1)), expected);
    daemon.stop();
}

#[test]
fn a_full_store_keeps_the_spool_and_does_not_keep_the_daemon_from_stopping() {
    let folder = tempfile::tempdir().unwrap();
    let spools = folder.path().join("spools");
    let records: Vec<_> = (0..10).map(|n| record(0, &n.to_string())).collect();
    leave(&spools, &source(id(1)), &records, [0; 5]);
    let mut config = config(folder.path());
    config.drain = vec![spools.clone().into()];
    config.store.reserve = u64::MAX;
    config.grace = Duration::from_secs(2);
    let daemon = Builder::new().start(&config).unwrap();
    eventually("it is tried", || {
        let tried = metric(&daemon, "distlogd_store_no_space_total");
        if tried > 1 { Ok(()) } else { Err(tried) }
    });
    daemon.stop();
    assert!(path(&spools, id(1)).exists());

    config.store.reserve = 0;
    let daemon = Builder::new().start(&config).unwrap();
    eventually("the spool is gone", || {
        match path(&spools, id(1)).exists() {
            true => Err("there"),
            false => Ok(()),
        }
    });
    assert_eq!(stored(daemon.reader(), id(1)).len(), 10);
    daemon.stop();
}

fn drain(folder: &Path, directories: &[&str]) -> Output {
    drain_with(folder, directories, &[])
}

/// With further arguments.
fn drain_with(folder: &Path, directories: &[&str], more: &[&str]) -> Output {
    let mut command = Command::new(DISTLOGD);
    command
        .current_dir(folder)
        .args(["--config", "distlogd.yaml"]);
    for directory in directories {
        command.args(["--drain", directory]);
    }
    command.args(more).output().unwrap()
}

#[test]
fn what_another_user_left_is_taken_only_if_that_user_is_named() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not tested: only root can give a file to another user");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let spools = folder.path().join("spools");
    let stranger = 54_321;
    let plant = |n: u8| {
        leave(&spools, &source(id(n)), &[record(0, "planted")], [0; 5]);
        chown(path(&spools, id(n)), Some(stranger), None).unwrap();
    };
    plant(1);
    let mut config = config(folder.path());
    config.drain = vec![spools.clone().into()];
    let daemon = Builder::new().start(&config).unwrap();
    eventually("it is refused", || {
        let failing = metric(&daemon, "distlogd_dead_spools_failing");
        if failing == 1 { Ok(()) } else { Err(failing) }
    });
    assert_eq!(stored(daemon.reader(), id(1)).len(), 0);
    daemon.stop();
    config.drain[0].owners = vec![stranger];
    let daemon = Builder::new().start(&config).unwrap();
    eventually("it is taken", || {
        let stored = stored(daemon.reader(), id(1)).len();
        if stored == 1 { Ok(()) } else { Err(stored) }
    });
    daemon.stop();

    // The command line has the same rule.
    plant(2);
    let text_of = "store: { path: store, reserve: 16MiB }\n";
    std::fs::write(folder.path().join("distlogd.yaml"), text_of).unwrap();
    let output = drain(folder.path(), &["spools"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("--owner 54321"), "{said}");
    assert!(path(&spools, id(2)).exists());
    let output = drain_with(folder.path(), &["spools"], &["--owner", "54321"]);
    assert!(output.status.success(), "{output:?}");
    assert!(!path(&spools, id(2)).exists());
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_command_line_drains_once_and_says_what_it_took() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("distlogd.yaml"),
        "store: { path: store, reserve: 16MiB }\nprocessors: { all: { file: { path: all.jsonl } } }\nrules: [ { to: all } ]\n",
    )
    .unwrap();
    let spools = folder.path().join("spools");
    let open = TaskId::random();
    let mut records: Vec<_> = (0..5).map(|n| record(0, &n.to_string())).collect();
    (records[0].kind, records[0].task) = (Kind::Begin, Some(Task::from(&open)));
    leave(&spools, &source(id(1)), &records, [0, 0, 7, 0, 0]);
    let output = drain(folder.path(), &["spools"]);
    assert!(output.status.success(), "{output:?}");
    // Its five records, and the one about its loss.
    let expected = format!(
        "{}, shop, process 77: 6 records; it had dropped 7 for want of room\n",
        id(1)
    );
    assert_eq!(text(&output.stdout), expected);
    assert!(!path(&spools, id(1)).exists());
    assert!(
        !folder.path().join("all.jsonl").exists(),
        "no processor runs"
    );

    let output = drain(folder.path(), &["spools"]);
    assert_eq!(
        text(&output.stdout),
        "spools: no dead process left anything\n"
    );
    assert!(output.status.success());

    // What cannot be taken is said, and the rest is taken.
    std::fs::write(path(&spools, id(9)), "x".repeat(8192)).unwrap();
    leave(&spools, &source(id(2)), &records, [0; 5]);
    let output = drain(folder.path(), &["nowhere", "spools"]);
    assert_eq!(output.status.code(), Some(1));
    let expected = format!("{}, shop, process 77: 5 records\n", id(2));
    assert_eq!(text(&output.stdout), expected);
    let said = text(&output.stderr);
    assert!(
        said.contains("nowhere") && said.contains("is not a spool"),
        "{said}"
    );

    let mut config = config(folder.path());
    config.store.path = folder.path().join("store");
    let daemon = Builder::new().start(&config).unwrap();
    assert_eq!(stored(daemon.reader(), id(1)).len(), 6);
    let tree = get(&daemon, &format!("/api/v1/tasks/{open}"));
    assert!(
        tree.contains("its process died before the task ended"),
        "it is lost already: {tree}"
    );
    leave(&spools, &source(id(4)), &records, [0; 5]);
    let output = drain(folder.path(), &["spools"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("drain: [DIR]"), "{said}");
    assert!(path(&spools, id(4)).exists());
    daemon.stop();
}
