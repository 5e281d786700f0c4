//! Conditions in CEL: each is compiled or refused with its place; one that is compiled answers for any record, and says
//! the same of it when it is compiled again from its own text. Any expression gives a value or none.
#![no_main]

use std::sync::LazyLock;

use distlog_proto::wire::BatchWriter;
use distlog_proto::{BatchRef, Kind, Map, Outcome, Record, Severity, Task, TaskId, Value};
use distlog_rules::{Condition, Expression};
use libfuzzer_sys::fuzz_target;

static RECORDS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let id: TaskId = "e252a11f-d33d-483d-ba08-bc8f642b2f10/1/3"
        .parse()
        .expect("an id");
    let list = Value::List(vec![Value::I64(1), Value::from("tea"), Value::Null]);
    let fields = [
        ("amount", Value::F64(7.5)),
        ("name", Value::from("tea")),
        ("list", list),
        ("n", Value::I64(-1)),
    ];
    let whole = Record {
        kind: Kind::End,
        outcome: Outcome::Failed,
        severity: Severity::ERROR,
        message: "no tea".into(),
        duration: 1_000_000_000,
        task: Some(Task::from(&id)),
        fields: Map::from_iter(fields),
        ..Record::default()
    };
    let mut batch = BatchWriter::new();
    batch.push(&whole);
    batch.push(&Record::default());
    batch.finish()
});

fuzz_target!(|data: &str| {
    if let Ok(expression) = Expression::compile(data) {
        let batch = BatchRef::parse(&RECORDS).expect("a batch");
        for record in batch.records() {
            _ = expression.value(&record.expect("a record"));
        }
    }
    let Ok(condition) = Condition::compile(data) else {
        return;
    };
    let again = Condition::compile(condition.text()).expect("its own text");
    let batch = BatchRef::parse(&RECORDS).expect("a batch");
    for record in batch.records() {
        let record = record.expect("a record");
        assert_eq!(condition.matches(&record), again.matches(&record));
    }
});
