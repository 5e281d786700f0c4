//! Encoding `J`: a record as one JSON object, the dictionary of Python's `logging.LogRecord`.
//!
//! Everything that reads the records of Python's `logging` reads these: the names are Python's, `distlog` holds what
//! Python has no name for. What is empty is left out, except `asctime` (UTC), `levelname`, `levelno`, `name`,
//! `message`, `created` (seconds) and `msecs`. The file processor writes lines of this form.
//!
//! | key | is |
//! |---|---|
//! | `name`, `levelname`, `levelno` | target; severity as Python has it |
//! | `message`, `msg` | the text; its template, or the text where no template is known |
//! | `fields` | the record's own typed fields |
//! | `context` | `key`: `<number of the record>@<task id>`, then the task's fields. A field of the program that is called `key` stands as `$key` |
//! | `pathname`, `filename`, `lineno`, `module`, `funcName` | place in the code |
//! | `thread`, `threadName`, `process`, `processName`, `hostname` | who logged |
//! | `exc_text`, `stack_info` | traceback, or error and causes; stack of the logging call |
//! | `distlog.kind`, `.outcome`, `.duration` | `begin` `event` `bind` `end`; `ok` `success` `failed` `lost`; nanoseconds |
//! | `distlog.service`, `.producer`, `.offset` | service; id of the process's run; place in its stream |
//! | `distlog.trace_id`, `.span_id`, `.parent_span_id`, `.flags`, `.trace_state` | the task as W3C trace context and OpenTelemetry have it |
//! | `distlog.error` | `kind`, `message`, `chain`; `traceback`: whether `exc_text` is the program's |
//! | `distlog.time`, `.observed_time` | nanoseconds since the epoch, the first where `created` is not exact |
//! | `distlog.task`, `.event_name`, `.span_kind`, `.status_code`, `.status_message`, `.links` | as in OpenTelemetry; `task` is the span's name where it is not the template, `event_name` that of an event |
//! | `distlog.severity`, `.severity_text`, `.level`, `.callsite_severity`, `.literal`, `.number` | where they do not follow from the rest: OpenTelemetry's number (0: only a text came) and text; a number that OpenTelemetry does not have; the severity that the place in the code usually has; that the message is its template, too; the record's number outside of a task |
//! | `distlog.system`, `.stream` | `staging`, `production`; `performance` |
//! | `distlog.resource`, `.schema_url`, `.resource_dropped_attributes`, `.otlp` | what OTLP must not lose |
//! | `distlog.text`, `.context_text` | names of fields whose strings are the readable form of a value of unknown type (Rust's `Debug`) |
//!
//! What JSON has no form for is a map with one entry: `{"$bytes": "AAEC"}` (base64), `{"$float": "NaN"}`,
//! `{"$text": …}` inside lists and maps; a map of the program that looks so has one `$` more. Floating-point numbers
//! always have a point or an exponent; integers have up to 64 bits, longer ones are text.
//!
//! [`decode`] is lenient where Python's `json` is: bare `NaN` and `Infinity`, lone surrogates (kept as `\ud800`),
//! integers of any length. A value of the wrong type and a name that is not known stay in the record's fields; what is
//! nested deeper than 64 becomes text. Memory is bounded by a small multiple of the body's length, which the caller
//! bounds.
//!
//! ```
//! use distlog_proto::{BatchRef, Callsite, Record, Severity, Source, Task, TaskId, Topic, wire::BatchWriter};
//! use distlog_python::json;
//!
//! let task: TaskId = "e252a11f-d33d-483d-ba08-bc8f642b2f10/1".parse()?;
//! let record = Record {
//!     source: Source { service: "shop".into(), host: "web1".into(), process_id: 812, ..Source::default() },
//!     callsite: Callsite {
//!         severity: Severity::WARN,
//!         target: "shop::cart".into(),
//!         file: "src/cart.rs".into(),
//!         line: 31,
//!         ..Callsite::default()
//!     },
//!     time: 1_763_871_098_123_456_000,
//!     message: "only 2 left".into(),
//!     fields: [("item", "apple"), ("left", "2")].into_iter().collect(),
//!     task: Some(Task { context: [("user", "leo")].into_iter().collect(), ..Task::from(&task) }),
//!     number: 3,
//!     ..Record::default()
//! };
//! let mut batch = BatchWriter::new();
//! batch.push(&record);
//! let bytes = batch.finish();
//! let batch = BatchRef::parse(&bytes)?;
//!
//! let mut line = Vec::new();
//! json::encode(&batch.records().next().unwrap()?, &mut line);
//! assert_eq!(String::from_utf8(line.clone())?, concat!(
//!     r#"{"asctime":"2025-11-23 04:11:38,123","levelname":"WARNING","name":"shop::cart","message":"only 2 left","#,
//!     r#""fields":{"item":"apple","left":"2"},"#,
//!     r#""context":{"key":"3@e252a11f-d33d-483d-ba08-bc8f642b2f10/1","user":"leo"},"#,
//!     r#""msg":"only 2 left","levelno":30,"created":1763871098.123456,"msecs":123.0,"#,
//!     r#""pathname":"src/cart.rs","filename":"cart.rs","lineno":31,"process":812,"hostname":"web1","#,
//!     r#""distlog":{"kind":"event","service":"shop","trace_id":"e252a11fd33d483dba08bc8f642b2f10","#,
//!     r#""span_id":"99134579e8496ab7","parent_span_id":"8ab33c93ffe29262"}}"#,
//! ));
//! assert_eq!(json::decode(&line, Topic::default())?, record);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Read it in this order: `scan.rs` (finds the end of a string), `fragment_cache.rs` (what lines have in common),
//! `write.rs`, `error.rs`, `parse.rs`, [`columns`].

