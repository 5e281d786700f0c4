//! Records as they come from the wire, and what they should become.

#![allow(dead_code)] // Each test uses some of it.

use distlog_bridge::otlp::common::v1::any_value::Value as Any;
use distlog_bridge::otlp::common::v1::{AnyValue, KeyValue};
use distlog_proto::wire::BatchWriter;
use distlog_proto::{
    BatchRef, Callsite, Environment, Kind, ProducerId, Record, RecordRef, Source, Task, TaskId,
};

pub const TASK: &str = "e252a11f-d33d-483d-ba08-bc8f642b2f10/1/3";
pub const BEGUN: u64 = 1_700_000_000_000_000_000;

/// Writes the records as one batch, reads it and hands over what was read.
pub fn through_the_wire<R>(records: &[Record], then: impl FnOnce(&[RecordRef<'_>]) -> R) -> R {
    let mut writer = BatchWriter::new();
    records.iter().for_each(|record| writer.push(record));
    let bytes = writer.finish();
    let batch = BatchRef::parse(&bytes).unwrap();
    let records: Vec<_> = batch.records().map(Result::unwrap).collect();
    then(&records)
}

pub fn source() -> Source {
    Source {
        producer: ProducerId::from_bytes([7; 16]),
        host: "web1".into(),
        process_id: 4711,
        process_name: "shopd".into(),
        service: "shop".into(),
        environment: Environment::Production,
        ..Source::default()
    }
}

pub fn callsite() -> Callsite {
    Callsite {
        severity: distlog_proto::Severity::INFO,
        target: "shop::orders".into(),
        file: "src/orders.rs".into(),
        line: 42,
        module: "shop::orders".into(),
        function: "handle".into(),
        template: "handle order {}".into(),
    }
}

pub fn task() -> Task {
    let mut task = Task::from(&TASK.parse::<TaskId>().unwrap());
    task.flags = 3;
    task.trace_state = "vendor=1".into();
    task.context.insert("user", "leo");
    task
}

pub fn record(kind: Kind) -> Record {
    Record {
        source: source(),
        callsite: callsite(),
        kind,
        time: BEGUN,
        message: "handle order 17".into(),
        task: Some(task()),
        thread_id: 9,
        thread_name: "worker".into(),
        ..Record::default()
    }
}

pub fn text(value: &str) -> Any {
    Any::StringValue(value.into())
}

pub fn attributes<const N: usize>(expected: [(&str, Any); N]) -> Vec<KeyValue> {
    let attribute = |(key, value): (&str, Any)| KeyValue {
        key: key.into(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    };
    expected.into_iter().map(attribute).collect()
}
