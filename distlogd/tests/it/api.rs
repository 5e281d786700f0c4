//! The API as a whole: its description, its problems, its limits, and what hostile clients ask.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::mpsc;
use std::thread;

use distlog_bridge::otlp::trace::v1::Status;
use distlog_testkit::{Daemon, eventually};
use prost::Message;

use crate::kit::http::*;
use crate::kit::otlp::*;

/// An order that went well and one that failed, each with subtasks and records.
fn store_orders(daemon: &Daemon) {
    let failed = Status {
        code: 2,
        message: "card declined".into(),
    };
    let mut charge = span(2, Some(1), "charge card");
    charge.status = Some(failed);
    let body = traces(vec![span(1, None, "handle order"), charge]).encode_to_vec();
    assert_eq!(post(daemon, "/v1/traces", &[PROTOBUF], &body).status, 200);
    let records = (0..100).map(|n| log(&format!("order {n} is late, as others were"), 1));
    let body = logs(records.collect()).encode_to_vec();
    assert_eq!(post(daemon, "/v1/logs", &[PROTOBUF], &body).status, 200);
}

#[test]
fn whatever_is_wrong_is_told_as_a_problem() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    let long = "x".repeat(61_000);
    for (path, headers, status, why) in [
        (
            "/api/v1/records?limit=0",
            "",
            400,
            "`limit` is wrong: found `0`",
        ),
        ("/api/v1/record", "", 404, "nothing is at `/api/v1/record`"),
        ("/api/v1/records/", "", 404, "nothing is at"),
        ("/api/v1/tasks/x", "", 400, "`id` is wrong"),
        (
            &format!("/api/v1/tasks/{TRACE}"),
            "",
            404,
            "no record of task",
        ),
        (
            "/api/v1/records",
            "accept: text/html\r\n",
            406,
            "application/json or application/x-ndjson",
        ),
        (
            "/api/v1/status",
            "accept: application/x-ndjson\r\n",
            406,
            "application/json",
        ),
        (
            "/api/v1/records",
            "host: evil.example\r\n",
            400,
            "several Host headers",
        ),
        (
            "/api/v1/records",
            "origin: http://evil.example\r\n",
            403,
            "evil.example",
        ),
        (
            &format!("/api/v1/records?q={long}"),
            "",
            414,
            "at most 60000",
        ),
        (
            "/api/v1/records",
            &format!("x: {long}\r\n"),
            431,
            "at most 16384",
        ),
        (
            "/api/v1/records",
            "content-length: 2\r\n\r\n{}",
            400,
            "has no body",
        ),
        ("/api/v1/tail?filter=1", "", 400, "`filter`"),
        (
            "/api/v1/tail",
            "last-event-id: x\r\n",
            400,
            "`Last-Event-ID` is wrong",
        ),
    ] {
        let reply = ask_with(&daemon, path, headers);
        assert_eq!(reply.0, status, "{path:.80}: {}", reply.1);
        let problem = reply.problem();
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(why), "{path:.80}: {detail}");
    }
    let evil = send(
        &daemon,
        b"GET /api/v1/tasks HTTP/1.0\r\nhost: evil.example\r\n\r\n",
    );
    assert_eq!(evil.0, 421);
    assert!(
        evil.problem()["detail"]
            .as_str()
            .unwrap()
            .contains("hosts: ['evil.example']")
    );
    let wrong = ask(&daemon, "/api/v1/tasks?sevice=a").problem();
    assert_eq!(wrong["parameter"], "sevice");
    assert!(
        wrong["expected"]
            .as_str()
            .unwrap()
            .starts_with("running, failed, lost"),
        "{wrong:#}"
    );
    let wrong = ask(&daemon, "/api/v1/tasks?min_duration=5").problem();
    assert_eq!(
        (&wrong["parameter"], &wrong["found"]),
        (&"min_duration".into(), &"`5`".into())
    );
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "ZORK"] {
        let host = address(&daemon);
        let request = format!("{method} /api/v1/stats HTTP/1.0\r\nhost: {host}\r\n\r\n");
        let reply = send(&daemon, request.as_bytes());
        assert_eq!(
            (reply.0, reply.header("allow")),
            (405, Some("get,head")),
            "{method}: {}",
            reply.1
        );
        reply.problem();
    }
    let gone = ask(&daemon, "/mcp");
    assert_eq!(gone.0, 405);
    gone.problem();
}

