//! What a spool keeps when its process is killed, ends or forks, and who sends it.
//!
//! Their program is their own: children run it again, fork and are killed.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

mod common;

use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use common::process::{ADDRESS, Process, SPOOL, STORY};
use common::scripted_daemon::{Heard, ScriptedDaemon};
use common::store::{Kept, Store};
use common::*;
use distlog_layer::{Builder, ConnectError, Flush, Guard, SpoolError, builder, task, to};
use distlog_proto::session::{ByeReason, Refused, RefusedReason};
use distlog_proto::{ProducerId, Value};
use tracing::{Dispatch, dispatcher::with_default, info};
use tracing_subscriber::prelude::*;

fn quick(builder: Builder) -> Builder {
    builder
        .heartbeat(Duration::from_millis(100))
        .failover_timeouts(|p| {
            p.absent = Duration::from_millis(300);
            p.scan = Duration::from_millis(50);
        })
}

fn connect(dir: &Path, address: &str) -> (Dispatch, Guard) {
    let builder = quick(builder().service("test").ring_bytes(256 * 1024));
    let (layer, guard) = builder.spool(dir).connect(address).unwrap();
    (
        Dispatch::new(tracing_subscriber::registry().with(layer)),
        guard,
    )
}

fn count(from: u64, to: u64) {
    (from..to).for_each(|i| info!(i, "counted"));
}

fn counted(kept: &Kept, producer: ProducerId) -> Vec<u64> {
    let records = kept.records.iter();
    records
        .filter(|r| r.source.producer == producer && r.message == "counted")
        .map(|r| match r.fields.get("i") {
            Some(Value::I64(i)) => *i as u64,
            other => panic!("{other:?}"),
        })
        .collect()
}

fn spools(dir: &Path) -> Vec<std::path::PathBuf> {
    std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect()
}

