//! Expressions of any type.

use distlog_proto::{Map, Record, Task, TaskId, Value};
use distlog_rules::{Expression, Target};

use super::batch;

fn record() -> Record {
    let task: TaskId = "e252a11f-d33d-483d-ba08-bc8f642b2f10/1".parse().unwrap();
    let mut record = Record {
        message: "cannot save order 17".into(),
        task: Some(Task::from(&task)),
        kind: distlog_proto::Kind::End,
        duration: 1_500_000_000,
        ..Record::default()
    };
    record.source.service = "orders".into();
    record.callsite.target = "orders::db".into();
    record.fields.insert("amount", 120.5);
    record.fields.insert("count", 3i64);
    record.fields.insert("http.method", "GET");
    record
        .fields
        .insert("tags", vec![Value::from("a"), Value::from("b")]);
    record
}

fn value(expression: &str) -> Option<Value> {
    let bytes = batch(&[record()]);
    let batch = distlog_proto::BatchRef::parse(&bytes).unwrap();
    let record = batch.records().next().unwrap().unwrap();
    Expression::compile(expression).unwrap().value(&record)
}

#[test]
fn values_of_every_type_are_computed() {
    let map = |entries: &[(&str, i64)]| -> Value {
        Value::Map(entries.iter().map(|&(name, n)| (name, n)).collect::<Map>())
    };
    for (expression, expected) in [
        ("\"payments\"", Value::from("payments")),
        ("service + '/' + target", Value::from("orders/orders::db")),
        ("fields.count * 2", Value::I64(6)),
        ("fields.amount * 2.0", Value::F64(241.0)),
        ("fields.http.method", Value::from("GET")),
        ("fields.tags", Value::List(vec!["a".into(), "b".into()])),
        (
            "fields.tags.map(t, t + '!')",
            Value::List(vec!["a!".into(), "b!".into()]),
        ),
        ("severity < WARN", Value::Bool(true)),
        ("null", Value::Null),
        ("type(1)", Value::from("int")),
        ("ERROR", Value::I64(17)),
        ("size(message)", Value::I64(20)),
        ("b'ab'", Value::Bytes(b"ab".to_vec())),
        ("duration", Value::F64(1.5)),
        ("duration + duration('1s')", Value::F64(2.5)),
        (
            "timestamp('2026-11-28T12:00:00Z')",
            Value::from("2026-11-28T12:00:00+00:00"),
        ),
        ("trace_id", Value::from("e252a11fd33d483dba08bc8f642b2f10")),
        ("fields.count > 2 ? 'many' : 'few'", Value::from("many")),
        (
            "message.upperAscii().substring(0, 6)",
            Value::from("CANNOT"),
        ),
        (
            "{'b': 2, 'a': 1, 'c': 3}",
            map(&[("a", 1), ("b", 2), ("c", 3)]),
        ),
    ] {
        assert_eq!(value(expression), Some(expected), "{expression}");
    }
    for missing in [
        "fields.missing",
        "fields.missing + 1",
        "fields.amount + 1",
        "int(message)",
        "1 / 0",
    ] {
        assert_eq!(value(missing), None, "{missing}");
    }
}

#[test]
fn faults_have_their_places() {
    for (text, fault) in [
        (
            "",
            "line 1, column 1: the expression is empty: a text is written '\"…\"'",
        ),
        ("service +", "line 1, column 10: "),
        (
            "severty + 1",
            "line 1, column 1: unknown name `severty`: did you mean `severity`?",
        ),
    ] {
        let found = Expression::compile(text).unwrap_err().to_string();
        assert!(found.starts_with(fault), "{text}: {found}");
    }
}

#[test]
fn only_what_can_be_changed_is_a_target() {
    assert_eq!(
        Target::parse("fields.http.route"),
        Ok(Target::Field("http.route".into()))
    );
    assert_eq!(Target::parse("message"), Ok(Target::Message));
    assert_eq!(Target::parse("severity"), Ok(Target::Severity));
    for (text, why) in [
        ("fields.", "`fields.` cannot be set"),
        ("fields", "`fields` cannot be set"),
        ("context.user", "expected fields.NAME, message or severity"),
        ("mesage", "did you mean `message`?"),
        ("", "`` cannot be set"),
    ] {
        let found = Target::parse(text).unwrap_err();
        assert!(found.contains(why), "{text}: {found}");
    }
    let check = |target: &str, value: &str| {
        Target::parse(target)
            .unwrap()
            .check(&Expression::compile(value).unwrap())
    };
    for (target, value) in [
        ("message", "'a' + service"),
        ("message", "fields.any"),
        ("severity", "WARN"),
        ("severity", "fields.any"),
        ("fields.x", "1"),
    ] {
        assert_eq!(check(target, value), Ok(()), "{target} {value}");
    }
    for (target, value, why) in [
        ("message", "1", "`message` is a string"),
        ("severity", "'WARN'", "`severity` is a number from 1 to 24"),
    ] {
        let found = check(target, value).unwrap_err();
        assert!(found.contains(why), "{found}");
    }
}
