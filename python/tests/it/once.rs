//! A name stands once in all that is read and written, and its last value counts, however often the bytes have it: in
//! fields, context, resource, links, scopes, bodies and the maps within them.

use distlog_proto::wire::BatchWriter;
use distlog_proto::*;
use distlog_python::{json, pickle};
use distlog_testkit::records::{record, topic};
use proptest::prelude::*;

/// The prefix of the letter of a name: names of one length can be made equal in the bytes of a message.
const MARK: &str = "\u{1}name\u{2}";

/// Renames the entries of a record's maps by a function of their index and name.
fn rename(record: &Record, name: &impl Fn(usize, &str) -> String) -> Record {
    fn map(of: &Map, name: &impl Fn(usize, &str) -> String) -> Map {
        of.iter()
            .enumerate()
            .map(|(at, (known, inner))| (name(at, known), value(inner, name)))
            .collect()
    }
    fn value(
        of: &distlog_proto::Value,
        name: &impl Fn(usize, &str) -> String,
    ) -> distlog_proto::Value {
        use distlog_proto::Value;
        match of {
            Value::Map(inner) => Value::Map(map(inner, name)),
            Value::List(items) => Value::List(items.iter().map(|item| value(item, name)).collect()),
            other => other.clone(),
        }
    }
    let mut record = record.clone();
    record.fields = map(&record.fields, name);
    record.source.resource = map(&record.source.resource, name);
    if let Some(task) = &mut record.task {
        task.context = map(&task.context, name);
    }
    for link in &mut record.links {
        link.attributes = map(&link.attributes, name);
    }
    if let Some(otlp) = &mut record.otlp {
        otlp.scope_attributes = map(&otlp.scope_attributes, name);
        otlp.body = otlp.body.as_ref().map(|body| value(body, name));
    }
    record
}

/// The letter of a name becomes one of few.
fn merge(letter: u8) -> u8 {
    b'a' + letter % 3
}

fn merged(name: &str) -> String {
    let mut bytes = name.as_bytes().to_vec();
    if let Some(letter) = bytes.last_mut() {
        *letter = merge(*letter);
    }
    String::from_utf8(bytes).unwrap()
}

/// The batch of a record whose names are all different, and those names made equal in its bytes.
fn with_repeated_names(record: &Record) -> Vec<u8> {
    let mut bytes = distlog_testkit::records::batch(record);
    for at in 0..bytes.len() - MARK.len() {
        if bytes[at..].starts_with(MARK.as_bytes()) {
            bytes[at + MARK.len()] = merge(bytes[at + MARK.len()]);
        }
    }
    bytes
}

fn check(record: &Record) {
    let distinct = rename(record, &|at, _| {
        format!("{MARK}{}", char::from(b'A' + at as u8))
    });
    let expected = rename(&distinct, &|_, name| merged(name));
    let bytes = with_repeated_names(&distinct);
    let batch = BatchRef::parse(&bytes).unwrap();
    let read = batch.records().next().unwrap().unwrap();
    assert_eq!(read.to_record(), expected);
    for (name, value) in expected.fields.iter() {
        assert_eq!(
            read.fields.get(name).map(ValueRef::to_value).as_ref(),
            Some(value)
        );
    }
    assert_eq!(read.fields.names().count(), expected.fields.len());

    let mut line = Vec::new();
    json::encode(&read, &mut line);
    distlog_testkit::strict_json::check(&line);
    assert_eq!(
        json::decode(&line, topic(record, Encoding::Json)).unwrap(),
        expected
    );
    let mut cached = Vec::new();
    let mut encoder = json::Encoder::default();
    encoder.encode(&read, &mut cached);
    assert_eq!(cached, line);
    cached.clear();
    encoder.encode(&read, &mut cached);
    assert_eq!(cached, line);
    let mut pickled = Vec::new();
    pickle::encode(&read, &mut pickled);
    assert_eq!(
        pickle::decode(&pickled, topic(record, Encoding::Pickle)).unwrap(),
        expected
    );
    let mut again = BatchWriter::new();
    again.push(&read.to_record());
    assert_eq!(again.count(), 1);
}

