//! Processor `otlp` against `rotel`, a real collector from PyPI, which forwards to a receiver of ours.
//!
//! The environment variable `DISTLOG_TEST_ROTEL` names its program `rotel-agent`.

use super::{Delivery, NOW, Store, end, task, whole};
use crate::processors::http_client::Compression;
use crate::processors::otlp::{Config, Events, Protocol};
use distlog_bridge::otlp::trace::v1::status::StatusCode;
use distlog_proto::{ErrorInfo, Outcome, Record};
use distlog_testkit::otlp::{Collector, body, text};
use distlog_testkit::{Rotel, eventually};
use tempfile::TempDir;

#[test]
#[ignore = "needs rotel: see .ci/run"]
fn a_real_collector_takes_and_forwards_spans_and_log_records() {
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        for compression in [Compression::None, Compression::Gzip] {
            let collector = Collector::start();
            let folder = TempDir::new().unwrap();
            let rotel = Rotel::start(folder.path(), &collector.endpoint());
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
                Protocol::Grpc => rotel.grpc(),
                Protocol::HttpProtobuf => rotel.http(),
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
            eventually("what is forwarded", || {
                match (collector.spans().len(), collector.logs().len()) {
                    (2, 2) => Ok(()),
                    came => Err(came),
                }
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
