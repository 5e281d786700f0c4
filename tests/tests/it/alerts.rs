//! Alerts: records come in, a receiver by HTTP and a program are told, once each, whatever is killed between.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use distlog_testkit::{Daemon, eventually};
use serde_json::Value;

const DISTLOGD: &str = env!("CARGO_BIN_EXE_e2e-distlogd");

/// A receiver of webhooks in this process.
struct Receiver {
    runtime: tokio::runtime::Runtime,
    address: std::net::SocketAddr,
    seen: Arc<Mutex<VecDeque<Value>>>,
    server: Option<tokio::task::JoinHandle<()>>,
}

impl Receiver {
    fn new() -> Receiver {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut receiver = Receiver {
            runtime,
            address: listener.local_addr().unwrap(),
            seen: Arc::default(),
            server: None,
        };
        receiver.serve(listener);
        receiver
    }

    fn serve(&mut self, listener: std::net::TcpListener) {
        async fn take(
            State(seen): State<Arc<Mutex<VecDeque<Value>>>>,
            headers: HeaderMap,
            body: String,
        ) -> StatusCode {
            assert!(headers.contains_key("idempotency-key"));
            let body = serde_json::from_str(&body).unwrap();
            seen.lock().unwrap().push_back(body);
            StatusCode::OK
        }
        listener.set_nonblocking(true).unwrap();
        let app = Router::new()
            .fallback(take)
            .with_state(Arc::clone(&self.seen));
        self.server = Some(self.runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, app).await.unwrap();
        }));
    }

    /// Nobody answers there.
    fn go_away(&mut self) {
        let server = self.server.take().unwrap();
        server.abort();
        let _ = self.runtime.block_on(server);
    }

    fn come_back(&mut self) {
        let listener = eventually("its port", || std::net::TcpListener::bind(self.address));
        self.serve(listener);
    }

    /// Status and service of each, so far.
    fn told(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(line).collect()
    }
}

fn line(body: &Value) -> String {
    let service = body["commonLabels"]["service"].as_str().unwrap_or("–");
    format!("{} {service}", body["status"].as_str().unwrap())
}

/// What the program was told.
fn told(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("told")).unwrap_or_default();
    let bodies = text.lines().map(|line| serde_json::from_str(line).unwrap());
    bodies.map(|body: Value| line(&body)).collect()
}

const PROGRAM: &str = "cat > new; echo >> new; cat new >> told; \
    echo $ALERT_STATUS $ALERT_LABEL_SERVICE >> variables";

fn config(receiver: &Receiver, keys: &str) -> String {
    format!(
        "
processors:
  errors:
    alert:
      {keys}
      to:
        - http: {{ url: 'http://{}/hook' }}
        - exec: {{ command: [sh, -c, '{PROGRAM}'] }}
    filter: 'severity >= ERROR'
rules: [ {{ to: [errors] }} ]",
        receiver.address
    )
}

/// Logs so many errors of a service, and waits until the alert has counted them.
fn fail(daemon: &Daemon, service: &str, count: usize) {
    let context = zmq::Context::new();
    let socket = context.socket(zmq::PUSH).unwrap();
    socket.connect(daemon.push()).unwrap();
    let body = format!(
        r#"{{"message":"refused","levelno":40,"created":{},"distlog":{{"service":"{service}"}}}}"#,
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs_f64()
    );
    let stored = daemon.metric("distlogd_store_records");
    for _ in 0..count {
        socket.send_multipart(["TLJ", body.as_str()], 0).unwrap();
    }
    eventually("that they are stored and counted", || {
        let records = daemon.metric("distlogd_store_records");
        let lag = daemon.metric("distlogd_processor_lag_records{processor=\"errors\"}");
        match records >= stored + count as f64 && lag == 0.0 {
            true => Ok(()),
            false => Err(format!("{records} stored, {lag} not counted")),
        }
    });
}

/// How many notifications wait for those two, as the alert has stored it. A daemon that has just started has
/// stored nothing.
fn waiting(daemon: &Daemon) -> std::io::Result<[usize; 2]> {
    let bytes = std::fs::read(daemon.folder().join("distlog-data/cursors/errors"))?;
    // Its token: nothing at first.
    let saved: Value = serde_json::from_slice(&bytes[16..bytes.len() - 4])?;
    Ok([0, 1].map(|n| saved["waiting"][n][1].as_array().unwrap().len()))
}