const ENTRIES: &[&str] = &[
    r#""a":NaN"#,
    r#""a":-Infinity"#,
    r#""a":"\ud800""#,
    r#""a":{"b":1,"b":Infinity}"#,
    r#""fields":{"a":1,"b":"\udfff","a":NaN}"#,
    r#""fields":{"$x":1,"$x":2}"#,
    r#""fields":1"#,
    r#""msg":{"a":1,"a":2}"#,
    r#""msg":"text""#,
    r#""context":{"key":"1@e252a11f-d33d-483d-ba08-bc8f642b2f10/1","key":"2@e252a11f-d33d-483d-ba08-bc8f642b2f10","a":NaN,"$key":1,"a":2}"#,
    r#""context":{"key":"none","key":1}"#,
    r#""distlog":{"text":["a","a"],"odd":1,"odd":[NaN],"otlp":{"body":{"a":1,"a":2}},"resource":{"a":1,"a":2}}"#,
    r#""distlog":{"odd":2}"#,
];

proptest! {
    #[test]
    fn each_name_is_there_once_with_its_last_value(record in record()) {
        check(&record);
    }

    #[test]
    fn whatever_json_comes_in_what_leaves_is_strict(
        entries in prop::collection::vec(prop::sample::select(ENTRIES), 0..6),
    ) {
        let body = format!("{{{}}}", entries.join(","));
        let record = json::decode(body.as_bytes(), Topic::default()).unwrap();
        let bytes = distlog_testkit::records::batch(&record);
        let batch = BatchRef::parse(&bytes).unwrap();
        let mut line = Vec::new();
        json::encode(&batch.records().next().unwrap().unwrap(), &mut line);
        distlog_testkit::strict_json::check(&line);
    }
}

/// As an older layer wrote `info!(a = 1, a = 2)`: names of the callsite, one of them twice.
#[test]
fn names_of_a_callsite_that_stand_twice() {
    let mut fields = Map::new();
    (0..4).for_each(|n| fields.insert(format!("{MARK}{}", char::from(b'A' + n)), i64::from(n)));
    let record = Record {
        fields,
        ..Record::default()
    };
    let bytes = with_repeated_names(&record);
    let batch = BatchRef::parse(&bytes).unwrap();
    let read = batch.records().next().unwrap().unwrap();
    let entries: Vec<(String, distlog_proto::Value)> = read
        .fields
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_value()))
        .collect();
    // A is 65, which is 2 above a multiple of 3.
    let expected: Vec<(String, distlog_proto::Value)> = [("c", 0), ("a", 1), ("b", 2)]
        .map(|(letter, n): (_, i64)| (format!("{MARK}{letter}"), n.into()))
        .into();
    let last = (format!("{MARK}c"), distlog_proto::Value::I64(3));
    assert_eq!(entries, [&[last][..], &expected[1..]].concat());
}

/// Far more names than are looked through one by one.
#[test]
fn very_many_names() {
    for (count, repeated) in [(60, 7), (65, 64), (1000, 500), (1000, 0), (100_000, 99_999)] {
        let mut writer = BatchWriter::new();
        let names: Vec<String> = (0..count).map(|n| format!("name{n:06}")).collect();
        let record = Record {
            fields: names.iter().map(|name| (name.as_str(), 1i64)).collect(),
            ..Record::default()
        };
        writer.push(&record);
        let mut bytes = writer.finish();
        // The last name becomes that of an earlier one.
        let last = names[count - 1].as_bytes();
        let at = (0..bytes.len())
            .rev()
            .find(|at| bytes[*at..].starts_with(last))
            .unwrap();
        bytes[at..at + last.len()].copy_from_slice(names[repeated].as_bytes());
        let batch = BatchRef::parse(&bytes).unwrap();
        let read = batch.records().next().unwrap().unwrap();
        let expected = count - usize::from(repeated + 1 < count);
        assert_eq!(read.fields.iter().count(), expected, "{count} {repeated}");
        let mut line = Vec::new();
        json::encode(&read, &mut line);
        distlog_testkit::strict_json::check(&line);
    }
}
