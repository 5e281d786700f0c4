//! One budget for all clients: who gets how much of it, and that nobody holds it for nothing.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use distlog_proto::ProducerId;
use distlog_proto::session::{BatchDecision, BatchHeader, Client, Sessions, ToClient};

/// Many clients share one budget: none is forgotten, and never is more granted than there is.
#[test]
fn a_small_budget_serves_many() {
    const CLIENTS: u32 = 100;
    const EACH: u64 = 4 << 20;
    const TOTAL: u64 = 4 << 20;
    let mut now = Instant::now();
    let mut sessions = Sessions::new(TOTAL);
    let mut out = Vec::new();
    let mut clients: Vec<Client> = (0..CLIENTS)
        .map(|n| {
            let producer = ProducerId::from_bytes(u128::from(n + 1).to_be_bytes());
            let mut client = Client::new(producer, 0, Duration::from_secs(5), now);
            let hello = client.hello(1, EACH, [0; 5], b"", now);
            let asked = sessions.hello(n, &hello, now, &mut out).unwrap().unwrap();
            sessions.resume_at(asked.session, 0, now, &mut out);
            client
        })
        .collect();
    let mut rounds = 0;
    while clients.iter().any(|client| client.acked() < EACH) {
        rounds += 1;
        assert!(rounds < 20_000, "somebody starves");
        now += Duration::from_millis(20);
        let mut stored = Vec::new();
        for (n, client) in (0..).zip(&mut clients) {
            while client.next() < EACH && client.may_send() {
                let header = client.batch(client.next() + (64 << 10));
                match sessions.batch(&n, header, now) {
                    BatchDecision::Take => stored.push((header.session, header.to)),
                    BatchDecision::Rewind(rewind) => out.push((n, ToClient::Rewind(rewind))),
                    BatchDecision::Ignore => {}
                    other => panic!("{other:?}"),
                }
            }
            if let Some(ping) = client.check(EACH, [0; 5], now).unwrap() {
                out.push((n, sessions.ping(&n, ping, now).unwrap()));
            }
        }
        assert!(sessions.granted() <= TOTAL);
        for (session, to) in stored {
            sessions.durable(session, to, &mut out);
        }
        assert!(sessions.tick(now, &mut out).is_empty());
        for (n, message) in out.drain(..) {
            clients[n as usize].receive(&message, EACH, now).unwrap();
        }
    }
}

/// Those who idle give back what others need.
#[test]
fn the_idle_do_not_hold_the_budget() {
    let mut now = Instant::now();
    let mut sessions = Sessions::new(1 << 20);
    let mut out = Vec::new();
    let mut join = |sessions: &mut Sessions<u32>, n: u32, waiting, now| {
        let producer = ProducerId::from_bytes(u128::from(n + 1).to_be_bytes());
        let mut client = Client::new(producer, 0, Duration::from_secs(5), now);
        let hello = client.hello(1, waiting, [0; 5], b"", now);
        let asked = sessions.hello(n, &hello, now, &mut out).unwrap().unwrap();
        sessions.resume_at(asked.session, 0, now, &mut out);
        for (peer, message) in out.drain(..) {
            assert_eq!(peer, n);
            client.receive(&message, waiting, now).unwrap();
        }
        client
    };
    let _idle: Vec<Client> = (0..4).map(|n| join(&mut sessions, n, 0, now)).collect();
    let mut busy = join(&mut sessions, 9, 100_000, now);
    assert!(!busy.may_send(), "the others have it all");
    let mut answers = Vec::new();
    for _ in 0..20 {
        now += Duration::from_millis(100);
        sessions.tick(now, &mut answers);
    }
    for (peer, message) in answers {
        if peer == 9 {
            busy.receive(&message, 100_000, now).unwrap();
        }
    }
    assert!(busy.may_send());
    assert!(sessions.granted() <= 1 << 20);
}

