//! The session receiver of a real daemon, seen from a raw socket.

use std::time::Duration;

use distlog_proto::ProducerId;
use distlog_proto::session::{ByeReason, Hello, NO_LEVELS, RefusedReason, ToClient, ToDaemon};
use distlog_testkit::eventually;
use distlogd::daemon::SyncPolicy;

use crate::kit::in_process::*;
use crate::kit::session_client::*;

fn messages(running: &Running, producer: u8) -> Vec<String> {
    let stored = running.stored(producer);
    stored.into_iter().map(|(_, message)| message).collect()
}

#[test]
fn records_are_acked_when_they_are_stored_and_stored_once() {
    let running = Running::start();
    let mut client = running.connect(1);
    client.hello(1, 0);
    let welcome = client.welcomed();
    assert_eq!((welcome.epoch, welcome.stored_to), (1, 0));
    assert!(welcome.credit >= 256 << 10, "{welcome:?}");

    client.send(0, 100, vec![record(0, "a"), record(50, "b")]);
    client.acked(100);
    let expected = [(0, "a".to_owned()), (50, "b".to_owned())];
    assert_eq!(running.stored(1), expected);

    // Its ack was lost: the same again, and cut differently.
    client.send(0, 100, vec![record(0, "a"), record(50, "b")]);
    client.send(50, 100, vec![record(50, "b")]);
    for _ in 0..2 {
        match client.hear() {
            ToClient::Ack(ack) => assert_eq!(ack.stored_to, 100),
            other => panic!("{other:?}"),
        }
    }
    // Something is missing before it.
    client.send(150, 200, vec![record(150, "d")]);
    match client.hear() {
        ToClient::Rewind(rewind) => {
            assert_eq!((rewind.received_to, rewind.stored_to), (100, 100));
        }
        other => panic!("{other:?}"),
    }
    client.send(100, 150, vec![record(100, "c")]);
    client.send(150, 200, vec![record(150, "d")]);
    client.acked(200);
    // Only holes.
    let mut empty = Vec::new();
    distlog_proto::wire::encode::source(&mut empty, &source(id(1)));
    client.send_as(client.session, 200, 300, empty);
    client.acked(300);
    assert_eq!(messages(&running, 1), ["a", "b", "c", "d"]);
    for (name, value) in [
        ("distlogd_session_replayed_batches_total", 2),
        ("distlogd_session_rewinds_total", 1),
        ("distlogd_sessions", 1),
        (
            "distlogd_receiver_accepted_records_total{receiver=\"session\",encoding=\"B\"}",
            4,
        ),
    ] {
        eventually(name, || match running.metric(name) {
            seen if seen == value => Ok(()),
            seen => Err(seen),
        });
    }
    assert!(running.metric("distlogd_session_acks_total") >= 4);
    assert!(running.metric("distlogd_session_credit_bytes") > 0);
    running.stop();
}

#[test]
fn a_later_attempt_supersedes_and_an_earlier_one_is_refused() {
    let running = Running::start();
    let mut first = running.join(1, 5);
    first.send(0, 10, vec![record(0, "a")]);
    first.acked(10);
    for epoch in [5, 4, 0] {
        let late = running.connect(1);
        late.hello(epoch, 0);
        let (reason, detail, last) = late.refused();
        assert_eq!((reason, last), (RefusedReason::Epoch, 5), "{detail}");
    }
    // The first one goes on undisturbed.
    first.send(10, 20, vec![record(10, "b")]);
    first.acked(20);

    let mut second = running.join(1, 6);
    assert_eq!(second.stored_to, 20);
    assert_eq!(first.refused().0, RefusedReason::Superseded);
    first.send(20, 30, vec![record(20, "from the old one")]);
    assert_eq!(first.refused().0, RefusedReason::UnknownSession);
    second.send(20, 30, vec![record(20, "c")]);
    second.acked(30);
    assert_eq!(messages(&running, 1), ["a", "b", "c"]);
    let refused = |reason| {
        let name = format!("distlogd_session_refused_total{{reason=\"{reason}\"}}");
        running.metric(&name)
    };
    assert_eq!((refused("epoch"), refused("superseded")), (3, 1));
    running.stop();
}