/// Waits until both were told this, and that is stored.
fn expect(daemon: &Daemon, receiver: &Receiver, expected: &[&str]) {
    eventually("what both are told", || {
        let (by_http, by_program) = (receiver.told(), told(daemon.folder()));
        let waits = waiting(daemon);
        let many = by_http.len().min(by_program.len());
        match waits {
            Ok([0, 0]) if many >= expected.len() => Ok(()),
            waits => Err(format!("{by_http:?}, {by_program:?}, {waits:?} wait")),
        }
    });
    assert_eq!(receiver.told()[..expected.len()], *expected);
    assert_eq!(told(daemon.folder())[..expected.len()], *expected);
}

fn alert(daemon: &Daemon) -> Value {
    let status = daemon.json("/api/v1/status").unwrap();
    status["processors"][0]["alert"].clone()
}

#[test]
fn too_many_errors_are_told_once_and_that_they_are_over_too_whatever_is_killed_between() {
    let folder = tempfile::tempdir().unwrap();
    let mut receiver = Receiver::new();
    let keys = [
        "count: '> 10'",
        "in: 30s",
        "by: [service]",
        "resolve_after: 1s",
        "labels: { severity: page }",
    ];
    let config = config(&receiver, &keys.join("\n      "));
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), &config);
    fail(&daemon, "mail", 3);
    fail(&daemon, "shop", 6);
    daemon.kill();
    daemon.restart();
    fail(&daemon, "shop", 4);
    assert!(daemon.stop().success());
    daemon.restart();
    // Ten in all: no alert yet.
    assert_eq!(alert(&daemon)["firing"], 0);
    receiver.go_away();
    fail(&daemon, "shop", 1);
    eventually("that the program is told", || match waiting(&daemon) {
        Ok([1, 0]) => Ok(()),
        waits => Err((waits, told(folder.path()))),
    });
    assert_eq!(told(folder.path()), ["firing shop"]);
    daemon.kill();
    daemon.restart();
    receiver.come_back();
    expect(&daemon, &receiver, &["firing shop"]);
    let firing = alert(&daemon);
    assert_eq!(firing["firing"], 1, "{firing:#}");
    assert_eq!(firing["longest"][0]["labels"]["service"], "shop");
    let metric = "distlogd_alerts_firing{processor=\"errors\"}";
    assert_eq!(daemon.metric(metric), 1.0);
    daemon.kill();
    daemon.restart();
    // Half a minute later they are out of the window.
    expect(&daemon, &receiver, &["firing shop", "resolved shop"]);
    assert!(daemon.stop().success());
    daemon.restart();
    daemon.kill();
    daemon.restart();
    expect(&daemon, &receiver, &["firing shop", "resolved shop"]);
    assert_eq!((receiver.told().len(), told(folder.path()).len()), (2, 2));
    let variables = daemon.lines("variables");
    assert_eq!(variables, ["firing shop", "resolved shop"]);

    let seen = receiver.seen.lock().unwrap();
    let [firing, resolved] = [0, 1].map(|n| &seen[n]["alerts"][0]);
    assert_eq!(firing["labels"]["severity"], "page");
    assert_eq!(firing["annotations"]["value"], "11");
    for same in ["startsAt", "fingerprint", "labels"] {
        assert_eq!(firing[same], resolved[same]);
    }
    // The link is a search that finds the records.
    let url = firing["generatorURL"].as_str().unwrap();
    let query = url.split_once("/find?").unwrap().1;
    let found = daemon.json(&format!("/api/v1/records?limit=50&{query}"));
    assert_eq!(found.unwrap()["items"].as_array().unwrap().len(), 11);
}

#[test]
fn a_heartbeat_that_is_missing_is_told_though_nothing_comes() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::new();
    let keys = ["count: '< 1'", "in: 5s", "resolve_after: 0s"];
    let config = config(&receiver, &keys.join("\n      "));
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), &config);
    expect(&daemon, &receiver, &["firing –"]);
    daemon.kill();
    daemon.restart();
    fail(&daemon, "backup", 1);
    expect(&daemon, &receiver, &["firing –", "resolved –"]);
    daemon.stop();
}
