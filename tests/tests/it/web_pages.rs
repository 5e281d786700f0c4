//! What web pages get from a daemon when a browser runs them: nothing, unless they are named in its configuration.
//!
//! The requests are as browsers write them (<https://fetch.spec.whatwg.org/>): a page chooses neither `Host` nor
//! `Origin`.

use std::io::{Error, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use distlog_testkit::Daemon;

const DISTLOGD: &str = env!("CARGO_BIN_EXE_e2e-distlogd");
const SPAN: &str = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"written by a page","startTimeUnixNano":"1700000000000000000","endTimeUnixNano":"1700000001000000000"}]}]}]}"#;
const TO_A_FILE: &str =
    "processors: { all: { file: { path: all.jsonl } } }\nrules: [ { to: all } ]";

/// Status, headers in lower case, body.
struct Answer(u16, String, String);

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.1.lines();
        lines.find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(": ")?.trim()))
    }
}

/// Sends a request to `HOST:PORT` with exactly these headers.
fn ask(address: &str, request: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut text = format!("{request} HTTP/1.1\r\nConnection: close\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        text += &format!("Content-Length: {}\r\n", body.len());
    }
    stream
        .write_all(format!("{text}\r\n{body}").as_bytes())
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer(status, head.to_ascii_lowercase(), body.to_owned())
}

fn post_span(daemon: &Daemon, headers: &[(&str, &str)]) -> Answer {
    ask(daemon.otlp_http(), "POST /v1/traces", headers, SPAN)
}

fn stored(daemon: &Daemon) -> f64 {
    daemon.metric("distlogd_store_records")
}

#[test]
fn a_name_that_was_made_to_mean_this_machine_gets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
    let http = daemon.http().trim_start_matches("http://");
    let port = http.rsplit(':').next().unwrap();
    let before = stored(&daemon);
    // To its browser the page is of the server that it asks, so that it writes no Origin for GET.
    for host in [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil",
        "10.1.2.3",
        "u@localhost",
        "[::2]",
        "",
    ] {
        let host = format!("{host}:{port}");
        let same = [("Host", host.as_str()), ("Sec-Fetch-Site", "same-origin")];
        for path in [
            "/",
            "/api/v1/tasks",
            "/api/v1/tail",
            "/metrics",
            "/api/v1/tasks/5b8efff7-9803-8103-d269-b633813fc60c",
            "/none",
        ] {
            let answer = ask(http, &format!("GET {path}"), &same, "");
            assert_eq!(answer.0, 421, "{host} {path}: {}", answer.2);
            assert_eq!(answer.2.lines().count(), 1, "{}", answer.2);
        }
        let origin = format!("http://{host}");
        for headers in [
            vec![
                ("Host", host.as_str()),
                ("Content-Type", "application/json"),
            ],
            vec![
                ("Host", &host),
                ("Origin", &origin),
                ("Content-Type", "application/json"),
            ],
            vec![("Host", &host), ("Content-Type", "application/x-protobuf")],
        ] {
            assert_eq!(post_span(&daemon, &headers).0, 421, "{host}");
        }
    }
    // The target of the request counts as the header does.
    let odd = ask(
        http,
        "GET http://evil.example/api/v1/tasks",
        &[("Host", "localhost")],
        "",
    );
    assert_eq!(odd.0, 421);
    let two = [("Host", "localhost"), ("Host", "evil.example")];
    assert!(matches!(
        ask(http, "GET /api/v1/tasks", &two, "").0,
        400 | 421
    ));
    assert_eq!(stored(&daemon), before);
}

#[test]
fn a_page_of_another_site_gets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
    let http = daemon.http().trim_start_matches("http://");
    let before = stored(&daemon);
    for origin in [
        "https://evil.example",
        "http://localhost.evil.example",
        "null",
        "http://10.1.2.3",
        "file://",
        "chrome-extension://abc",
    ] {
        let headers = [
            ("Host", http),
            ("Origin", origin),
            ("Sec-Fetch-Site", "cross-site"),
        ];
        for path in ["/api/v1/tasks", "/api/v1/tail", "/metrics"] {
            assert_eq!(
                ask(http, &format!("GET {path}"), &headers, "").0,
                403,
                "{origin}"
            );
        }
        // What is sent without a preflight must not be taken either.
        for content in ["application/json", "text/plain", "application/x-protobuf"] {
            let headers = [
                ("Host", daemon.otlp_http()),
                ("Origin", origin),
                ("Content-Type", content),
            ];
            let answer = post_span(&daemon, &headers);
            assert_eq!(answer.0, 403, "{origin} {content}");
            assert_eq!(answer.header("access-control-allow-origin"), None);
        }
        let asks = [
            ("Host", daemon.otlp_http()),
            ("Origin", origin),
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "content-type"),
        ];
        let answer = ask(daemon.otlp_http(), "OPTIONS /v1/traces", &asks, "");
        assert_eq!(answer.0, 403);
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    let no_page = [("Host", daemon.otlp_http())];
    let answer = ask(daemon.otlp_http(), "OPTIONS /v1/traces", &no_page, "");
    assert_eq!(answer.0, 405);
    // An image or a script of a page: without Origin.
    let image = [
        ("Host", http),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Mode", "no-cors"),
        ("Sec-Fetch-Dest", "image"),
    ];
    assert_eq!(ask(http, "GET /api/v1/tasks", &image, "").0, 403);
    let framed = [
        ("Host", http),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Mode", "navigate"),
        ("Sec-Fetch-Dest", "iframe"),
    ];
    assert_eq!(ask(http, "GET /api/v1/tasks", &framed, "").0, 403);
    assert_eq!(stored(&daemon), before);
}

