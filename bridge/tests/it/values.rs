//! Any value of any field arrives as what it is, and every name stands once.

use std::collections::HashMap;

use crate::fixtures::{record, through_the_wire};
use distlog_bridge::otlp::common::v1::AnyValue;
use distlog_bridge::otlp::common::v1::any_value::Value as Any;
use distlog_bridge::{any_value, log_record};
use distlog_proto::{Kind, Map, Record, Value};
use proptest::prelude::*;
use prost::Message;

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::I64),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::F64),
        any::<String>().prop_map(Value::Str),
        any::<String>().prop_map(Value::Text),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
            prop::collection::vec(("[a-c]{0,2}", inner), 0..6)
                .prop_map(|entries| Value::Map(entries.into_iter().collect())),
        ]
    })
}

/// What a value must look like in OTLP, said independently of how it is converted.
fn same(value: &Value, any: &AnyValue) -> bool {
    match (value, &any.value) {
        (Value::Null, None) => true,
        (Value::Bool(a), Some(Any::BoolValue(b))) => a == b,
        (Value::I64(a), Some(Any::IntValue(b))) => a == b,
        (Value::U64(a), Some(Any::StringValue(b))) => *a > i64::MAX as u64 && a.to_string() == *b,
        (Value::F64(a), Some(Any::DoubleValue(b))) => a.to_bits() == b.to_bits(),
        (Value::Str(a) | Value::Text(a), Some(Any::StringValue(b))) => a == b,
        (Value::Bytes(a), Some(Any::BytesValue(b))) => a == b,
        (Value::List(a), Some(Any::ArrayValue(b))) => {
            a.len() == b.values.len() && a.iter().zip(&b.values).all(|(a, b)| same(a, b))
        }
        (Value::Map(a), Some(Any::KvlistValue(b))) => {
            a.len() == b.values.len()
                && a.iter().zip(&b.values).all(|((name, a), b)| {
                    name == b.key && b.value.as_ref().is_some_and(|b| same(a, b))
                })
        }
        _ => false,
    }
}

proptest! {
    #[test]
    fn every_value_arrives(fields in prop::collection::vec(("[a-z.]{0,3}", value()), 0..50)) {
        let fields: Map = fields.into_iter().collect();
        let event = Record { fields: fields.clone(), task: None, ..record(Kind::Event) };
        let log = through_the_wire(&[event], |records| log_record(&records[0]));
        let log = distlog_bridge::otlp::logs::v1::LogRecord::decode(log.encode_to_vec().as_slice()).unwrap();
        let arrived: HashMap<_, _> = log.attributes.iter().map(|a| (a.key.as_str(),
            a.value.as_ref().unwrap())).collect();
        prop_assert_eq!(arrived.len(), log.attributes.len());
        for (name, value) in fields.iter() {
            prop_assert!(same(value, arrived[name]), "{}: {:?} is {:?}", name, value, arrived[name]);
        }
    }
}

#[test]
fn deep_values_can_be_read_by_every_decoder() {
    let deep = |depth| {
        (0..depth).fold(Value::from("core"), |inner, _| {
            Value::Map([("in", inner)].into_iter().collect())
        })
    };
    for depth in [19, 20, 21, 60] {
        let event = Record {
            fields: [("deep", deep(depth))].into_iter().collect(),
            ..record(Kind::Event)
        };
        let any = through_the_wire(&[event], |records| {
            any_value(records[0].fields.get("deep").unwrap())
        });
        let read = AnyValue::decode(any.encode_to_vec().as_slice()).unwrap();
        assert_eq!(read, any);
        let text = format!("{any:?}");
        assert!(text.contains("core"), "nothing is lost: {text}");
    }
}