#[test]
fn what_is_no_http_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    let terms = "a+".repeat(1_000_000);
    let path = "a".repeat(70_000);
    let headers = "x: y\r\n".repeat(200);
    for (request, status) in [
        (
            format!("GET /api/v1/records?q={terms} HTTP/1.1\r\n\r\n"),
            431,
        ),
        (format!("GET /{path} HTTP/1.1\r\n\r\n"), 414),
        (format!("GET / HTTP/1.1\r\nx: {terms}\r\n\r\n"), 431),
        (format!("GET / HTTP/1.1\r\n{headers}\r\n"), 431),
        ("GET /\0 HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("\x16\x03\x01\x02".repeat(100), 400),
    ] {
        let reply = send(&daemon, request.as_bytes());
        assert_eq!(reply.0, status, "{request:.40}: {}", reply.1);
    }
    assert_eq!(ask(&daemon, "/healthz").0, 200);
}

#[test]
fn answers_are_compressed_where_it_pays_and_kept_by_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    store_orders(&daemon);
    let plain = ask(&daemon, "/api/v1/records");
    assert_eq!(plain.header("cache-control"), Some("no-store"));
    assert_eq!(plain.header("content-encoding"), None);
    assert_eq!(plain.json()["items"].as_array().unwrap().len(), 100);
    for (accept, encoding) in [("gzip", "gzip"), ("zstd, gzip;q=0.1", "zstd"), ("br", "")] {
        let headers = format!("accept-encoding: {accept}\r\n");
        let reply = ask_with(&daemon, "/api/v1/records", &headers);
        assert_eq!(
            reply.header("content-encoding").unwrap_or_default(),
            encoding
        );
        let mut body = Vec::new();
        match encoding {
            "gzip" => {
                let mut decoder = flate2::read::GzDecoder::new(&reply.2[..]);
                decoder.read_to_end(&mut body).unwrap();
            }
            "zstd" => body = zstd::decode_all(&reply.2[..]).unwrap(),
            _ => body.clone_from(&reply.2),
        }
        assert!(body == plain.2, "{encoding}");
        assert!(encoding.is_empty() || reply.2.len() < plain.2.len() / 4);
    }
    let gzip = "accept-encoding: gzip\r\n";
    for path in [
        "/api/v1/tasks?name=nothing",
        "/api/v1/records?progress=true",
        "/api/v1/tail?from=0&timeout=1ms",
        "/api/v1/changes?timeout=1ms",
    ] {
        let reply = ask_with(&daemon, path, gzip);
        assert_eq!(
            (reply.0, reply.header("content-encoding")),
            (200, None),
            "{path}"
        );
    }
    let described = ask_with(&daemon, "/api/v1/openapi.json", gzip);
    assert_eq!(described.header("cache-control"), Some("max-age=600"));
    assert_eq!(described.header("content-encoding"), Some("gzip"));
}

