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
