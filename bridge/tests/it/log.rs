//! What log records become of events.

use crate::fixtures::{BEGUN, attributes, record, text, through_the_wire};
use distlog_bridge::log_record;
use distlog_bridge::otlp::common::v1::any_value::Value as Any;
use distlog_bridge::otlp::common::v1::{AnyValue, ArrayValue};
use distlog_bridge::otlp::logs::v1::LogRecord;
use distlog_proto::{ErrorInfo, Kind, Otlp, Record, Severity, TaskId, Value};

fn log(record: Record) -> LogRecord {
    through_the_wire(&[record], |records| log_record(&records[0]))
}

fn body(value: Any) -> Option<AnyValue> {
    Some(AnyValue { value: Some(value) })
}

#[test]
fn an_event_in_a_task_is_a_whole_log_record() {
    let mut event = record(Kind::Event);
    event.number = 4;
    event.severity = Severity::new(18);
    event.observed_time = BEGUN + 3;
    event.fields.insert("user", "eva");
    event.fields.insert("tries", 3);
    event.stack = "main\nhandle".into();
    event.error = Some(ErrorInfo {
        kind: "ValueError".into(),
        message: "no".into(),
        traceback: "Traceback".into(),
        ..ErrorInfo::default()
    });
    let task: TaskId = crate::fixtures::TASK.parse().unwrap();
    let expected = LogRecord {
        time_unix_nano: BEGUN,
        observed_time_unix_nano: BEGUN + 3,
        severity_number: 18,
        severity_text: "ERROR".into(),
        body: body(text("handle order 17")),
        attributes: attributes([
            ("user", text("eva")),
            ("tries", Any::IntValue(3)),
            ("distlog.key", text(&format!("4@{}", crate::fixtures::TASK))),
            ("distlog.task", text(crate::fixtures::TASK)),
            ("code.file.path", text("src/orders.rs")),
            ("code.function.name", text("shop::orders::handle")),
            ("code.line.number", Any::IntValue(42)),
            ("thread.id", Any::IntValue(9)),
            ("thread.name", text("worker")),
            ("exception.type", text("ValueError")),
            ("exception.message", text("no")),
            ("exception.stacktrace", text("Traceback")),
            ("code.stacktrace", text("main\nhandle")),
        ]),
        flags: 3,
        trace_id: task.trace_id().to_bytes().to_vec(),
        span_id: task.span_id().to_bytes().to_vec(),
        ..LogRecord::default()
    };
    assert_eq!(log(event), expected);
}

#[test]
fn an_event_outside_of_any_task_has_no_ids() {
    let log = log(Record {
        task: None,
        severity_text: "NOTICE".into(),
        ..record(Kind::Event)
    });
    assert_eq!(
        (log.trace_id, log.span_id, log.flags),
        (Vec::new(), Vec::new(), 0)
    );
    assert_eq!(log.severity_text, "NOTICE");
    assert_eq!(log.observed_time_unix_nano, BEGUN, "it is always set");
    assert!(
        log.attributes
            .iter()
            .all(|attribute| !attribute.key.starts_with("distlog."))
    );
}

#[test]
fn functions_are_named_as_their_language_does() {
    let name = |file: &str, module: &str, function: &str| {
        let mut event = record(Kind::Event);
        event.callsite.file = file.into();
        event.callsite.module = module.into();
        event.callsite.function = function.into();
        let find = |name| {
            log(event.clone())
                .attributes
                .into_iter()
                .find(|a| a.key == name)?
                .value?
                .value
        };
        find("code.function.name").or_else(|| find("code.module.name"))
    };
    assert_eq!(name("/srv/shop.py", "shop", "pay"), Some(text("shop.pay")));
    assert_eq!(name("src/a.rs", "a", "pay"), Some(text("a::pay")));
    assert_eq!(name("src/a.rs", "a", "a::pay"), Some(text("a::pay")));
    assert_eq!(name("", "", "pay"), Some(text("pay")));
    assert_eq!(name("src/a.rs", "shop::bank", ""), Some(text("shop::bank")));
    assert_eq!(
        name("src/a.rs", "shop::orders", ""),
        None,
        "that is the scope already"
    );
}

#[test]
fn to_what_came_by_otlp_nothing_is_added() {
    let mut event = record(Kind::Event);
    event.message = "[1, \"two\"]".into();
    event.otlp = Some(Box::new(Otlp {
        event_name: "device.app".into(),
        dropped_attributes: 2,
        body: Some(Value::List(vec![Value::I64(1), "two".into()])),
        ..Otlp::default()
    }));
    let log = log(event);
    let any = |value| AnyValue { value: Some(value) };
    let values = vec![any(Any::IntValue(1)), any(text("two"))];
    assert_eq!(log.body, body(Any::ArrayValue(ArrayValue { values })));
    assert_eq!(log.event_name, "device.app");
    assert_eq!(log.dropped_attributes_count, 2);
    assert_eq!((log.severity_number, log.severity_text.as_str()), (9, ""));
    assert!(log.attributes.is_empty());
}
