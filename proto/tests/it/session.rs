//! The messages of a session against generated code, and what each end says to the other, case by case.

use std::time::{Duration, Instant};

use distlog_proto::ProducerId;
use distlog_proto::levels::Level;
use distlog_proto::session::{
    Ack, BatchDecision, BatchHeader, Bye, ByeReason, Client, Closing, EndReason, EndedSession,
    Hello, LevelSet, Levels, NO_FILTER, NO_LEVELS, Ping, Refused, RefusedReason, Rewind,
    SessionEnd, Sessions, TaskLevel, ToClient, ToDaemon, VERSION, Welcome,
};
use prost::Message;

mod generated {
    #![allow(dead_code, missing_docs, clippy::all)]
    include!("../generated/distlog.v1.rs");
}

const PRODUCER: ProducerId = ProducerId::from_bytes([9; 16]);
const HEARTBEAT: Duration = Duration::from_secs(5);

fn hello(epoch: u64, acked: u64) -> Hello<'static> {
    Hello {
        version: VERSION,
        producer: PRODUCER,
        epoch,
        acked,
        head: 1000,
        dropped: [0, 1, 0, 300, 5],
        source: b"",
    }
}

fn levels(session: u64, version: u64) -> Levels<'static> {
    Levels {
        session,
        version,
        sets: vec![
            LevelSet {
                directives: "orders=debug".into(),
                left: 600_000_000_000,
            },
            LevelSet {
                directives: "hyper=off".into(),
                left: 0,
            },
        ],
        tasks: vec![TaskLevel {
            task: "e252a11f-d33d-483d-ba08-bc8f642b2f10/1".into(),
            level: Level::Debug,
            left: 1,
        }],
    }
}

#[test]
fn what_clients_say_is_what_generated_code_reads() {
    let messages = [
        ToDaemon::Hello(hello(3, 128)),
        ToDaemon::Batch(BatchHeader {
            session: 7,
            from: 128,
            to: 70_000,
        }),
        ToDaemon::Ping(Ping {
            session: u64::MAX,
            sent: 1,
            head: 2,
            dropped: [1, 0, 0, 0, 0],
            levels: 300,
        }),
        ToDaemon::Bye(Bye {
            session: 7,
            reason: ByeReason::Moving,
            dropped: [0; 5],
        }),
        ToDaemon::Bye(Bye {
            session: 7,
            reason: ByeReason::Done,
            dropped: [0, 0, 0, 0, 9],
        }),
        ToDaemon::Bye(Bye {
            session: 7,
            reason: ByeReason::Died,
            dropped: [0; 5],
        }),
    ];
    for message in messages {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        let read = generated::ToDaemon::decode(&bytes[..]).unwrap();
        assert!(read.message.is_some());
        assert_eq!(read.encode_to_vec(), bytes, "{message:?}");
        assert_eq!(ToDaemon::decode(&bytes), Ok(message));
        for len in 0..bytes.len() {
            assert!(ToDaemon::decode(&bytes[..len]).is_err(), "cut at {len}");
        }
    }
}

#[test]
fn what_daemons_say_is_what_generated_code_reads() {
    let messages = [
        ToClient::Welcome(Welcome {
            version: VERSION,
            session: 5,
            epoch: 6,
            stored_to: 7,
            credit: 8,
        }),
        ToClient::Ack(Ack {
            session: 5,
            stored_to: 7,
            credit: u64::MAX,
        }),
        ToClient::Rewind(Rewind {
            session: 5,
            received_to: 9,
            stored_to: 7,
            credit: 8,
        }),
        ToClient::Refused(Refused {
            epoch: 4,
            ..Refused::new(RefusedReason::Busy, "später")
        }),
        ToClient::Closing(Closing { session: 5 }),
        ToClient::Levels(levels(5, 7)),
    ];
    for message in messages {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        let read = generated::ToClient::decode(&bytes[..]).unwrap();
        assert!(read.message.is_some());
        assert_eq!(read.encode_to_vec(), bytes, "{message:?}");
        assert_eq!(ToClient::decode(&bytes), Ok(message));
        for len in 0..bytes.len() {
            assert!(ToClient::decode(&bytes[..len]).is_err(), "cut at {len}");
        }
    }
}

