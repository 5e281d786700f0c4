//! Whole requests pass to a processor, or nothing of them.

use std::process::Command;

use distlog_testkit::otlp::Collector;
use distlog_testkit::{Daemon, Process, eventually};
use serde_json::{Value, json};

const CLIENT: &str = env!("CARGO_BIN_EXE_e2e-client");
const DISTLOGD: &str = env!("CARGO_BIN_EXE_e2e-distlogd");

/// Spans and logs of a request that `web` answers and asks `orders` for.
struct Request {
    trace: String,
    /// Whether `orders` fails.
    fails: bool,
    /// How long it takes, in ms.
    took: u64,
}

impl Request {
    fn new(number: u64, fails: bool, took: u64) -> Request {
        let trace = format!("{:032x}", (u128::from(number) << 64) | 0x51);
        Request { trace, fails, took }
    }

    fn span(&self, service: &str, id: &str, parent: &str, status: u32) -> Value {
        const BEGIN: u64 = 1_790_000_000_000_000_000;
        let end = BEGIN + self.took * 1_000_000;
        json!({"resourceSpans": [{
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]},
            "scopeSpans": [{"spans": [{
                "traceId": self.trace, "spanId": id, "parentSpanId": parent, "name": "POST /order",
                "startTimeUnixNano": BEGIN.to_string(), "endTimeUnixNano": end.to_string(),
                "status": {"code": status},
            }]}],
        }]})
    }

    /// What `orders` says of it, first.
    fn orders(&self, daemon: &Daemon) {
        let status = if self.fails { 2 } else { 0 };
        let span = self.span("orders", "00000000000000b2", "00000000000000a1", status);
        post(daemon, "/v1/traces", &span);
        self.log(daemon, "reserved");
    }

    /// What `web` says of it, last.
    fn web(&self, daemon: &Daemon) {
        post(
            daemon,
            "/v1/traces",
            &self.span("web", "00000000000000a1", "", 0),
        );
    }

    fn log(&self, daemon: &Daemon, text: &str) {
        let request = json!({"resourceLogs": [{
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "orders"}}]},
            "scopeLogs": [{"logRecords": [{
                "traceId": self.trace, "spanId": "00000000000000b2", "severityNumber": 9,
                "body": {"stringValue": text},
            }]}],
        }]});
        post(daemon, "/v1/logs", &request);
    }

    /// How many lines of a file are about it.
    fn lines(&self, daemon: &Daemon, file: &str) -> usize {
        let lines = daemon.lines(file);
        lines
            .iter()
            .filter(|line| line.contains(&self.trace))
            .count()
    }
}

/// Posts it; it is stored then.
fn post(daemon: &Daemon, path: &str, body: &Value) {
    let url = format!("http://{}{path}", daemon.otlp_http());
    let sent = ureq::post(url)
        .content_type("application/json")
        .send(body.to_string());
    assert_eq!(sent.unwrap().status(), 200);
}

/// Two spans, each begin and end, and a log record.
const RECORDS: usize = 5;

fn decided(daemon: &Daemon, processor: &str, decision: &str) -> f64 {
    daemon.metric(&format!(
        "distlogd_trees_decided_total{{processor=\"{processor}\",decision=\"{decision}\"}}"
    ))
}

fn await_decisions(daemon: &Daemon, processor: &str, [kept, dropped]: [f64; 2]) {
    eventually("decisions", || {
        let found = [
            decided(daemon, processor, "kept"),
            decided(daemon, processor, "dropped"),
        ];
        if found == [kept, dropped] {
            Ok(())
        } else {
            Err(found)
        }
    });
}

#[test]
fn of_requests_over_two_services_the_failed_one_passes_whole_with_what_comes_late() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start();
    let endpoint = collector.endpoint();
    let config = format!(
        "
processors:
  failed: {{ file: {{ path: failed.jsonl }}, trees: {{ keep: tree.failed, quiet: 200ms }} }}
  slow: {{ file: {{ path: slow.jsonl }}, trees: {{ keep: 'tree.duration > duration(\"1s\") && size(tree.services) == 2', quiet: 200ms }} }}
  jaeger: {{ otlp: {{ endpoint: '{endpoint}' }}, trees: {{ keep: tree.failed, quiet: 200ms }} }}
  logs: {{ file: {{ path: logs.jsonl }}, filter: 'kind == \"event\"', trees: {{ keep: tree.failed, quiet: 200ms }} }}
rules:
  - to: [failed, slow, jaeger, logs]"
    );
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), &config);
    let [bad, good, slow] = [
        Request::new(1, true, 20),
        Request::new(2, false, 20),
        Request::new(3, false, 2000),
    ];
    for request in [&bad, &good, &slow] {
        request.orders(&daemon);
    }
    for request in [&bad, &good, &slow] {
        request.web(&daemon);
    }
    await_decisions(&daemon, "failed", [1.0, 2.0]);
    await_decisions(&daemon, "slow", [1.0, 2.0]);
    assert_eq!(daemon.records("failed.jsonl", RECORDS).len(), RECORDS);
    assert_eq!(daemon.records("slow.jsonl", RECORDS).len(), RECORDS);
    for request in [&bad, &good, &slow] {
        request.log(&daemon, "long after");
    }
    let records = daemon.records("failed.jsonl", RECORDS + 1);
    assert_eq!(records.last().unwrap()["message"], "long after");
    daemon.records("slow.jsonl", RECORDS + 1);
    assert_eq!(bad.lines(&daemon, "failed.jsonl"), RECORDS + 1);
    assert_eq!(slow.lines(&daemon, "slow.jsonl"), RECORDS + 1);
    assert_eq!(daemon.lines("failed.jsonl").len(), RECORDS + 1);
    assert_eq!(daemon.lines("slow.jsonl").len(), RECORDS + 1);
    // Of a tree that passes a processor gets what its filter lets through; the tree is judged by all of it.
    assert_eq!(daemon.records("logs.jsonl", 2).len(), 2);
    eventually("both spans", || {
        let spans = collector.spans();
        if spans.len() == 2 { Ok(()) } else { Err(spans) }
    });
    let status = daemon.json("/api/v1/status").unwrap();
    let trees = &status["processors"][0]["trees"];
    assert_eq!(
        (&trees["kept"], &trees["dropped"], &trees["open"]),
        (&json!(1), &json!(2), &json!(0))
    );
}