fn until(what: &str, fits: impl Fn() -> bool) {
    let deadline = Instant::now() + LONG;
    while !fits() {
        assert!(Instant::now() < deadline, "not within {LONG:?}: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn say(what: impl std::fmt::Display) {
    println!("distlog-test:{what}");
}

fn wait() {
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

/// Not a test but what [`Process`] starts.
#[test]
fn a_process_of_its_own() {
    let Ok(story) = std::env::var(STORY) else {
        return;
    };
    let address = std::env::var(ADDRESS).unwrap();
    let dir = std::path::PathBuf::from(std::env::var_os(SPOOL).unwrap());
    let push = |builder: Builder| builder.connect_push(address.clone()).unwrap();
    let dir = match story.as_str() {
        "elsewhere" => {
            std::env::set_current_dir(dir.parent().unwrap()).unwrap();
            dir.file_name().unwrap().into()
        }
        _ => dir,
    };
    let (dispatch, guard) = match story.as_str() {
        "push" => {
            let (layer, guard) = push(quick(builder().service("test")).spool(&dir));
            (
                Dispatch::new(tracing_subscriber::registry().with(layer)),
                guard,
            )
        }
        "impatient" => {
            let builder = quick(builder()).flush_on_drop(Duration::from_millis(50));
            let (layer, guard) = builder.spool(&dir).connect(address.as_str()).unwrap();
            (
                Dispatch::new(tracing_subscriber::registry().with(layer)),
                guard,
            )
        }
        _ => connect(&dir, &address),
    };
    with_default(&dispatch, || match story.as_str() {
        "elsewhere" => {
            std::env::set_current_dir("/").unwrap();
            count(0, 500);
        }
        "half" => {
            count(0, 500);
            assert_eq!(guard.flush(LONG), Flush::Flushed);
            say("flushed");
            assert_eq!(read_line(), "go on");
            count(500, 1000);
        }
        "task" => {
            let work = task!("never ended");
            work.in_scope(|| info!("in the task"));
            assert_eq!(guard.flush(LONG), Flush::Flushed);
            std::mem::forget(work);
        }
        "overflow" => {
            while guard.dropped().total() < 7 {
                info!("counted");
            }
        }
        _ => count(0, 500),
    });
    say(u128::from_be_bytes(guard.producer().to_bytes()));
    wait();
    drop(guard);
}

fn read_line() -> String {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    line.trim().to_owned()
}

fn producer(said: &str) -> ProducerId {
    ProducerId::from_bytes(said.parse::<u128>().unwrap().to_be_bytes())
}

#[test]
fn the_next_process_sends_what_a_killed_one_left() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::tcp();
    let mut process = Process::tell("half", dir.path(), &store.address);
    assert_eq!(process.said(), "flushed");
    // The daemon goes; what is logged now is in the file alone.
    let address = store.address.clone();
    let kept = store.die();
    process.go_on();
    let dead = producer(&process.said());
    assert_eq!(counted(&kept, dead), (0..500).collect::<Vec<_>>());
    let before = kept.epochs(dead);
    process.kill();
    let [file] = &spools(dir.path())[..] else {
        panic!("one spool")
    };
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    let store = Store::at(&address, kept);
    let (dispatch, guard) = connect(dir.path(), &address);
    assert_ne!(guard.producer(), dead);
    with_default(&dispatch, || info!("alive"));
    store.until("it is over", |kept| {
        kept.byes.contains(&(dead, ByeReason::Died, [0; 5]))
    });
    until("its file is removed", || spools(dir.path()).len() == 1);
    assert_eq!(guard.close(LONG), Flush::Flushed);
    assert!(spools(dir.path()).is_empty(), "ours is empty, too");
    let kept = store.kept();
    assert_eq!(
        counted(&kept, dead),
        (0..1000).collect::<Vec<_>>(),
        "all, once, in order"
    );
    let epochs = kept.epochs(dead);
    assert!(epochs.len() > before.len() && epochs.is_sorted_by(|a, b| a < b));
    let record = kept.records.iter().rfind(|r| r.source.producer == dead);
    let record = record.unwrap();
    assert_eq!(record.source.service, "test");
    assert_eq!(
        record.callsite.target, "survives",
        "the file has its callsites"
    );
    assert_ne!(record.source.process_id, u64::from(std::process::id()));
}

/// The machine lost power: what the daemon acknowledged is on its disk, what is in the file was not all written out.
#[test]
fn a_daemon_that_has_more_than_is_left_in_the_file_has_all_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::tcp();
    let mut process = Process::tell("plain", dir.path(), &store.address);
    let dead = producer(&process.said());
    process.kill();
    let (address, mut kept) = (store.address.clone(), store.die());
    let known = kept.clone();
    kept.stands.insert(dead, 16 << 20);

    let store = Store::at(&address, kept);
    let (_dispatch, guard) = connect(dir.path(), &address);
    store.until("it is over", |kept| {
        kept.byes.contains(&(dead, ByeReason::Died, [0; 5]))
    });
    until("its file is removed", || spools(dir.path()).len() == 1);
    assert_eq!(guard.close(LONG), Flush::Flushed);
    assert_eq!(counted(&store.kept(), dead), counted(&known, dead));
    assert_eq!(store.kept().stands[&dead], 16 << 20);
}

#[test]
fn open_tasks_of_a_killed_process_are_over_when_nothing_is_left_to_send() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::tcp();
    let mut process = Process::tell("task", dir.path(), &store.address);
    let dead = producer(&process.said());
    process.kill();
    assert!(store.kept().byes.is_empty());
    let (_dispatch, guard) = connect(dir.path(), &store.address);
    store.until("it is over", |kept| {
        kept.byes.contains(&(dead, ByeReason::Died, [0; 5]))
    });
    assert_eq!(guard.close(LONG), Flush::Flushed);
}

#[test]
fn drops_that_a_killed_process_did_not_tell_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = Process::tell("overflow", dir.path(), "tcp://127.0.0.1:9");
    let dead = producer(&process.said());
    process.kill();
    let store = Store::tcp();
    let (_dispatch, guard) = connect(dir.path(), &store.address);
    store.until("it is over", |kept| {
        kept.byes
            .contains(&(dead, ByeReason::Died, [0, 0, 7, 0, 0]))
    });
    assert_eq!(guard.close(LONG), Flush::Flushed);
    let kept = store.kept();
    let told: Vec<_> = kept
        .records
        .iter()
        .filter(|r| r.message == "lost 7 records")
        .collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].source.producer, dead);
}