#[test]
fn neither_the_topic_of_a_push_client_nor_a_later_message_is_taken_for_one_of_these() {
    for bytes in [&b"TLB"[..], b"PLJ", b"", b"\xff\xff", b"\x3a\x00"] {
        assert!(ToDaemon::decode(bytes).is_err(), "{bytes:?}");
        assert!(ToClient::decode(bytes).is_err(), "{bytes:?}");
    }
}

/// A client with a session, and the daemon's end of it.
fn joined(now: Instant) -> (Client, Sessions<u8>, u64) {
    let mut client = Client::new(PRODUCER, 0, HEARTBEAT, now);
    let mut sessions = Sessions::new(64 << 20);
    let mut out = Vec::new();
    let hello = client.hello(1, 1000, [0; 5], b"", now);
    let asked = sessions.hello(1, &hello, now, &mut out).unwrap().unwrap();
    sessions.resume_at(asked.session, 0, now, &mut out);
    assert_eq!(out.len(), 1);
    client.receive(&out[0].1, 1000, now).unwrap();
    assert!(client.is_joined() && client.may_send());
    (client, sessions, asked.session)
}

fn header(session: u64, from: u64, to: u64) -> BatchHeader {
    BatchHeader { session, from, to }
}

#[test]
fn a_batch_is_taken_where_the_last_one_ended() {
    let now = Instant::now();
    let (_, mut sessions, session) = joined(now);
    assert_eq!(
        sessions.batch(&1, header(session, 0, 100), now),
        BatchDecision::Take
    );
    let BatchDecision::Replay(ack) = sessions.batch(&1, header(session, 0, 100), now) else {
        panic!("a replay")
    };
    assert_eq!(ack.stored_to, 0, "it is not durable yet");
    let BatchDecision::Rewind(rewind) = sessions.batch(&1, header(session, 200, 300), now) else {
        panic!("a gap")
    };
    assert_eq!((rewind.received_to, rewind.stored_to), (100, 0));
    // What was on its way behind the gap is not answered one by one.
    assert_eq!(
        sessions.batch(&1, header(session, 300, 400), now),
        BatchDecision::Ignore
    );
    // Cut differently the second time, it overlaps what was taken.
    assert!(matches!(
        sessions.batch(&1, header(session, 50, 150), now),
        BatchDecision::Ignore
    ));
    assert_eq!(
        sessions.batch(&1, header(session, 100, 400), now),
        BatchDecision::Take
    );
    let mut out = Vec::new();
    sessions.durable(session, 400, &mut out);
    let BatchDecision::Replay(ack) = sessions.batch(&1, header(session, 100, 200), now) else {
        panic!("a replay")
    };
    assert_eq!(ack.stored_to, 400);
}

#[test]
fn nobody_speaks_for_another() {
    let now = Instant::now();
    let (_, mut sessions, session) = joined(now);
    let refused = |verdict: BatchDecision| match verdict {
        BatchDecision::Refused(refused) => refused.reason,
        other => panic!("{other:?}"),
    };
    for (peer, session) in [(2, session), (1, session ^ 1), (1, 0)] {
        let verdict = sessions.batch(&peer, header(session, 0, 1), now);
        assert_eq!(refused(verdict), RefusedReason::UnknownSession);
        let ping = Ping {
            session,
            sent: 0,
            head: 0,
            dropped: [0; 5],
            levels: 0,
        };
        assert!(sessions.ping(&peer, ping, now).is_err());
        let bye = Bye {
            session,
            reason: ByeReason::Done,
            dropped: [0; 5],
        };
        assert_eq!(sessions.bye(&peer, bye), None);
    }
    for (from, to) in [(0, 0), (9, 3)] {
        let verdict = sessions.batch(&1, header(session, from, to), now);
        assert_eq!(refused(verdict), RefusedReason::Malformed);
    }
    let bye = Bye {
        session,
        reason: ByeReason::Done,
        dropped: [0; 5],
    };
    let ended = EndedSession {
        session,
        producer: PRODUCER,
        reason: EndReason::Bye(ByeReason::Done),
    };
    assert_eq!(sessions.bye(&1, bye), Some(ended));
    assert_eq!((sessions.len(), sessions.granted()), (0, 0));
}