#[test]
fn answers_are_as_the_description_says() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    store_orders(&daemon);
    let described = ask(&daemon, "/api/v1/openapi.json").json();
    assert_eq!(described["openapi"], "3.1.0");
    let schema = |pointer: String| {
        let mut schema = described.pointer(&pointer).unwrap().clone();
        schema["components"] = described["components"].clone();
        jsonschema::validator_for(&schema).unwrap()
    };
    let index = ask(&daemon, "/");
    let index = String::from_utf8(index.2).unwrap();
    let of_problem = schema("/components/schemas/Problem".into());
    let paths = described["paths"].as_object().unwrap();
    for path in paths.keys() {
        let shown = path.replace("{id}", "ID");
        assert!(index.contains(&shown), "{path} is not in the index");
        let content = format!(
            "/paths/{}/get/responses/200/content",
            path.replace('/', "~1")
        );
        if paths[path].get("get").is_none() {
            let post = ureq::post(format!("{}{path}", daemon.http())).send_empty();
            let answer = post.unwrap().body_mut().read_to_string().unwrap();
            let schema =
                schema(format!("{content}/application~1json/schema").replace("/get/", "/post/"));
            let answer = serde_json::from_str(&answer).unwrap();
            assert!(schema.is_valid(&answer), "{path}: {answer}");
            continue;
        }
        if ["/api/v1/tail", "/api/v1/changes"].contains(&path.as_str()) {
            assert!(described.pointer(&content).unwrap()["text/event-stream"].is_object());
            assert_eq!(ask(&daemon, &format!("{path}?timeout=1ms")).0, 200);
        } else {
            let query = match path.as_str() {
                "/api/v1/diff" => format!("?a={TRACE}&b={TRACE}"),
                "/api/v1/stats" => "?by=kind,task_name&every=1m".into(),
                _ => String::new(),
            };
            let reply = ask(&daemon, &format!("{}{query}", path.replace("{id}", TRACE)));
            assert_eq!(reply.0, 200, "{path}: {}", reply.1);
            let schema = schema(format!("{content}/application~1json/schema"));
            let fault = schema
                .validate(&reply.json())
                .err()
                .map(|error| error.to_string());
            assert_eq!(fault, None, "{path}");
        }
        let wrong = ask(&daemon, &format!("{}?zork=1", path.replace("{id}", TRACE)));
        assert_eq!(wrong.0, 400, "{path}");
        assert!(of_problem.is_valid(&wrong.problem()));
    }
    for line in index
        .lines()
        .filter_map(|line| line.strip_prefix("GET /api/v1/"))
    {
        let path = line.split(['?', ' ']).next().unwrap();
        let path = format!("/api/v1/{}", path.replace("ID", "{id}"));
        assert!(paths.contains_key(&path), "{path} is not described");
    }
}

#[test]
fn what_conditions_may_be_written_with_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    let names = |prefix: &str| {
        let list = ask(&daemon, &format!("/api/v1/names?prefix={prefix}")).json();
        list["names"].as_array().unwrap().clone()
    };
    let [outcome] = &names("outc")[..] else {
        panic!("{:#?}", names("outc"))
    };
    assert_eq!(
        (&outcome["name"], &outcome["type"]),
        (&"outcome".into(), &"string".into())
    );
    assert!(
        outcome["values"]
            .as_array()
            .unwrap()
            .contains(&"failed".into())
    );
    let starts = names("starts");
    assert_eq!(
        (&starts[0]["name"], &starts[0]["type"]),
        (&"startsWith".into(), &"function".into())
    );
    assert!(names("").len() > 60 && names("zork").is_empty());
    store_orders(&daemon);
    // How requests ended, in time.
    let filter = "kind%20%3D%3D%20%27end%27%20%26%26%20root";
    let ended = ask(
        &daemon,
        &format!("/api/v1/stats?by=outcome&every=1m&filter={filter}"),
    )
    .json();
    assert_eq!(ended["records"], 1, "{ended:#}");
}

