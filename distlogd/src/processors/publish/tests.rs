//! The pub processor, followed by real subscribers.

use crate::processor::{Error, Processor};
use crate::processors::publish::{Config, Publisher};
use distlog_proto::wire::BatchWriter;
use distlog_proto::{BatchRef, Channel, Encoding, Environment, Record, RecordRef, Source, Topic};
use distlog_python::{json, pickle};

fn publisher(encoding: Encoding) -> Publisher {
    Publisher::bind(
        "live",
        &Config {
            bind: "tcp://127.0.0.1:0".into(),
            encoding,
        },
    )
    .unwrap()
}

fn subscriber(context: &zmq::Context, endpoint: &str, topic: &str) -> zmq::Socket {
    let socket = context.socket(zmq::SUB).unwrap();
    socket.set_linger(0).unwrap();
    socket.set_rcvtimeo(20).unwrap();
    socket.set_subscribe(topic.as_bytes()).unwrap();
    socket.connect(endpoint).unwrap();
    socket
}

fn record(message: &str, environment: Environment) -> Record {
    let source = Source {
        service: "orders".into(),
        environment,
        channel: Channel::Log,
        ..Source::default()
    };
    Record {
        message: message.into(),
        source,
        fields: [("amount", 12.5)].into_iter().collect(),
        ..Record::default()
    }
}

fn present(publisher: &mut Publisher, records: &[Record]) {
    for record in records.chunk_by(|a, b| a.source == b.source) {
        let mut writer = BatchWriter::new();
        record.iter().for_each(|record| writer.push(record));
        let bytes = writer.finish();
        let batch = BatchRef::parse(&bytes).unwrap();
        let parsed: Vec<RecordRef<'_>> = batch.records().map(Result::unwrap).collect();
        publisher.process(&parsed).unwrap();
        publisher.flush().unwrap();
    }
}

/// Publishes until the subscription has reached the publisher, then what was asked for.
fn connect(publisher: &mut Publisher, socket: &zmq::Socket, environment: Environment) {
    for _ in 0..1000 {
        present(publisher, &[record("are you there?", environment)]);
        if socket.recv_multipart(0).is_ok() {
            present(publisher, &[record("now", environment)]);
            // What was sent before the subscription was noticed stands before.
            for _ in 0..1000 {
                let frames = socket.recv_multipart(0).unwrap();
                if decode(&frames).iter().any(|record| record.message == "now") {
                    return;
                }
            }
        }
    }
    panic!("the subscriber does not hear the publisher");
}

fn decode(frames: &[Vec<u8>]) -> Vec<Record> {
    let [topic, body] = frames else {
        panic!("{} frames", frames.len())
    };
    let topic = Topic::parse(topic).unwrap();
    match topic.encoding {
        Encoding::Json => vec![json::decode(body, topic).unwrap()],
        Encoding::Pickle => vec![pickle::decode(body, topic).unwrap()],
        Encoding::Batch => BatchRef::parse(body)
            .unwrap()
            .records()
            .map(|record| record.unwrap().to_record())
            .collect(),
    }
}

#[test]
fn subscribers_get_records_in_each_encoding() {
    let context = zmq::Context::new();
    for (encoding, topic) in [
        (Encoding::Json, "PLJ"),
        (Encoding::Pickle, "PLP"),
        (Encoding::Batch, "PLB"),
    ] {
        let mut publisher = publisher(encoding);
        assert!(
            !publisher.endpoint().ends_with(":0"),
            "the port is told: {}",
            publisher.endpoint()
        );
        let socket = subscriber(&context, publisher.endpoint(), topic);
        connect(&mut publisher, &socket, Environment::Production);
        let sent: Vec<Record> = (0..50)
            .map(|n| record(&format!("message {n}"), Environment::Production))
            .collect();
        // One from another system is not subscribed.
        present(
            &mut publisher,
            &[record("not for you", Environment::Staging)],
        );
        present(&mut publisher, &sent);
        let mut got = Vec::new();
        socket.set_rcvtimeo(5_000).unwrap();
        while got.len() < sent.len() {
            let frames = socket.recv_multipart(0).unwrap();
            assert_eq!(frames[0], topic.as_bytes());
            got.extend(decode(&frames));
        }
        for (sent, got) in sent.iter().zip(&got) {
            assert_eq!(
                (&sent.message, &sent.fields, &sent.source.service),
                (&got.message, &got.fields, &got.source.service)
            );
            assert_eq!(got.source.environment, Environment::Production);
        }
    }
}

#[test]
fn nobody_there_is_no_error_and_costs_nothing() {
    let mut publisher = publisher(Encoding::Batch);
    let records: Vec<Record> = (0..1000)
        .map(|n| record(&"x".repeat(n), Environment::Test))
        .collect();
    present(&mut publisher, &records);
}

#[test]
fn an_address_in_use_is_said_in_one_line() {
    let first = publisher(Encoding::Json);
    let Err(error) = Publisher::bind(
        "live",
        &Config {
            bind: first.endpoint().to_owned(),
            encoding: Encoding::Json,
        },
    ) else {
        panic!("two on one port")
    };
    assert!(matches!(error, Error::Retry { .. }));
    assert_eq!(
        error.to_string(),
        format!(
            "cannot publish on {}: another program listens there already",
            first.endpoint()
        )
    );
}