#[test]
fn a_program_that_ends_without_a_daemon_leaves_its_records_and_says_where() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = Process::tell("impatient", dir.path(), "tcp://127.0.0.1:9");
    let gone = producer(&process.said());
    let said = process.end();
    assert!(said.contains("500 records"), "{said}");
    let path = dir.path().display();
    assert!(
        said.contains(&format!("`distlogd --drain {path}`")),
        "{said}"
    );
    assert_eq!(spools(dir.path()).len(), 1);

    let store = Store::tcp();
    let (_dispatch, guard) = connect(dir.path(), &store.address);
    store.until("it is over", |kept| kept.byes.len() == 1);
    assert_eq!(counted(&store.kept(), gone), (0..500).collect::<Vec<_>>());
    assert_eq!(guard.close(LONG), Flush::Flushed);
    assert!(spools(dir.path()).is_empty());
}

/// Waits until whoever looks into the directory has looked at everything in it `times` times.
fn looked(dir: &Path, store: &Store, times: usize) {
    // One who dies is found at the next look, and one who dies after that at another one.
    for _ in 0..times {
        let mut process = Process::tell("plain", dir, &store.address);
        let dead = producer(&process.said());
        process.kill();
        store.until("it is found", |kept| {
            kept.byes.contains(&(dead, ByeReason::Died, [0; 5]))
        });
    }
}

#[test]
fn living_processes_share_a_directory_in_peace() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::tcp();
    let mut process = Process::tell("half", dir.path(), &store.address);
    assert_eq!(process.said(), "flushed");
    let (dispatch, guard) = connect(dir.path(), &store.address);
    with_default(&dispatch, || count(0, 10));
    looked(dir.path(), &store, 2);
    process.go_on();
    let other = producer(&process.said());
    assert_eq!(process.end(), "");
    assert_eq!(guard.flush(LONG), Flush::Flushed);
    let kept = store.kept();
    assert_eq!(counted(&kept, other), (0..1000).collect::<Vec<_>>());
    assert_eq!(kept.epochs(other), [1], "nobody else spoke for it");
}

#[test]
fn a_forked_child_has_a_spool_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::tcp();
    let (dispatch, guard) = connect(dir.path(), &store.address);
    let parent = guard.producer();
    let child = with_default(&dispatch, || {
        info!("before the fork");
        // SAFETY: the child calls nothing that another thread of the parent might have locked in this process: the
        // layer's state is new there, and glibc sees to its own allocator.
        let child = unsafe { libc::fork() };
        assert!(child >= 0);
        if child == 0 {
            to!("child's work").in_scope(|| count(0, 100));
            // SAFETY: ends this process without a word to anybody, as a kill would.
            unsafe { libc::_exit(if guard.producer() == parent { 1 } else { 0 }) };
        }
        info!("in the parent");
        child
    });
    let mut status = 0;
    // SAFETY: `status` is a valid place for the child's status.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert_eq!(status, 0);
    // The parent finds what its child left.
    store.until("the child's records", |kept| {
        kept.byes.len() == 1 && kept.byes[0].0 != parent
    });
    assert_eq!(guard.close(LONG), Flush::Flushed);
    let kept = store.kept();
    let childs = kept.byes[0].0;
    assert_eq!(counted(&kept, childs), (0..100).collect::<Vec<_>>());
    let of_parent: Vec<_> = kept
        .records
        .iter()
        .filter(|r| r.source.producer == parent)
        .map(|r| r.message.as_str())
        .collect();
    assert_eq!(of_parent, ["before the fork", "in the parent"]);
    until("no file is left", || spools(dir.path()).is_empty());
}

#[test]
fn a_directory_that_cannot_be_used_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    let error = builder().spool(&file).connect("tcp://127.0.0.1:9").err();
    let Some(ConnectError::Spool(error @ SpoolError::NotADirectory { .. })) = error else {
        panic!("{error:?}")
    };
    assert!(error.to_string().contains(&file.display().to_string()));
    assert_eq!(std::fs::read(&file).unwrap(), b"mine");
}