pub mod columns;
mod error;
mod fragment_cache;
mod parse;
mod scan;
mod write;

pub use error::{Error, ErrorKind};
pub use write::write_str;

use crate::log_record::{self, Reader};
use distlog_proto::Record;
use distlog_proto::Topic;
use distlog_proto::wire::{RecordRef, ValueRef};

/// Reads the body of a message: one record. Environment and channel are those of the topic, unless the record names
/// them.
///
/// # Errors
/// If the body is no JSON object, as Python's `json` understands it.
pub fn decode(body: &[u8], topic: Topic) -> Result<Record, Error> {
    Decoder::default().decode(body, topic).map(std::mem::take)
}

/// Reads many records as [`decode`] does, and faster: what one was made of is the memory for the next.
#[derive(Debug, Default)]
pub struct Decoder(Reader);

impl Decoder {
    /// Reads the body of a message. The record may be taken out, or changed.
    ///
    /// # Errors
    /// As [`decode`].
    pub fn decode(&mut self, body: &[u8], topic: Topic) -> Result<&mut Record, Error> {
        self.0.begin(topic, body.len());
        parse::Parser::new(body)?.record(&mut self.0)?;
        Ok(self.0.finish())
    }
}

/// Appends a record as one JSON object, without a newline. For many records see [`Encoder`].
pub fn encode(record: &RecordRef<'_>, out: &mut Vec<u8>) {
    log_record::write(&mut write::Writer::new(out, None), record);
}

/// Writes many records as [`encode`] does, and faster: what they have in common is written once and copied.
#[derive(Debug, Default)]
pub struct Encoder<'a>(fragment_cache::FragmentCache<'a>);

impl<'a> Encoder<'a> {
    /// Appends a record as one JSON object, without a newline.
    pub fn encode(&mut self, record: &RecordRef<'a>, out: &mut Vec<u8>) {
        log_record::write(&mut write::Writer::new(out, Some(&mut self.0)), record);
    }
}

/// Appends a value.
pub fn write_value(out: &mut Vec<u8>, value: ValueRef<'_>) {
    log_record::write_value(&mut write::Writer::new(out, None), value);
}
