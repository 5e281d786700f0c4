//! Encoding J: what serde_json takes is taken, with the same content; every record passes through every encoding.
#![no_main]

use distlog_proto::{Topic, Value};
use distlog_python::json;
use distlog_fuzz::check;
use libfuzzer_sys::fuzz_target;

const PLACES: [&str; 25] = [
    "message",
    "msg",
    "name",
    "levelname",
    "levelno",
    "created",
    "pathname",
    "filename",
    "lineno",
    "module",
    "funcName",
    "thread",
    "threadName",
    "process",
    "processName",
    "hostname",
    "exc_text",
    "stack_info",
    "context",
    "asctime",
    "msecs",
    "relativeCreated",
    "args",
    "exc_info",
    "taskName",
];

fuzz_target!(|data: &[u8]| {
    let record = json::decode(data, Topic::default());
    if let Ok(serde_json::Value::Object(object)) = serde_json::from_slice(data) {
        let record = record.as_ref().expect("serde_json takes it");
        if !object.contains_key("distlog")
            && !object.contains_key("fields")
            && !data.contains(&b'$')
        {
            for (name, value) in record.fields.iter() {
                // Of a name that has a place in the record, an earlier value of the wrong type stays in the fields.
                if let Some(other) = object.get(name).filter(|_| !PLACES.contains(&name)) {
                    assert!(same(value, other), "{value:?} {other:?}");
                }
            }
        }
    }
    if let Ok(record) = record {
        check(record);
    }
});

fn same(value: &Value, other: &serde_json::Value) -> bool {
    use serde_json::Value as Json;
    match (value, other) {
        // Integers over 64 bits, and what is too deep.
        (Value::Text(_), Json::Number(_) | Json::Array(_) | Json::Object(_)) => true,
        (Value::Null, Json::Null) => true,
        (Value::Bool(a), Json::Bool(b)) => a == b,
        (Value::I64(0), Json::Number(b)) => b.as_f64() == Some(0.0),
        (Value::I64(a), Json::Number(b)) => b.as_i64() == Some(*a),
        (Value::U64(a), Json::Number(b)) => b.as_u64() == Some(*a),
        (Value::F64(a), Json::Number(b)) => b.as_f64() == Some(*a),
        (Value::Str(a), Json::String(b)) => a == b,
        (Value::List(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Map(a), Json::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        _ => false,
    }
}
