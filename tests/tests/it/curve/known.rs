//! Who has a key that the daemon knows logs, and nobody else.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use distlog_testkit::eventually;

use super::Keyed;
use crate::sessions::{Client, expect_all, numbers};

/// What is said to the user of the program.
fn expect_said(client: &mut Client, text: &str) {
    let process = &mut client.process;
    process.expect_stderr(text, |line| line.contains(text).then_some(()));
}

#[test]
fn who_has_a_known_key_logs_and_all_others_are_refused_until_they_have_one() {
    let mut keyed = Keyed::start();
    let session = keyed.session();
    let mut shop = keyed.client(&session, 0, "distlogd", "shop");
    shop.log(100);
    shop.flush();
    expect_all(&keyed.daemon, 100);

    keyed.new_keys("stranger");
    let mut stranger = keyed.client(&session, 100, "distlogd", "stranger");
    stranger.log(10);
    expect_said(&mut stranger, "does not take the key of this program");
    keyed.expect_refused(
        "session",
        "unknown key",
        "unknown key from 127.0.0.1: the key ",
    );

    let mut mistaken = keyed.client(&session, 200, "stranger", "shop");
    mistaken.log(10);
    expect_said(&mut mistaken, "another key than this program expects");

    let mut plain = Client::start_at(&session, 300, &[]);
    plain.log(10);
    expect_said(&mut plain, "takes only connections with keys");
    expect_all(&keyed.daemon, 100);

    keyed.admit("stranger");
    stranger.flush();
    expect_all(&keyed.daemon, 110);
}

#[test]
fn push_wants_keys_too() {
    let mut keyed = Keyed::start();
    let push = keyed.daemon.push().to_owned();
    keyed.new_keys("till");
    let mut till = keyed.client(&push, 0, "distlogd", "till");
    till.log(10);
    expect_said(&mut till, "does not take the key of this program");
    keyed.expect_refused(
        "push",
        "unknown key",
        "unknown key from 127.0.0.1: the key ",
    );
    let mut plain = Client::start_at(&push, 100, &[]);
    plain.log(10);
    expect_said(&mut plain, "takes only connections with keys");
    assert_eq!(numbers(&keyed.daemon), [0; 0]);
    keyed.admit("till");
    till.flush();
    expect_all(&keyed.daemon, 10);
}

/// libzmq cannot end a connection: what comes on it is dropped.
#[test]
fn a_key_that_is_removed_ends_what_it_had_open() {
    let mut keyed = Keyed::start();
    let session = keyed.session();
    let mut shop = keyed.client(&session, 0, "distlogd", "shop");
    shop.log(10);
    shop.flush();
    let raw = raw_socket(&keyed);
    raw.send("?", 0).unwrap();
    keyed.expect_refused("session", "bad message", "bad message from 127.0.0.1");

    keyed.revoke("shop");
    keyed.expect_refused("session", "revoked key", "is no longer in keys/clients");
    shop.log(10);
    let bad =
        "distlogd_receiver_rejected_inputs_total{receiver=\"session\",reason=\"bad message\"}";
    let revoked = bad.replace("bad message", "revoked key");
    let before = (keyed.daemon.metric(bad), keyed.daemon.metric(&revoked));
    raw.send("?", 0).unwrap();
    let after = eventually("a refused message", || {
        match keyed.daemon.metric(&revoked) > before.1 {
            true => Ok(keyed.daemon.metric(bad)),
            false => Err(()),
        }
    });
    assert_eq!(after, before.0, "what is refused is not read");
    expect_all(&keyed.daemon, 10);

    keyed.admit("shop");
    shop.flush();
    expect_all(&keyed.daemon, 20);
}

/// A client of our own making, with the key of `shop`.
fn raw_socket(keyed: &Keyed) -> zmq::Socket {
    let curve =
        distlog_layer::Curve::from_files(keyed.path("distlogd.pub"), keyed.path("shop.key"));
    let distlog_layer::Curve { server, keys } = curve.unwrap();
    let socket = zmq::Context::new().socket(zmq::DEALER).unwrap();
    socket.set_linger(0).unwrap();
    socket.set_curve_serverkey(server.as_bytes()).unwrap();
    socket
        .set_curve_publickey(keys.public().as_bytes())
        .unwrap();
    socket.set_curve_secretkey(keys.expose_secret()).unwrap();
    let address = keyed.daemon.session().replace("localhost", "127.0.0.1");
    socket.connect(&address).unwrap();
    socket
}

#[test]
fn connections_that_never_finish_their_handshake_stop_nobody() {
    let keyed = Keyed::start();
    let port = keyed.daemon.session().rsplit(':').next().unwrap();
    let address = format!("127.0.0.1:{port}");
    // ZMTP 3.0, CURVE, as a client.
    let mut greeting = [0; 64];
    greeting[..10].copy_from_slice(&[0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7F]);
    greeting[10] = 3;
    greeting[12..17].copy_from_slice(b"CURVE");
    let stalled: Vec<TcpStream> = (0..200)
        .map(|n| {
            let mut stream = TcpStream::connect(&address).unwrap();
            // Some say half of it, some all of it, and then nothing.
            let said = if n % 2 == 0 { 30 } else { 64 };
            stream.write_all(&greeting[..said]).unwrap();
            stream
        })
        .collect();
    let mut shop = keyed.client(&keyed.session(), 0, "distlogd", "shop");
    shop.log(100);
    shop.flush();
    expect_all(&keyed.daemon, 100);
    // The daemon waits for none of them for ever.
    for mut stream in stalled {
        eventually("its end", || {
            stream
                .read(&mut [0; 4096])
                .map_or(Ok(()), |n| if n == 0 { Ok(()) } else { Err(n) })
        });
    }
}