#[test]
fn a_higher_epoch_supersedes_and_others_are_refused() {
    let now = Instant::now();
    let (_, mut sessions, old) = joined(now);
    let mut out = Vec::new();
    let refused = sessions.hello(2, &hello(1, 0), now, &mut out).unwrap_err();
    assert_eq!((refused.reason, refused.epoch), (RefusedReason::Epoch, 1));
    // The same hello again, on the same connection, is no other attempt.
    assert_eq!(sessions.hello(1, &hello(1, 0), now, &mut out), Ok(None));
    assert!(out.is_empty());

    let new = sessions
        .hello(2, &hello(2, 0), now, &mut out)
        .unwrap()
        .unwrap();
    let [(1, ToClient::Refused(refused))] = &out[..] else {
        panic!("{out:?}")
    };
    assert_eq!(refused.reason, RefusedReason::Superseded);
    assert!(matches!(
        sessions.batch(&1, header(old, 0, 10), now),
        BatchDecision::Refused(_)
    ));
    // Before the store has said where it stands there is no session yet.
    assert!(matches!(
        sessions.batch(&2, header(new.session, 0, 10), now),
        BatchDecision::Refused(_)
    ));
    out.clear();
    sessions.resume_at(old, 50, now, &mut out);
    assert!(out.is_empty(), "the superseded one gets no welcome");
    sessions.resume_at(new.session, 50, now, &mut out);
    assert!(
        matches!(&out[..], [(2, ToClient::Welcome(welcome))] if welcome.stored_to == 50 && welcome.epoch == 2)
    );
    assert_eq!(
        sessions.batch(&2, header(new.session, 50, 60), now),
        BatchDecision::Take
    );
}

#[test]
fn another_version_is_refused_with_a_hint() {
    let now = Instant::now();
    let mut sessions = Sessions::new(1 << 20);
    let later = Hello {
        version: VERSION + 1,
        ..hello(1, 0)
    };
    let refused = sessions.hello(1, &later, now, &mut Vec::new()).unwrap_err();
    assert_eq!(refused.reason, RefusedReason::Version);
    assert_eq!(
        refused.detail,
        "this daemon speaks version 1 of the session protocol, the client version 2: update the older of the two"
    );
    let nobody = Hello {
        producer: ProducerId::UNKNOWN,
        ..hello(1, 0)
    };
    let refused = sessions.hello(1, &nobody, now, &mut Vec::new());
    assert_eq!(refused.unwrap_err().reason, RefusedReason::Malformed);
}

#[test]
fn the_client_goes_where_the_store_stands() {
    let now = Instant::now();
    let welcome = |epoch, stored_to| {
        ToClient::Welcome(Welcome {
            version: VERSION,
            session: 4,
            epoch,
            stored_to,
            credit: 10_000,
        })
    };
    let mut client = Client::new(PRODUCER, 100, HEARTBEAT, now);
    assert_eq!(client.hello(8, 1000, [0; 5], b"", now).acked, 100);
    // Of an earlier attempt.
    client.receive(&welcome(7, 500), 1000, now).unwrap();
    assert!(!client.is_joined());
    client.receive(&welcome(8, 500), 1000, now).unwrap();
    assert_eq!((client.acked(), client.next()), (500, 500));
    assert_eq!(client.batch(700), header(4, 500, 700));
    assert_eq!(client.batch(900), header(4, 700, 900));
    let rewind = |received_to, stored_to| {
        ToClient::Rewind(Rewind {
            session: 4,
            received_to,
            stored_to,
            credit: 10_000,
        })
    };
    client.receive(&rewind(700, 600), 1000, now).unwrap();
    assert_eq!((client.acked(), client.next()), (600, 700));
    // An old one, and one of another session.
    client.receive(&rewind(550, 550), 1000, now).unwrap();
    let other = ToClient::Ack(Ack {
        session: 3,
        stored_to: 900,
        credit: 0,
    });
    client.receive(&other, 1000, now).unwrap();
    assert_eq!((client.acked(), client.next()), (600, 700));
    // It had received all after all.
    let ack = ToClient::Ack(Ack {
        session: 4,
        stored_to: 900,
        credit: 950,
    });
    client.receive(&ack, 1000, now).unwrap();
    assert_eq!((client.acked(), client.next()), (900, 900));
    assert!(client.may_send(), "it begins before the limit");
    client.batch(1000);
    assert!(!client.may_send());

    for (acked, stored_to) in [(100, 99), (100, 1001)] {
        let mut client = Client::new(PRODUCER, acked, HEARTBEAT, now);
        client.hello(1, 1000, [0; 5], b"", now);
        let over = client
            .receive(&welcome(1, stored_to), 1000, now)
            .unwrap_err();
        assert_eq!(
            over.to_string(),
            format!("it says that it has all before {stored_to}, where only 100 to 1000 can be")
        );
        assert!(!client.is_joined());
    }
    let beyond = ToClient::Ack(Ack {
        session: 4,
        stored_to: 1001,
        credit: 0,
    });
    assert!(matches!(
        client.receive(&beyond, 2000, now),
        Err(SessionEnd::ProtocolViolation(_))
    ));
}

