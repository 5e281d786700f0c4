//! `serde-pickle` judges: what we write it reads to the same value, what it writes we read.

use std::collections::{BTreeMap, BTreeSet};

use distlog_proto::{BatchRef, Encoding, Record, Topic, Value};
use distlog_python::pickle;
use distlog_testkit::records::{batch, record, text, topic};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use serde_pickle::value::{HashableValue, Value as Judged};
use serde_pickle::{DeOptions, SerOptions};

fn ours(record: &Record) -> Vec<u8> {
    let bytes = batch(record);
    let batch = BatchRef::parse(&bytes).unwrap();
    let mut body = Vec::new();
    pickle::encode(&batch.records().next().unwrap().unwrap(), &mut body);
    body
}

fn judged(body: &[u8]) -> Judged {
    serde_pickle::value_from_slice(body, DeOptions::new()).expect("serde-pickle reads it")
}

fn by_the_judge(value: &Judged, protocol: SerOptions) -> Vec<u8> {
    serde_pickle::value_to_vec(value, protocol).unwrap()
}

fn name(text: &str) -> HashableValue {
    HashableValue::String(text.to_owned())
}

/// A dictionary of Python's `logging`, with a field of the program's own.
fn log_record(field: Judged) -> Judged {
    let message = Judged::String("packed".to_owned());
    Judged::Dict(BTreeMap::from([
        (name("msg"), message),
        (name("field"), field),
    ]))
}

/// Not NaN, which equals nothing.
fn leaf() -> impl Strategy<Value = Judged> {
    prop_oneof![
        Just(Judged::None),
        any::<bool>().prop_map(Judged::Bool),
        any::<i64>().prop_map(Judged::I64),
        (-70_000i64..70_000).prop_map(Judged::I64),
        (i64::MAX as u64 + 1..)
            .prop_map(|number| serde_pickle::to_value(&number).expect("a number")),
        any::<f64>()
            .prop_filter("a number", |number| !number.is_nan())
            .prop_map(Judged::F64),
        prop::sample::select(vec![f64::INFINITY, f64::NEG_INFINITY, -0.0]).prop_map(Judged::F64),
        vec(any::<u8>(), 0..300).prop_map(Judged::Bytes),
        text().prop_map(Judged::String),
        "[a-z]{250,300}".prop_map(Judged::String),
    ]
}

/// Values. Names of maps have no `$`, which marks what pickle has no kind of.
fn value() -> impl Strategy<Value = Judged> {
    leaf().prop_recursive(4, 32, 6, |inner| {
        let words = || btree_set(text().prop_map(HashableValue::String), 0..4);
        let names = "[a-zé_. ]{0,8}".prop_map(HashableValue::String);
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Judged::List),
            vec(inner.clone(), 0..6).prop_map(Judged::Tuple),
            words().prop_map(Judged::Set),
            words().prop_map(Judged::FrozenSet),
            btree_map(names, inner, 0..5).prop_map(Judged::Dict),
        ]
    })
}

/// The same without what a record has no kind of: tuples and sets are lists.
fn listed(value: &Judged) -> Judged {
    let words = |set: &BTreeSet<HashableValue>| {
        Judged::List(set.iter().map(|word| word.clone().into_value()).collect())
    };
    match value {
        Judged::List(items) | Judged::Tuple(items) => {
            Judged::List(items.iter().map(listed).collect())
        }
        Judged::Set(set) | Judged::FrozenSet(set) => words(set),
        Judged::Dict(entries) => Judged::Dict(
            entries
                .iter()
                .map(|(name, value)| (name.clone(), listed(value)))
                .collect(),
        ),
        other => other.clone(),
    }
}

/// Whether a value of ours is one of the judge's.
fn same(ours: &Value, judged: &Judged) -> bool {
    match (ours, judged) {
        (Value::Null, Judged::None) => true,
        (Value::Bool(a), Judged::Bool(b)) => a == b,
        (Value::I64(a), Judged::I64(b)) => a == b,
        (Value::U64(a), Judged::Int(b)) => a.to_string() == b.to_string(),
        (Value::F64(a), Judged::F64(b)) => a.to_bits() == b.to_bits(),
        (Value::Str(a), Judged::String(b)) => a == b,
        (Value::Bytes(a), Judged::Bytes(b)) => a == b,
        (Value::List(a), Judged::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Map(a), Judged::Dict(b)) => {
            a.iter().count() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(&name(key)).is_some_and(|b| same(a, b)))
        }
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_record_that_went_through_the_judge_is_the_same(record in record()) {
        for protocol in [SerOptions::new(), SerOptions::new().proto_v2()] {
            let again = by_the_judge(&judged(&ours(&record)), protocol);
            let read = pickle::decode(&again, topic(&record, Encoding::Pickle)).unwrap();
            // The judge sorts maps by name. As text: NaN equals nothing.
            let as_text = |record| format!("{:#?}", judged(&ours(record)));
            prop_assert_eq!(as_text(&read), as_text(&record));
        }
    }

    #[test]
    fn what_the_judge_writes_we_read_to_the_same_value(field in value()) {
        let body = by_the_judge(&log_record(field.clone()), SerOptions::new());
        let record = pickle::decode(&body, Topic::default()).unwrap();
        prop_assert_eq!(record.message.as_str(), "packed");
        let read = record.fields.get("field").expect("the field is there");
        prop_assert!(same(read, &listed(&field)), "{:?} is not {:?}", read, field);
    }

    #[test]
    fn what_we_write_the_judge_reads_to_the_same_value(field in value()) {
        let body = by_the_judge(&log_record(field.clone()), SerOptions::new());
        let record = pickle::decode(&body, Topic::default()).unwrap();
        let Judged::Dict(read) = judged(&ours(&record)) else {
            panic!("a record is a dict")
        };
        let Some(Judged::Dict(fields)) = read.get(&name("fields")) else {
            panic!("it has fields")
        };
        prop_assert_eq!(fields.get(&name("field")), Some(&listed(&field)));
    }
}
