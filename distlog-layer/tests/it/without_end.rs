//! Times that are so long that no clock reaches them: whoever gives one wants to wait for ever, not a panic.
#![allow(missing_docs)]

use std::time::Duration;

use crate::common::store::Store;
use distlog_layer::{Flush, Overflow, builder};
use tracing::info;
use tracing::subscriber::with_default;
use tracing_subscriber::prelude::*;

#[test]
fn a_caller_waits_for_room_for_ever_and_no_longer_than_there_is_hope() {
    let (layer, guard) = builder()
        .ring_bytes(64 * 1024)
        .overflow(Overflow::Block(Duration::MAX))
        .connect("tcp://127.0.0.1:9")
        .unwrap();
    let dispatch = tracing::Dispatch::new(tracing_subscriber::registry().with(layer));
    let (begun, waits) = std::sync::mpsc::channel();
    let caller = std::thread::spawn(move || {
        tracing::dispatcher::with_default(&dispatch, || {
            (0..2000).for_each(|i| {
                let _ = begun.send(i);
                info!(i, "more than there is room for");
            });
        });
    });
    // It has stopped in the midst of them.
    let mut last = 0;
    while let Ok(i) = waits.recv_timeout(Duration::from_millis(300)) {
        last = i;
    }
    assert!((1..1999).contains(&last), "{last}");
    assert!(!caller.is_finished());
    // Nobody makes room any more.
    assert!(matches!(guard.close(Duration::ZERO), Flush::Left { .. }));
    caller.join().expect("a log call does not panic");
}

#[test]
fn a_flush_and_an_end_without_bounds_wait_for_what_comes() {
    let store = Store::tcp();
    let (layer, guard) = builder()
        .flush_on_drop(Duration::MAX)
        .connect(store.address.clone())
        .unwrap();
    with_default(tracing_subscriber::registry().with(layer), || {
        info!("one");
        assert_eq!(guard.flush(Duration::MAX), Flush::Flushed);
        info!("two");
    });
    drop(guard);
    assert_eq!(store.kept().messages(), ["one", "two"]);
}

#[test]
fn a_heartbeat_of_no_time_does_not_make_a_busy_loop() {
    let scripted = crate::common::scripted_daemon::ScriptedDaemon::tcp();
    let (_layer, guard) = builder()
        .heartbeat(Duration::ZERO)
        .connect(scripted.address.clone())
        .unwrap();
    let (peer, hello) = scripted.hello();
    scripted.welcome(&peer, &hello, 1, 0, u64::MAX);
    let begin = std::time::Instant::now();
    for _ in 0..20 {
        scripted.ping();
        scripted.ack(&peer, 1, 0, u64::MAX);
    }
    // Pings that are answered at once follow each other as fast as a network is, if nothing holds them back.
    assert!(begin.elapsed() >= Duration::from_millis(100));
    assert!(matches!(guard.close(Duration::ZERO), Flush::Flushed));
}
