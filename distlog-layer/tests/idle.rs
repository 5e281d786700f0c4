//! A program that logs nothing is hardly woken.
//!
//! The test is alone in its program, which has one sender then.
#![allow(missing_docs)]

mod common;

use std::time::Duration;

use common::LONG;
use common::store::Store;
use distlog_layer::{Flush, builder};
use tracing::info;
use tracing::subscriber::with_default;
use tracing_subscriber::prelude::*;

/// How often the sender went to sleep so far.
fn sleeps() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let mut found = tasks.filter_map(|task| {
        let status = std::fs::read_to_string(task.unwrap().path().join("status")).ok()?;
        let of_sender = status.lines().any(|line| line == "Name:\tdistlog-sender");
        let mut lines = status.lines();
        let count = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        of_sender.then(|| count.unwrap().trim().parse().unwrap())
    });
    found.next().expect("a sender")
}

#[test]
fn a_sender_with_nothing_to_do_sleeps_until_a_record_comes() {
    let store = Store::tcp();
    let (layer, guard) = builder().connect(store.address.clone()).unwrap();
    with_default(tracing_subscriber::registry().with(layer), || {
        info!("the first");
        store.until_message("the first");
        // It looks for more for a while.
        std::thread::sleep(Duration::from_secs(1));
        let before = sleeps();
        std::thread::sleep(Duration::from_secs(2));
        let count = sleeps() - before;
        // Each 100 ms; each 20 ms would be a hundred times.
        assert!(count <= 50, "{count} times in 2 s");
        info!("the last");
        store.until_message("the last");
    });
    assert_eq!(guard.close(LONG), Flush::Flushed);
}
