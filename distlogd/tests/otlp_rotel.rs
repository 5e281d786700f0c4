//! Processor `otlp` against `rotel`, a real collector from PyPI, which forwards to a receiver of ours.
//!
//! The environment variable `DISTLOG_TEST_ROTEL` names its program `rotel-agent`.

mod otlp_support;

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use distlog_bridge::otlp::trace::v1::status::StatusCode;
use distlog_proto::{ErrorInfo, Outcome, Record};
use distlogd::processors::otlp::{Compression, Config, Events, Protocol};
use otlp_support::collector::{Collector, body, text};
use otlp_support::{Delivery, NOW, Store, end, task, whole};
use tempfile::TempDir;

/// Waits for something that another process does.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        thread::yield_now();
    }
}

struct Rotel {
    child: Child,
    grpc: String,
    http: String,
    _dir: TempDir,
}

impl Rotel {
    fn start(forward_to: &Collector) -> Rotel {
        let program = std::env::var_os("DISTLOG_TEST_ROTEL")
            .expect("DISTLOG_TEST_ROTEL must name the program rotel-agent: `pip install rotel` has it in site-packages/rotel");
        let dir = TempDir::new().unwrap();
        let free = || {
            TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap()
                .to_string()
        };
        let (grpc, http) = (free(), free());
        let child = Command::new(program)
            .args([
                "start",
                "--otlp-grpc-endpoint",
                &grpc,
                "--otlp-http-endpoint",
                &http,
            ])
            .args(["--exporter", "otlp", "--otlp-exporter-protocol", "grpc"])
            .args([
                "--otlp-exporter-endpoint",
                &forward_to.endpoint(),
                "--batch-timeout",
                "50ms",
            ])
            .arg("--pid-file")
            .arg(dir.path().join("pid"))
            .arg("--log-file")
            .arg(dir.path().join("log"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let rotel = Rotel {
            child,
            grpc,
            http,
            _dir: dir,
        };
        until("rotel listens", || {
            [&rotel.grpc, &rotel.http]
                .iter()
                .all(|address| TcpStream::connect(address).is_ok())
        });
        rotel
    }
}

impl Drop for Rotel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "needs rotel: see .ci/run"]
fn a_real_collector_takes_and_forwards_spans_and_log_records() {
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        for compression in [Compression::None, Compression::Gzip] {
            let collector = Collector::start();
            let rotel = Rotel::start(&collector);
            let mut records = whole(1);
            let error = ErrorInfo {
                kind: "io::Error".into(),
                message: "no bank".into(),
                ..ErrorInfo::default()
            };
            records.extend(whole(2));
            records[5] = Record {
                error: Some(error),
                ..end(2, Outcome::Failed)
            };
            let store = Store::of(&records);
            let endpoint = match protocol {
                Protocol::Grpc => &rotel.grpc,
                Protocol::HttpProtobuf => &rotel.http,
            };
            let config = Config {
                protocol,
                compression,
                events: Events::Both,
                ..Config::new(format!("http://{endpoint}"))
            };
            let mut delivery = Delivery::new(&store, &config);
            delivery.run();
            assert!(
                delivery.retries.is_empty() && delivery.refused.is_empty(),
                "{:?}",
                delivery.retries
            );
            until("all is forwarded", || {
                collector.spans().len() == 2 && collector.logs().len() == 2
            });

            let spans = collector.spans();
            assert_eq!(
                spans[0].parent_span_id,
                task(1).parent_span_id.unwrap().to_bytes()
            );
            assert_eq!(
                (spans[0].start_time_unix_nano, spans[0].end_time_unix_nano),
                (NOW, NOW + 1_000_000)
            );
            assert_eq!(text(&spans[0].attributes, "user").as_deref(), Some("leo"));
            assert_eq!(spans[0].events[0].name, "event of 1");
            let status = spans[1].status.as_ref().unwrap();
            assert_eq!(
                (status.code, status.message.as_str()),
                (StatusCode::Error as i32, "no bank")
            );
            assert_eq!(spans[1].events[1].name, "exception");
            let logs = collector.logs();
            assert_eq!(
                logs.iter().map(body).collect::<Vec<_>>(),
                ["event of 1", "event of 2"]
            );
            assert_eq!(logs[0].span_id, spans[0].span_id);
            let seen = collector.seen();
            let resource = seen.traces[0].resource_spans[0].resource.as_ref().unwrap();
            assert_eq!(
                text(&resource.attributes, "service.name").as_deref(),
                Some("shop")
            );
        }
    }
}