#[test]
fn hostile_questions_are_refused_or_answered_with_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    store_orders(&daemon);
    let words = "a+".repeat(20_000);
    let many = "a+".repeat(65);
    let cursors = vec!["1.1.1"; 65].join("_");
    for (path, why) in [
        ("records?q=", ""),
        ("records?q=%22%22", "`q` is wrong"),
        (&format!("records?q={words}"), "at most 16384 bytes"),
        (&format!("records?q={many}"), "at most 64 words"),
        ("records?filter=", "the condition is empty"),
        (
            "records?filter=message.matches(%22(a{1000}){1000}{1000}%22)",
            "`filter`",
        ),
        ("records?filter=message.matches(%22(%22)", "`filter`"),
        ("records?filter=%00", "`filter`"),
        ("records?q=%00", "`q` is wrong"),
        ("records?service=%00", ""),
        ("records?q=%FF", "no UTF-8"),
        ("records?%C3=1", "no UTF-8"),
        ("records?q=%ED%A0%80", "no UTF-8"),
        ("tasks/%FF", "no UTF-8"),
        ("tasks/%00", "`id` is wrong"),
        ("tasks/a%2F..%2F..%2Fetc", "`id` is wrong"),
        ("records?q=a&q=a", "`q` is given twice"),
        ("tasks?failed=true&failed=true", "`failed` is given twice"),
        (
            "status?producers=1&producers=2",
            "`producers` is given twice",
        ),
        ("status?producers=1001", "a number from 0 to 1000"),
        ("records?&&limit=1&", ""),
        ("records?=1", "the parameter `` is not known"),
        ("records?limit", "`limit` is wrong: found ``"),
        (
            "records?limit=99999999999999999999999",
            "a number from 1 to 10000",
        ),
        ("records?limit=-1", "a number from 1 to 10000"),
        ("records?limit=1e3", "a number from 1 to 10000"),
        ("records?timeout=0", "`timeout` is wrong"),
        ("records?timeout=301s", "at most 5m"),
        ("records?from=now&to=1h", "`from` is wrong"),
        ("records?from=1h&to=1h", "`from` is wrong"),
        ("records?from=9999999w", "`from` is wrong"),
        ("tasks?from=now&to=1h", "`from` is wrong"),
        (
            "problems?from=2023-01-01T00:00:00Z&to=2022-01-01T00:00:00Z",
            "`from` is wrong",
        ),
        ("records?cursor=1.2", "`cursor` is wrong"),
        (
            "records?cursor=5.1.1.18446744073709551615",
            "`cursor` is wrong",
        ),
        (
            "records?cursor=18446744073709551616.1.1",
            "`cursor` is wrong",
        ),
        (&format!("records?cursor={cursors}"), "`cursor` is wrong"),
        ("tasks?cursor=1.2.3_", "`cursor` is wrong"),
        ("diff?a=x&b=y", "`a` is wrong"),
        ("diff", "`a` is wrong: found nothing"),
        (
            &format!("diff?a={TRACE}&b={TRACE}&cursor=-1"),
            "`cursor` is wrong",
        ),
        (
            &format!("diff?a={TRACE}&b={TRACE}&limit=10001"),
            "a number from 1 to 10000",
        ),
        (&format!("tasks/{TRACE}?cursor=1.2"), "`cursor` is wrong"),
        (&format!("tasks/{TRACE}?depth=0"), "a number from 1 to 1000"),
        (
            &format!("tasks/{TRACE}?format=xml"),
            "`json` or `text` or `records`",
        ),
        (
            &format!("tasks/{TRACE}?id={TRACE}"),
            "the parameter `id` is not known",
        ),
        ("stats?by=service,service", "twice"),
        ("stats?by=,", ""),
        ("stats?every=1ns", ""),
        ("stats?every=0s", "`every` is wrong"),
        (
            "tail?Last-Event-ID=1",
            "the parameter `Last-Event-ID` is not known",
        ),
    ] {
        let reply = ask(&daemon, &format!("/api/v1/{path}"));
        if why.is_empty() {
            assert_eq!(reply.0, 200, "{path}: {}", reply.1);
            assert!(!reply.2.is_empty(), "{path}: {}", reply.1);
            reply.json();
            continue;
        }
        assert_eq!(reply.0, 400, "{path:.80}: {}", reply.1);
        let problem = reply.problem();
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(why), "{path:.80}: {detail}");
        assert!(detail.len() < 2000, "{path:.80}: {detail}");
    }
    // Cursors that nobody gave, and that could have been.
    for cursor in [
        "0.0.0",
        "9.0.0.9",
        "18446744073709551615.18446744073709551615.18446744073709551615",
        "5.1.1.5",
        "1.1.1_1.1.1_1.1.1",
    ] {
        for list in ["records", "tasks", "problems"] {
            let reply = ask(&daemon, &format!("/api/v1/{list}?cursor={cursor}"));
            assert_eq!(reply.0, 200, "{list} {cursor}");
            assert!(reply.json()["items"].is_array());
        }
    }
    for cursor in [
        "0.0.0",
        "18446744073709551615.18446744073709551615.18446744073709551615",
        "5.1.18446744073709551615",
    ] {
        let reply = ask(&daemon, &format!("/api/v1/tasks/{TRACE}?cursor={cursor}"));
        assert!(matches!(reply.0, 200 | 404), "{cursor}: {}", reply.1);
    }
}

