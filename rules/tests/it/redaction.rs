//! What is redacted, wherever it stands in a record.

use distlog_proto::wire::BatchWriter;
use distlog_proto::*;
use distlog_rules::{REDACTED, Redaction};
use distlog_testkit::records;
use proptest::prelude::*;

use super::{batch, read, redaction};

const SECRET: &str = "4111111111111111";
const CARD: &str = r"\b\d{13,16}\b";

/// A record with a text in every place that can have one.
fn record_with(text: &str) -> Record {
    let value = |name: &str| -> Map {
        let inner: Map = [(format!("inner {text}"), Value::from(text))]
            .into_iter()
            .collect();
        let items = vec![Value::from(text), Value::Map(inner.clone())];
        [
            (format!("{name} {text}"), Value::from(text)),
            (format!("{name}.text"), Value::Text(format!("({text})"))),
            (
                format!("{name}.bytes"),
                Value::Bytes(text.as_bytes().to_vec()),
            ),
            (format!("{name}.list"), Value::List(items)),
            (format!("{name}.map"), Value::Map(inner)),
        ]
        .into_iter()
        .collect()
    };
    let id: TaskId = "e252a11f-d33d-483d-ba08-bc8f642b2f10/1".parse().unwrap();
    Record {
        source: Source {
            producer: ProducerId::from_bytes([7; 16]),
            service: "shop".into(),
            resource: value("resource"),
            schema_url: text.into(),
            ..Source::default()
        },
        callsite: Callsite {
            target: text.into(),
            file: text.into(),
            module: text.into(),
            function: text.into(),
            template: format!("paid with {text}"),
            ..Callsite::default()
        },
        severity_text: text.into(),
        message: format!("paid with {text}\nand more"),
        task: Some(Task {
            context: value("context"),
            ..Task::from(&id)
        }),
        thread_name: text.into(),
        fields: value("fields"),
        error: Some(ErrorInfo {
            kind: text.into(),
            message: text.into(),
            chain: vec!["plain".into(), text.into()],
            traceback: format!("line 1\n  {text}\n"),
        }),
        stack: text.into(),
        links: vec![Link {
            attributes: value("link"),
            ..Link::from(&id)
        }],
        status_message: text.into(),
        name: text.into(),
        otlp: Some(Box::new(Otlp {
            scope_name: text.into(),
            scope_version: text.into(),
            scope_attributes: value("scope"),
            scope_schema_url: text.into(),
            event_name: text.into(),
            body: Some(Value::Map(value("body"))),
            ..Otlp::default()
        })),
        ..Record::default()
    }
}

fn count(bytes: &[u8], text: &str) -> usize {
    let parts = bytes.windows(text.len());
    parts.filter(|part| *part == text.as_bytes()).count()
}

/// As the intake does: looks first, and changes what has something.
fn redacted(redaction: &Redaction, record: &Record) -> Option<Record> {
    let bytes = batch(std::slice::from_ref(record));
    let parsed = BatchRef::parse(&bytes).unwrap();
    let found = parsed.records().next().unwrap().unwrap();
    let (here, source) = (
        redaction.finds(&found),
        redaction.finds_in_source(parsed.source()),
    );
    let mut record = found.to_record();
    assert_eq!(redaction.redact(&mut record), here, "{record:?}");
    assert_eq!(redaction.redact_source(&mut record.source), source);
    (here || source).then_some(record)
}

#[test]
fn a_pattern_is_found_in_every_text() {
    let record = record_with(SECRET);
    let before = count(&batch(std::slice::from_ref(&record)), SECRET);
    let redacted = redacted(&redaction(&[], &[CARD]), &record).unwrap();
    let after = batch(std::slice::from_ref(&redacted));
    assert_eq!(count(&after, SECRET), 0);
    assert_eq!(count(&after, REDACTED), before);
    assert_eq!(redacted, with_strings(record_with(REDACTED)));
}

/// What is redacted is a string, whatever it was.
fn with_strings(mut record: Record) -> Record {
    let strings = |map: &mut Map| {
        let entries = std::mem::take(map).into_iter();
        *map = entries
            .map(|(name, value)| match value {
                Value::Bytes(_) => (name, Value::from(REDACTED)),
                Value::Text(text) => (name, Value::Str(text)),
                other => (name, other),
            })
            .collect();
    };
    strings(&mut record.source.resource);
    strings(&mut record.fields);
    strings(&mut record.links[0].attributes);
    strings(&mut record.task.as_mut().unwrap().context);
    let otlp = record.otlp.as_mut().unwrap();
    strings(&mut otlp.scope_attributes);
    if let Some(Value::Map(body)) = &mut otlp.body {
        strings(body);
    }
    record
}

