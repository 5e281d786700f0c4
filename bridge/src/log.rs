//! An event becomes a log record.

use distlog_proto::RecordRef;

use crate::any_value::{any_value, set_fields, string};
use crate::attributes::Attributes;
use crate::described;
use crate::names;
use crate::otlp::logs::v1::LogRecord;

/// The log record of an event. It carries the fields of its task, too, so that it can be understood alone.
pub fn log_record(record: &RecordRef<'_>) -> LogRecord {
    let otlp = record.otlp();
    let mut attributes = Attributes::with_capacity(12);
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
        ..LogRecord::default()
    };
    if let Some(task) = &record.task {
        log.trace_id = task.trace_id.to_bytes().to_vec();
        log.span_id = task.span_id.to_bytes().to_vec();
        log.flags = task.flags;
    }
    match otlp {
        Some(otlp) => {
            // The message is the event's name where there was no body.
            log.body = match otlp.body {
                Some(body) => Some(any_value(body)),
                None => log.body.filter(|_| record.message != otlp.event_name),
            };
            log.observed_time_unix_nano = record.observed_time;
            if otlp.no_time {
                log.time_unix_nano = 0;
            }
            if let Some(trace_id) = otlp.trace_id {
                log.trace_id = trace_id.to_bytes().to_vec();
            }
            if record.task.is_none() {
                log.flags = otlp.flags;
            }
            log.event_name = otlp.event_name.to_owned();
            log.dropped_attributes_count = otlp.dropped_attributes;
            set_fields(&mut attributes, record.fields);
        }
        None => {
            if log.severity_text.is_empty() && log.severity_number != 0 {
                log.severity_text = record.severity.name().to_owned();
            }
            describe(&mut attributes, record);
        }
    }
    log.attributes = attributes.take();
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
    described::code(attributes, record.callsite);
    described::thread(attributes, record);
    if let Some(error) = record.error() {
        described::exception(attributes, &error);
    }
    if !record.stack.is_empty() {
        attributes.set_default(names::CODE_STACKTRACE, || string(record.stack));
    }
}
