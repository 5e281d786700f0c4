//! How programs end, and that what they logged is there all the same: `exit`, a guard in a `static`, a guard that was
//! dropped at once, programs that live for a moment beside spools of killed ones.
//!
//! Their program is their own: children run it again, and each installs a subscriber for its whole process.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

mod common;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use common::process::{ADDRESS, SPOOL, STORY};
use common::store::Store;
use distlog_layer::{Builder, Guard, builder};
use tracing::info;
use tracing_subscriber::prelude::*;

/// The program ends so, with this number.
const CODE: i32 = 3;

/// Runs the story in a process of its own.
fn tell(story: &str, spool: Option<&Path>, address: &str) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "a_process_of_its_own", "--nocapture"])
        .env(STORY, story)
        .env(ADDRESS, address)
        .stdin(Stdio::null());
    if let Some(spool) = spool {
        command.env(SPOOL, spool);
    }
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let own = stderr.lines().filter(|line| line.starts_with("distlog: "));
    own.collect::<Vec<_>>().join("\n")
}

/// Not a test but what [`tell`] starts.
#[test]
fn a_process_of_its_own() {
    static GUARD: OnceLock<Guard> = OnceLock::new();

    let Ok(story) = std::env::var(STORY) else {
        return;
    };
    let address = std::env::var(ADDRESS).unwrap();
    let mut build: Builder = builder().service("short");
    if let Some(spool) = std::env::var_os(SPOOL) {
        build = build.spool(spool);
    }
    if story == "impatient" {
        build = build.flush_on_drop(Duration::from_millis(50));
    }
    let connect = || build.connect(address.as_str()).unwrap();
    match story.as_str() {
        "exit" | "impatient" => {
            let (layer, _guard) = connect();
            tracing_subscriber::registry().with(layer).init();
            info!("before the exit");
            std::process::exit(CODE);
        }
        "exit elsewhere" => {
            let (layer, _guard) = connect();
            tracing_subscriber::registry().with(layer).init();
            info!("before the exit");
            let _ = std::thread::spawn(|| std::process::exit(CODE)).join();
        }
        "exit while the guard is dropped" => {
            let (layer, guard) = connect();
            tracing_subscriber::registry().with(layer).init();
            info!("before the exit");
            std::thread::spawn(move || drop(guard));
            std::process::exit(CODE);
        }
        "static" => {
            let (layer, guard) = connect();
            let _ = GUARD.set(guard);
            tracing_subscriber::registry().with(layer).init();
            info!("before the exit");
        }
        "at once" => {
            let (layer, _) = connect();
            tracing_subscriber::registry().with(layer).init();
            info!("before the exit");
        }
        "neither" => drop(connect()),
        "in a function" => {
            let (layer, guard) = connect();
            tracing_subscriber::registry().with(layer).init();
            drop(guard);
            info!("at the end of all");
            std::thread::sleep(Duration::from_millis(1100));
            info!("long after");
        }
        "killed" => {
            let (layer, _guard) = connect();
            tracing_subscriber::registry().with(layer).init();
            info!("before the kill");
            // SAFETY: it takes no argument that could be wrong.
            unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
        }
        _ => {
            let (layer, _guard) = connect();
            tracing_subscriber::registry().with(layer).init();
            info!("of a short life");
        }
    }
}

#[test]
fn what_was_logged_before_an_exit_is_there() {
    for with_spool in [false, true] {
        for (story, code) in [
            ("exit", CODE),
            ("exit elsewhere", CODE),
            ("exit while the guard is dropped", CODE),
            ("static", 0),
        ] {
            let store = Store::tcp();
            let dir = tempfile::tempdir().unwrap();
            let spool = with_spool.then(|| dir.path());
            let output = tell(story, spool, &store.address);
            assert_eq!(output.status.code(), Some(code), "{story}: {output:?}");
            assert_eq!(store.kept().messages(), ["before the exit"], "{story}");
            assert_eq!(said(&output), "", "{story}");
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "{story}");
        }
    }
}

#[test]
fn a_guard_that_is_dropped_at_once_loses_nothing_and_is_told() {
    let store = Store::tcp();
    let output = tell("at once", None, &store.address);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(store.kept().messages(), ["before the exit"]);
    let said_of_it = said(&output);
    assert!(
        said_of_it.contains("`let (layer, _guard) = …`"),
        "{said_of_it}"
    );
    assert_eq!(said_of_it.lines().count(), 1);
    assert_eq!(said(&tell("neither", None, &store.address)), "");
}

#[test]
fn a_program_that_logs_on_without_its_guard_is_told_once() {
    let store = Store::tcp();
    let output = tell("in a function", None, &store.address);
    let said = said(&output);
    assert!(said.contains("though the guard was dropped"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn an_exit_without_a_daemon_takes_no_longer_than_it_may_and_says_what_is_left() {
    let store = Store::tcp();
    let address = store.address.clone();
    drop(store.die());
    let output = tell("impatient", None, &address);
    assert_eq!(output.status.code(), Some(CODE));
    let said = said(&output);
    assert!(
        said.contains("1 record (") && said.contains("Is the daemon running?"),
        "{said}"
    );
}

#[test]
fn programs_of_a_moment_deliver_what_a_killed_one_left() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Some(dir.path());
    let store = Store::tcp();
    let address = store.address.clone();
    let kept = store.die();
    // Nobody is there when it is killed; without the daemon its record can only be in the spool.
    assert!(!tell("killed", spool, &address).status.success());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    let store = Store::at(&address, kept);
    let output = tell("short", spool, &address);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(said(&output), "");
    let mut messages: Vec<String> = store
        .kept()
        .messages()
        .iter()
        .map(|m| m.to_string())
        .collect();
    messages.sort();
    assert_eq!(messages, ["before the kill", "of a short life"]);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_program_that_cannot_deliver_for_the_dead_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::tcp();
    let address = store.address.clone();
    drop(store.die());
    assert!(!tell("killed", Some(dir.path()), &address).status.success());
    let output = tell("impatient", Some(dir.path()), &address);
    let said = said(&output);
    assert!(said.contains("1 spool is"), "{said}");
    assert!(said.contains("--drain"), "{said}");
}