#[test]
fn what_is_forged_is_refused_and_counted() {
    let running = Running::start();
    let mut victim = running.join(1, 1);
    let forger = running.join(2, 1);
    // A session of another connection, and one that there is not.
    for session in [victim.session, victim.session ^ 1] {
        let bytes = body(id(1), vec![record(0, "forged")]);
        forger.send_as(session, 0, 10, bytes);
        assert_eq!(forger.refused().0, RefusedReason::UnknownSession);
    }
    forger.say(&ToDaemon::Bye(distlog_proto::session::Bye {
        session: victim.session,
        reason: ByeReason::Done,
        dropped: [9; 5],
    }));
    // A batch that says that it is another's, or of other offsets: the session is over.
    let mut epoch = 1;
    let forged = [
        body(id(1), vec![record(0, "forged")]),
        body(id(2), vec![record(0, "a"), record(10, "beyond")]),
        body(ProducerId::UNKNOWN, vec![record(0, "nobody's")]),
    ];
    for bytes in forged {
        epoch += 1;
        let forger = running.join(2, epoch);
        forger.send_as(forger.session, 0, 10, bytes);
        let (reason, detail, _) = forger.refused();
        assert_eq!(reason, RefusedReason::Forged, "{detail}");
        forger.ping([0; 5]);
        assert_eq!(forger.refused().0, RefusedReason::UnknownSession);
    }
    // Who has nothing to introduce but somebody else.
    let liar = running.connect(3);
    let mut about = Vec::new();
    distlog_proto::wire::encode::source(&mut about, &source(id(1)));
    let mut hello = Hello {
        version: 1,
        producer: id(3),
        epoch: 1,
        source: &about,
        ..Hello::default()
    };
    liar.say(&ToDaemon::Hello(hello.clone()));
    assert_eq!(liar.refused().0, RefusedReason::Forged);
    (hello.source, hello.acked) = (&[], 10);
    liar.say(&ToDaemon::Hello(hello));
    assert_eq!(liar.refused().0, RefusedReason::Malformed);

    victim.send(0, 10, vec![record(0, "mine")]);
    victim.acked(10);
    assert_eq!(running.stored(1), [(0, "mine".to_owned())]);
    assert_eq!(running.stored(2), []);
    let counted =
        "distlogd_receiver_rejected_inputs_total{receiver=\"session\",reason=\"forged batch\"}";
    assert_eq!(running.metric(counted), 4);
    assert_eq!(
        running.metric("distlogd_dropped_records_total{level=\"error\"}"),
        0
    );
    running.stop();
}