#[test]
fn a_silent_daemon_is_asked_and_then_given_up() {
    let mut now = Instant::now();
    let (mut client, _, session) = joined(now);
    client.batch(1000);
    now += Duration::from_millis(500);
    assert_eq!(client.check(1000, [0; 5], now), Ok(None));
    now += Duration::from_millis(500);
    let ping = client.check(1000, [4; 5], now).unwrap().unwrap();
    assert_eq!(
        (ping.session, ping.sent, ping.head, ping.dropped),
        (session, 1000, 1000, [4; 5])
    );
    now += Duration::from_millis(2900);
    assert!(client.check(1000, [0; 5], now).unwrap().is_some());
    now += Duration::from_millis(100);
    assert_eq!(client.check(1000, [0; 5], now), Err(SessionEnd::Silent));
    assert!(!client.is_joined());
    assert_eq!(client.bye(ByeReason::Done, [0; 5]), None);
}

#[test]
fn who_is_idle_says_only_that_he_lives() {
    let mut now = Instant::now();
    let (mut client, mut sessions, session) = joined(now);
    client.batch(1000);
    let mut out = Vec::new();
    assert_eq!(
        sessions.batch(&1, header(session, 0, 1000), now),
        BatchDecision::Take
    );
    sessions.durable(session, 1000, &mut out);
    client.receive(&out[0].1, 1000, now).unwrap();
    let mut pings = 0;
    for _ in 0..200 {
        now += Duration::from_millis(100);
        if let Some(ping) = client.check(1000, [0; 5], now).unwrap() {
            pings += 1;
            let answer = sessions.ping(&1, ping, now).unwrap();
            client.receive(&answer, 1000, now).unwrap();
        }
        assert!(sessions.tick(now, &mut Vec::new()).is_empty());
    }
    assert_eq!(pings, 4);
    // Then it dies.
    now += Duration::from_secs(60);
    let ended = sessions.tick(now, &mut Vec::new());
    assert!(matches!(
        ended[..],
        [EndedSession {
            reason: EndReason::Silent,
            ..
        }]
    ));
    assert!(sessions.is_empty());
}

#[test]
fn however_slow_the_heartbeat_the_daemon_hears_that_the_client_lives() {
    let mut now = Instant::now();
    let mut client = Client::new(PRODUCER, 0, Duration::MAX, now);
    let mut sessions = Sessions::new(64 << 20);
    let mut out = Vec::new();
    let hello = client.hello(1, 0, [0; 5], b"", now);
    let asked = sessions.hello(1u8, &hello, now, &mut out).unwrap().unwrap();
    sessions.resume_at(asked.session, 0, now, &mut out);
    client.receive(&out[0].1, 0, now).unwrap();
    for _ in 0..1800 {
        now += Duration::from_millis(100);
        if let Some(ping) = client.check(0, [0; 5], now).unwrap() {
            let answer = sessions.ping(&1, ping, now).unwrap();
            client.receive(&answer, 0, now).unwrap();
        }
        assert!(sessions.tick(now, &mut Vec::new()).is_empty());
    }
}

#[test]
fn a_ping_brings_to_light_what_was_lost() {
    let now = Instant::now();
    let (_, mut sessions, session) = joined(now);
    let ping = Ping {
        session,
        sent: 500,
        head: 500,
        dropped: [0; 5],
        levels: 0,
    };
    assert!(
        matches!(sessions.ping(&1, ping, now), Ok(ToClient::Rewind(rewind)) if rewind.received_to == 0)
    );
}

