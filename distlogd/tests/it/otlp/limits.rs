//! Requests that are too large or too many.

use std::io::Write;

use distlog_bridge::otlp::collector::trace::v1::ExportTraceServiceRequest;
use distlog_bridge::otlp::collector::trace::v1::trace_service_client::TraceServiceClient;
use distlog_bridge::otlp::trace::v1::Span;
use distlog_testkit::Daemon;
use prost::Message;
use tonic::Code;
use tonic::codec::CompressionEncoding;

use crate::DISTLOGD;
use crate::kit::otlp::*;

/// The most memory that a process ever had, in MiB.
fn peak(daemon: &mut Daemon) -> u64 {
    let id = daemon.process().id();
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        >> 10
}

#[test]
fn bombs_and_floods_do_not_fill_the_memory() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = daemon(&folder);
    let before = peak(&mut daemon);
    let bomb = gzip(&vec![0; 1 << 30]);
    assert!(bomb.len() < 2 << 20);
    let headers = [PROTOBUF, ("content-encoding", "gzip")];
    for _ in 0..3 {
        let answered = post_chunked(&daemon, "/v1/traces", &headers, &bomb);
        assert_eq!(answered.status, 413, "{}", answered.text());
    }
    // 100 MB and more, of unknown length. It is refused before all of it was sent.
    let mut stream = std::net::TcpStream::connect(daemon.otlp_http()).unwrap();
    let head = "POST /v1/logs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-protobuf\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let chunk = [
        b"100000\r\n".to_vec(),
        vec![b'x'; 1 << 20],
        b"\r\n".to_vec(),
    ]
    .concat();
    let sent = (0..128)
        .take_while(|_| stream.write_all(&chunk).is_ok())
        .count();
    assert!(sent < 128, "all of it was read");

    runtime().block_on(async {
        let endpoint = format!("http://{}", daemon.otlp_grpc());
        let mut client = TraceServiceClient::connect(endpoint).await.unwrap();
        let large = Span {
            name: "x".repeat(100 << 20),
            ..span(1, None, "")
        };
        let status = client
            .export(traces(vec![large.clone()]))
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(status.message().contains("16 MiB"), "{status}");
        let mut client = client.send_compressed(CompressionEncoding::Gzip);
        let status = client.export(traces(vec![large])).await.unwrap_err();
        assert_ne!(status.code(), Code::Ok, "{status}");
    });
    let grown = peak(&mut daemon) - before;
    assert!(grown < 200, "{grown} MiB");
    let good = traces(vec![span(1, None, "good")]).encode_to_vec();
    assert_eq!(
        post(&daemon, "/v1/traces", &[PROTOBUF], &good[..]).status,
        200
    );
}

#[test]
fn a_store_that_takes_nothing_makes_clients_come_again() {
    let folder = tempfile::tempdir().unwrap();
    // No disk has so much room left.
    let config = "store: { reserve: 100000TiB }\ngrace: 1s";
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), config);
    let name = "x".repeat(3 << 20);
    let request = |number: u64| {
        let spans = (0..5).map(|n| span(10 * number + n, None, &name));
        let spans = spans.map(|span| Span {
            events: vec![],
            ..span
        });
        traces(spans.collect()).encode_to_vec()
    };
    // Four of them are as much as there is room for, and one waits in the queue of the store.
    let is_busy = |answer: &Answer| answer.text().contains("too much is on its way");
    let (answer, answers) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for number in 1..=6 {
            let (daemon, request, answer) = (&daemon, &request, answer.clone());
            scope.spawn(move || {
                let body = request(number);
                let answered = post_chunked(daemon, "/v1/traces", &[PROTOBUF], &body);
                answer.send(answered).unwrap();
            });
        }
        drop(answer);
        let mut busy = 0;
        for (answered, first) in answers.iter().zip((0..).map(|n| n == 0)) {
            if first {
                assert!(is_busy(&answered), "{}", answered.text());
                too_busy_for_grpc(&daemon, &request(10));
            }
            busy += usize::from(is_busy(&answered));
            assert_eq!(answered.status, 503, "{}", answered.text());
            assert_eq!(answered.header("retry-after"), "1");
            assert!(
                answered.text().contains("try again later"),
                "{}",
                answered.text()
            );
        }
        assert!((1..6).contains(&busy), "{busy}");
    });
}

fn too_busy_for_grpc(daemon: &Daemon, request: &[u8]) {
    runtime().block_on(async {
        let endpoint = format!("http://{}", daemon.otlp_grpc());
        let mut client = TraceServiceClient::connect(endpoint).await.unwrap();
        let request = ExportTraceServiceRequest::decode(request).unwrap();
        let status = client.export(request).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        assert!(
            status.message().contains("too much is on its way"),
            "{status}"
        );
        let retry = b"type.googleapis.com/google.rpc.RetryInfo";
        let mut details = status.details().windows(retry.len());
        assert!(details.any(|part| part == retry), "{status:?}");
    });
}
