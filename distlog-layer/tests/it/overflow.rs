//! What happens while nobody takes the records.
#![allow(missing_docs)]

use std::time::Duration;

use crate::common::*;
use distlog_layer::{Flush, Overflow, builder};
use distlog_proto::{Record, Severity, Value};
use tracing::subscriber::with_default;
use tracing::{debug, error, info, trace, warn};
use tracing_subscriber::prelude::*;

fn number(record: &Record, field: &str) -> u64 {
    match record.fields.get(field) {
        Some(Value::I64(n)) => u64::try_from(*n).unwrap(),
        other => panic!("{field} is {other:?} in {record:#?}"),
    }
}

fn now() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_nanos() as u64
}

#[test]
fn what_is_dropped_is_counted_exactly_and_reported_in_the_stream() {
    let dir = tempfile::tempdir().unwrap();
    let address = format!("ipc://{}/socket", dir.path().display());
    let (layer, guard) = builder()
        .ring_bytes(64 * 1024)
        .connect_push(address.clone())
        .unwrap();
    let before = now();
    const EACH: u64 = 1000;
    let dispatch = tracing::Dispatch::new(tracing_subscriber::registry().with(layer));
    tracing::dispatcher::with_default(&dispatch, || {
        for i in 0..EACH {
            error!(i, "e");
            warn!(i, "w");
            info!(i, "i");
            debug!(i, "d");
            trace!(i, "t");
        }
    });
    let after = now();
    let dropped = guard.dropped();
    assert!(dropped.total() > 3 * EACH, "{dropped:?}");
    let Flush::Left {
        records: left,
        bytes,
    } = guard.flush(Duration::from_millis(20))
    else {
        panic!("nobody was there")
    };
    assert_eq!(left + dropped.total(), 5 * EACH);
    assert!(bytes > 0 && bytes <= 64 * 1024);

    let daemon = Daemon::at(&address);
    assert_eq!(guard.flush(LONG), Flush::Flushed);
    let mut received = Vec::new();
    let report = loop {
        received.extend(daemon.batch());
        if let Some(at) = received
            .iter()
            .position(|record| record.message.starts_with("lost "))
        {
            break received.remove(at);
        }
    };
    assert_eq!(report.message, format!("lost {} records", dropped.total()));
    assert_eq!(
        (report.callsite.target.as_str(), report.callsite.severity),
        ("distlog_layer", Severity::WARN)
    );
    assert_eq!(number(&report, "lost.total"), dropped.total());
    let of = |severity| {
        received
            .iter()
            .filter(|record| record.callsite.severity == severity)
            .count() as u64
    };
    for (severity, field, counted) in [
        (Severity::ERROR, "lost.error", dropped.error),
        (Severity::WARN, "lost.warn", dropped.warn),
        (Severity::INFO, "lost.info", dropped.info),
        (Severity::DEBUG, "lost.debug", dropped.debug),
        (Severity::TRACE, "lost.trace", dropped.trace),
    ] {
        assert_eq!(number(&report, field), counted);
        assert_eq!(of(severity) + counted, EACH, "{field}");
    }
    const SLACK: u64 = 50_000_000;
    let (from, to) = (number(&report, "lost.from"), number(&report, "lost.to"));
    assert!(
        before - SLACK <= from && from <= to && to <= after + SLACK,
        "{before} {from} {to} {after}"
    );

    // It is said once.
    tracing::dispatcher::with_default(&dispatch, || info!("afterwards"));
    assert_eq!(guard.close(LONG), Flush::Flushed);
    assert!(daemon.until_message("afterwards").is_empty());
}

#[test]
fn block_waits_for_room_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let address = format!("ipc://{}/socket", dir.path().display());
    let (layer, guard) = builder()
        .ring_bytes(64 * 1024)
        .overflow(Overflow::Block(LONG))
        .connect_push(address.clone())
        .unwrap();
    let daemon = std::thread::spawn(move || {
        let daemon = Daemon::at(&address);
        daemon.until_message("THE LAST")
    });
    let dispatch = tracing::Dispatch::new(tracing_subscriber::registry().with(layer));
    let threads: Vec<_> = (0..3)
        .map(|thread| {
            let dispatch = dispatch.clone();
            std::thread::spawn(move || {
                tracing::dispatcher::with_default(&dispatch, || {
                    (0..3000).for_each(|i| info!(thread, i, "event"))
                });
            })
        })
        .collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    tracing::dispatcher::with_default(&dispatch, || info!("THE LAST"));
    assert_eq!(guard.dropped().total(), 0);
    assert_eq!(guard.close(LONG), Flush::Flushed);
    let records = daemon.join().unwrap();
    assert_eq!(records.len(), 9000);
    let mut next = [0; 3];
    for record in &records {
        let thread = number(record, "thread") as usize;
        assert_eq!(
            number(record, "i"),
            next[thread],
            "in the order of each thread"
        );
        next[thread] += 1;
    }
}

#[test]
fn block_gives_up_after_its_time() {
    let (layer, guard) = builder()
        .ring_bytes(64 * 1024)
        .overflow(Overflow::Block(Duration::from_millis(5)))
        .flush_on_drop(Duration::ZERO)
        .connect_push("ipc:///nonexistent/socket")
        .unwrap();
    with_default(tracing_subscriber::registry().with(layer), || {
        while guard.dropped().total() < 3 {
            info!("nobody is there");
        }
    });
    assert_eq!(guard.dropped().total(), 3);
}

#[test]
fn the_guard_says_what_was_left() {
    let (layer, guard) = builder().connect_push("tcp://127.0.0.1:9").unwrap();
    with_default(tracing_subscriber::registry().with(layer), || {
        (0..10).for_each(|i| info!(i, "to nobody"))
    });
    let Flush::Left { records, bytes } = guard.flush(Duration::from_millis(10)) else {
        panic!("nobody is there")
    };
    assert_eq!(records, 10);
    assert!(bytes >= 10 * 16);
    assert_eq!(
        guard.close(Duration::from_millis(10)),
        Flush::Left { records, bytes }
    );
}

#[test]
fn logging_after_the_guard_is_gone_does_nothing() {
    let (layer, guard) = builder()
        .ring_bytes(64 * 1024)
        .overflow(Overflow::Block(LONG))
        .flush_on_drop(Duration::ZERO)
        .connect_push("tcp://127.0.0.1:9")
        .unwrap();
    let subscriber = tracing_subscriber::registry().with(layer);
    with_default(subscriber, || {
        drop(guard);
        (0..10_000).for_each(|i| info!(i, "to nobody"))
    });
}