#[test]
fn what_is_no_spool_is_left_alone_and_said_once() {
    let dir = tempfile::tempdir().unwrap();
    let foreign = dir.path().join(format!("{:032x}.spool", 7));
    std::fs::write(&foreign, "something else").unwrap();
    let store = Store::tcp();
    let mut process = Process::tell("plain", dir.path(), &store.address);
    process.said();
    let inode = foreign.metadata().unwrap().ino();
    looked(dir.path(), &store, 3);
    let said = process.end();
    assert_eq!(said.matches("is not a spool").count(), 1, "{said}");
    assert_eq!(foreign.metadata().unwrap().ino(), inode);
}

#[test]
fn a_spool_that_a_daemon_refuses_is_kept_and_said_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = Process::tell("plain", dir.path(), "tcp://127.0.0.1:9");
    let dead = producer(&process.said());
    process.kill();
    let scripted = ScriptedDaemon::tcp();
    let mut process = Process::tell("plain", dir.path(), &scripted.address);
    // It is tried again and again, with a longer pause each time, and anew after a while.
    let (mut refused, mut shortest, mut anew) = (Instant::now(), Duration::MAX, 0);
    while anew < 3 {
        match scripted.hear(LONG).expect("somebody speaks") {
            (peer, Heard::Hello(hello)) if hello.producer == dead => {
                scripted.refuse(&peer, Refused::new(RefusedReason::Forged, "not this one"));
                let pause = refused.elapsed();
                anew += u32::from(pause < shortest / 2);
                (refused, shortest) = (Instant::now(), pause);
            }
            (peer, Heard::Hello(hello)) => {
                scripted.welcome(&peer, &hello, 1, hello.acked, u64::MAX)
            }
            (peer, Heard::Batch(batch)) => scripted.ack(&peer, 1, batch.header.to, u64::MAX),
            (peer, Heard::Ping(ping)) => scripted.ack(&peer, 1, ping.sent, u64::MAX),
            (_, Heard::Bye(bye)) => panic!("{bye:?}"),
        }
    }
    process.said();
    let said = process.end();
    assert_eq!(said.matches("not this one").count(), 1, "{said}");
    assert_eq!(spools(dir.path()).len(), 1);
}

#[test]
fn a_program_that_changes_its_working_directory_finds_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let spool = dir.path().join("spool");
    let store = Store::tcp();
    let mut process = Process::tell("elsewhere", &spool, &store.address);
    let whose = producer(&process.said());
    assert_eq!(spools(&spool).len(), 1);
    assert_eq!(process.end(), "", "nothing is wrong");
    assert_eq!(counted(&store.kept(), whose).len(), 500);
    assert!(spools(&spool).is_empty(), "all was sent");
}

#[test]
fn with_the_push_door_the_file_has_what_was_not_sent() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::tcp();
    let (layer, guard) = quick(builder())
        .spool(dir.path())
        .connect_push(daemon.address.clone())
        .unwrap();
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    with_default(&dispatch, || count(0, 10));
    assert_eq!(guard.flush(LONG), Flush::Flushed);
    assert_eq!(daemon.batch().len(), 10);
    assert_eq!(guard.close(LONG), Flush::Flushed);
    assert!(spools(dir.path()).is_empty());

    let mut process = Process::tell("push", dir.path(), "tcp://127.0.0.1:9");
    let dead = producer(&process.said());
    process.kill();
    assert_eq!(spools(dir.path()).len(), 1);
    let (_layer, guard) = quick(builder())
        .spool(dir.path())
        .connect_push(daemon.address.clone())
        .unwrap();
    let mut records = Vec::new();
    while records.len() < 500 {
        records.extend(daemon.batch());
    }
    assert!(records.iter().all(|r| r.source.producer == dead));
    until("its file is removed", || spools(dir.path()).len() == 1);
    assert_eq!(guard.close(LONG), Flush::Flushed);
}
