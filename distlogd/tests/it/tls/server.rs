//! The certificate of the daemon, as clients see it.

use std::io::{Read, Write};
use std::net::TcpStream;

use distlog_testkit::eventually;

use super::*;

#[test]
fn the_command_line_trusts_the_authority_that_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let (daemon, _) = start(folder.path());
    let output = run(&daemon, &["--ca", "ca.pem"]);
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    let output = run(&daemon, &[]);
    assert_eq!(output.status.code(), Some(1));
    let text = said(&output);
    assert!(
        text.contains("nobody who is trusted has signed its certificate: `--ca FILE`"),
        "{text}"
    );
    let output = run(&daemon, &["--ca", "nowhere.pem"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("the authority nowhere.pem cannot be used"),
        "{}",
        said(&output)
    );
    // By an address that does not stand in it.
    let port = daemon.http().rsplit(':').next().unwrap();
    let url = format!("https://127.0.0.1:{port}");
    let output = run_at(&url, folder.path(), &["--ca", "ca.pem"]);
    assert!(
        said(&output).contains("its certificate is for another name"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_foreign_and_an_old_certificate_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (mut daemon, authority) = start(folder.path());
    fs::write(
        folder.path().join("other.pem"),
        Authority::new("other").pem(),
    )
    .unwrap();
    let text = said(&run(&daemon, &["--ca", "other.pem"]));
    assert!(
        text.contains("nobody who is trusted has signed its certificate"),
        "{text}"
    );
    // Many clients close without a word; this one says why, as TLS has it.
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(
        elsewhere.path().join("ca.pem"),
        Authority::new("other").pem(),
    )
    .unwrap();
    get(elsewhere.path(), daemon.http(), "/healthz", None).unwrap_err();
    eventually("the daemon says who does not trust it", || {
        let said = daemon.process().stderr();
        let line = |line: &String| {
            line.contains("refuses 127.0.0.1: it does not trust the certificate of this receiver")
        };
        said.iter().any(line).then_some(()).ok_or(said)
    });
    authority
        .sign_until("localhost", 2020)
        .write(folder.path(), "");
    eventually("it has the old one", || {
        let text = said(&run(&daemon, &["--ca", "ca.pem"]));
        let expired = text.contains("its certificate has expired, 2020-01-01 00:00 UTC");
        expired.then_some(()).ok_or(text)
    });
}

#[test]
fn certificates_are_read_anew_and_broken_ones_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (mut daemon, _) = start(folder.path());
    fs::write(folder.path().join("cert.pem"), "no certificate").unwrap();
    eventually("it says what is wrong", || {
        let output = run(&daemon, &["--ca", "ca.pem"]);
        assert_eq!(output.status.code(), Some(4), "{}", said(&output));
        let said = daemon.process().stderr();
        let line = |line: &String| line.contains("cert.pem cannot be used");
        said.iter().any(line).then_some(()).ok_or(said)
    });
    // Another authority: who trusts the first one does not trust what it signs.
    let other = Authority::new("other");
    fs::write(folder.path().join("other.pem"), other.pem()).unwrap();
    other.sign("localhost").write(folder.path(), "");
    eventually("it has the new one", || {
        let output = run(&daemon, &["--ca", "other.pem"]);
        match output.status.code() {
            Some(4) => Ok(()),
            _ => Err(said(&output)),
        }
    });
    assert_eq!(run(&daemon, &["--ca", "ca.pem"]).status.code(), Some(1));
}

#[test]
fn who_speaks_plain_http_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let (daemon, _) = start(folder.path());
    for address in [daemon.http(), daemon.otlp_http(), daemon.otlp_grpc()] {
        let mut stream = TcpStream::connect(bare(address)).unwrap();
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 400 ") && answer.contains("write https://"),
            "{answer}"
        );
    }
    let url = daemon.http().replace("https://", "http://");
    let text = said(&run_at(&url, folder.path(), &[]));
    assert!(text.contains("no distlogd answers"), "{text}");
    let rejected = get(folder.path(), daemon.http(), "/metrics", None).unwrap();
    let line = "distlogd_receiver_rejected_inputs_total{receiver=\"http\",reason=\"no TLS\"} 2";
    assert!(rejected.contains(line), "{rejected}");
}

