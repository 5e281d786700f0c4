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
    allocates_nothing(builder().connect_push(daemon.address.clone()).unwrap());
}

#[test]
fn nor_does_it_in_a_session_with_a_spool() {
    let (store, dir) = (Store::tcp(), tempfile::tempdir().unwrap());
    let builder = builder().spool(dir.path());
    allocates_nothing(builder.connect(store.address.clone()).unwrap());
    assert_eq!(store.kept().messages().len(), 1 + 1010 + 2);
}

fn allocates_nothing((layer, guard): (DistlogLayer, Guard)) {
    let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    let user = String::from("leo");
    let task = task!(user, "handle order {}", 7);
    let event = |i: u64| info!(i, user = %user, ratio = 0.5, "item {} of {}", i, 3);
    let count = task.in_scope(|| {
        // The first ones fill the thread's buffers.
        (0..10).for_each(event);
        let before = COUNT.get();
        (0..1000).for_each(event);
        COUNT.get() - before
    });
    assert_eq!(count, 0);
    let before = COUNT.get();
    drop(task!("counted {}", 1));
    assert!(COUNT.get() > before, "the counter counts");
    drop(guard);
}
