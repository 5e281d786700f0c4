//! Each example runs as its text says, and what it does is seen in the daemon.

use std::process::Command;

use distlog_testkit::{Daemon, Process, eventually};
use serde_json::Value;

use crate::timeless::timeless;

/// The tour is also the daemon.
const TOUR: &str = env!("CARGO_BIN_EXE_tour");

fn daemon(folder: &tempfile::TempDir) -> Daemon {
    Daemon::start(TOUR, &["distlogd"], folder.path(), "")
}

fn drawn(daemon: &Daemon, id: &str, words: &[&str]) -> String {
    eventually("the tree", || {
        let text = daemon.get(&format!("/api/v1/tasks/{id}?format=text"))?;
        if words.iter().all(|word| text.contains(word)) {
            Ok(text)
        } else {
            Err(text)
        }
    })
}

#[test]
fn the_tour_shows_three_trees_and_ends() {
    let output = Command::new(TOUR).arg("--once").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let trees: Vec<&str> = said.split("\n\n").collect();
    assert!(trees[0].starts_with("distlogd and three services run"));
    // The third is declined.
    let third = timeless(trees[3]);
    let mut lines = third.lines();
    assert_eq!(lines.next().map(str::len), Some(36), "the trace id");
    let expected = include_str!("../tour_tree.txt");
    assert_eq!(
        lines.collect::<Vec<_>>().join("\n"),
        expected.trim_end(),
        "\n{third}"
    );
    for words in [
        "the page   http://",
        "the store  ",
        "the file   ",
        "the tail   ",
    ] {
        assert!(said.contains(words), "{said}");
    }
    let file = said
        .lines()
        .find_map(|line| line.strip_prefix("the file   "))
        .unwrap();
    assert!(std::fs::read_to_string(file).unwrap().lines().count() > 30);
    std::fs::remove_dir_all(std::path::Path::new(file).parent().unwrap()).unwrap();
}

#[test]
fn the_tour_goes_on_until_it_is_told_to_stop() {
    let mut tour = Process::start(&mut Command::new(TOUR));
    tour.expect_stdout("the end of the introduction", |line| {
        line.contains("Ctrl-C ends the tour").then_some(())
    });
    tour.signal("INT");
    assert!(tour.wait().success(), "{:?}", tour.stderr());
    let said = tour.stdout();
    let file = said
        .iter()
        .find_map(|line| line.strip_prefix("the file   "))
        .unwrap();
    std::fs::remove_dir_all(std::path::Path::new(file).parent().unwrap()).unwrap();
}

#[test]
fn a_queue_carries_the_task_as_text() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    let output = Command::new(env!("CARGO_BIN_EXE_job_queue"))
        .args(["--distlogd", daemon.session()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let id = said.trim().strip_prefix("task ").unwrap();
    let tree = drawn(
        &daemon,
        id,
        &[
            "convert cat.png",
            "convert dog.png",
            "empty.png holds no picture",
        ],
    );
    assert!(tree.contains("✔ convert all pictures · asker"), "{tree}");
    assert!(
        tree.contains("✗ convert empty.png · worker (consumer)"),
        "{tree}"
    );
}

fn opentelemetry_alone(protocol: &str, receiver: fn(&Daemon) -> &str) {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    let output = Command::new(env!("CARGO_BIN_EXE_otel_sdk"))
        .args([protocol, &format!("http://{}", receiver(&daemon))])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let id = said.trim().strip_prefix("trace ").unwrap();
    let words = [
        "stock the shelf",
        "count crates",
        "shelf is empty",
        "are missing",
    ];
    let tree = timeless(&drawn(&daemon, id, &words));
    let lines: Vec<&str> = tree.lines().map(str::trim_end).collect();
    assert_eq!(
        lines[1..],
        [
            "✔ stock the shelf · warehouse  TOOK",
            "├─ TIME INFO  the shelf is empty  event.name=shelf.empty  shelf=3",
            "└─ ✗ count crates (client)  TOOK  10 of 12 crates  crates=12",
            "   ├─ TIME INFO  scanned  pallet=b7",
            "   └─ TIME ERROR two crates are missing  event.name=crates.missing  missing=2",
        ],
        "{tree}"
    );
}

#[test]
fn a_program_with_nothing_but_opentelemetry_logs_by_grpc() {
    opentelemetry_alone("grpc", Daemon::otlp_grpc);
}

#[test]
fn a_program_with_nothing_but_opentelemetry_logs_by_http() {
    opentelemetry_alone("http", Daemon::otlp_http);
}

#[test]
fn what_a_killed_program_logged_arrives() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = daemon(&folder);
    daemon.kill();
    let survivor = |crash: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_survivor"));
        command
            .args(["--distlogd", daemon.session()])
            .arg("--spool")
            .arg(folder.path().join("spool"))
            .args(crash);
        command
    };
    let (crashing, again) = (survivor(&["--crash"]).output(), &mut survivor(&[]));
    let output = crashing.unwrap();
    assert!(!output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let id = said.trim().strip_prefix("task ").unwrap();

    daemon.restart();
    let mut again = Process::start(again);
    let tree = drawn(&daemon, id, &["cat.png", "dog.png", "owl.png", "† convert"]);
    assert_eq!(tree.matches("INFO  converted").count(), 3, "{tree}");
    assert!(
        tree.contains("its process died before the task ended"),
        "{tree}"
    );
    again.signal("TERM");
    assert!(again.wait().success(), "{:?}", again.stderr());
    let left = std::fs::read_dir(folder.path().join("spool")).unwrap();
    assert_eq!(left.count(), 0, "all spools are empty and gone");
}

