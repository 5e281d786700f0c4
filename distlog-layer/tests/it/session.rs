//! What the client makes of what a daemon says: each word of it is said by hand.
#![allow(missing_docs)]

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use crate::common::scripted_daemon::{self, Heard, Hello, Peer, ScriptedDaemon};
use crate::common::*;
use distlog_layer::{ConnectError, Encoding, Flush, Guard, builder};
use distlog_proto::session::{ByeReason, Refused, RefusedReason};
use tracing::{Dispatch, dispatcher::with_default, info};
use tracing_subscriber::prelude::*;

/// Too short for anything to be acknowledged that is not already.
const SHORT: Duration = Duration::from_millis(30);

struct Client {
    dispatch: Dispatch,
    guard: Guard,
}

impl Client {
    fn of(scripted: &ScriptedDaemon) -> Client {
        Client::with(builder().service("test"), scripted)
    }

    fn with(builder: distlog_layer::Builder, scripted: &ScriptedDaemon) -> Client {
        let (layer, guard) = builder.connect(scripted.address.clone()).unwrap();
        Client {
            dispatch: Dispatch::new(tracing_subscriber::registry().with(layer)),
            guard,
        }
    }

    fn log(&self, what: &str) {
        with_default(&self.dispatch, || info!("{what}"));
    }

    /// Logs, and has it sent though it is not acknowledged.
    fn send(&self, scripted: &ScriptedDaemon, session: u64, what: &str) -> scripted_daemon::Batch {
        self.log(what);
        assert!(matches!(self.guard.flush(SHORT), Flush::Left { .. }));
        let batch = scripted.batch(session);
        let messages: Vec<_> = batch.records.iter().map(|r| r.message.as_str()).collect();
        assert_eq!(messages, [what]);
        batch
    }
}

fn joined(scripted: &ScriptedDaemon, session: u64) -> (Peer, Hello) {
    let (peer, hello) = scripted.hello();
    scripted.welcome(&peer, &hello, session, hello.acked, u64::MAX);
    (peer, hello)
}

#[test]
fn nothing_is_freed_before_it_is_durable() {
    let scripted = ScriptedDaemon::tcp();
    let builder = builder().ring_bytes(64 * 1024);
    let client = Client::with(builder.flush_on_drop(Duration::ZERO), &scripted);
    let (peer, hello) = joined(&scripted, 7);
    assert_eq!((hello.version, hello.epoch, hello.acked), (1, 1, 0));
    assert_eq!(hello.producer, client.guard.producer());
    let first = client.send(&scripted, 7, "first");
    let second = client.send(&scripted, 7, "second");
    assert_eq!(first.header.from, 0);
    assert_eq!(
        second.header.from, first.header.to,
        "no hole between batches"
    );
    assert!(matches!(
        client.guard.flush(SHORT),
        Flush::Left { records: 2, .. }
    ));
    scripted.ack(&peer, 7, first.header.to, u64::MAX);
    // Until the ring is full; then what comes is dropped, since what was sent is kept.
    let mut logged = 0;
    while client.guard.dropped().total() == 0 {
        client.log("filling");
        logged += 1;
    }
    let dropped = client.guard.dropped().total();
    let Flush::Left { records, .. } = client.guard.flush(SHORT) else {
        panic!("nothing was acknowledged")
    };
    // `second`, and what was not dropped; the record about the loss has no room yet.
    assert_eq!(records, 1 + logged - dropped);
    let mut to = second.header.to;
    while to < second.header.to + 40_000 {
        to = scripted.batch(7).header.to;
    }
    scripted.ack(&peer, 7, to, u64::MAX);
    while client.guard.flush(Duration::ZERO) != Flush::Flushed {
        if let Some((peer, Heard::Batch(batch))) = scripted.hear(SHORT) {
            scripted.ack(&peer, 7, batch.header.to, u64::MAX);
        }
    }
    assert_eq!(client.guard.dropped().total(), dropped);
}