/// Nor do those who say that they have something to send and do not, as a process that was stopped. What the daemon
/// says takes so many rounds of 20 ms.
fn starves_nobody(delay: u32) {
    const TO: u64 = 4 << 20;
    let mut now = Instant::now();
    let mut sessions = Sessions::new(1 << 20);
    let mut out = Vec::new();
    let mut clients: Vec<Client> = (0..9u32)
        .map(|n| {
            let producer = ProducerId::from_bytes(u128::from(n + 1).to_be_bytes());
            let mut client = Client::new(producer, 0, Duration::from_secs(5), now);
            let hello = client.hello(1, TO, [0; 5], b"", now);
            let asked = sessions.hello(n, &hello, now, &mut out).unwrap().unwrap();
            sessions.resume_at(asked.session, 0, now, &mut out);
            client
        })
        .collect();
    let mut on_the_way: VecDeque<(u32, (u32, ToClient<'static>))> = VecDeque::new();
    let mut round = 0;
    while clients[8].acked() < TO {
        round += 1;
        assert!(round < 10_000, "it starves at {}", clients[8].acked());
        now += Duration::from_millis(20);
        while clients[8].next() < TO && clients[8].may_send() {
            let to = clients[8].next() + (64 << 10);
            let header = clients[8].batch(to);
            match sessions.batch(&8, header, now) {
                BatchDecision::Take => sessions.durable(header.session, header.to, &mut out),
                BatchDecision::Rewind(rewind) => out.push((8, ToClient::Rewind(rewind))),
                other => assert_eq!(other, BatchDecision::Ignore),
            }
        }
        for (n, client) in (0..).zip(&mut clients) {
            if let Some(ping) = client.check(TO, [0; 5], now).unwrap() {
                out.push((n, sessions.ping(&n, ping, now).unwrap()));
            }
        }
        sessions.tick(now, &mut out);
        assert!(sessions.granted() <= 1 << 20);
        on_the_way.extend(out.drain(..).map(|said| (round + delay, said)));
        while on_the_way.front().is_some_and(|(due, _)| *due <= round) {
            let (_, (n, message)) = on_the_way.pop_front().unwrap();
            clients[n as usize].receive(&message, TO, now).unwrap();
        }
    }
}

#[test]
fn who_asks_and_sends_nothing_starves_nobody() {
    starves_nobody(0);
}

#[test]
fn nor_one_who_is_far_away() {
    starves_nobody(15);
}

/// Offsets that no ring ever reaches are said by strangers only. They take no more of the budget than others.
#[test]
fn who_stands_where_offsets_end_takes_nothing_for_ever() {
    let now = Instant::now();
    let mut sessions = Sessions::new(4 << 20);
    let mut out = Vec::new();
    for n in 0..20u32 {
        let mut hello = Client::new(
            ProducerId::from_bytes([7; 16]),
            0,
            Duration::from_secs(5),
            now,
        );
        let mut hello = hello.hello(u64::from(n) + 1, u64::MAX, [0; 5], b"", now);
        hello.acked = u64::MAX - u64::from(n % 10) * 100_000;
        let asked = sessions.hello(n, &hello, now, &mut out).unwrap().unwrap();
        sessions.resume_at(asked.session, asked.acked, now, &mut out);
        if asked.acked < u64::MAX {
            let header = BatchHeader {
                session: asked.session,
                from: asked.acked,
                to: u64::MAX,
            };
            assert_eq!(sessions.batch(&n, header, now), BatchDecision::Take);
            sessions.durable(asked.session, u64::MAX, &mut out);
        }
        assert!(sessions.cut(asked.session).is_some());
        assert_eq!(sessions.granted(), 0);
    }
}

/// Who came first and logs a little all the time gives back what it was given when it was alone. Found by simulation:
/// eight such clients held all of the daemon's credit, and the ninth waited for minutes.
#[test]
fn who_logs_a_little_all_the_time_starves_nobody() {
    const CLIENTS: u32 = 20;
    const RECORD: u64 = 1000;
    let mut now = Instant::now();
    let mut sessions = Sessions::new(64 << 20);
    let mut out = Vec::new();
    let mut clients: Vec<Client> = (0..CLIENTS)
        .map(|n| {
            let producer = ProducerId::from_bytes(u128::from(n + 1).to_be_bytes());
            let mut client = Client::new(producer, 0, Duration::from_secs(5), now);
            let hello = client.hello(1, RECORD, [0; 5], b"", now);
            let asked = sessions.hello(n, &hello, now, &mut out).unwrap().unwrap();
            sessions.resume_at(asked.session, 0, now, &mut out);
            client
        })
        .collect();
    for round in 1..=100 {
        let head = round * RECORD;
        for (n, message) in out.drain(..) {
            clients[n as usize].receive(&message, head, now).unwrap();
        }
        for (n, client) in (0..).zip(&mut clients) {
            // As a client does it: first it looks at the time, then it sends.
            if let Some(ping) = client.check(head, [0; 5], now).unwrap() {
                out.push((n, sessions.ping(&n, ping, now).unwrap()));
            }
            if client.next() < head && client.may_send() {
                let header = client.batch(head);
                assert_eq!(sessions.batch(&n, header, now), BatchDecision::Take);
                sessions.durable(header.session, header.to, &mut out);
            }
        }
        sessions.tick(now, &mut out);
        assert!(sessions.granted() <= 64 << 20);
        now += Duration::from_millis(100);
    }
    let behind: Vec<u64> = clients
        .iter()
        .map(|client| 100 * RECORD - client.acked())
        .collect();
    assert!(
        behind.iter().all(|bytes| *bytes <= 2 * RECORD),
        "{behind:?}"
    );
}
