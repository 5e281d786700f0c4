//! What the published Python package sends is understood: the frames that `python/make_frames.py` keeps.

use std::path::Path;

use distlog_proto::{Encoding, Kind, Map, Outcome, Record, Severity, Topic, Value};
use distlog_python::{json, pickle};

const ID: &str = "e252a11f-d33d-483d-ba08-bc8f642b2f10";

fn frame(name: &str, encoding: Encoding) -> Record {
    let topic = Topic {
        encoding,
        ..Topic::default()
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/python/frames")
        .join(format!("{name}.{topic}"));
    let body = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    match encoding {
        Encoding::Json => json::decode(&body, topic).unwrap(),
        _ => pickle::decode(&body, topic).unwrap(),
    }
}

/// The record of a situation, which is the same in both encodings.
fn both(name: &str) -> Record {
    let json = frame(name, Encoding::Json);
    assert_eq!(json, frame(name, Encoding::Pickle), "{name}");
    json
}

fn task(record: &Record) -> String {
    let task = record.task.as_ref().expect("a task");
    let id: distlog_proto::TaskId = format!(
        "{}{}{}",
        task.trace_id,
        if task.path.is_empty() { "" } else { "/" },
        task.path
    )
    .parse()
    .unwrap();
    assert_eq!(
        (task.span_id, task.parent_span_id),
        (id.span_id(), id.parent_span_id())
    );
    format!("{}@{id}", record.number)
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Map {
    entries.into_iter().collect()
}

#[test]
fn every_attribute_has_its_place() {
    let record = both("plain");
    assert_eq!(record.message, "only 2 left");
    assert_eq!(record.callsite.template, "only %d left");
    assert_eq!(record.callsite.target, "shop.cart");
    assert_eq!(record.callsite.severity, Severity::WARN);
    assert_eq!(record.severity_text, "");
    assert_eq!(record.callsite.file, "/app/make_frames.py");
    assert!(record.callsite.line > 0);
    assert_eq!(record.callsite.module, "make_frames");
    assert_eq!(record.callsite.function, "everything");
    assert_eq!(record.time, 1_763_871_098_123_456_700);
    assert_eq!(
        (record.thread_id, record.thread_name.as_str()),
        (140_234, "MainThread")
    );
    assert_eq!(
        (
            record.source.process_id,
            record.source.process_name.as_str()
        ),
        (812, "MainProcess")
    );
    assert_eq!(
        (record.source.host.as_str(), record.source.service.as_str()),
        ("web1", "")
    );
    assert_eq!(record.kind, Kind::Event);
    assert!(record.fields.is_empty(), "{:?}", record.fields);
    assert!(record.task.is_none() && record.error.is_none());
}

#[test]
fn texts_are_what_the_program_said() {
    assert_eq!(both("newline").message, "first\nsecond x");
    assert_eq!(both("backslash").message, "C:\\new");
    let record = both("level");
    assert_eq!(
        (
            record.severity_text.as_str(),
            record.callsite.severity.levelno()
        ),
        ("NOTICE", 25)
    );
    let stack = both("stack").stack;
    assert!(
        stack.starts_with("Stack (most recent call last):\n  File "),
        "{stack}"
    );
}

#[test]
fn own_attributes_are_fields() {
    let tags = Value::List(vec!["a".into(), 1i64.into(), Value::Null]);
    assert_eq!(
        both("extra").fields,
        map([
            ("user", "leo".into()),
            ("tags", tags),
            ("levels", map([("x", 0.5.into())]).into())
        ])
    );
    let record = both("msg-dict");
    assert_eq!(record.message, "{'order': 7, 'items': ['apple']}");
    let msg = map([
        ("order", 7i64.into()),
        ("items", Value::List(vec!["apple".into()])),
    ]);
    assert_eq!(record.fields, map([("msg", msg.into())]));
    assert_eq!(
        both("numbers").fields,
        map([
            ("nan", f64::NAN.into()),
            ("inf", f64::INFINITY.into()),
            ("ninf", f64::NEG_INFINITY.into()),
            ("big", Value::Text("1180591620717411303424".into())),
            ("negative", Value::Text("-1180591620717411303424".into())),
            ("u64", Value::U64(u64::MAX)),
            ("i64", i64::MIN.into()),
            ("small", (-7i64).into()),
            ("float", 1.0.into()),
            ("tiny", 5e-324.into()),
            ("huge", 1e300.into()),
            ("yes", true.into()),
        ])
    );
    assert_eq!(
        both("surrogate").fields,
        map([
            ("file", "a\\udcffb".into()),
            ("pair", "😀".into()),
            ("lone", "\\ud800".into())
        ])
    );
}

#[test]
fn exceptions_have_kind_text_and_cause() {
    let error = both("exception").error.unwrap();
    assert_eq!(
        (error.kind.as_str(), error.message.as_str()),
        ("Refused", "card declined\nsecond line")
    );
    assert_eq!(error.chain, ["KeyError: 'a'"]);
    assert!(
        error
            .traceback
            .starts_with("Traceback (most recent call last):\n"),
        "{}",
        error.traceback
    );
}

#[test]
fn tasks_begin_and_fail() {
    let begin = both("task");
    assert_eq!((begin.kind, task(&begin)), (Kind::Begin, format!("0@{ID}")));
    assert_eq!(
        (begin.message.as_str(), begin.callsite.template.as_str()),
        ("handle order 7", "handle order %d")
    );
    assert_eq!(
        begin.task.unwrap().context,
        map([("user", "leo".into()), ("amount", 12.5.into())])
    );
    let inner = both("task-2");
    assert_eq!(
        (inner.kind, task(&inner)),
        (Kind::Begin, format!("0@{ID}/1"))
    );
    let event = both("task-3");
    assert_eq!(
        (event.kind, task(&event)),
        (Kind::Event, format!("1@{ID}/1"))
    );
    assert_eq!(event.task.unwrap().context, map([("card", "visa".into())]));
    let success = both("task-4");
    assert_eq!(
        (success.kind, success.message.as_str()),
        (Kind::Event, "handled 7"),
        "no sure end"
    );
    assert_eq!(
        success.task.unwrap().context,
        map([
            ("user", "leo".into()),
            ("amount", 12.5.into()),
            ("step", 2i64.into())
        ])
    );

    let failed = both("failed-1");
    assert_eq!(
        (failed.kind, failed.outcome),
        (Kind::Event, Outcome::Unset),
        "the program's own words"
    );
    let end = both("failed-2");
    assert_eq!(
        (end.kind, end.outcome, task(&end)),
        (Kind::End, Outcome::Failed, format!("2@{ID}"))
    );
    let error = end.error.unwrap();
    assert_eq!(
        (error.kind.as_str(), error.message.as_str()),
        ("Refused", "card declined")
    );
}

#[test]
fn imported_tasks_are_linked_or_stay_visible() {
    assert_eq!(task(&both("import")), format!("0@{ID}/1/3"));
    assert_eq!(
        task(&both("import-inside-1")),
        "0@11111111-2222-3333-4444-555555555555/4"
    );
    for (name, key) in [
        ("import-broken", "0@<built-in function id>"),
        ("foreign-broken-elsewhere", "0@None/1"),
        ("key", "mine"),
    ] {
        let record = both(name);
        assert!(record.task.is_none(), "{name}");
        let Some(Value::Map(context)) = record.fields.get("context") else {
            panic!("{name}: the context stays visible")
        };
        assert_eq!(context.get("key"), Some(&key.into()));
    }
    assert!(both("foreign-broken-1").task.is_none());
}

#[test]
fn objects_have_a_readable_form() {
    let text = |text: &str| Value::Text(text.to_owned());
    let list = |items: &[i64]| Value::List(items.iter().map(|item| (*item).into()).collect());
    assert_eq!(
        frame("objects", Encoding::Pickle).fields,
        map([
            ("datetime", text("2026-11-23T04:11:38.123456")),
            ("aware", text("2026-11-23T04:11:38-03:30")),
            ("utc", text("2026-11-23T00:00:00+00:00")),
            ("date", text("2026-11-23")),
            ("time", text("04:11:00")),
            ("delta", text("2 days, 0:00:01")),
            ("uuid", text(ID)),
            ("decimal", text("1.50")),
            ("bytes", Value::Bytes(vec![0, 255])),
            ("bytearray", Value::Bytes(b"ab".to_vec())),
            ("tuple", Value::List(vec![1i64.into(), "a".into()])),
            ("set", list(&[3])),
            ("frozenset", list(&[4])),
            ("complex", text("complex(1.0, 2.0)")),
            (
                "ordered",
                map([("b", 1i64.into()), ("a", 2i64.into())]).into()
            ),
            ("default", map([("x", list(&[1]))]).into()),
            (
                "counter",
                map([("a", 2i64.into()), ("b", 1i64.into())]).into()
            ),
            ("deque", list(&[1, 2])),
            ("path", text("/var/log/x")),
            ("ip", text("10.0.0.1")),
            ("error", text("ValueError('bad', 7)")),
            ("class", text("dict")),
            ("range", text("range(0, 3, 1)")),
            (
                "keys",
                map([
                    ("1", "a".into()),
                    ("(1, 2)", "b".into()),
                    ("None", "c".into())
                ])
                .into()
            ),
            (
                "loop",
                Value::List(vec![
                    1i64.into(),
                    frame("objects", Encoding::Pickle)
                        .fields
                        .get("loop")
                        .map(cyclic)
                        .unwrap()
                ])
            ),
        ])
    );
    let record = frame("msg-exception", Encoding::Pickle);
    assert_eq!(
        (record.message.as_str(), record.fields),
        ("no", map([("msg", text("__main__.Refused('no')"))]))
    );
}

/// A list that contains itself ends in text.
fn cyclic(list: &Value) -> Value {
    let Value::List(items) = list else {
        panic!("{list:?}")
    };
    assert!(
        matches!(&items[1], Value::Text(text) if text.starts_with("[1, [1, ") && text.contains("...")),
        "{list:?}"
    );
    items[1].clone()
}

#[test]
fn every_protocol_says_the_same() {
    let first = frame("protocol-3", Encoding::Pickle);
    assert_eq!(
        (first.message.as_str(), first.callsite.severity, first.time),
        ("é€", Severity::ERROR, 1_763_871_098_500_000_000)
    );
    assert_eq!(
        first.fields.get("when"),
        Some(&Value::Text("2026-11-23T04:11:38".into()))
    );
    assert_eq!(first.fields.get("id"), Some(&Value::Text(ID.into())));
    assert_eq!(first.fields.get("raw"), Some(&Value::Bytes(vec![0, 0xe9])));
    assert_eq!(first.fields.get("d"), Some(&Value::Text("2.5".into())));
    for protocol in 0..=5 {
        assert_eq!(
            frame(&format!("protocol-{protocol}"), Encoding::Pickle),
            first,
            "{protocol}"
        );
    }
}

#[test]
fn frames_of_one_decoder_are_those_of_one_each() {
    let (mut from_json, mut from_pickle) = (json::Decoder::default(), pickle::Decoder::default());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/frames");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    // Each behind each other one, more or less: forwards and backwards.
    for path in paths.iter().chain(paths.iter().rev()) {
        let body = std::fs::read(path).unwrap();
        let topic: Topic = Topic::parse(path.extension().unwrap().as_encoded_bytes()).unwrap();
        let (shared, alone) = match topic.encoding {
            Encoding::Json => (
                from_json.decode(&body, topic).unwrap(),
                json::decode(&body, topic).unwrap(),
            ),
            _ => (
                from_pickle.decode(&body, topic).unwrap(),
                pickle::decode(&body, topic).unwrap(),
            ),
        };
        assert_eq!(*shared, alone, "{}", path.display());
    }
}
