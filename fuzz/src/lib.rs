//! What must hold for every record that a decoder returned.

use distlog_bridge::receive::{self, Batch, Take};
use distlog_bridge::{OpenSpan, put_log_record};
use distlog_proto::wire::BatchWriter;
use distlog_proto::{BatchRef, Encoding, Kind, ProducerId, Record, Severity, Topic, Value};
use distlog_python::{json, pickle};

/// The record goes through every encoding and comes back the same.
pub fn check(mut record: Record) {
    if record.severity == record.callsite.severity {
        record.severity = Severity::UNSET;
    }
    // A number that follows from the severity is none of its own.
    let told = [record.severity, record.callsite.severity]
        .into_iter()
        .find(|severity| *severity != Severity::UNSET)
        .unwrap_or_default();
    let named = Severity::from_text(&record.severity_text).unwrap_or_default();
    if record.otlp.is_none() && [told, named].iter().any(|s| s.levelno() == record.level) {
        record.level = 0;
    }
    let mut batch = BatchWriter::new();
    batch.push(&record);
    let bytes = batch.finish();
    let batch = BatchRef::parse(&bytes).expect("what was written is a batch");
    let read = batch
        .records()
        .next()
        .expect("a record")
        .expect("what was written is a record");
    assert_eq!(read.to_record(), record);

    let topic = Topic {
        environment: record.source.environment,
        channel: record.source.channel,
        encoding: Encoding::Json,
    };
    let mut text = Vec::new();
    json::encode(&read, &mut text);
    let from_json = json::decode(&text, topic).expect("what was written is JSON");
    let mut pickled = Vec::new();
    pickle::encode(&read, &mut pickled);
    let from_pickle = pickle::decode(&pickled, topic).expect("what was written is a pickle");
    // The dictionary adds to the depth, and what is too deep becomes text.
    if depth(&record) < 50 {
        assert_eq!(from_json, record);
        assert_eq!(from_pickle, record);
    }
}

fn depth(record: &Record) -> usize {
    let context = record.task.iter().flat_map(|task| task.context.iter());
    let links = record.links.iter().flat_map(|link| link.attributes.iter());
    let scope = record
        .otlp
        .iter()
        .flat_map(|otlp| otlp.scope_attributes.iter());
    let body = record.otlp.iter().filter_map(|otlp| otlp.body.as_ref());
    let named = record
        .fields
        .iter()
        .chain(record.source.resource.iter())
        .chain(context)
        .chain(links)
        .chain(scope);
    named
        .map(|(_, value)| value)
        .chain(body)
        .map(nested)
        .max()
        .unwrap_or_default()
}

fn nested(value: &Value) -> usize {
    match value {
        Value::List(items) => 1 + items.iter().map(nested).max().unwrap_or_default(),
        Value::Map(map) => {
            1 + map
                .iter()
                .map(|(_, value)| nested(value))
                .max()
                .unwrap_or_default()
        }
        _ => 0,
    }
}

#[derive(Default)]
struct Taken(Vec<Batch>);

impl Take for Taken {
    fn offsets(&mut self, _: &[u8], _: u64) -> (ProducerId, u64) {
        (ProducerId::from_bytes([7; 16]), 0)
    }

    fn batch(&mut self, batch: Batch) {
        self.0.push(batch);
    }
}

/// What is taken of a request with spans can be read, and leaves as spans. `Err`: it is no request.
pub fn check_traces(protobuf: &[u8]) -> Result<(), String> {
    let mut taken = Taken::default();
    let result = receive::traces(protobuf, &mut taken);
    leaves(&taken);
    result.map(drop).map_err(|error| format!("{error:?}"))
}

/// The same with log records.
pub fn check_logs(protobuf: &[u8]) -> Result<(), String> {
    let mut taken = Taken::default();
    let result = receive::logs(protobuf, 1, &mut taken);
    leaves(&taken);
    result.map(drop).map_err(|error| format!("{error:?}"))
}

fn leaves(taken: &Taken) {
    let mut out = Vec::new();
    for batch in &taken.0 {
        let parsed = BatchRef::parse(&batch.bytes).expect("what was taken can be read");
        let mut span = None;
        let mut count = 0;
        for record in parsed.records() {
            let record = record.expect("what was taken can be read");
            assert!((batch.from..batch.to).contains(&record.offset));
            count += 1;
            match (record.kind, &mut span) {
                (Kind::Begin, _) => span = OpenSpan::begin(&record),
                (Kind::End, Some(open)) => {
                    open.end(&record);
                    let _ = open.to_span();
                }
                (_, Some(open)) => open.event(&record),
                (_, None) => put_log_record(&mut out, &record),
            }
        }
        assert_eq!(count, batch.count);
    }
}
