//! What came by OTLP leaves by OTLP as it came: an SDK sends the same to distlogd and straight to a receiver.

use distlog_testkit::{Daemon, Rotel};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;

use super::DISTLOGD;
use super::programs::{Protocol, Sdk, tell};
use super::receiver::{Item, Receiver};

const SPANS: usize = 3;
const LOGS: usize = 4;

#[test]
#[ignore = "needs OpenTelemetry's SDK for Python and rotel: see .ci/run"]
fn from_python() {
    passed_on(Sdk::Python, Protocol::Grpc);
}

#[test]
#[ignore = "needs OpenTelemetry's SDK for Node and rotel: see .ci/run"]
fn from_node() {
    passed_on(Sdk::Node, Protocol::HttpJson);
}

fn passed_on(sdk: Sdk, protocol: Protocol) {
    let (direct, behind, behind_rotel) = (Receiver::start(), Receiver::start(), Receiver::start());
    let folder = tempfile::tempdir().unwrap();
    let rotel = Rotel::start(folder.path(), &behind_rotel.address());
    let config = format!(
        "processors:\n  straight: {{ otlp: {{ endpoint: '{}' }} }}\n\
         \x20 rotel: {{ otlp: {{ endpoint: 'http://{}', protocol: http/protobuf }} }}\n\
         rules: [ {{ to: [straight, rotel] }} ]",
        behind.address(),
        rotel.http()
    );
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), &config);
    tell(sdk, protocol, &daemon, |command| {
        command.env("ALSO_TO", direct.address());
    });

    let (spans, logs) = direct.wait_for(SPANS, LOGS);
    everything_is_there(&spans, &logs);
    for receiver in [&behind, &behind_rotel] {
        let (spans_behind, logs_behind) = receiver.wait_for(SPANS, LOGS);
        assert_eq!(spans_behind, spans);
        assert_eq!(logs_behind, logs);
    }
}

/// The story has all of these, or nothing would be compared.
fn everything_is_there(spans: &[Item<Span>], logs: &[Item<LogRecord>]) {
    assert_eq!((spans.len(), logs.len()), (SPANS, LOGS));
    let any = |has: fn(&Item<Span>) -> bool| spans.iter().any(has);
    assert!(any(|span| span.item.attributes.len() >= 6));
    assert!(any(|span| !span.item.events.is_empty()));
    assert!(any(|span| !span.item.links.is_empty()));
    assert!(any(|span| span.item.status.is_some()));
    assert!(any(|span| span.item.status.is_none()));
    assert!(any(|span| span.item.flags != 0));
    assert!(any(|span| !span.scope_schema_url.is_empty()));
    assert!(logs.iter().any(|log| !log.item.event_name.is_empty()));
    assert!(logs.iter().any(|log| log.item.trace_id.is_empty()));
}
