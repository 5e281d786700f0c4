//! A record as a row: golden values, and nothing that is lost.

use std::collections::HashSet;

use distlog_proto::{
    BatchRef, ErrorInfo, Kind, Link, Otlp, Outcome, ProducerId, Record, RecordRef, Severity,
    Source, SpanKind, Task, TaskId, Topic, Value,
};
use distlog_python::json;
use distlog_testkit::records::{batch, record};
use distlog_testkit::strict_json;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;

/// Shows the row of a record to `with`.
fn with_row<R>(record: &Record, with: impl FnOnce(&Row<'_>) -> R) -> R {
    let bytes = batch(record);
    let batch = BatchRef::parse(&bytes).unwrap();
    let record: RecordRef<'_> = batch.records().next().unwrap().unwrap();
    let mut scratch = Scratch::default();
    with(&Row::new(&record, &mut scratch))
}

/// The cells that are not null, by name.
fn told(record: &Record) -> Json {
    with_row(record, |row| {
        let cells = Column::ALL.iter().zip(row.cells());
        let told = cells.filter_map(|(column, cell)| {
            let value = match cell {
                Cell::Null => return None,
                Cell::Integer(number) => json!(number),
                Cell::Text(text) => json!(text),
                Cell::Json(text) => serde_json::from_str(text).unwrap(),
            };
            Some((column.name().to_owned(), value))
        });
        Json::Object(told.collect())
    })
}

fn task() -> Task {
    let id: TaskId = "e252a11f-d33d-483d-ba08-bc8f642b2f10/1".parse().unwrap();
    Task {
        flags: 3,
        context: [("user", "leo")].into_iter().collect(),
        ..Task::from(&id)
    }
}

#[test]
fn an_event_of_a_task_has_these_columns() {
    let record = Record {
        source: Source {
            producer: ProducerId::from_bytes([0xab; 16]),
            service: "shop".into(),
            host: "web1".into(),
            process_id: 812,
            process_name: "shopd".into(),
            resource: [("region", "eu")].into_iter().collect(),
            ..Source::default()
        },
        callsite: distlog_proto::Callsite {
            severity: Severity::WARN,
            target: "shop::cart".into(),
            file: "src/cart.rs".into(),
            line: 31,
            module: "shop::cart".into(),
            function: "add".into(),
            template: "only {} left".into(),
        },
        offset: 7,
        time: 1_763_871_098_123_456_789,
        observed_time: 1_763_871_098_200_000_000,
        message: "only 2 left".into(),
        fields: [
            ("item", Value::Str("apple".into())),
            ("left", Value::I64(2)),
            ("weight", Value::F64(0.5)),
            ("shown", Value::Text("Some(2)".into())),
        ]
        .into_iter()
        .collect(),
        task: Some(task()),
        number: 3,
        thread_id: 5,
        thread_name: "main".into(),
        ..Record::default()
    };
    assert_eq!(
        told(&record),
        json!({
            "producer": "abababababababababababababababab",
            "record_offset": 7,
            "time": 1_763_871_098_123_456_789_u64,
            "observed_time": 1_763_871_098_200_000_000_u64,
            "kind": "event",
            "severity": 13,
            "service": "shop",
            "host": "web1",
            "process_id": 812,
            "process_name": "shopd",
            "thread_id": 5,
            "thread_name": "main",
            "target": "shop::cart",
            "module": "shop::cart",
            "file": "src/cart.rs",
            "line": 31,
            "function": "add",
            "template": "only {} left",
            "message": "only 2 left",
            "trace_id": "e252a11fd33d483dba08bc8f642b2f10",
            "span_id": "99134579e8496ab7",
            "parent_span_id": "8ab33c93ffe29262",
            "task": "e252a11f-d33d-483d-ba08-bc8f642b2f10/1",
            "record_number": 3,
            "fields": { "item": "apple", "left": 2, "weight": 0.5, "shown": "Some(2)" },
            "context": { "user": "leo" },
            "resource": { "region": "eu" },
            "extra": { "flags": 3, "text": ["shown"] },
        })
    );
}

#[test]
fn what_is_not_known_is_null() {
    let record = Record {
        message: "hello".into(),
        ..Record::default()
    };
    assert_eq!(
        told(&record),
        json!({
            "producer": "00000000000000000000000000000000",
            "record_offset": 0,
            "time": 0,
            "kind": "event",
            "message": "hello",
            "extra": { "time": 0 },
        })
    );
}

#[test]
fn a_record_without_a_time_has_that_when_it_was_observed() {
    let record = Record {
        observed_time: 9,
        offset: u64::MAX,
        ..Record::default()
    };
    let told = told(&record);
    assert_eq!(
        (&told["time"], &told["observed_time"]),
        (&json!(9), &json!(9))
    );
    assert_eq!(told["extra"], json!({ "time": 0 }));
    assert_eq!(told["record_offset"], json!(-1));
}

#[test]
fn an_end_tells_how_its_task_ended() {
    let record = Record {
        kind: Kind::End,
        outcome: Outcome::Failed,
        time: 5_000,
        duration: 2_000,
        message: "pay 7".into(),
        callsite: distlog_proto::Callsite {
            template: "pay {}".into(),
            ..Default::default()
        },
        error: Some(ErrorInfo {
            kind: "Refused".into(),
            message: "no money".into(),
            chain: vec!["card is empty".into()],
            traceback: String::new(),
        }),
        task: Some(task()),
        span_kind: SpanKind::Client,
        links: vec![Link::from(&TaskId::top(task().trace_id))],
        ..Record::default()
    };
    let told = told(&record);
    assert_eq!(told["error"], "Refused: no money\ncaused by: card is empty");
    assert_eq!(told["name"], "pay {}");
    assert_eq!(
        told["extra"],
        json!({
            "error": { "kind": "Refused", "message": "no money", "chain": ["card is empty"] },
            "flags": 3,
            "span_kind": "client",
            "links": [{ "trace_id": "e252a11fd33d483dba08bc8f642b2f10", "span_id": "8ab33c93ffe29262" }],
        })
    );
    with_row(&record, |row| {
        let change = row.task_change().unwrap();
        assert_eq!(change.trace_id, "e252a11fd33d483dba08bc8f642b2f10");
        assert_eq!(change.task, "e252a11f-d33d-483d-ba08-bc8f642b2f10/1");
        assert_eq!((change.name, change.run), (Some("pay {}"), 0));
        assert_eq!(
            change.event,
            TaskEvent::End {
                time: 5_000,
                duration_ns: Some(2_000),
                outcome: Some("failed"),
                error: Some("Refused: no money"),
                is_provisional: false,
            }
        );
    });
}

#[test]
fn begins_and_ends_change_tasks_and_other_records_do_not() {
    let of = |kind, task: Option<Task>, outcome| {
        let record = Record {
            kind,
            task,
            outcome,
            ..Record::default()
        };
        with_row(&record, |row| {
            row.task_change().map(|change| match change.event {
                TaskEvent::Begin { .. } => "begin",
                TaskEvent::End {
                    is_provisional: true,
                    ..
                } => "provisional",
                TaskEvent::End { .. } => "end",
            })
        })
    };
    assert_eq!(of(Kind::Begin, Some(task()), Outcome::Unset), Some("begin"));
    assert_eq!(
        of(Kind::End, Some(task()), Outcome::Lost),
        Some("provisional")
    );
    assert_eq!(
        of(Kind::End, Some(task()), Outcome::Unset),
        Some("provisional")
    );
    assert_eq!(of(Kind::End, Some(task()), Outcome::Ok), Some("end"));
    assert_eq!(of(Kind::Begin, None, Outcome::Unset), None);
    assert_eq!(of(Kind::Event, Some(task()), Outcome::Unset), None);
    assert_eq!(of(Kind::Bind, Some(task()), Outcome::Unset), None);
}

#[test]
fn a_log_record_of_a_trace_without_span_has_its_trace() {
    let record = Record {
        otlp: Some(Box::new(Otlp {
            trace_id: Some(task().trace_id),
            ..Otlp::default()
        })),
        ..Record::default()
    };
    let told = told(&record);
    assert_eq!(told["trace_id"], "e252a11fd33d483dba08bc8f642b2f10");
    assert_eq!(told.get("span_id"), None);
}

#[test]
fn columns_have_different_names_and_are_documented() {
    let names: HashSet<&str> = Column::ALL.iter().map(|column| column.name()).collect();
    assert_eq!(names.len(), Column::ALL.len());
    let page = include_str!("../../../../docs/databases.md");
    for name in names {
        assert!(
            page.contains(&format!("`{name}`")),
            "docs/databases.md has no {name}"
        );
    }
}

/// The record that a row stands for, by way of the JSON lines that it takes its names from.
fn record_of(row: &Row<'_>) -> Record {
    let text = |column| match row.cell(column) {
        Cell::Text(text) | Cell::Json(text) => Some(text.to_owned()),
        _ => None,
    };
    let number = |column| match row.cell(column) {
        Cell::Integer(number) => Some(number),
        _ => None,
    };
    let object = |column| -> serde_json::Map<String, Json> {
        text(column).map_or_else(Default::default, |json| {
            serde_json::from_str(&json).unwrap()
        })
    };
    let mut line = serde_json::Map::new();
    let mut own = object(Column::Extra);
    let put = |line: &mut serde_json::Map<String, Json>, name: &str, value: Option<Json>| {
        if let Some(value) = value {
            line.entry(name.to_owned()).or_insert(value);
        }
    };
    let unsigned = |column| number(column).map(|n| json!(n.cast_unsigned()));
    let texts = |column| text(column).map(Json::String);
    put(&mut line, "message", texts(Column::Message));
    put(&mut line, "name", texts(Column::Target));
    let literal = text(Column::Template) == text(Column::Message);
    put(
        &mut line,
        "msg",
        texts(Column::Template).or(texts(Column::Message)),
    );
    put(&mut own, "literal", literal.then_some(json!(true)));
    put(&mut line, "pathname", texts(Column::File));
    put(&mut line, "lineno", unsigned(Column::Line));
    put(&mut line, "module", texts(Column::Module));
    put(&mut line, "funcName", texts(Column::Function));
    put(&mut line, "thread", unsigned(Column::ThreadId));
    put(&mut line, "threadName", texts(Column::ThreadName));
    put(&mut line, "process", unsigned(Column::ProcessId));
    put(&mut line, "processName", texts(Column::ProcessName));
    put(&mut line, "hostname", texts(Column::Host));
    put(&mut line, "exc_text", texts(Column::Error));
    put(&mut line, "stack_info", texts(Column::Stack));
    put(
        &mut line,
        "fields",
        text(Column::Fields).map(|_| Json::Object(object(Column::Fields))),
    );
    let severity = number(Column::Severity).unwrap_or(0);
    put(&mut own, "severity", Some(json!(severity)));
    put(&mut own, "severity_text", texts(Column::SeverityText));
    put(&mut own, "kind", texts(Column::Kind));
    put(&mut own, "outcome", texts(Column::Outcome));
    put(&mut own, "duration", unsigned(Column::DurationNs));
    put(&mut own, "service", texts(Column::Service));
    put(
        &mut own,
        "producer",
        texts(Column::Producer).filter(|id| *id != json!("0".repeat(32))),
    );
    put(&mut own, "offset", unsigned(Column::RecordOffset));
    put(
        &mut own,
        "resource",
        text(Column::Resource).map(|_| Json::Object(object(Column::Resource))),
    );
    put(&mut own, "time", unsigned(Column::Time));
    put(&mut own, "observed_time", unsigned(Column::ObservedTime));
    let levelno = match own.get("level").filter(|_| !own.contains_key("otlp")) {
        Some(level) => level.as_i64().unwrap(),
        None => Severity::new(severity as u32).levelno(),
    };
    put(&mut line, "levelno", Some(json!(levelno)));
    if !own.contains_key("otlp") {
        own.remove("level");
    }
    match text(Column::Task) {
        Some(task) => {
            let mut context = object(Column::Context);
            let label = format!(
                "{}@{task}",
                number(Column::RecordNumber).unwrap().cast_unsigned()
            );
            context.insert("key".into(), json!(label));
            line.insert("context".into(), Json::Object(context));
            put(&mut own, "trace_id", texts(Column::TraceId));
            put(&mut own, "span_id", texts(Column::SpanId));
            put(&mut own, "parent_span_id", texts(Column::ParentSpanId));
        }
        None => put(&mut own, "number", unsigned(Column::RecordNumber)),
    }
    line.insert("distlog".into(), Json::Object(own));
    json::decode(&serde_json::to_vec(&line).unwrap(), Topic::default()).unwrap()
}

/// What a row does not tell apart: that the name of a task is its own where it would be called so anyway.
fn leveled(record: &Record) -> Record {
    let mut record = record.clone();
    with_row(&record.clone(), |row| {
        if record.name.is_empty() && !matches!(record.kind, Kind::Event) {
            return;
        }
        if row.cell(Column::Name) == Cell::Text(&record.name) {
            record.name.clear();
        }
    });
    record
}

proptest! {
    #[test]
    fn json_columns_are_strict_json_and_no_name_stands_twice(record in record()) {
        with_row(&record, |row| {
            for cell in row.cells() {
                if let Cell::Json(json) = cell {
                    strict_json::check(json.as_bytes());
                    assert!(json.starts_with('{'), "{json}");
                }
            }
        });
    }

    #[test]
    fn nothing_of_a_record_is_lost(record in record()) {
        let known = with_row(&record, record_of);
        let (known, record) = (leveled(&known), leveled(&record));
        // Equal as far as JSON lines tell, in any order of names: `NaN` has a form there.
        let line = |record: &Record| {
            let bytes = batch(record);
            let mut line = Vec::new();
            let batch = BatchRef::parse(&bytes).unwrap();
            json::encode(&batch.records().next().unwrap().unwrap(), &mut line);
            let mut line = serde_json::from_slice::<Json>(&line).unwrap();
            if let Some(Json::Array(names)) = line.pointer_mut("/distlog/text") {
                names.sort_by_key(Json::to_string);
            }
            line
        };
        prop_assert_eq!(line(&known), line(&record));
    }

    #[test]
    fn null_stands_only_where_a_column_allows_it(record in record()) {
        with_row(&record, |row| {
            for (column, cell) in Column::ALL.iter().zip(row.cells()) {
                assert!(column.is_nullable() || cell != Cell::Null, "{column:?}");
            }
        });
    }
}