#[test]
fn a_flush_waits_for_the_acknowledgement() {
    let scripted = ScriptedDaemon::tcp();
    let client = Client::of(&scripted);
    let (peer, _) = joined(&scripted, 1);
    client.log("hello");
    std::thread::scope(|scope| {
        let (done, flushed) = channel();
        let guard = &client.guard;
        scope.spawn(move || done.send(guard.flush(LONG)).unwrap());
        let batch = scripted.batch(1);
        assert_eq!(
            flushed.recv_timeout(Duration::from_millis(100)),
            Err(RecvTimeoutError::Timeout)
        );
        scripted.ack(&peer, 1, batch.header.to, u64::MAX);
        assert_eq!(flushed.recv_timeout(LONG), Ok(Flush::Flushed));
    });
}

#[test]
fn a_rewind_sends_again_from_exactly_there() {
    let scripted = ScriptedDaemon::tcp();
    let client = Client::of(&scripted);
    let (peer, _) = joined(&scripted, 1);
    let [first, second, third] =
        ["one", "two", "three"].map(|what| client.send(&scripted, 1, what));
    scripted.rewind(&peer, 1, second.header.from, first.header.to);
    client.log("four");
    let mut again = Vec::new();
    let mut at = second.header.from;
    while again.len() < 3 {
        let batch = scripted.batch(1);
        assert_eq!(batch.header.from, at);
        at = batch.header.to;
        again.extend(batch.records);
    }
    assert_eq!(again[0], second.records[0]);
    assert_eq!(again[1], third.records[0]);
    assert_eq!(again[2].message, "four");
    scripted.ack(&peer, 1, at, u64::MAX);
    assert_eq!(client.guard.flush(LONG), Flush::Flushed);
}

#[test]
fn each_attempt_has_a_higher_epoch_and_goes_on_where_the_daemon_stands() {
    let scripted = ScriptedDaemon::tcp();
    let client = Client::of(&scripted);
    let (peer, hello) = joined(&scripted, 1);
    assert_eq!(hello.epoch, 1);
    let [first, second, third] =
        ["one", "two", "three"].map(|what| client.send(&scripted, 1, what));
    scripted.ack(&peer, 1, first.header.to, u64::MAX);
    // The daemon does not know the session any more.
    let unknown = || Refused::new(RefusedReason::UnknownSession, "who are you?");
    scripted.refuse(&peer, unknown());

    // Its store stands where the client knows: all else comes again.
    let (peer, hello) = scripted.hello();
    assert_eq!((hello.epoch, hello.acked), (2, first.header.to));
    assert_eq!(hello.head, third.header.to);
    scripted.welcome(&peer, &hello, 2, first.header.to, u64::MAX);
    let batch = scripted.batch(2);
    assert_eq!(batch.header.from, first.header.to);
    assert_eq!(batch.header.to, third.header.to, "cut in another way");
    assert_eq!(batch.records.len(), 2);
    scripted.refuse(&peer, unknown());

    // Its store has more than the client was told.
    let (peer, hello) = scripted.hello();
    assert_eq!((hello.epoch, hello.acked), (3, first.header.to));
    scripted.welcome(&peer, &hello, 3, second.header.to, u64::MAX);
    let batch = scripted.batch(3);
    assert_eq!(batch.header.from, second.header.to);
    assert_eq!(batch.records, third.records);
    scripted.refuse(&peer, unknown());

    // It has everything.
    let (peer, hello) = scripted.hello();
    assert_eq!((hello.epoch, hello.acked), (4, second.header.to));
    scripted.welcome(&peer, &hello, 4, third.header.to, u64::MAX);
    assert_eq!(client.guard.flush(LONG), Flush::Flushed);
    assert_eq!(client.guard.close(LONG), Flush::Flushed);
    let bye = scripted.bye();
    assert_eq!((bye.session, bye.reason), (4, ByeReason::Done));
}