#[test]
fn numbers_are_looked_through_as_they_are_printed() {
    let mut record = Record::default();
    record.fields.insert("int", 4_111_111_111_111_111_i64);
    record.fields.insert("uint", 14_111_111_111_111_111_111_u64);
    record.fields.insert("double", 4.5);
    record.fields.insert("bool", true);
    let redacted = redacted(&redaction(&[], &[CARD, r"^4\.5$", "true"]), &record).unwrap();
    let expected: Map = [
        ("int", Value::from(REDACTED)),
        ("uint", Value::U64(14_111_111_111_111_111_111)),
        ("double", Value::from(REDACTED)),
        ("bool", Value::Bool(true)),
    ]
    .into_iter()
    .collect();
    assert_eq!(redacted.fields, expected);
}

#[test]
fn names_hide_values_wherever_fields_stand() {
    let secret = |text: &str| -> Map {
        let inner: Map = [("Password", Value::from(text)), ("kept", Value::from(1i64))]
            .into_iter()
            .collect();
        [
            ("user.PASSWORD", Value::from(text)),
            ("users", Value::List(vec![Value::Map(inner)])),
            ("passwords", Value::from("kept")),
        ]
        .into_iter()
        .collect()
    };
    let record = |text: &str| {
        let mut record = record_with("nothing");
        record.fields = secret(text);
        record.source.resource = secret(text);
        record.links[0].attributes = secret(text);
        if let Some(task) = &mut record.task {
            task.context = secret(text);
        }
        if let Some(otlp) = &mut record.otlp {
            otlp.scope_attributes = secret(text);
            otlp.body = Some(Value::Map(secret(text)));
        }
        record
    };
    let redaction = redaction(&["password"], &[]);
    let expected = Record {
        // The readable form of the body.
        message: REDACTED.into(),
        ..record(REDACTED)
    };
    assert_eq!(redacted(&redaction, &record("hunter2")), Some(expected));
    assert_eq!(redacted(&redaction, &record(REDACTED)), None);
}

/// A producer that says a name twice in the bytes of a record: only the last value is seen, and both would be stored.
#[test]
fn a_name_that_stands_twice_hides_nothing() {
    use distlog_proto::wire::{encode, field, put_record};
    let mut writer = BatchWriter::new();
    writer.push(&Record::default());
    let mut bytes = writer.finish();
    let mut record = Vec::new();
    for text in [SECRET, "harmless"] {
        let (key, value) = (encode::Key::Name("a"), encode::Scalar::Str(text));
        encode::scalar(&mut record, field::record::FIELDS, key, value);
    }
    put_record(&mut bytes, 1, &record);
    let parsed = BatchRef::parse(&bytes).unwrap();
    let redaction = redaction(&[], &[CARD]);
    let found: Vec<bool> = parsed
        .records()
        .map(|r| redaction.finds(&r.unwrap()))
        .collect();
    assert_eq!(found, [false, true]);
}

proptest! {
    /// Looking first finds what redacting changes, and nothing else; what was redacted is not redacted again.
    #[test]
    fn looking_first_changes_nothing(
        record in records::record(),
        names in prop::collection::vec(records::text(), 0..3),
        patterns in prop::sample::subsequence(vec!["a", "[0-9]{2}", r"\bkey", "é+", "\\$", "^.{3,}$"], 0..4),
    ) {
        let names = names.into_iter().filter(|name| !name.is_empty()).collect();
        let patterns: Vec<String> = patterns.into_iter().map(str::to_owned).collect();
        let redaction = Redaction::new(names, &patterns).unwrap();
        let whole = read(&batch(std::slice::from_ref(&record))).remove(0);
        match redacted(&redaction, &record) {
            None => {}
            Some(after) => prop_assert_ne!(after, whole),
        }
    }
}

/// `logging.info({"password": …})`
#[test]
fn a_message_that_python_makes_of_a_dictionary_is_redacted_with_what_is_hidden_in_it() {
    let names = redaction(&["password"], &[]);
    let with = |name: &str, value: &str, message: &str| {
        let entries: Map = [(name, Value::from(value))].into_iter().collect();
        let mut record = Record {
            message: message.into(),
            ..Record::default()
        };
        record.callsite.template = message.into();
        record.fields.insert("msg", Value::Map(entries));
        record
    };
    let before = with("password", "x", "{'password': 'x'}");
    let after = with("password", REDACTED, REDACTED);
    assert_eq!(redacted(&names, &before), Some(after.clone()));
    assert_eq!(redacted(&names, &after), None);
    assert_eq!(redacted(&names, &with("user", "x", "x")), None);
}
