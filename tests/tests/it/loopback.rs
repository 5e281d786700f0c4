//! Where a daemon listens: `localhost` is both loopback addresses, any other address is itself.

use std::net::{TcpListener, TcpStream};
use std::process::Command;

use distlog_testkit::{Daemon, Process};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;

const CLIENT: &str = env!("CARGO_BIN_EXE_e2e-client");
const DISTLOGD: &str = env!("CARGO_BIN_EXE_e2e-distlogd");
const TO_A_FILE: &str =
    "processors: { all: { file: { path: all.jsonl } } }\nrules: [ { to: all } ]";

/// How a client may name this machine.
fn hosts() -> Vec<&'static str> {
    let mut hosts = vec!["localhost", "127.0.0.1"];
    // Not every machine that builds this has it.
    if TcpListener::bind("[::1]:0").is_ok() {
        hosts.push("[::1]");
    }
    hosts
}

/// Every receiver of a daemon, `HOST:PORT`.
fn receivers(daemon: &Daemon) -> [&str; 5] {
    [
        daemon.push().trim_start_matches("tcp://"),
        daemon.session().trim_start_matches("tcp://"),
        daemon.otlp_grpc(),
        daemon.otlp_http(),
        daemon.http().trim_start_matches("http://"),
    ]
}

fn port(address: &str) -> &str {
    address.rsplit(':').next().unwrap()
}

#[test]
fn every_client_gets_through_by_every_name_of_this_machine() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), TO_A_FILE);
    let hosts = hosts();
    if hosts.len() == 3 {
        for address in receivers(&daemon) {
            assert!(address.starts_with("localhost:"), "{address}");
        }
    }
    let [push, session, grpc, otlp_http, http] = receivers(&daemon).map(port);
    for (nth, host) in hosts.iter().enumerate() {
        for address in [
            format!("tcp://{host}:{push}"),
            format!("session=tcp://{host}:{session}"),
        ] {
            Process::start(Command::new(CLIENT).args([&address, "batch", "count", "3"])).wait();
        }
        daemon.records("all.jsonl", (nth + 1) * 6);

        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let channel = tonic::transport::Endpoint::new(format!("http://{host}:{grpc}")).unwrap();
            let mut client = TraceServiceClient::new(channel.connect().await.unwrap());
            let nothing = ExportTraceServiceRequest::default();
            client.export(nothing).await.unwrap();
        });
        let answer = ureq::post(format!("http://{host}:{otlp_http}/v1/traces"))
            .content_type("application/json")
            .send("{}");
        assert_eq!(answer.unwrap().status().as_u16(), 200, "{host}");

        let url = format!("http://{host}:{http}");
        let asked = Command::new(DISTLOGD)
            .args(["tasks", "--url", &url])
            .output()
            .unwrap();
        // There is none.
        assert_eq!(asked.status.code(), Some(4), "{host}: {asked:?}");
    }
}

#[test]
fn an_address_alone_is_that_address() {
    let folder = tempfile::tempdir().unwrap();
    let listen = "{ push: 'tcp://127.0.0.1:0', session: 'tcp://127.0.0.1:*', otlp_grpc: '127.0.0.1:0', otlp_http: '127.0.0.1:0', http: '127.0.0.1:0' }";
    let daemon = Daemon::listening(DISTLOGD, &[], folder.path(), listen, "");
    for address in receivers(&daemon) {
        assert!(address.starts_with("127.0.0.1:"), "{address}");
        TcpStream::connect(address).unwrap();
        let other = format!("[::1]:{}", port(address));
        assert!(TcpStream::connect(&other).is_err(), "{other}");
    }
}

#[test]
fn a_daemon_may_be_at_the_other_one_alone() {
    if hosts().len() < 3 {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let listen = "{ push: 'tcp://[::1]:0', session: 'tcp://[::1]:0', otlp_grpc: '[::1]:0', otlp_http: '[::1]:0', http: '[::1]:0' }";
    let daemon = Daemon::listening(DISTLOGD, &[], folder.path(), listen, TO_A_FILE);
    for address in receivers(&daemon) {
        assert!(address.starts_with("[::1]:"), "{address}");
    }
    for address in [
        daemon.push().to_owned(),
        format!("session={}", daemon.session()),
    ] {
        Process::start(Command::new(CLIENT).args([&address, "batch", "count", "1"])).wait();
    }
    daemon.records("all.jsonl", 2);
}

#[test]
fn a_processor_publishes_on_both() {
    let folder = tempfile::tempdir().unwrap();
    let config =
        "processors: { live: { pub: { bind: 'tcp://localhost:*' } } }\nrules: [ { to: live } ]";
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), config);
    let address = daemon
        .process()
        .expect_stderr("where it publishes", |line| {
            Some(line.split_once("publishes on tcp://")?.1.to_owned())
        });
    for host in hosts() {
        let address = format!("{host}:{}", port(address.split(' ').next().unwrap()));
        TcpStream::connect(&address).unwrap_or_else(|error| panic!("{address}: {error}"));
    }
}
