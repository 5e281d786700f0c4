//! Logging in the destructors of a thread that ends.
//!
//! A thread's own subscriber is gone there, so this test installs one for its process and is alone in it.
#![allow(missing_docs)]

mod common;

use common::*;
use distlog_layer::{Flush, builder, to, val};
use tracing::info;
use tracing_subscriber::prelude::*;

thread_local! {
    static LAST_WORDS: LastWords = const { LastWords };
}

struct LastWords;

impl Drop for LastWords {
    fn drop(&mut self) {
        to!("end of thread").in_scope(|| info!(fields = ?val(&[1]), "last words"));
    }
}

#[test]
fn destructors_of_threads_log() {
    let daemon = Daemon::tcp();
    let (layer, guard) = builder().connect_push(daemon.address.clone()).unwrap();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();
    for registered_first in [true, false] {
        std::thread::Builder::new()
            .name("mortal".into())
            .spawn(move || {
                // Destructors run in the order of registration or its reverse: so the layer's buffers are gone once.
                if registered_first {
                    LAST_WORDS.with(|_| ());
                    info!("first words");
                } else {
                    info!("first words");
                    LAST_WORDS.with(|_| ());
                }
            })
            .unwrap()
            .join()
            .unwrap();
    }
    assert_eq!(guard.flush(LONG), Flush::Flushed);
    let mut words = Vec::new();
    while words.len() < 2 {
        words.extend(
            daemon
                .batch()
                .into_iter()
                .filter(|r| r.message == "last words"),
        );
    }
    for word in words {
        assert_eq!(word.thread_name, "mortal");
        assert_eq!(word.callsite.target, "thread_end");
        assert!(word.task.is_some());
    }
}
