//! The daemon, a process of its own, is killed while clients send: what was acked is there, and nothing twice.

use std::path::Path;
use std::process::Command;

use distlog_proto::session::{Ack, Rewind, ToClient, Welcome};
use distlog_store::{Options, Store};
use distlog_testkit::{Process, eventually};

use crate::kit::in_process::*;
use crate::kit::session_client::*;

fn daemon(folder: &Path) -> (Process, String) {
    let mut process = Process::start(
        Command::new(crate::DISTLOGD)
            .args(["--config", "distlogd.yaml"])
            .current_dir(folder),
    );
    let session = process.expect_stderr("the session receiver", |line| {
        line.trim()
            .strip_prefix("session ")
            .map(|at| at.trim().to_owned())
    });
    (process, session)
}

#[test]
fn no_kill_loses_or_doubles_what_was_acked() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("distlogd.yaml"),
        "listen: { push: off, session: 'tcp://127.0.0.1:0', otlp_grpc: off, otlp_http: off, http: off }\nstore: { path: store, reserve: 16MiB, sync: 2ms }\n",
    )
    .unwrap();
    let clients = 3u8;
    // By client: where the daemon said that all is durable.
    let mut acked = vec![0u64; usize::from(clients)];
    let context = zmq::Context::new();
    for round in 1..=5u64 {
        let (mut process, session) = daemon(folder.path());
        let mut all: Vec<Client> = (0..clients)
            .map(|n| Client::connect_to(&context, &session, id(n + 1)))
            .collect();
        let mut next = vec![0; all.len()];
        for (n, client) in all.iter_mut().enumerate() {
            client.hello(round, acked[n]);
            let Welcome { stored_to, .. } = client.welcomed();
            assert!(
                stored_to >= acked[n],
                "round {round}: {stored_to}, {} was acked",
                acked[n]
            );
            next[n] = stored_to;
        }
        // Each round it is killed after some more acks, in the midst of batches.
        let mut acks = 0;
        eventually("acks", || {
            for (n, client) in all.iter_mut().enumerate() {
                for _ in 0..20 {
                    let from = next[n];
                    if from < client.credit {
                        let records = (0..10).map(|k| record(from + k, "x")).collect();
                        client.send(from, from + 10, records);
                        next[n] = from + 10;
                    }
                }
                while client.socket.poll(zmq::POLLIN, 0).unwrap() > 0 {
                    match client.hear() {
                        ToClient::Ack(Ack {
                            stored_to, credit, ..
                        })
                        | ToClient::Rewind(Rewind {
                            stored_to, credit, ..
                        }) => {
                            (acked[n], client.credit) = (stored_to, credit);
                            acks += 1;
                        }
                        other => panic!("{other:?}"),
                    }
                }
            }
            if acks >= 5 * round { Ok(()) } else { Err(acks) }
        });
        process.signal("KILL");
        process.wait();
    }
    let options = Options {
        reserve: 0,
        ..Options::default()
    };
    let store = Store::open(folder.path().join("store"), options).unwrap();
    for (n, acked) in (0..clients).zip(acked) {
        let found = stored(&store.reader(), id(n + 1));
        assert!(
            found.len() as u64 >= acked && acked > 0,
            "{} of {acked}",
            found.len()
        );
        let offsets = found.iter().map(|(offset, _)| *offset);
        assert!(offsets.eq(0..found.len() as u64), "each once, in order");
    }
}