#[test]
fn a_stopping_daemon_says_so() {
    let now = Instant::now();
    let (mut client, mut sessions, _) = joined(now);
    let mut out = Vec::new();
    sessions.closing(&mut out);
    assert_eq!(client.receive(&out[0].1, 0, now), Err(SessionEnd::Closing));
}

#[test]
fn the_bytes_of_levels_are_the_published_ones() {
    let mut bytes = Vec::new();
    ToClient::Levels(levels(5, 7)).encode(&mut bytes);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let task: String = b"e252a11f-d33d-483d-ba08-bc8f642b2f10/1"
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(
        hex,
        format!(
            "325d09050000000000000010071a150a0c6f72646572733d64656275671080e0a596bb111a0b0a0968797065723d6f666622\
             2c0a26{task}10041801"
        )
    );
}

#[test]
fn too_many_levels_are_refused() {
    let many = Levels {
        sets: vec![LevelSet::default(); 257],
        ..levels(5, 7)
    };
    let mut bytes = Vec::new();
    ToClient::Levels(many).encode(&mut bytes);
    assert!(ToClient::decode(&bytes).is_err());
}

#[test]
fn levels_are_said_again_until_a_ping_has_their_version() {
    let now = Instant::now();
    let (mut client, mut sessions, session) = joined(now);
    // Without a filter nobody is told.
    assert_eq!(client.check(0, [0; 5], now), Ok(None));
    assert_eq!(sessions.behind_levels(7).count(), 0);
    // One that has a filter says so at once.
    client.set_levels_filter(true);
    let ping = client.check(0, [0; 5], now).unwrap().unwrap();
    assert_eq!(ping.levels, NO_LEVELS);
    sessions.ping(&1, ping, now).unwrap();
    assert!(sessions.is_behind_levels(session, 7));
    let behind: Vec<(u64, u8)> = sessions
        .behind_levels(7)
        .map(|(session, peer)| (session, *peer))
        .collect();
    assert_eq!(behind, [(session, 1)]);
    assert_eq!(client.check(0, [0; 5], now), Ok(None), "there is no news");
    // The first time it is lost, then it comes twice.
    let said = ToClient::Levels(levels(session, 7));
    client.receive(&said, 0, now).unwrap();
    client.receive(&said, 0, now).unwrap();
    assert_eq!(client.take_levels(), Some(levels(session, 7)));
    assert_eq!(client.take_levels(), None);
    let ping = client.check(0, [0; 5], now).unwrap().unwrap();
    assert_eq!(ping.levels, 7);
    sessions.ping(&1, ping, now).unwrap();
    assert_eq!(sessions.behind_levels(7).count(), 0);
    assert!(sessions.is_behind_levels(session, 8), "of newer ones");
    // Neither those of another session count, nor a version that is none.
    for strange in [
        levels(session ^ 1, 9),
        levels(session, NO_FILTER),
        levels(session, NO_LEVELS),
    ] {
        client.receive(&ToClient::Levels(strange), 0, now).unwrap();
        assert_eq!(client.take_levels(), None);
    }
}

#[test]
fn another_daemon_counts_levels_anew() {
    let now = Instant::now();
    let (mut client, _, session) = joined(now);
    client.set_levels_filter(true);
    let said = ToClient::Levels(levels(session, 7));
    client.receive(&said, 0, now).unwrap();
    assert!(client.take_levels().is_some());
    assert_eq!(client.check(0, [0; 5], now).unwrap().unwrap().levels, 7);
    let mut sessions = Sessions::new(64 << 20);
    let mut out = Vec::new();
    let hello = client.hello(2, 1000, [0; 5], b"", now);
    let asked = sessions.hello(1, &hello, now, &mut out).unwrap().unwrap();
    sessions.resume_at(asked.session, 0, now, &mut out);
    client.receive(&out[0].1, 1000, now).unwrap();
    assert_eq!(
        client.check(0, [0; 5], now).unwrap().unwrap().levels,
        NO_LEVELS
    );
    client
        .receive(&ToClient::Levels(levels(asked.session, 7)), 0, now)
        .unwrap();
    assert!(
        client.take_levels().is_some(),
        "the same number is another one"
    );
}
