//! An event becomes a log record.

use distlog_proto::RecordRef;
use prost::Message;

use crate::any_value::{set_fields, string};
use crate::attributes::Attributes;
use crate::code_attributes;
use crate::names;
use crate::otlp::logs::v1::LogRecord;
use crate::passthrough;

/// The log record of an event. It carries the fields of its task, too, so that it can be understood alone.
pub fn log_record(record: &RecordRef<'_>) -> LogRecord {
    let mut bytes = Vec::new();
    if record.is_by_otlp() {
        put_log_record(&mut bytes, record);
        // What we wrote can be read.
        return LogRecord::decode(&bytes[..]).unwrap_or_default();
    }
    built(record)
}

/// Appends the bytes of [`log_record`], without its length.
pub fn put_log_record(out: &mut Vec<u8>, record: &RecordRef<'_>) {
    match record.otlp() {
        Some(otlp) => passthrough::log(out, record, &otlp),
        // Writing to a vector cannot fail for want of room.
        None => _ = built(record).encode(out),
    }
}

fn built(record: &RecordRef<'_>) -> LogRecord {
    let mut attributes = Attributes::with_capacity(12);
    describe(&mut attributes, record);
    let mut log = LogRecord {
        time_unix_nano: record.time,
        observed_time_unix_nano: if record.observed_time != 0 {
            record.observed_time
        } else {
            record.time
        },
        severity_number: record.severity.number().into(),
        severity_text: record.severity_text.to_owned(),
        body: (!record.message.is_empty()).then(|| string(record.message)),
        attributes: attributes.take(),
        event_name: record.event_name().to_owned(),
        ..LogRecord::default()
    };
    if log.severity_text.is_empty() && log.severity_number != 0 {
        log.severity_text = record.severity.name().to_owned();
    }
    if let Some(task) = &record.task {
        log.trace_id = task.trace_id.to_bytes().to_vec();
        log.span_id = task.span_id.to_bytes().to_vec();
        log.flags = task.flags;
    }
    log
}

fn describe(attributes: &mut Attributes, record: &RecordRef<'_>) {
    if let Some(task) = &record.task {
        set_fields(attributes, task.context);
    }
    set_fields(attributes, record.fields);
    if let Some(task) = &record.task {
        let id = task.to_string();
        attributes.set_default(names::DISTLOG_KEY, || {
            string(format!("{}@{id}", record.number))
        });
        attributes.set_default(names::DISTLOG_TASK, || string(id));
    }
    code_attributes::code(attributes, record.callsite);
    code_attributes::thread(attributes, record);
    if let Some(error) = record.error() {
        code_attributes::exception(attributes, &error);
    }
    if !record.stack.is_empty() {
        attributes.set_default(names::CODE_STACKTRACE, || string(record.stack));
    }
}
