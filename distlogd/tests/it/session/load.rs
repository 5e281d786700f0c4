//! Many clients: memory stays bounded, all get through.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use distlog_proto::ProducerId;
use distlog_proto::session::{Ack, RefusedReason, Rewind, ToClient};

use crate::kit::allow_many_files;
use crate::kit::in_process::*;
use crate::kit::session_client::*;

/// Bytes of a record's message, and the offsets that it covers.
const PIECE: u64 = 32 << 10;

#[test]
fn two_hundred_clients_that_send_all_they_may_get_through() {
    allow_many_files();
    let folder = tempfile::tempdir().unwrap();
    let daemon = start(folder.path());
    let context = zmq::Context::new();
    let clients: u8 = 200;
    let pieces = 40;
    let wanted = pieces * PIECE;
    let mut all: Vec<Client> = (0..clients)
        .map(|n| Client::connect(&context, &daemon, id(n + 1)))
        .collect();
    // Who says that it has more and does not send it would keep credit from the others.
    all.iter_mut().for_each(|client| client.waiting = wanted);
    all.iter().for_each(|client| client.hello(1, 0));
    let mut sent = vec![0; all.len()];
    let mut joined = vec![false; all.len()];
    let message = "x".repeat(PIECE as usize - 100);
    let (mut most, mut turns) = (0, 0u64);
    let deadline = Instant::now() + Duration::from_secs(100);
    while all.iter().any(|client| client.stored_to < wanted) {
        let slowest = all.iter().map(|client| client.stored_to).min();
        assert!(
            Instant::now() < deadline,
            "the slowest has {slowest:?} of {wanted}"
        );
        let mut idle = true;
        for (n, client) in all.iter_mut().enumerate() {
            while client.socket.poll(zmq::POLLIN, 0).unwrap() > 0 {
                idle = false;
                match client.hear() {
                    ToClient::Welcome(welcome) => {
                        client.session = welcome.session;
                        client.credit = welcome.credit;
                        joined[n] = true;
                    }
                    ToClient::Ack(Ack {
                        stored_to, credit, ..
                    }) => {
                        (client.stored_to, client.credit) = (stored_to, credit);
                    }
                    ToClient::Rewind(Rewind {
                        received_to,
                        stored_to,
                        credit,
                        ..
                    }) => {
                        (client.stored_to, client.credit) = (stored_to, credit);
                        sent[n] = received_to;
                    }
                    other => panic!("{other:?}"),
                }
            }
            while joined[n] && sent[n] < client.credit && sent[n] < wanted {
                let from = sent[n];
                client.send(from, from + PIECE, vec![record(from, &message)]);
                sent[n] += PIECE;
                idle = false;
            }
        }
        turns += 1;
        if turns % 10 == 0 {
            most = most.max(metric(&daemon, "distlogd_intake_bytes"));
        }
        if idle {
            let sockets = all.iter().map(|client| &client.socket);
            let mut items: Vec<_> = sockets.map(|s| s.as_poll_item(zmq::POLLIN)).collect();
            zmq::poll(&mut items, 20).unwrap();
        }
    }
    // A batch may go beyond the credit that it begins in.
    let bound = (64 << 20) + u64::from(clients) * PIECE;
    assert!(
        (1..=bound).contains(&most),
        "{most} bytes waited for the store, {bound} may"
    );
    let mut found: HashMap<ProducerId, Vec<u64>> = HashMap::new();
    each_stored(daemon.reader(), |record| {
        let offsets = found.entry(record.source.producer).or_default();
        offsets.push(record.offset);
    });
    assert_eq!(found.len(), usize::from(clients));
    for (producer, offsets) in found {
        let expected = (0..pieces).map(|n| n * PIECE);
        assert!(
            offsets.iter().copied().eq(expected),
            "{producer}: {offsets:?}"
        );
    }
    daemon.stop();
}

/// Many batches wait at once, so several threads read them.
#[test]
fn a_batch_that_cannot_be_read_among_many_ends_its_own_session_only() {
    const BATCHES: u64 = 30;
    let folder = tempfile::tempdir().unwrap();
    let daemon = start(folder.path());
    let context = zmq::Context::new();
    let mut clients: Vec<Client> = (1..=8)
        .map(|n| Client::join(&context, &daemon, id(n), 1))
        .collect();
    let message = "x".repeat(PIECE as usize - 100);
    let (bad_client, bad_batch) = (3, 7);
    for batch in 0..BATCHES {
        for (n, client) in clients.iter().enumerate() {
            let from = batch * PIECE;
            if (n, batch) == (bad_client, bad_batch) {
                let bytes = vec![0xff; PIECE as usize];
                client.send_as(client.session, from, from + PIECE, bytes);
            } else {
                client.send(from, from + PIECE, vec![record(from, &message)]);
            }
        }
    }
    for (n, client) in clients.iter_mut().enumerate() {
        if n != bad_client {
            client.acked(BATCHES * PIECE);
            continue;
        }
        let (reason, detail, _) = client.refused();
        assert_eq!(reason, RefusedReason::Malformed, "{detail}");
        assert!(detail.contains("cannot be read"), "{detail}");
    }
    let mut found: HashMap<ProducerId, Vec<u64>> = HashMap::new();
    each_stored(daemon.reader(), |record| {
        let offsets = found.entry(record.source.producer).or_default();
        offsets.push(record.offset);
    });
    for (n, client) in clients.iter().enumerate() {
        let batches = match n == bad_client {
            true => bad_batch,
            false => BATCHES,
        };
        let expected = (0..batches).map(|batch| batch * PIECE);
        let offsets = found.remove(&client.producer).unwrap_or_default();
        assert!(offsets.iter().copied().eq(expected), "{n}: {offsets:?}");
    }
    daemon.stop();
}
