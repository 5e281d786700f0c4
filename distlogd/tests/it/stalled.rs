//! Clients that open connections and leave them idle, or stall: others are served all the same.

use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, TcpStream, UdpSocket};
use std::time::Duration;

use distlog_testkit::{Daemon, eventually};
use prost::Message;

use crate::DISTLOGD;
use crate::kit::allow_many_files;
use crate::kit::http::{address, ask, ask_with};
use crate::kit::otlp::{PROTOBUF, post, span, traces};

/// More than the daemon has room for.
const MANY: usize = 600;

/// Opens connections that send the same and no more.
fn stall(address: &str, sent: &[u8]) -> Vec<TcpStream> {
    let open = |_| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .set_write_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        // It may be closed, or not be read any more.
        let _ = stream.write_all(sent);
        stream
    };
    (0..MANY).map(open).collect()
}

fn send(daemon: &Daemon, number: u64, what: &str) -> Result<(), String> {
    let body = traces(vec![span(number, None, what)]).encode_to_vec();
    let answered = post(daemon, "/v1/traces", &[PROTOBUF], &body);
    match answered.status {
        200 => Ok(()),
        _ => Err(answered.text()),
    }
}

/// The daemon does all that it is there for.
fn serves(daemon: &Daemon, what: &str) {
    // Whoever has just begun to send a body may go on for a moment.
    eventually(what, || send(daemon, 1, what));
    for number in 1..6 {
        assert_eq!(ask(daemon, "/healthz").0, 200, "{what}");
        assert_eq!(
            ask_with(daemon, "/", "accept: text/html\r\n").0,
            200,
            "{what}"
        );
        assert_eq!(ask(daemon, "/api/v1/records?limit=1").0, 200, "{what}");
        send(daemon, number, what).unwrap();
    }
}

#[test]
fn whatever_they_have_sent_others_are_served() {
    allow_many_files();
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
    let (http, otlp, grpc) = (
        address(&daemon).to_owned(),
        daemon.otlp_http().to_owned(),
        daemon.otlp_grpc().to_owned(),
    );
    let half_body =
        b"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-protobuf\r\n\
                      content-length: 1000000\r\n\r\n\0\0\0";
    let much = "GET /api/v1/openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(200);
    let states: [(&str, &str, &[u8]); 8] = [
        ("nothing is sent", &http, b""),
        (
            "half a head",
            &http,
            b"GET /api/v1/records HTTP/1.1\r\nhost: loc",
        ),
        ("answers are not taken", &http, much.as_bytes()),
        (
            "a request was answered",
            &http,
            b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n",
        ),
        ("nothing is sent by OTLP", &otlp, b""),
        ("half a body", &otlp, half_body),
        ("nothing is sent by gRPC", &grpc, b""),
        (
            "the begin of HTTP/2",
            &grpc,
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ),
    ];
    for (what, address, sent) in states {
        let stalled = stall(address, sent);
        serves(&daemon, what);
        drop(stalled);
    }
    // All at once.
    let _all: Vec<_> = states
        .iter()
        .map(|(_, address, sent)| stall(address, sent))
        .collect();
    serves(&daemon, "all at once");
    let metrics = daemon.get("/metrics").unwrap();
    let closed = "distlogd_receiver_closed_connections_total{receiver=\"http\"";
    assert!(metrics.contains(closed), "{metrics}");
    eventually("it says so", || {
        let said = daemon.process().stderr();
        let line = |line: &String| line.contains("idle and stalled ones are closed for new ones");
        said.iter().any(line).then_some(()).ok_or(said)
    });
    assert!(daemon.stop().success());
}

#[cfg(feature = "tls")]
#[test]
fn half_a_handshake_is_no_place_either() {
    allow_many_files();
    let folder = tempfile::tempdir().unwrap();
    let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(folder.path().join("cert.pem"), pair.cert.pem()).unwrap();
    let key = pair.signing_key.serialize_pem();
    std::fs::write(folder.path().join("key.pem"), key).unwrap();
    let listen = "{ push: off, session: off, otlp_grpc: off, otlp_http: off, \
                  http: { bind: 'localhost:0', tls: { cert: cert.pem, key: key.pem } } }";
    let daemon = Daemon::listening(DISTLOGD, &[], folder.path(), listen, "");
    let http = daemon.http().strip_prefix("https://").unwrap().to_owned();
    // A record of TLS that is announced, and does not come.
    let _stalled = [stall(&http, b""), stall(&http, b"\x16\x03\x01\x02\x00\x01")];
    for _ in 0..5 {
        let asked = std::process::Command::new(DISTLOGD)
            .current_dir(folder.path())
            .args(["find", "--url", daemon.http(), "--ca", "cert.pem"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&asked.stderr);
        assert_eq!(asked.status.code(), Some(4), "{said}");
    }
}

#[test]
fn a_flood_of_rubbish_is_counted_and_closed() {
    allow_many_files();
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
    let ports = [
        address(&daemon).to_owned(),
        daemon.otlp_http().to_owned(),
        daemon.otlp_grpc().to_owned(),
    ];
    let mut streams = Vec::new();
    for number in 0..1000_usize {
        let mut stream = TcpStream::connect(&ports[number % 3]).unwrap();
        let rubbish = [u8::try_from(number % 256).unwrap(); 512];
        let _ = stream.write_all(&rubbish);
        streams.push(stream);
    }
    serves(&daemon, "a flood");
    for mut stream in streams {
        stream.set_nonblocking(true).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.contains(" 200 "), "{answer}");
    }
}

/// An address of this machine that is not loopback, if it has one.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: this asks which address a packet to there would have (TEST-NET-1).
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

#[test]
fn who_sends_more_bytes_than_an_address_may_is_read_later_and_others_are_not() {
    let Some(own) = own_address() else {
        eprintln!("not tested: this machine has no address beyond loopback");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let open = "{ bind: '0.0.0.0:0', plaintext: true }";
    let listen = format!(
        "{{ push: off, session: off, otlp_grpc: 'localhost:0', otlp_http: {open}, http: 'localhost:0', \
         limits: {{ peer_bytes_per_second: 1KiB }} }}"
    );
    let daemon = Daemon::listening(DISTLOGD, &[], folder.path(), &listen, "");
    let port = daemon.otlp_http().rsplit(':').next().unwrap();
    let mut slow = TcpStream::connect((own, port.parse::<u16>().unwrap())).unwrap();
    let mut answer = slow.try_clone().unwrap();
    let body = traces(vec![span(1, None, &"slow ".repeat(400_000))]).encode_to_vec();
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: {own}:{port}\r\ncontent-type: {}\r\ncontent-length: {}\r\n\r\n",
        PROTOBUF.1,
        body.len()
    );
    // At that pace it takes half an hour.
    let sending = std::thread::spawn(move || {
        let sent = slow.write_all(head.as_bytes());
        sent.and_then(|()| slow.write_all(&body))
            .and_then(|()| slow.read(&mut [0]))
    });
    for number in 2..5 {
        let what = "another ".repeat(200_000);
        send(&daemon, number, &what).unwrap();
    }
    assert!(!sending.is_finished(), "it is read at its pace");
    answer.shutdown(Shutdown::Both).unwrap();
    _ = sending.join().unwrap();
    _ = answer.read(&mut [0]);
    let found = ask(
        &daemon,
        "/api/v1/records?limit=100&filter=kind==%27begin%27",
    );
    let text = String::from_utf8(found.2).unwrap();
    assert!(text.contains("another") && !text.contains("slow"));
}
