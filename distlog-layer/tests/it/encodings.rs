//! The encodings that daemons of the Python package read.
#![allow(missing_docs)]

use crate::common::*;
use distlog_layer::{Channel, Encoding, Environment, Flush, builder, task, val};
use distlog_proto::{Kind, Outcome, Record, Severity, Topic, Value};
use distlog_python::{json, pickle};
use tracing::{info, warn};
use tracing_subscriber::prelude::*;

fn records_in(encoding: Encoding, topic: &[u8; 3], decode: impl Fn(&[u8], Topic) -> Record) {
    let daemon = Daemon::tcp();
    let (layer, guard) = builder()
        .service("shop")
        .encoding(encoding)
        .environment(Environment::Production)
        .channel(Channel::Log)
        .connect_push(daemon.address.clone())
        .unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let job = task!(user = "leo", "handle order {}", 7);
        job.in_scope(|| warn!(left = 2, price = 1.5, list = ?val(&["a"]), debug = ?Some(1), "only {} left", 2));
        (0..2000).for_each(|i| info!(i, "many"));
        job.run(|| Err::<(), _>("no stock")).unwrap_err();
    });
    assert_eq!(guard.close(LONG), Flush::Flushed);
    let mut records = Vec::new();
    while records.len() < 2003 {
        let message = daemon.message(LONG).unwrap();
        assert_eq!(message.len(), 2);
        assert_eq!(&message[0], topic);
        records.push(decode(&message[1], Topic::parse(topic).unwrap()));
    }
    assert_eq!(
        (records[0].kind, records[0].message.as_str()),
        (Kind::Begin, "handle order 7")
    );
    let warning = &records[1];
    assert_eq!(warning.message, "only 2 left");
    assert_eq!(warning.callsite.severity, Severity::WARN);
    assert!(warning.callsite.file.ends_with("encodings.rs"));
    assert_eq!(warning.source.service, "shop");
    assert_eq!(warning.source.environment, Environment::Production);
    assert_eq!(id(warning), id(&records[0]));
    assert_eq!(warning.number, 1);
    assert_eq!(
        task(warning).context.get("user"),
        Some(&Value::Str("leo".into()))
    );
    assert_eq!(warning.fields.get("left"), Some(&Value::I64(2)));
    assert_eq!(warning.fields.get("price"), Some(&Value::F64(1.5)));
    assert_eq!(
        warning.fields.get("list"),
        Some(&Value::List(vec!["a".into()]))
    );
    assert_eq!(warning.fields.get("debug"), Some(&text("Some(1)")));
    assert!(
        records[2..2002]
            .iter()
            .enumerate()
            .all(|(i, r)| r.fields.get("i") == Some(&Value::I64(i as i64)))
    );
    let end = &records[2002];
    assert_eq!((end.kind, end.outcome), (Kind::End, Outcome::Failed));
    assert_eq!(end.error.as_ref().unwrap().message, "no stock");
}

#[test]
fn json_is_one_message_for_each_record() {
    records_in(Encoding::Json, b"PLJ", |body, topic| {
        json::decode(body, topic).unwrap()
    });
}

#[test]
fn pickle_is_one_message_for_each_record() {
    records_in(Encoding::Pickle, b"PLP", |body, topic| {
        pickle::decode(body, topic).unwrap()
    });
}

#[test]
fn batches_are_what_is_sent_if_nothing_else_is_said() {
    let daemon = Daemon::tcp();
    let (layer, guard) = builder()
        .environment(Environment::Staging)
        .channel(Channel::Performance)
        .connect_push(daemon.address.clone())
        .unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || info!("x"));
    drop(guard);
    assert_eq!(daemon.message(LONG).unwrap()[0], b"SPB");
}