#[test]
fn whatever_comes_is_answered_counted_and_survived() {
    let running = Running::start();
    let mut honest = running.join(1, 1);

    let old = running.connect(2);
    old.say(&ToDaemon::Hello(Hello {
        version: 2,
        producer: id(2),
        epoch: 1,
        ..Hello::default()
    }));
    let (reason, detail, _) = old.refused();
    assert_eq!(reason, RefusedReason::Version);
    assert!(
        detail.contains("version 1") && detail.contains("version 2"),
        "{detail}"
    );

    let stranger = running.connect(3);
    let mut hello = Vec::new();
    ToDaemon::Hello(Hello {
        version: 1,
        producer: id(3),
        epoch: 1,
        ..Hello::default()
    })
    .encode(&mut hello);
    let garbage: Vec<Vec<Vec<u8>>> = vec![
        vec![Vec::new()],
        vec![b"\xff\xff\xff\xff".to_vec()],
        vec![b"GET / HTTP/1.1".to_vec(), b"Host: x".to_vec()],
        vec![hello.clone(), b"a body".to_vec()],
        vec![vec![0; 1 << 20]],
        // Without end, as far as a test can go.
        std::iter::repeat_n(b"more".to_vec(), 20_000).collect(),
    ];
    for frames in garbage {
        stranger.socket.send_multipart(frames, 0).unwrap();
        assert_eq!(stranger.refused().0, RefusedReason::Malformed);
    }
    // A client of the push receiver.
    let frames = [b"TLB".to_vec(), body(id(3), vec![record(0, "lost")])];
    stranger.socket.send_multipart(frames, 0).unwrap();
    let (reason, detail, _) = stranger.refused();
    assert_eq!(reason, RefusedReason::Malformed);
    assert!(detail.contains("push receiver"), "{detail}");
    let counted = "distlogd_receiver_rejected_inputs_total{receiver=\"session\",reason=\"a message for push\"}";
    assert_eq!(running.metric(counted), 1);
    // And a session at the push receiver.
    let push = running.push_socket();
    push.send(hello, 0).unwrap();
    eventually("it is counted", || {
        let counted =
            "distlogd_receiver_rejected_inputs_total{receiver=\"push\",reason=\"a session\"}";
        if running.metric(counted) == 1 {
            Ok(())
        } else {
            Err(())
        }
    });

    // What is said in a session and cannot be read ends it.
    let mut careless = running.join(4, 1);
    careless.send_as(careless.session, 0, 10, b"\xff\xff\xff".to_vec());
    assert_eq!(careless.refused().0, RefusedReason::Malformed);
    careless.hello(2, 0);
    careless.welcomed();
    careless.send_as(careless.session, 10, 10, body(id(4), vec![record(10, "x")]));
    assert_eq!(careless.refused().0, RefusedReason::Malformed);
    careless.hello(3, 0);
    careless.welcomed();
    // A record that is malformed leaves a hole.
    let mut bytes = body(id(4), vec![record(0, "good")]);
    distlog_proto::wire::put_record(&mut bytes, 5, b"\x42\x02\xff\xff");
    careless.send_as(careless.session, 0, 10, bytes);
    careless.acked(10);
    assert_eq!(running.stored(4), [(0, "good".to_owned())]);

    honest.send(0, 10, vec![record(0, "fine")]);
    honest.acked(10);
    assert!(running.daemon.failed().is_none());
    running.stop();
}

#[test]
fn a_daemon_started_again_says_where_it_stands() {
    for sync in [
        SyncPolicy::Always,
        SyncPolicy::Every(Duration::from_millis(20)),
    ] {
        let running = Running::start_with(|config| config.store.sync = sync);
        let mut client = running.join(1, 1);
        // Durable elsewhere.
        let mut moved = running.connect(2);
        moved.hello(1, 1000);
        assert_eq!(moved.welcomed().stored_to, 1000);
        client.send(0, 10, vec![record(0, "a")]);
        client.acked(10);
        client.send(10, 20, vec![record(10, "b")]);
        moved.send(1000, 1010, vec![record(1000, "m")]);
        moved.acked(1010);
        let running = running.restart();
        // What was on its way was made durable, and acked; then the daemon said that it stops.
        client.acked(20);
        assert!(matches!(client.hear(), ToClient::Closing(_)));
        assert!(matches!(moved.hear(), ToClient::Closing(_)));

        let mut again = running.connect(1);
        again.hello(2, 10);
        assert_eq!(again.welcomed().stored_to, 20);
        again.send(20, 30, vec![record(20, "c")]);
        again.acked(30);
        let moved = running.join(2, 2);
        assert_eq!(moved.stored_to, 1010);
        assert_eq!(messages(&running, 1), ["a", "b", "c"]);
        running.stop();
    }
}