/// What ZMTP 1.0 makes of a request: any bytes are frames there, each a length, a flag whether more follow, and
/// content.
fn frames(sled: usize) -> Vec<u8> {
    // Wherever the frames of the headers end, these are empty frames, up to one that ends the message.
    let mut body = vec![1; sled];
    body.extend(b"\x01\x00\x04\x01TLJ");
    let record = br#"{"name":"x","msg":"written by a page","message":"written by a page","levelno":20,"created":1.5,"context":null}"#;
    body.push(0xff);
    body.extend((record.len() as u64 + 1).to_be_bytes());
    body.push(0);
    body.extend(record);
    body
}

/// Pages speak neither ZMTP nor HTTP/2 without TLS; what they send must not be taken for either.
#[test]
fn the_other_receivers_take_nothing_from_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
    let before = stored(&daemon);
    for address in [daemon.push(), daemon.session(), daemon.otlp_grpc()] {
        let address = address.trim_start_matches("tcp://");
        for sled in [300, 301] {
            let body = frames(sled);
            let head = format!(
                "POST /opentelemetry.proto.collector.trace.v1.TraceService/Export HTTP/1.1\r\nHost: {address}\r\nOrigin: http://evil.example\r\n\
                 Content-Type: text/plain\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            let mut stream = TcpStream::connect(address).unwrap();
            stream
                .set_read_timeout(Some(Duration::from_secs(20)))
                .unwrap();
            stream
                .write_all(&[head.as_bytes(), &body].concat())
                .unwrap();
            // Its end or a reset: nobody waits for more.
            let mut answer = Vec::new();
            let end = stream.read_to_end(&mut answer);
            let waits = |error: &Error| error.kind() == ErrorKind::WouldBlock;
            assert!(
                !end.is_err_and(|error| waits(&error)),
                "{address} is kept open"
            );
            let answer = String::from_utf8_lossy(&answer);
            assert!(!answer.starts_with("HTTP/1.1 2"), "{address}: {answer}");
        }
    }
    assert_eq!(stored(&daemon), before);
}

