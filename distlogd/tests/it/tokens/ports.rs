//! No token, a wrong one, one that is too old, one that was revoked, and one that may do something else: at each port.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use distlog_bridge::otlp::collector::trace::v1::trace_service_client::TraceServiceClient;
use distlog_testkit::{Daemon, eventually};
use prost::Message;
use tonic::Code;

use super::*;
use crate::kit::http::{Reply, ask_with, send};
use crate::kit::otlp::{JSON, PROTOBUF, post, post_to, runtime, span, traces};

struct Tokens {
    sends: String,
    reads: String,
    all: String,
    old: String,
}

/// A daemon whose ports want tokens.
fn start(folder: &Path) -> (Daemon, Tokens) {
    let tokens = Tokens {
        sends: new(folder, "sends", &["--may", "ingest"]),
        reads: new(folder, "reads", &["--may", "read"]),
        all: new(folder, "all", &["--may", "ingest,read,admin"]),
        old: new(
            folder,
            "old",
            &["--may", "ingest,read,admin", "--expires", "1h"],
        ),
    };
    // Its time is over.
    let path = folder.join("tokens.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, time) = text.rsplit_once("expires: ").unwrap();
    let text = format!("{before}expires: 2001{}", &time[4..]);
    std::fs::write(&path, text).unwrap();
    let daemon = Daemon::listening(DISTLOGD, &[], folder, LISTEN, "");
    (daemon, tokens)
}

/// Takes a token out of the file.
fn revoke(folder: &Path, name: &str) {
    let path = folder.join("tokens.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let left = text
        .lines()
        .filter(|line| !line.contains(&format!("name: '{name}'")));
    let left: Vec<&str> = left.collect();
    let aside = folder.join("tokens.new");
    std::fs::write(&aside, left.join("\n")).unwrap();
    std::fs::rename(&aside, &path).unwrap();
}

fn by_http(daemon: &Daemon, token: Option<&str>) -> u16 {
    send_span(daemon, token, "handle order")
}

fn send_span(daemon: &Daemon, token: Option<&str>, name: &str) -> u16 {
    let authorization = token.map(bearer);
    let mut headers = vec![PROTOBUF];
    headers.extend(
        authorization
            .iter()
            .map(|value| ("authorization", value.as_str())),
    );
    let body = traces(vec![span(1, None, name)]).encode_to_vec();
    post(daemon, "/v1/traces", &headers, &body).status
}

fn by_grpc(daemon: &Daemon, token: Option<&str>) -> Result<(), Code> {
    let endpoint = format!("http://{}", daemon.otlp_grpc());
    runtime().block_on(async {
        let mut client = TraceServiceClient::connect(endpoint).await.unwrap();
        let mut request = tonic::Request::new(traces(vec![span(1, None, "handle order")]));
        if let Some(token) = token {
            let value = bearer(token).parse().unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        let answered = client.export(request).await;
        answered.map(|_| ()).map_err(|status| status.code())
    })
}

fn ask(daemon: &Daemon, path: &str, token: Option<&str>) -> Reply {
    let headers = token.map(|token| format!("authorization: {}\r\n", bearer(token)));
    ask_with(daemon, path, &headers.unwrap_or_default())
}

fn read(daemon: &Daemon, token: Option<&str>) -> u16 {
    ask(daemon, "/api/v1/records", token).0
}

fn delete(daemon: &Daemon, token: Option<&str>) -> u16 {
    let headers = token.map(|token| format!("authorization: {}\r\n", bearer(token)));
    let host = daemon.http().strip_prefix("http://").unwrap();
    let path = "/api/v1/records?filter=true&to=now&dry_run=true";
    let headers = headers.unwrap_or_default();
    let request = format!("DELETE {path} HTTP/1.0\r\nhost: {host}\r\n{headers}\r\n");
    send(daemon, request.as_bytes()).0
}

#[test]
fn each_port_asks_for_a_token_that_may() {
    let folder = tempfile::tempdir().unwrap();
    let (mut daemon, tokens) = start(folder.path());
    let Tokens {
        sends,
        reads,
        all,
        old,
    } = &tokens;
    let wrong = "distlog_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for (token, sending, reading, deleting) in [
        (None, 401, 401, 401),
        (Some(wrong), 401, 401, 401),
        (Some(old.as_str()), 401, 401, 401),
        (Some(sends), 200, 403, 403),
        (Some(reads), 403, 200, 403),
        (Some(all), 200, 200, 200),
    ] {
        assert_eq!(by_http(&daemon, token), sending, "{token:?}");
        let by_grpc = by_grpc(&daemon, token);
        let expected = match sending {
            401 => Err(Code::Unauthenticated),
            403 => Err(Code::PermissionDenied),
            _ => Ok(()),
        };
        assert_eq!(by_grpc, expected, "{token:?}");
        assert_eq!(read(&daemon, token), reading, "{token:?}");
        assert_eq!(delete(&daemon, token), deleting, "{token:?}");
    }
    let why = |line: &str| line.contains("unknown token from 127.0.0.1").then_some(());
    daemon
        .process()
        .expect_stderr("who was refused, and why", why);
    let metrics = ask(&daemon, "/metrics", Some(reads));
    let metrics = String::from_utf8(metrics.2).unwrap();
    for receiver in ["otlp_grpc", "otlp_http", "http"] {
        for reason in [
            "no token",
            "unknown token",
            "expired token",
            "token lacks right",
        ] {
            let counter = format!(
                "distlogd_receiver_rejected_inputs_total{{receiver=\"{receiver}\",reason=\"{reason}\"}}"
            );
            assert!(metrics.contains(&counter), "{counter}\n{metrics}");
        }
    }
}

#[test]
fn the_answer_says_what_is_wanted_in_the_form_of_each_protocol() {
    let folder = tempfile::tempdir().unwrap();
    let (daemon, tokens) = start(folder.path());
    let reply = ask(&daemon, "/api/v1/records", None);
    assert_eq!(
        reply.header("www-authenticate"),
        Some("bearer realm=\"distlogd\"")
    );
    assert!(
        reply.problem()["detail"]
            .as_str()
            .unwrap()
            .contains("Authorization: Bearer")
    );
    let reply = ask(&daemon, "/api/v1/records", Some(&tokens.sends));
    let challenge = reply.header("www-authenticate").unwrap();
    assert!(challenge.contains("insufficient_scope"), "{challenge}");
    let detail = reply.problem()["detail"].to_string();
    assert!(detail.contains("the token `sends` may not do this: it lacks the right `read`"));
    let answer = post(&daemon, "/v1/logs", &[JSON], "{}");
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (401, JSON.1)
    );
    assert!(answer.header("www-authenticate").starts_with("Bearer"));
    assert!(answer.text().contains("\"code\":16"), "{}", answer.text());
    let old = bearer(&tokens.old);
    let answer = post(&daemon, "/v1/logs", &[JSON, ("authorization", &old)], "{}");
    assert!(
        answer.text().contains("the token `old` held until 2001-"),
        "{}",
        answer.text()
    );
    // A body that cannot be read is not looked at.
    let answer = post(&daemon, "/v1/traces", &[PROTOBUF], &[0xff; 100][..]);
    assert_eq!(answer.status, 401);
    if cfg!(feature = "mcp") {
        let url = format!("{}/mcp", daemon.http());
        assert_eq!(post_to(&url, &[JSON], "no JSON").status, 401);
        let reads = bearer(&tokens.reads);
        let accept = ("accept", "application/json, text/event-stream");
        let headers = [JSON, accept, ("authorization", &reads)];
        let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        assert_eq!(post_to(&url, &headers, list).status, 200);
    }
    // These say nothing of records.
    assert_eq!(ask(&daemon, "/healthz", None).0, 200);
    assert_eq!(ask(&daemon, "/favicon.svg", None).0, 200);
    assert_eq!(ask(&daemon, "/nothing", None).0, 404);
}

#[test]
fn who_is_refused_reads_the_answer_after_a_large_body() {
    let folder = tempfile::tempdir().unwrap();
    let (daemon, _) = start(folder.path());
    let address = daemon.otlp_http();
    let body = vec![0xff; 20 << 20];
    for authorization in ["", "authorization: Bearer distlog_wrong\r\n"] {
        let mut stream = TcpStream::connect(address).unwrap();
        let length = body.len();
        let head = format!(
            "POST /v1/logs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-protobuf\r\n\
             content-length: {length}\r\n{authorization}connection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        // As many clients do: all of it, and only then the answer.
        stream.write_all(&body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    }
}

#[test]
fn every_path_that_is_described_asks_for_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let (daemon, tokens) = start(folder.path());
    let description = ask(&daemon, "/api/v1/openapi.json", Some(&tokens.reads)).json();
    let mut asked = 0;
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let path = path.replace("{id}", "e252a11f-d33d-483d-ba08-bc8f642b2f10");
            let host = daemon.http().strip_prefix("http://").unwrap();
            let method = method.to_uppercase();
            let request = format!("{method} {path} HTTP/1.0\r\nhost: {host}\r\n\r\n");
            let reply = send(&daemon, request.as_bytes());
            assert_eq!(reply.0, 401, "{method} {path}");
            assert!(operation["responses"]["401"].is_object());
            asked += 1;
        }
    }
    assert!(asked >= 12);
    for path in [
        "/",
        "/metrics",
        "/api/v3/services",
        "/api/traces",
        "/api/dependencies",
        "/mcp",
    ] {
        assert_eq!(ask(&daemon, path, None).0, 401, "{path}");
    }
}