/// Records that a slow condition takes long for.
fn store_much(daemon: &Daemon) {
    let filler = "the quick brown fox jumps over the lazy dog ".repeat(45);
    for _ in 0..20 {
        let records = (0..1000).map(|_| log(&filler, 1));
        let body = logs(records.collect()).encode_to_vec();
        assert_eq!(post(daemon, "/v1/logs", &[PROTOBUF], &body).status, 200);
    }
}

/// Begins a query that takes minutes on all records of [`store_much`].
fn begin_slow(daemon: &Daemon, number: usize) -> TcpStream {
    let nowhere = (0..500).map(|n| format!("message.contains('zz{number}x{n}')"));
    let condition = nowhere.collect::<Vec<_>>().join("||");
    let path = format!(
        "/api/v1/records?timeout=5m&filter={}",
        condition.replace('|', "%7C")
    );
    let mut stream = TcpStream::connect(address(daemon)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", address(daemon));
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

/// How many queries run and wait.
fn load(daemon: &Daemon) -> (f64, f64) {
    let of = |state| daemon.metric(&format!("distlogd_queries{{state=\"{state}\"}}"));
    (of("running"), of("waiting"))
}

#[test]
fn many_queries_at_once_run_wait_or_are_refused_and_end_with_their_clients() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    store_much(&daemon);
    let running = |queries| {
        eventually("so many queries", || match load(&daemon) {
            (running, 0.0) if running == queries => Ok(()),
            other => Err(other),
        });
    };
    // Both have the same to do, by turns: the first one would be done first.
    let first = begin_slow(&daemon, 0);
    running(1.0);
    let second = begin_slow(&daemon, 1);
    running(2.0);
    drop(second);
    running(1.0);
    first.set_nonblocking(true).unwrap();
    let answered = first.peek(&mut [0]).map_err(|error| error.kind());
    assert_eq!(
        answered,
        Err(ErrorKind::WouldBlock),
        "the first one still runs"
    );
    drop(first);
    running(0.0);

    let mut held: Vec<TcpStream> = (0..80).map(|number| begin_slow(&daemon, number)).collect();
    eventually("a full queue", || match load(&daemon) {
        (16.0, 64.0) => Ok(()),
        other => Err(other),
    });
    let (answers, refused) = mpsc::channel();
    for number in 80..100 {
        let (mut stream, answers) = (begin_slow(&daemon, number), answers.clone());
        thread::spawn(move || {
            let mut start = [0; 1024];
            let read = stream.read(&mut start).unwrap();
            let _ = answers.send(String::from_utf8_lossy(&start[..read]).into_owned());
        });
    }
    drop(answers);
    let refused: Vec<String> = refused.iter().collect();
    assert_eq!(refused.len(), 20);
    for answer in refused {
        assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
        assert!(answer.contains("\r\nretry-after: 2\r\n"), "{answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
    }
    // What needs no place among them is answered.
    assert_eq!(ask(&daemon, "/api/v1/status").0, 200);
    assert_eq!(load(&daemon), (16.0, 64.0), "none of them is through yet");
    held.truncate(70);
    eventually("those that wait to be less", || match load(&daemon) {
        (16.0, waiting) if waiting <= 54.0 => Ok(()),
        other => Err(other),
    });
    drop(held);
    running(0.0);
    assert_eq!(ask(&daemon, "/api/v1/records?limit=1").0, 200);
}

#[test]
#[ignore = "needs the Python package schemathesis: see .ci/run"]
fn schemathesis_finds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    store_orders(&daemon);
    let python = std::env::var("DISTLOG_TEST_PYTHON")
        .expect("DISTLOG_TEST_PYTHON names a Python with the package schemathesis");
    let scripts = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/python");
    let output = Command::new(python)
        .args(["-m", "schemathesis.cli", "run"])
        .arg(format!("{}/api/v1/openapi.json", daemon.http()))
        .args([
            "--checks=all",
            "--max-examples=60",
            "--workers=2",
            "--no-color",
        ])
        .args([
            "--generation-database=none",
            "--request-timeout=20",
            "--suppress-health-check=filter_too_much",
        ])
        .env("SCHEMATHESIS_HOOKS", "schemathesis_hooks")
        .env("PYTHONPATH", scripts)
        .env("DISTLOG_TRACE", TRACE)
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(said.contains("No issues found"), "{said}");
}