#[test]
fn what_a_daemon_cannot_have_is_not_believed() {
    let scripted = ScriptedDaemon::tcp();
    let client = Client::of(&scripted);
    let (peer, hello) = joined(&scripted, 1);
    assert_eq!(hello.epoch, 1);
    let [first, second] = ["one", "two"].map(|what| client.send(&scripted, 1, what));
    scripted.ack(&peer, 1, first.header.to, u64::MAX);
    let (acked, head) = (first.header.to, second.header.to);
    while !matches!(client.guard.flush(SHORT), Flush::Left { records: 1, .. }) {}
    let acks = [acked + 16, head + 16, u64::MAX].map(|to| ("ack", to));
    let stands = [0, acked - 16, acked + 8, acked + 16, head + 16, u64::MAX];
    let cases = acks
        .into_iter()
        .chain(stands.map(|to| ("welcome", to)))
        .enumerate();
    let (mut peer, mut session) = (peer, 1);
    for (case, (what, to)) in cases {
        if what == "ack" {
            scripted.ack(&peer, session, to, u64::MAX);
        } else {
            let unknown = Refused::new(RefusedReason::UnknownSession, "who are you?");
            scripted.refuse(&peer, unknown);
            let (peer, hello) = scripted.hello();
            scripted.welcome(&peer, &hello, 1, to, u64::MAX);
        }
        // What it knew before is what it says again.
        session = 100 + case as u64;
        let hello = scripted.hello();
        peer = hello.0;
        assert_eq!(hello.1.acked, acked, "after {what} {to}");
        scripted.welcome(&peer, &hello.1, session, acked, u64::MAX);
        let again = scripted.batch(session);
        assert_eq!((again.header.from, again.header.to), (acked, head));
        assert_eq!(again.records, second.records);
        scripted.ack(&peer, session, acked, u64::MAX);
    }
    scripted.ack(&peer, session, head, u64::MAX);
    assert_eq!(client.guard.flush(LONG), Flush::Flushed);
}

#[test]
fn without_credit_it_asks_and_sends_nothing() {
    let scripted = ScriptedDaemon::tcp();
    let client = Client::of(&scripted);
    let (peer, hello) = scripted.hello();
    client.log("one");
    scripted.welcome(&peer, &hello, 5, 0, 0);
    let ping = scripted.ping();
    assert_eq!((ping.session, ping.sent), (5, 0));
    assert!(ping.head > 0);
    // Credit for one batch, which begins before its end.
    scripted.ack(&peer, 5, 0, 1);
    let first = scripted.batch(5).header;
    assert_eq!(first.from, 0);
    client.log("two");
    let ping = scripted.ping();
    assert!(ping.sent == first.to && ping.head > first.to);
    // Taken back, and given again.
    scripted.ack(&peer, 5, first.to, 0);
    let ping = scripted.ping();
    assert_eq!(ping.sent, first.to);
    scripted.ack(&peer, 5, first.to, u64::MAX);
    let second = scripted.batch(5);
    assert_eq!(second.header.from, first.to);
    assert_eq!(second.records[0].message, "two");
    scripted.ack(&peer, 5, second.header.to, u64::MAX);
    assert_eq!(client.guard.close(LONG), Flush::Flushed);
}

#[test]
fn an_idle_client_says_that_it_lives() {
    let scripted = ScriptedDaemon::tcp();
    let client = Client::with(builder().heartbeat(Duration::from_millis(50)), &scripted);
    let (peer, _) = joined(&scripted, 1);
    for _ in 0..3 {
        let ping = scripted.ping();
        assert_eq!((ping.session, ping.sent, ping.head), (1, 0, 0));
        scripted.ack(&peer, 1, 0, u64::MAX);
    }
    assert_eq!(client.guard.close(LONG), Flush::Flushed);
    assert_eq!(scripted.bye().reason, ByeReason::Done);
}

