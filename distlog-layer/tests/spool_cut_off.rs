//! Somebody cuts off the file of a program that logs: the program does not notice, its human does.
//!
//! Their program is their own: it loses memory (SIGBUS), and children run it again.
#![cfg(unix)]
#![allow(missing_docs)]

mod common;

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::store::Store;
use common::*;
use distlog_layer::{Flush, builder};
use distlog_proto::Value;
use tracing::info;
use tracing_subscriber::prelude::*;

const PART: &str = "DISTLOG_TEST_PART";

/// Without opening the file: this process would lose its lock with the descriptor.
fn cut_off(folder: &Path, length: i64) {
    for file in std::fs::read_dir(folder).unwrap() {
        let path = CString::new(file.unwrap().path().as_os_str().as_bytes()).unwrap();
        // SAFETY: the path ends with a zero.
        assert_eq!(unsafe { libc::truncate(path.as_ptr(), length) }, 0);
    }
}

/// Logs numbers, and says which arrived.
fn program(length: i64) {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::tcp();
    let (layer, guard) = builder()
        .ring_bytes(1 << 16)
        .spool(folder.path())
        .connect_push(daemon.address.clone())
        .unwrap();
    let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    let log = |numbers: std::ops::Range<i64>| {
        for number in numbers {
            info!(number, "counted");
            // Not to fill the ring.
            if number % 50 == 0 {
                assert_eq!(guard.flush(LONG), Flush::Flushed);
            }
        }
    };
    log(1..501);
    cut_off(folder.path(), length);
    log(501..2001);
    info!("THE LAST");
    assert_eq!(guard.flush(LONG), Flush::Flushed);
    assert_eq!(guard.dropped().total(), 0);
    let numbers: Vec<_> = daemon
        .until_message("THE LAST")
        .into_iter()
        .map(|record| match record.fields.get("number") {
            Some(Value::I64(number)) => *number,
            other => panic!("{other:?}"),
        })
        .collect();
    // All was sent when the file was cut off, so nothing was lost with it.
    assert_eq!(numbers, (1..2001).collect::<Vec<_>>());
    assert_eq!(guard.close(LONG), Flush::Flushed);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Logs more than there is room for to a daemon that makes nothing durable; then the file is cut off, and the next
/// daemon comes.
fn full() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::tcp();
    store.stick();
    let (layer, guard) = builder()
        .ring_bytes(1 << 16)
        .spool(folder.path())
        .connect(store.address.as_str())
        .unwrap();
    let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    // In the end there is no room for the shortest record either.
    (0..2000).for_each(|number| info!(number, text = "x".repeat(500), "counted"));
    (0..2000).for_each(|number| info!(number, "counted"));
    // All is on its way.
    assert!(guard.flush(Duration::from_millis(300)) != Flush::Flushed);
    assert!(guard.dropped().total() > 0);
    cut_off(folder.path(), 0);
    let address = store.address.clone();
    let store = Store::at(&address, store.die());
    assert_eq!(guard.flush(LONG), Flush::Flushed, "all is gone");
    info!("THE LAST");
    assert_eq!(guard.close(LONG), Flush::Flushed);
    assert!(store.kept().messages().contains(&"THE LAST"));
}

#[test]
fn a_full_ring_whose_file_is_cut_off_has_room_again() {
    if std::env::var(PART).is_ok() {
        return full();
    }
    let name = "a_full_ring_whose_file_is_cut_off_has_room_again";
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(PART, "")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("bytes of records are lost"), "{said}");
}

#[test]
fn a_program_logs_on_when_its_file_is_cut_off() {
    if let Ok(length) = std::env::var(PART) {
        return program(length.parse().unwrap());
    }
    for length in [0, 4096 + 1000, 4096 + 30_000] {
        let name = "a_program_logs_on_when_its_file_is_cut_off";
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(PART, length.to_string())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{length}: {said}");
        assert!(said.contains("was cut off"), "{length}: {said}");
    }
}

/// Logs into a file that is cut off, without the handler of `SIGBUS`.
fn without_handler() {
    let folder = tempfile::tempdir().unwrap();
    let (layer, _guard) = builder()
        .ring_bytes(1 << 16)
        .spool(folder.path())
        .sigbus_handler(false)
        .connect("tcp://127.0.0.1:1")
        .unwrap();
    let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    info!("before");
    println!("logged");
    cut_off(folder.path(), 0);
    (0..2000).for_each(|number| info!(number, "counted"));
    println!("survived");
}

#[test]
fn without_the_handler_the_signal_has_its_effect() {
    use std::os::unix::process::ExitStatusExt;

    if std::env::var(PART).is_ok() {
        return without_handler();
    }
    let name = "without_the_handler_the_signal_has_its_effect";
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        // Else AddressSanitizer, where the test runs under it, handles the signal.
        .env("ASAN_OPTIONS", "handle_sigbus=0")
        .env(PART, "")
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.signal(), Some(libc::SIGBUS), "{stdout}");
    assert!(
        stdout.contains("logged") && !stdout.contains("survived"),
        "{stdout}"
    );
}