#[test]
fn who_speaks_tls_to_a_plain_port_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
    let url = daemon.http().replace("http://", "https://");
    let output = run_at(&url, folder.path(), &[]);
    assert!(
        said(&output).contains("it speaks no TLS: ask by http://"),
        "{}",
        said(&output)
    );
}

#[test]
fn the_cookie_goes_by_tls_alone() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("ours");
    fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
    authority.sign("localhost").write(folder.path(), "");
    let output = Command::new(DISTLOGD)
        .current_dir(folder.path())
        .args(["token", "new", "me", "--may", "read"])
        .output()
        .unwrap();
    let token = String::from_utf8(output.stdout).unwrap();
    let listen = "{ push: off, session: off, otlp_grpc: off, otlp_http: off, \
                  http: { bind: 'localhost:0', tokens: tokens.yaml, tls: { cert: cert.pem, key: key.pem } } }";
    let daemon = Daemon::listening(DISTLOGD, &[], folder.path(), listen, "");
    let host = bare(daemon.http());
    let form = format!("token={}&to=%2F", token.trim());
    let request = format!(
        "POST /sign-in HTTP/1.1\r\nhost: {host}\r\norigin: https://{host}\r\nsec-fetch-site: same-origin\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{form}",
        form.len()
    );
    let answer = talk(&mut connect(folder.path(), daemon.http(), None), &request).unwrap();
    let cookie = answer
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "))
        .unwrap_or_else(|| panic!("{answer}"));
    assert!(
        cookie.starts_with("__Host-") && cookie.contains("; Secure"),
        "{cookie}"
    );
    fs::write(folder.path().join("token"), &token).unwrap();
    let output = run(&daemon, &["--ca", "ca.pem", "--token-file", "token"]);
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    let output = run(&daemon, &["--ca", "ca.pem"]);
    assert!(
        said(&output).contains("the daemon asks for a token"),
        "{}",
        said(&output)
    );
}

#[test]
fn files_that_cannot_be_used_are_faults_of_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Authority::new("ours");
    ours.sign("localhost").write(folder.path(), "");
    ours.sign("localhost").write(folder.path(), "other");
    ours.sign_until("localhost", 2020)
        .write(folder.path(), "old");
    let config = "\
listen:
  otlp_grpc: { bind: '0.0.0.0:4317', tls: { cert: cert.pem, key: otherkey.pem } }
  otlp_http: { bind: '0.0.0.0:4318', tls: { cert: none.pem, key: cert.pem } }
  http: { bind: '0.0.0.0:5080', tls: { cert: oldcert.pem, key: oldkey.pem } }
";
    fs::write(folder.path().join("d.yaml"), config).unwrap();
    let check = || {
        let output = Command::new(DISTLOGD)
            .current_dir(folder.path())
            .args(["check", "d.yaml"])
            .output()
            .unwrap();
        (output.status.code(), said(&output))
    };
    let (code, text) = check();
    assert_eq!(code, Some(2));
    for expected in [
        "d.yaml:2:66: the key otherkey.pem cannot be used: it does not belong to the certificate cert.pem",
        "d.yaml:3:51: the certificate none.pem cannot be used",
        "key cert.pem cannot be used: it holds no private key",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let config =
        "listen: { http: { bind: '0.0.0.0:5080', tls: { cert: oldcert.pem, key: oldkey.pem } } }\n";
    fs::write(folder.path().join("d.yaml"), config).unwrap();
    let (code, text) = check();
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("has expired, 2020-01-01") && text.contains("asks nobody who he is"),
        "{text}"
    );
}