#[test]
fn a_daemon_that_does_not_welcome_is_asked_again() {
    let scripted = ScriptedDaemon::tcp();
    let patience = Duration::from_millis(50);
    let client = Client::with(
        builder().failover_timeouts(|p| p.absent = patience),
        &scripted,
    );
    let epochs = [0; 3].map(|_| scripted.hello().1.epoch);
    assert_eq!(epochs, [1, 2, 3]);
    client.log("at last");
    // The newest of what it said meanwhile is the one that counts.
    loop {
        let (peer, Heard::Hello(hello)) = scripted.word() else {
            panic!("no session was opened")
        };
        scripted.welcome(&peer, &hello, hello.epoch, 0, u64::MAX);
        if let Some((peer, Heard::Batch(batch))) = scripted.hear(Duration::from_millis(200)) {
            assert_eq!(batch.records[0].message, "at last");
            scripted.ack(&peer, batch.header.session, batch.header.to, u64::MAX);
            break;
        }
    }
    assert_eq!(client.guard.flush(LONG), Flush::Flushed);
}

#[test]
fn a_higher_epoch_that_the_daemon_knows_is_passed() {
    let scripted = ScriptedDaemon::tcp();
    let client = Client::of(&scripted);
    let (peer, hello) = scripted.hello();
    assert_eq!(hello.epoch, 1);
    let refused = Refused {
        epoch: 500,
        ..Refused::new(RefusedReason::Epoch, "too low")
    };
    scripted.refuse(&peer, refused);
    let (peer, hello) = joined(&scripted, 1);
    assert_eq!(hello.epoch, 501);
    client.log("one");
    let batch = scripted.batch(1);
    scripted.ack(&peer, 1, batch.header.to, u64::MAX);
    assert_eq!(client.guard.flush(LONG), Flush::Flushed);
}

#[test]
fn a_refused_version_is_tried_again_in_peace() {
    let scripted = ScriptedDaemon::tcp();
    let client = Client::of(&scripted);
    let begin = std::time::Instant::now();
    for epoch in 1..=4 {
        let (peer, hello) = scripted.hello();
        assert_eq!(hello.epoch, epoch);
        scripted.refuse(&peer, Refused::new(RefusedReason::Version, "too new"));
    }
    // 100, 100 and 200 ms.
    assert!(begin.elapsed() >= Duration::from_millis(300));
    drop(client);
}

#[test]
fn the_bye_says_what_was_dropped() {
    let scripted = ScriptedDaemon::tcp();
    let client = Client::with(builder().ring_bytes(64 * 1024), &scripted);
    while client.guard.dropped().total() < 10 {
        client.log("nobody has welcomed us");
    }
    let (peer, hello) = joined(&scripted, 1);
    std::thread::scope(|scope| {
        let guard = client.guard;
        let closed = scope.spawn(move || guard.close(LONG));
        let (bye, messages) = {
            let mut messages = Vec::new();
            loop {
                match scripted.word().1 {
                    Heard::Batch(batch) => {
                        messages.extend(batch.records.into_iter().map(|r| r.message));
                        scripted.ack(&peer, 1, batch.header.to, u64::MAX);
                    }
                    Heard::Bye(bye) => break (bye, messages),
                    other => panic!("{other:?}"),
                }
            }
        };
        assert_eq!(closed.join().unwrap(), Flush::Flushed);
        assert_eq!(bye.dropped, [0, 0, 10, 0, 0]);
        assert!(hello.dropped.iter().sum::<u64>() <= 10);
        assert_eq!(messages.last().unwrap(), "lost 10 records");
    });
}

#[test]
fn what_cannot_be_connected_to_is_said() {
    let refused = |encoding, address: &str| {
        let error = builder().encoding(encoding).connect(address).err();
        error.expect("no connection").to_string()
    };
    for encoding in [Encoding::Json, Encoding::Pickle] {
        assert!(refused(encoding, "tcp://127.0.0.1:5011").contains("`connect_push`"));
    }
    for address in ["127.0.0.1:5011", "", "http://x"] {
        assert!(refused(Encoding::Batch, address).contains("expected tcp://HOST:PORT"));
    }
    // Also the second one, which is not needed yet.
    let addresses = ["tcp://127.0.0.1:5011", "tcp://nonsense"];
    match builder().connect(addresses).err() {
        Some(ConnectError::Address { address, .. }) => assert_eq!(address, "tcp://nonsense"),
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        builder().connect(Vec::<String>::new()).err(),
        Some(ConnectError::NoAddress)
    ));
}