#[test]
fn a_token_that_is_revoked_holds_no_longer_and_what_it_follows_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (mut daemon, tokens) = start(folder.path());
    let mut stream = TcpStream::connect(daemon.http().strip_prefix("http://").unwrap()).unwrap();
    let head = format!(
        "GET /api/v1/tail?reorder=false HTTP/1.1\r\nhost: localhost\r\nauthorization: {}\r\n\r\n",
        bearer(&tokens.reads)
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut lines = BufReader::new(stream).lines();
    assert!(
        lines
            .by_ref()
            .any(|line| line.unwrap().contains(": following"))
    );
    assert_eq!(by_http(&daemon, Some(&tokens.sends)), 200);
    assert!(
        lines
            .by_ref()
            .any(|line| line.unwrap().contains("handle order"))
    );
    revoke(folder.path(), "reads");
    eventually("it is revoked", || {
        match read(&daemon, Some(&tokens.reads)) {
            401 => Ok(()),
            status => Err(status.to_string()),
        }
    });
    let later = send_span(&daemon, Some(&tokens.sends), "what comes later");
    assert_eq!(later, 200);
    let rest: Vec<_> = lines.map_while(Result::ok).collect();
    assert!(
        !rest.iter().any(|line| line.contains("what comes later")),
        "{rest:?}"
    );
    revoke(folder.path(), "sends");
    eventually("it is revoked", || {
        match by_http(&daemon, Some(&tokens.sends)) {
            401 => Ok(()),
            status => Err(status.to_string()),
        }
    });
    assert_eq!(
        by_grpc(&daemon, Some(&tokens.sends)),
        Err(Code::Unauthenticated)
    );
    // A file that is broken changes nothing.
    std::fs::write(folder.path().join("tokens.yaml"), "- { name: all").unwrap();
    eventually("it is said", || {
        assert_eq!(read(&daemon, Some(&tokens.all)), 200);
        let said = daemon.process().stderr();
        let told = said
            .iter()
            .filter(|line| line.contains("the tokens stay as they were"));
        if told.count() == 1 {
            Ok(())
        } else {
            Err(format!("{said:?}"))
        }
    });
    assert_eq!(by_grpc(&daemon, Some(&tokens.all)), Ok(()));
}