#[test]
fn programs_and_people_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
    let http = daemon.http().trim_start_matches("http://");
    let port = http.rsplit(':').next().unwrap();
    for host in ["localhost", "LocalHost", "localhost.", "127.0.0.1", "[::1]"] {
        let with = format!("{host}:{port}");
        for host in [&with, host] {
            let answer = ask(http, "GET /api/v1/tasks", &[("Host", host)], "");
            assert_eq!(answer.0, 200, "{host}");
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        }
    }
    // Who types the address, and who follows a link.
    for site in ["none", "same-origin", "cross-site"] {
        let headers = [
            ("Host", http),
            ("Sec-Fetch-Site", site),
            ("Sec-Fetch-Mode", "navigate"),
            ("Sec-Fetch-Dest", "document"),
        ];
        assert_eq!(ask(http, "GET /", &headers, "").0, 200, "{site}");
    }
    // The daemon's own page.
    let origin = format!("http://{http}");
    let own = [
        ("Host", http),
        ("Origin", origin.as_str()),
        ("Sec-Fetch-Site", "same-origin"),
    ];
    assert_eq!(ask(http, "GET /api/v1/tasks", &own, "").0, 200);
    // An SDK.
    let sdk = [
        ("Host", daemon.otlp_http()),
        ("Content-Type", "application/json"),
    ];
    let answer = post_span(&daemon, &sdk);
    assert_eq!(answer.0, 200, "{}", answer.2);
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[test]
fn pages_of_named_origins_may_send() {
    let folder = tempfile::tempdir().unwrap();
    let listen = "{ push: off, session: off, otlp_grpc: off, http: 'localhost:0',
        otlp_http: { bind: 'localhost:0', cors: ['https://shop.example', 'http://localhost:3000'], hosts: [collector.shop.example] } }";
    let daemon = Daemon::listening(DISTLOGD, &[], folder.path(), listen, TO_A_FILE);
    let otlp = daemon.otlp_http();
    for (host, origin) in [
        (otlp, "https://shop.example"),
        ("collector.shop.example", "http://localhost:3000"),
    ] {
        let asks = [
            ("Host", host),
            ("Origin", origin),
            ("Access-Control-Request-Method", "POST"),
            (
                "Access-Control-Request-Headers",
                "authorization,content-type",
            ),
            ("Access-Control-Request-Private-Network", "true"),
            ("Sec-Fetch-Site", "cross-site"),
        ];
        for path in ["/v1/traces", "/v1/logs"] {
            let answer = ask(otlp, &format!("OPTIONS {path}"), &asks, "");
            assert_eq!(answer.0, 204, "{}", answer.2);
            assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
            assert_eq!(answer.header("access-control-allow-methods"), Some("post"));
            assert_eq!(
                answer.header("access-control-allow-headers"),
                Some("authorization,content-type")
            );
            assert!(answer.header("vary").unwrap().contains("origin"));
            let private = answer.header("access-control-allow-private-network");
            assert_eq!(private, Some("true"));
            assert_eq!(answer.header("access-control-max-age"), Some("600"));
        }
        let sends = [
            ("Host", host),
            ("Origin", origin),
            ("Content-Type", "application/json"),
            ("Sec-Fetch-Site", "cross-site"),
        ];
        let answer = post_span(&daemon, &sends);
        assert_eq!(answer.0, 200, "{}", answer.2);
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        assert_eq!(answer.header("vary"), Some("origin"));
        // The page reads why it is refused, too.
        let wrong = ask(otlp, "POST /v1/traces", &sends, "{");
        assert_eq!(wrong.0, 400);
        assert_eq!(wrong.header("access-control-allow-origin"), Some(origin));
    }
    // The second time it is known already.
    daemon.records("all.jsonl", 2);
    for origin in [
        "https://evil.example",
        "http://shop.example",
        "https://shop.example:8443",
        "https://shop.example.evil.example",
        "null",
    ] {
        let headers = [
            ("Host", otlp),
            ("Origin", origin),
            ("Content-Type", "application/json"),
        ];
        let answer = post_span(&daemon, &headers);
        assert_eq!(answer.0, 403, "{origin}");
        assert_eq!(answer.header("access-control-allow-origin"), None);
        assert!(answer.2.contains("cors: [ORIGIN]"), "{}", answer.2);
    }
    // It opens nothing but that.
    let http = daemon.http().trim_start_matches("http://");
    let reads = [("Host", http), ("Origin", "https://shop.example")];
    assert_eq!(ask(http, "GET /api/v1/tasks", &reads, "").0, 403);
}

#[test]
fn further_names_of_the_machine_are_answered_for() {
    let folder = tempfile::tempdir().unwrap();
    let listen = "{ push: off, session: off, otlp_grpc: off, otlp_http: 'localhost:0',
        http: { bind: '0.0.0.0:0', plaintext: true, hosts: [logs.example] } }";
    let daemon = Daemon::listening(DISTLOGD, &[], folder.path(), listen, "");
    let port = daemon.http().rsplit(':').next().unwrap();
    let http = format!("127.0.0.1:{port}");
    // It listens on every address of the machine, whichever these are; an address cannot be made to mean another
    // machine.
    for host in [
        "logs.example",
        "Logs.Example.",
        "10.1.2.3",
        "127.0.0.1",
        "localhost",
    ] {
        let host = format!("{host}:{port}");
        assert_eq!(
            ask(&http, "GET /api/v1/tasks", &[("Host", &host)], "").0,
            200,
            "{host}"
        );
        let origin = format!("http://{host}");
        let own = [("Host", host.as_str()), ("Origin", &origin)];
        assert_eq!(ask(&http, "GET /api/v1/tasks", &own, "").0, 200, "{host}");
    }
    for host in ["evil.example", "other.logs.example"] {
        let answer = ask(&http, "GET /api/v1/tasks", &[("Host", host)], "");
        assert_eq!(answer.0, 421);
        assert!(
            answer.2.contains(&format!("hosts: ['{host}']")),
            "{}",
            answer.2
        );
    }
}

#[test]
fn a_request_that_says_two_origins_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
    let http = daemon.http().trim_start_matches("http://");
    let own = format!("http://{http}");
    let two = [
        ("Host", http),
        ("Origin", own.as_str()),
        ("Origin", "http://evil.example"),
    ];
    assert_eq!(ask(http, "GET /api/v1/tasks", &two[..2], "").0, 200);
    assert_eq!(ask(http, "GET /api/v1/tasks", &two, "").0, 400);
}