#[test]
fn whenever_the_daemon_is_killed_no_tree_is_there_in_part_or_twice() {
    let folder = tempfile::tempdir().unwrap();
    let config = "
processors:
  failed: { file: { path: failed.jsonl }, trees: { keep: tree.failed, quiet: 100ms }, batch: { idle: 5ms } }
rules:
  - to: [failed]";
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), config);
    let requests: Vec<Request> = (1..=40).map(|n| Request::new(n, n % 3 == 0, 20)).collect();
    for (round, these) in requests.chunks(8).enumerate() {
        for request in these {
            request.orders(&daemon);
        }
        if round % 2 == 0 {
            daemon.kill();
            daemon.restart();
        }
        for (n, request) in these.iter().enumerate() {
            request.web(&daemon);
            // Trees of this round are decided and delivered meanwhile, or not.
            if n == 2 * round {
                daemon.kill();
                daemon.restart();
            }
        }
        if round == 3 {
            assert!(
                daemon.stop().success(),
                "trees that wait are nothing that is left"
            );
            daemon.restart();
        }
    }
    let failed: Vec<&Request> = requests.iter().filter(|request| request.fails).collect();
    daemon.records("failed.jsonl", failed.len() * RECORDS);
    // Late ones of the first and the last, long after they were decided.
    for request in [&requests[0], failed[0], failed[failed.len() - 1]] {
        request.log(&daemon, "long after");
    }
    daemon.records("failed.jsonl", failed.len() * RECORDS + 2);
    eventually("all is decided", || {
        let open = daemon.metric("distlogd_trees_open{processor=\"failed\"}");
        if open == 0.0 { Ok(()) } else { Err(open) }
    });
    for request in &requests {
        let late = [failed[0], failed[failed.len() - 1]]
            .iter()
            .any(|r| r.trace == request.trace);
        let expected = if request.fails {
            RECORDS + usize::from(late)
        } else {
            0
        };
        assert_eq!(
            request.lines(&daemon, "failed.jsonl"),
            expected,
            "{}",
            request.trace
        );
    }
}

#[test]
fn a_request_whose_process_dies_passes_as_lost() {
    let folder = tempfile::tempdir().unwrap();
    let config = "
lost_after: 1s
processors:
  lost: { file: { path: lost.jsonl }, trees: { keep: tree.lost && tree.root, quiet: 200ms } }
rules:
  - to: [lost]";
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), config);
    let [_, session] = daemon.receivers();
    let mut client = Process::start(Command::new(CLIENT).args([session.as_str(), "batch", "hang"]));
    client.expect_stdout("an id", |line| (!line.is_empty()).then_some(()));
    client.signal("KILL");
    client.wait();
    // begin, begin, event, end, begin; and of both that are open the end that the daemon writes
    let records = daemon.records("lost.jsonl", 7);
    let messages: Vec<&str> = records
        .iter()
        .filter_map(|r| r["message"].as_str())
        .collect();
    assert!(messages.contains(&"about to hang"), "{messages:?}");
    assert_eq!(records.len(), 7);
}

#[test]
fn a_request_that_takes_longer_than_it_may_wait_is_decided_and_followed() {
    let folder = tempfile::tempdir().unwrap();
    let config = "
processors:
  slow: { file: { path: slow.jsonl }, trees: { keep: '!tree.root', wait: 1s, quiet: 200ms } }
rules:
  - to: [slow]";
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), config);
    let request = Request::new(1, false, 20);
    request.orders(&daemon);
    assert_eq!(daemon.records("slow.jsonl", RECORDS - 2).len(), RECORDS - 2);
    let early = "distlogd_trees_early_total{processor=\"slow\",reason=\"wait\"}";
    assert_eq!(daemon.metric(early), 1.0);
    request.web(&daemon);
    assert_eq!(daemon.records("slow.jsonl", RECORDS).len(), RECORDS);
}