#[test]
fn what_a_producer_dropped_is_counted() {
    let running = Running::start();
    let client = running.join(1, 1);
    client.ping([0, 1, 20, 0, 0]);
    assert!(matches!(client.hear(), ToClient::Ack(_)));
    client.ping([0, 1, 25, 0, 3]);
    assert!(matches!(client.hear(), ToClient::Ack(_)));
    for (level, count) in [("error", 0), ("warn", 1), ("info", 25), ("trace", 3)] {
        let name = format!("distlogd_dropped_records_total{{level=\"{level}\"}}");
        assert_eq!(running.metric(&name), count, "{level}");
    }
    let name = format!(
        "distlogd_producer_dropped_records_total{{service=\"shop\",host=\"here\",process=\"77\",producer=\"{}\",level=\"info\"}}",
        id(1)
    );
    assert_eq!(running.metric(&name), 25);
    running.stop();
}

/// Credit counts offsets. Whoever says much at few of them is held up before it is in memory.
#[test]
fn large_batches_at_few_offsets_do_not_fill_the_memory() {
    let running = Running::start_with(|config| {
        config.store.reserve = u64::MAX;
        config.grace = Duration::from_millis(100);
    });
    let client = running.join(1, 1);
    let large = "m".repeat(15 << 20);
    for n in 0..20 {
        client.send(n, n + 1, vec![record(n, &large)]);
    }
    // 128 MiB, and the one batch with which it was seen that it is enough.
    let most = (128 << 20) + (16 << 20);
    let bytes = || running.metric("distlogd_intake_bytes");
    eventually("it is full", || match bytes() {
        bytes if bytes >= 128 << 20 => Ok(()),
        bytes => Err(bytes),
    });
    // Had it gone on reading, it would have answered.
    client.ping([0; 5]);
    assert!(client.hears_nothing(Duration::from_millis(300)));
    assert!(bytes() <= most, "{} bytes", bytes());
    running.stop();
}

#[test]
fn levels_are_said_to_who_asks_for_them_until_they_are_applied() {
    let running = Running::start();
    let set = |query: &str| {
        let address = running.daemon.address("http").unwrap();
        let url = format!("http://{address}/api/v1/levels?{query}");
        ureq::put(url).send_empty().unwrap();
    };
    set("service=shop&levels=orders%3Ddebug&for=10m");
    let (asks, older) = (running.join(1, 1), running.join(2, 1));
    // Levels may be said twice: as the answer to a ping, and since they are new.
    let levels = |client: &Client| loop {
        match client.hear() {
            ToClient::Levels(levels) => return levels,
            ToClient::Ack(_) => {}
            other => panic!("{other:?}"),
        }
    };
    let acked = |client: &Client| while !matches!(client.hear(), ToClient::Ack(_)) {};
    older.ping([0; 5]);
    assert!(matches!(older.hear(), ToClient::Ack(_)));
    for _ in 0..2 {
        asks.ping_levels(NO_LEVELS);
        let first = levels(&asks);
        assert_eq!(first.session, asks.session);
        let [set] = &first.sets[..] else {
            panic!("{first:?}")
        };
        assert_eq!(set.directives, "orders=debug");
        assert!(set.left > 0 && set.left <= 600_000_000_000, "{first:?}");
    }
    // One that is new comes without a question, and is not said again once it is applied.
    set("task=e252a11f-d33d-483d-ba08-bc8f642b2f10&levels=trace");
    let second = loop {
        let next = levels(&asks);
        if !next.tasks.is_empty() {
            break next;
        }
    };
    assert_eq!((second.sets.len(), second.tasks.len()), (1, 1));
    asks.ping_levels(second.version);
    acked(&asks);
    assert!(asks.hears_nothing(Duration::from_millis(300)));
    assert!(
        older.hears_nothing(Duration::ZERO),
        "it would not know them"
    );
    let shown = get(&running.daemon, "/api/v1/levels");
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let task = &shown["overrides"][1];
    let counts = ["processes", "applied", "without_filter"].map(|key| task[key].as_u64().unwrap());
    assert_eq!(counts, [2, 1, 1], "{shown:#}");
    running.stop();
}
