//! What is normal is no warning: receivers that take no logs, programs that send metrics along, clients and daemons
//! that come and go.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use distlog_bridge::otlp::collector::trace::v1::ExportTraceServiceRequest;
use distlog_bridge::otlp::collector::trace::v1::trace_service_client::TraceServiceClient;
use distlog_layer::task;
use distlog_testkit::otlp::Collector;
use distlog_testkit::{Daemon, eventually};
use tonic::Status;
use tracing_subscriber::prelude::*;

use crate::DISTLOGD;
use crate::kit::otlp::runtime;

const PROTOBUF: &str = "content-type: application/x-protobuf\r\n";

fn lines_with(said: &[String], level: &str) -> Vec<String> {
    let level = format!(" {level} ");
    said.iter()
        .filter(|line| line.contains(&level))
        .cloned()
        .collect()
}

#[track_caller]
fn no_warning(said: &[String]) {
    let bad = [lines_with(said, "WARN"), lines_with(said, "ERROR")].concat();
    assert!(bad.is_empty(), "{bad:#?}");
    assert!(
        !said.iter().any(|line| line.contains("works again")),
        "{said:#?}"
    );
}

fn work(daemon: &Daemon, name: &str) {
    let (layer, guard) = distlog_layer::builder()
        .service("shop")
        .connect(daemon.session())
        .unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        task!(otel.name = name, "work").in_scope(|| tracing::info!("done"));
    });
    drop(guard);
}

#[test]
fn a_receiver_that_takes_no_logs_is_one_line_of_info() {
    let collector = Collector::start();
    let unknown = || Err(Status::unimplemented("unknown service LogsService"));
    collector
        .seen()
        .log_answers
        .extend((0..10).map(|_| unknown()));
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "processors: {{ jaeger: {{ otlp: {{ endpoint: '{}' }} }} }}\nrules: [ {{ to: [jaeger] }} ]",
        collector.endpoint()
    );
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), &config);
    for n in 0..3 {
        work(&daemon, &format!("work {n}"));
        eventually("the span, with its event", || {
            let spans = collector.spans();
            let complete = spans.iter().filter(|span| span.events.len() == 1).count();
            if complete == n + 1 {
                Ok(())
            } else {
                Err(spans)
            }
        });
    }
    assert_eq!(
        daemon.metric("distlogd_processor_retries_total{processor=\"jaeger\"}"),
        0.0
    );
    let said = daemon.process().stderr();
    no_warning(&said);
    let info = lines_with(&said, "INFO");
    assert_eq!(info.len(), 1, "{info:#?}");
    assert!(
        info[0].contains("it takes no log records, so events go to their spans"),
        "{info:#?}"
    );
}

/// Sends this and reads an answer.
fn ask(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn clients_that_send_all_they_have_and_go_when_they_like() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
    let (http, grpc) = (daemon.otlp_http().to_owned(), daemon.otlp_grpc().to_owned());
    let api = daemon.http().trim_start_matches("http://").to_owned();
    // Metrics with each interval.
    for _ in 0..15 {
        let metrics = format!(
            "POST /v1/metrics HTTP/1.1\r\nhost: localhost\r\n{PROTOBUF}connection: close\r\ncontent-length: 0\r\n\r\n"
        );
        assert!(ask(&http, &metrics).starts_with("HTTP/1.1 404"));
    }
    // Somebody who looks whether all are there.
    for address in [
        &http,
        &grpc,
        &api,
        daemon.session().trim_start_matches("tcp://"),
        daemon.push().trim_start_matches("tcp://"),
    ] {
        for _ in 0..15 {
            drop(TcpStream::connect(address).unwrap());
        }
    }
    // Requests that end in the middle, by either way.
    for _ in 0..15 {
        let mut stream = TcpStream::connect(&http).unwrap();
        let head = format!(
            "POST /v1/traces HTTP/1.1\r\nhost: localhost\r\n{PROTOBUF}content-length: 1000\r\n\r\nhalf of it"
        );
        stream.write_all(head.as_bytes()).unwrap();
    }
    eventually("half requests", || {
        let broken = daemon
            .metric("distlogd_receiver_rejected_inputs_total{receiver=\"otlp_http\",reason=\"request broke off\"}");
        if broken == 15.0 { Ok(()) } else { Err(broken) }
    });
    runtime().block_on(async {
        for _ in 0..15 {
            let mut client = TraceServiceClient::connect(format!("http://{grpc}"))
                .await
                .unwrap();
            let call = client.export(ExportTraceServiceRequest::default());
            let _ = tokio::time::timeout(std::time::Duration::from_micros(200), call).await;
        }
    });
    // Who follows the tail, and then does not.
    for _ in 0..3 {
        let mut stream = TcpStream::connect(&api).unwrap();
        stream
            .write_all(b"GET /api/v1/tail HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        assert!(line.starts_with("HTTP/1.1 200"), "{line}");
    }
    work(&daemon, "after all of that");
    let said = daemon.process().stderr();
    no_warning(&said);
    let info = lines_with(&said, "INFO");
    assert_eq!(info.len(), 1, "{info:#?}");
    assert!(info[0].contains("no metrics"), "{info:#?}");
}

#[test]
fn a_daemon_that_is_started_anew_while_clients_stay() {
    let folder = tempfile::tempdir().unwrap();
    let config = "processors: { all: { file: { path: all.jsonl } } }\nrules: [ { to: [all] } ]";
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), config);
    let (layer, guard) = distlog_layer::builder()
        .service("shop")
        .connect(daemon.session())
        .unwrap();
    let mut said = Vec::new();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        for n in 0..4 {
            tracing::info!(n, "still here");
            daemon.records("all.jsonl", n + 1);
            said.extend(daemon.process().stderr());
            if n % 2 == 0 {
                daemon.kill();
            } else {
                daemon.stop();
            }
            said.extend(daemon.process().stderr());
            daemon.restart();
        }
    });
    drop(guard);
    daemon.stop();
    said.extend(daemon.process().stderr());
    no_warning(&said);
}
