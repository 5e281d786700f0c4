//! A man in the middle changes a byte.

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use distlog_testkit::eventually;

use super::*;

/// Passes on what comes, with one bit of the `number`th byte that the client sends turned; counts these bytes.
fn between(to: String, number: usize, sent: &Arc<AtomicUsize>) -> String {
    let sent = Arc::clone(sent);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("localhost:{}", listener.local_addr().unwrap().port());
    thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, mut server) = (client.unwrap(), TcpStream::connect(&to).unwrap());
            let (mut back, mut answers) =
                (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || {
                let _ = io::copy(&mut answers, &mut back);
                let _ = back.shutdown(std::net::Shutdown::Both);
            });
            let (mut passed, mut bytes) = (0, [0; 4096]);
            while let Ok(read @ 1..) = client.read(&mut bytes) {
                if let Some(byte) = number
                    .checked_sub(passed)
                    .and_then(|at| bytes[..read].get_mut(at))
                {
                    *byte ^= 1;
                }
                passed += read;
                sent.store(passed, Ordering::SeqCst);
                if server.write_all(&bytes[..read]).is_err() {
                    break;
                }
            }
            let _ = server.shutdown(std::net::Shutdown::Both);
        }
    });
    address
}

#[test]
fn what_was_changed_on_the_way_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let (mut daemon, _) = start(folder.path());
    let body =
        r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"pay 100"}}]}]}]}"#;
    let send = |address: &str| {
        let request = format!(
            "POST /v1/logs HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{body}",
            bare(daemon.otlp_http()),
            body.len()
        );
        talk(&mut connect(folder.path(), address, None), &request)
    };
    let otlp = bare(daemon.otlp_http()).to_owned();
    let sent = Arc::new(AtomicUsize::new(0));
    // Nothing is turned: it is as if nobody was there.
    let answer = send(&between(otlp.clone(), usize::MAX, &sent)).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    // In the last message, the body, the head, the handshake, and its first bytes.
    let all = sent.load(Ordering::SeqCst);
    for number in [all - 50, all - 100, all - 250, 100, 8] {
        let answer = send(&between(otlp.clone(), number, &sent));
        assert!(
            !answer
                .as_ref()
                .is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 ")),
            "{number}: {answer:?}"
        );
    }
    let found = get(folder.path(), daemon.http(), "/api/v1/records", None).unwrap();
    assert_eq!(
        found.matches(r#""message":"pay 100""#).count(),
        1,
        "{found}"
    );
    eventually("it says so", || {
        let said = daemon.process().stderr();
        let line = |line: &String| line.contains("refuses 127.0.0.1");
        said.iter().any(line).then_some(()).ok_or(said)
    });
}