#[test]
fn the_relay_sends_each_request_as_a_task_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    let target = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", target.local_addr().unwrap());
    let heard = std::thread::spawn(move || [request(&target), request(&target)]);
    let mut relay = Process::start(Command::new(env!("CARGO_BIN_EXE_relay")).args([
        "--listen",
        "127.0.0.1:0",
        "--distlogd",
        daemon.session(),
    ]));
    let address = relay.expect_stdout("its address", |line| {
        line.strip_prefix("relay listens on ").map(str::to_owned)
    });
    let body = format!(
        r#"[{{"url": "{url}", "arguments": {{"n": 1}}}}, {{"url": "{url}", "arguments": [2]}}]"#
    );
    let caller = "00-12345678901234567890123456789012-1234567890123456-01";
    let answer = ureq_post(&address, &body, caller);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let heard = heard.join().unwrap();
    let header = |request: &str, name: &str| {
        request
            .lines()
            .find_map(|line| {
                line.to_lowercase()
                    .strip_prefix(&format!("{name}: "))
                    .map(str::to_owned)
            })
            .unwrap()
    };
    let parents: Vec<String> = heard
        .iter()
        .map(|request| header(request, "traceparent"))
        .collect();
    for (request, parent) in heard.iter().zip(&parents) {
        assert!(
            parent.starts_with("00-12345678901234567890123456789012-"),
            "{parent}"
        );
        assert!(parent.ends_with("-01"), "{parent}");
        let state = header(request, "tracestate");
        assert!(
            state.starts_with("distlog=~1234567890123456/") && state.ends_with(",vendor=v"),
            "{state}"
        );
    }
    assert_ne!(parents[0], parents[1], "each attempt is a task of its own");
    assert!(
        heard[0].ends_with(r#"{"n":1}"#) && heard[1].ends_with("[2]"),
        "{heard:?}"
    );
    let tree = drawn(
        &daemon,
        "12345678-9012-3456-7890-123456789012",
        &["(server)", "post to "],
    );
    assert_eq!(tree.matches("(client)").count(), 2, "{tree}");
}

/// Answers one HTTP request with 200 and gives its text.
fn request(target: &std::net::TcpListener) -> String {
    use std::io::{Read, Write};
    let (mut stream, _) = target.accept().unwrap();
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let n = stream.read(&mut buffer).unwrap();
        text.extend_from_slice(&buffer[..n]);
        let whole = String::from_utf8_lossy(&text).into_owned();
        if let Some((head, body)) = whole.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|l| {
                l.to_lowercase()
                    .strip_prefix("content-length: ")
                    .map(|n| n.parse().unwrap())
            });
            if body.len() >= length.unwrap_or(0) {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                    .unwrap();
                return whole.replace("\r\n", "\n");
            }
        }
    }
}

fn ureq_post(address: &str, body: &str, traceparent: &str) -> String {
    use std::io::{Read, Write};
    let host = address.trim_start_matches("http://");
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    write!(
        stream,
        "POST /test HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {}\r\ntraceparent: {traceparent}\r\n\
         tracestate: vendor=v\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_custom_daemon_has_a_processor_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let config = "
rules:
  - when: kind == 'end' && outcome == 'failed'
    to: [alarm]";
    let mut daemon = Daemon::start(
        env!("CARGO_BIN_EXE_custom_daemon"),
        &[],
        folder.path(),
        config,
    );
    let output = Command::new(env!("CARGO_BIN_EXE_job_queue"))
        .args(["--distlogd", daemon.session()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    daemon.process().expect_stdout("the alarm", |line| {
        (line == "ALARM worker: convert empty.png").then_some(())
    });
}

#[test]
#[ignore = "needs the Python package: see .ci/run"]
fn python_and_rust_share_a_tree() {
    let python = std::env::var("DISTLOG_TEST_PYTHON")
        .expect("DISTLOG_TEST_PYTHON names a Python with distlog, pyzmq and six");
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    let output = Command::new(env!("CARGO_BIN_EXE_two_languages"))
        .args(["--distlogd", daemon.session()])
        .args(["--push", daemon.push(), "--python", &python])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let id = said.trim().strip_prefix("task ").unwrap();
    let tree = drawn(&daemon, id, &["print the sum", "added up"]);
    assert!(tree.contains("adding 3 figures"), "{tree}");
    let json: Value = daemon.json(&format!("/api/v1/tasks/{id}")).unwrap();
    assert_eq!(
        json["tasks"].as_array().unwrap().len(),
        1,
        "one tree: {json:#}"
    );
}
