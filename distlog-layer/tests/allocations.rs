//! An event in a task allocates nothing on the calling thread.
//!
//! Its program is its own: it counts what the allocator is asked for.
#![allow(missing_docs)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use common::store::Store;
use common::*;
use distlog_layer::{DistlogLayer, Guard, builder, task};
use tracing::info;
use tracing_subscriber::prelude::*;

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is handed on to the system's allocator; the counter is a plain thread-local without destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is the same.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's promise is the same.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn an_event_allocates_nothing() {
    let daemon = Daemon::tcp();
    allocates_nothing(builder().connect_push(daemon.address.clone()).unwrap(), 10);
}

#[test]
fn nor_does_it_in_a_session_with_a_spool() {
    let (store, dir) = (Store::tcp(), tempfile::tempdir().unwrap());
    let builder = builder().spool(dir.path());
    allocates_nothing(builder.connect(store.address.clone()).unwrap(), 10);
    assert_eq!(store.kept().messages().len(), 1 + 1010 + 2);
}

#[test]
fn nor_does_it_where_names_are_redacted_and_patterns_match_nothing() {
    let daemon = Daemon::tcp();
    let builder = builder().redact(["user", "password"]);
    let builder = builder
        .redact_patterns([r"\b\d{13,16}\b", r"Bearer \S+"])
        .unwrap();
    // The patterns' engine has met all digits by then.
    allocates_nothing(builder.connect_push(daemon.address.clone()).unwrap(), 1000);
}

#[test]
fn nor_does_one_that_is_not_sampled() {
    let daemon = Daemon::tcp();
    let builder = builder().sample(0.0);
    allocates_nothing(builder.connect_push(daemon.address.clone()).unwrap(), 1);
}

#[test]
fn a_span_that_is_not_sampled_allocates_what_one_that_is_does_and_a_trace_once_more() {
    let count = |ratio| {
        let daemon = Daemon::tcp();
        let builder = builder().sample(ratio);
        let (layer, guard) = builder.connect_push(daemon.address.clone()).unwrap();
        let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        let span = |n: u64| drop(tracing::info_span!("fetch", n, user = "leo"));
        let count = |count: u64| {
            let start = COUNT.get();
            (0..count).for_each(span);
            COUNT.get() - start
        };
        count(100);
        let traces = count(1000);
        let parts = task!("handle order").in_scope(|| count(1000));
        let start = COUNT.get();
        (0..1000).for_each(|n| tracing::info_span!("serve", n).in_scope(|| span(n)));
        let nested = COUNT.get() - start;
        drop(guard);
        (traces, parts, nested)
    };
    // A thread's name is in its records, and as long as this test's.
    let worker = std::thread::Builder::new().name("worker".into());
    let counts = worker.spawn(move || (count(1.0), count(0.0))).unwrap();
    let (sampled, unsampled) = counts.join().unwrap();
    let (traces, parts, nested) = sampled;
    let (unsampled_traces, unsampled_parts, unsampled_nested) = unsampled;
    // What grows once, as the registry's table of spans, is not each span's.
    let once = 50;
    // The registry's own, for what it keeps with a span; the rest has its memory from spans that are over.
    assert!(parts.abs_diff(1000) <= once, "{parts}");
    assert!(traces.abs_diff(1000) <= once, "{traces}");
    assert!(unsampled_parts.abs_diff(parts) <= once);
    assert!(unsampled_traces.abs_diff(traces + 1000) <= once);
    // Also where one holds the one above it.
    assert!(nested.abs_diff(2000) <= once, "{nested}");
    assert!(
        unsampled_nested.abs_diff(nested + 1000) <= once,
        "{unsampled_nested}"
    );
}

/// `before`: so many events fill the thread's buffers.
fn allocates_nothing((layer, guard): (DistlogLayer, Guard), before: u64) {
    let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    let user = String::from("leo");
    let task = task!(user, "handle order {}", 7);
    let event = |i: u64| info!(i, user = %user, ratio = 0.5, "item {} of {}", i, 3);
    let count = task.in_scope(|| {
        (0..before).for_each(event);
        let start = COUNT.get();
        (0..1000).for_each(event);
        COUNT.get() - start
    });
    assert_eq!(count, 0);
    let start = COUNT.get();
    drop(task!("counted {}", 1));
    assert!(COUNT.get() > start, "the counter counts");
    drop(guard);
}
