//! A forked child is a producer of its own.
//!
//! Its program is its own: it forks.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

mod common;

use common::*;
use distlog_layer::{Flush, builder, task, to};
use distlog_proto::Kind;
use tracing::info;
use tracing_subscriber::prelude::*;

#[test]
fn a_child_writes_nothing_of_what_its_parent_withholds() {
    let daemon = Daemon::tcp();
    let builder = builder().sample(0.0);
    let (layer, guard) = builder.connect_push(daemon.address.clone()).unwrap();
    let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    let job = task!("job");
    let entered = job.enter();
    info!("not written");

    // SAFETY: as below.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        info!("not written by the child either");
        to!("child's work").in_scope(|| tracing::error!("in the child"));
        drop(entered);
        drop(job);
        let well = guard.close(LONG) == Flush::Flushed;
        // SAFETY: as below.
        unsafe { libc::_exit(if well { 0 } else { 1 }) };
    }

    let mut status = 0;
    // SAFETY: `status` is a valid place for the child's status.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert_eq!(status, 0, "the child flushed");
    tracing::error!("in the parent");
    drop(entered);
    drop(job);
    assert_eq!(guard.close(LONG), Flush::Flushed);

    let mut records = Vec::new();
    while records.len() < 6 {
        records.extend(daemon.batch());
    }
    assert!(
        daemon
            .message(std::time::Duration::from_millis(200))
            .is_none()
    );
    let of = |process: u32| {
        let records = records.iter();
        records
            .filter(|record| record.source.process_id == u64::from(process))
            .map(|record| (record.kind, record.message.as_str()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        of(child as u32),
        [
            (Kind::Begin, "child's work"),
            (Kind::Event, "in the child"),
            (Kind::End, "child's work"),
        ]
    );
    assert_eq!(
        of(std::process::id()),
        [
            (Kind::Begin, "job"),
            (Kind::Event, "in the parent"),
            (Kind::End, "job"),
        ]
    );
}

#[test]
fn parent_and_child_both_log_on() {
    let daemon = Daemon::tcp();
    let (layer, guard) = builder().connect_push(daemon.address.clone()).unwrap();
    let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    let parents = guard.producer();
    let job = task!("job");
    let entered = job.enter();
    info!("before the fork");

    // SAFETY: the child calls nothing that another thread of the parent might have locked in this process: the layer's
    // state is new there, and glibc sees to its own allocator.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        to!("child's work").in_scope(|| info!("in the child"));
        info!("child in the parent's task");
        drop(entered);
        drop(job);
        let well = guard.producer() != parents && guard.close(LONG) == Flush::Flushed;
        // SAFETY: ends this process without running the test harness a second time.
        unsafe { libc::_exit(if well { 0 } else { 1 }) };
    }

    to!("parent's work").in_scope(|| info!("in the parent"));
    let mut status = 0;
    // SAFETY: `status` is a valid place for the child's status.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert_eq!(status, 0, "the child flushed as another producer");
    drop(entered);
    drop(job);
    info!("THE LAST");
    assert_eq!(guard.close(LONG), Flush::Flushed);

    let mut records = Vec::new();
    while !(records
        .iter()
        .any(|r: &distlog_proto::Record| r.message == "THE LAST")
        && records
            .iter()
            .any(|r| r.message == "child in the parent's task"))
    {
        records.extend(daemon.batch());
    }
    let of = |message: &str| records.with_message(message);
    assert_eq!(of("before the fork").source.producer, parents);
    assert_eq!(of("in the parent").source.producer, parents);
    assert_eq!(
        of("in the parent").source.process_id,
        u64::from(std::process::id())
    );
    let in_child = of("in the child");
    assert_ne!(in_child.source.producer, parents);
    assert_eq!(in_child.source.process_id, child as u64);
    assert_eq!(in_child.thread_id, child as u64);
    let job = id(records.begin("job"));
    assert_eq!(id(of("child in the parent's task")), job);
    assert_eq!(id(records.begin("parent's work")), format!("{job}/1"));
    assert!(
        id(records.begin("child's work")).starts_with(&format!("{job}/1.")),
        "salted: the parent has the plain number"
    );
    let ends: Vec<_> = records
        .iter()
        .filter(|r| r.kind == Kind::End && id(r) == job)
        .collect();
    assert_eq!(ends.len(), 1, "the task ends once, where it began");
    assert_eq!(ends[0].source.producer, parents);
    assert_eq!(
        records
            .iter()
            .filter(|r| r.message == "before the fork")
            .count(),
        1,
        "the parent's ring is not sent twice"
    );
}
