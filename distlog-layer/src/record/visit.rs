//! Takes the fields of events and spans from `tracing` and writes them into records.

use std::error::Error;
use std::fmt;
use std::ops::Range;

use distlog_proto::SpanKind;
use distlog_proto::wire::encode::{Key, Scalar};
use distlog_proto::wire::field::{record, task};
use tracing_core::Field;
use tracing_core::field::Visit;

use crate::record::capture::{self, Captured, MARK};
use crate::record::encode;
use crate::record::field::FieldWriter;
use crate::record::redact::{Policy, REDACTED};
use crate::record::remote_parent::{self, RemoteParent};

/// The field that holds the readable text.
const MESSAGE: &str = "message";
/// The field that holds an error.
const ERROR: &str = "error";

/// The methods of [`Visit`] for values that are written as they are, with the visitor's `put`.
macro_rules! record_plain {
    () => {
        fn record_i64(&mut self, field: &Field, value: i64) {
            self.put(field, |writer, key| {
                writer.number(key, Scalar::I64(value), value)
            });
        }

        fn record_u64(&mut self, field: &Field, value: u64) {
            self.put(field, |writer, key| {
                writer.number(key, Scalar::U64(value), value)
            });
        }

        fn record_f64(&mut self, field: &Field, value: f64) {
            self.put(field, |writer, key| {
                writer.number(key, Scalar::F64(value), value)
            });
        }

        fn record_bool(&mut self, field: &Field, value: bool) {
            self.put(field, |writer, key| writer.scalar(key, Scalar::Bool(value)));
        }

        fn record_i128(&mut self, field: &Field, value: i128) {
            self.put(field, |writer, key| writer.i128(key, value));
        }

        fn record_u128(&mut self, field: &Field, value: u128) {
            self.put(field, |writer, key| writer.u128(key, value));
        }

        fn record_bytes(&mut self, field: &Field, value: &[u8]) {
            self.put(field, |writer, key| writer.bytes(key, value));
        }
    };
}

/// Writes an event's fields into its record.
pub(crate) struct EventVisitor<'a> {
    out: &'a mut Vec<u8>,
    policy: Policy<'a>,
    is_log: bool,
    error: Option<Range<usize>>,
}

impl<'a> EventVisitor<'a> {
    /// `is_log`: the event came from the `log` crate.
    pub(crate) fn new(out: &'a mut Vec<u8>, policy: Policy<'a>, is_log: bool) -> EventVisitor<'a> {
        EventVisitor {
            out,
            policy,
            is_log,
            error: None,
        }
    }

    /// Where in the record the event's error stands.
    pub(crate) fn error(self) -> Option<Range<usize>> {
        self.error
    }

    /// A field that is not the message. `None`: it is none of the event's own.
    #[inline]
    fn key<'k>(&self, field: &'k Field) -> Option<Key<'k>> {
        if self.is_log {
            // Its callsite has no field names, and four fields are the callsite.
            return (!field.name().starts_with("log.")).then(|| Key::Name(field.name()));
        }
        Some(Key::Index(field.index() as u32))
    }

    /// Writes a field that is not the message, if it is one of the event's own.
    #[inline]
    fn put(&mut self, field: &Field, write: impl FnOnce(&mut FieldWriter<'_>, Key<'_>)) {
        match self.key(field) {
            Some(key) if self.policy.hides(field.name()) => self.writer().hidden(key),
            Some(key) => write(&mut self.writer(), key),
            None => {}
        }
    }

    #[inline]
    fn writer(&mut self) -> FieldWriter<'_> {
        FieldWriter {
            out: self.out,
            number: record::FIELDS,
            policy: self.policy,
        }
    }

    fn put_message(&mut self, message: fmt::Arguments<'_>) {
        put_message(self.out, self.policy, message);
    }

    /// Writes the record's error. `name`: of the field that has it.
    fn put_error(&mut self, name: &str, put: impl FnOnce(&mut Vec<u8>, Policy<'_>)) {
        if self.error.is_none() {
            let start = self.out.len();
            if self.policy.hides(name) {
                let policy = Policy::only(self.policy.limit);
                encode::error_text(self.out, policy, format_args!("{REDACTED}"));
            } else {
                put(self.out, self.policy);
            }
            self.error = Some(start..self.out.len());
        }
    }
}

impl Visit for EventVisitor<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == MESSAGE {
            return self.put_message(format_args!("{value:?}"));
        }
        self.put(field, |writer, key| debug(writer, key, field, value));
        if field.name() == ERROR {
            self.put_error(ERROR, |out, policy| {
                encode::error_text(out, policy, format_args!("{value:?}"))
            });
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == MESSAGE {
            return self.put_message(format_args!("{value}"));
        }
        self.put(field, |writer, key| writer.str(key, value));
        if field.name() == ERROR {
            self.put_error(ERROR, |out, policy| {
                encode::error_text(out, policy, format_args!("{value}"))
            });
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.put(field, |writer, key| {
            writer.text(key, format_args!("{value}"))
        });
        self.put_error(field.name(), |out, policy| {
            encode::error(out, policy, value)
        });
    }

    record_plain!();
}

/// What fields of a span say that are not context.
#[derive(Default)]
pub(crate) struct Special {
    /// `otel.name`.
    pub(crate) name: Option<String>,
    /// `otel.kind`.
    pub(crate) kind: SpanKind,
    /// `otel.status_code`: whether it is `ok`.
    pub(crate) status: Option<bool>,
    /// `otel.status_description`.
    pub(crate) description: Option<String>,
    /// Where the task comes from.
    pub(crate) import: Option<Box<RemoteParent>>,
}

/// Writes a span's message into a record and its other fields, as context, into a buffer beside it.
pub(crate) struct SpanVisitor<'a> {
    record: &'a mut Vec<u8>,
    context: &'a mut Vec<u8>,
    policy: Policy<'a>,
    special: Special,
}

impl<'a> SpanVisitor<'a> {
    /// The policy's limit is the length that each of both may reach.
    pub(crate) fn new(
        record: &'a mut Vec<u8>,
        context: &'a mut Vec<u8>,
        policy: Policy<'a>,
    ) -> SpanVisitor<'a> {
        SpanVisitor {
            record,
            context,
            policy,
            special: Special::default(),
        }
    }

    pub(crate) fn special(self) -> Special {
        self.special
    }

    fn writer(&mut self) -> FieldWriter<'_> {
        FieldWriter {
            out: self.context,
            number: task::CONTEXT,
            policy: self.policy,
        }
    }

    /// Writes a field into the context.
    #[inline]
    fn put(&mut self, field: &Field, write: impl FnOnce(&mut FieldWriter<'_>, Key<'_>)) {
        let (name, hides) = (field.name(), self.policy.hides(field.name()));
        let mut writer = self.writer();
        match hides {
            true => writer.hidden(Key::Name(name)),
            false => write(&mut writer, Key::Name(name)),
        }
    }

    /// A text that is kept for later.
    fn redacted(&self, name: &str, text: fmt::Arguments<'_>) -> String {
        match self.policy.hides(name) {
            true => REDACTED.to_owned(),
            false => self.policy.text(text.to_string()),
        }
    }

    /// Whether the field was one of those that are not context.
    fn takes(&mut self, field: &Field, value: fmt::Arguments<'_>) -> bool {
        match field.name() {
            MESSAGE => put_message(self.record, self.policy, value),
            name @ "otel.name" => self.special.name = Some(self.redacted(name, value)),
            "otel.kind" => {
                self.special.kind =
                    SpanKind::from_name(&value.to_string().to_ascii_lowercase()).unwrap_or_default()
            }
            "otel.status_code" => {
                self.special.status = match value.to_string().to_ascii_lowercase().as_str() {
                    "ok" => Some(true),
                    "error" => Some(false),
                    _ => None,
                }
            }
            name @ "otel.status_description" => {
                self.special.description = Some(self.redacted(name, value))
            }
            _ => return false,
        }
        true
    }

    fn import(&mut self, value: &dyn fmt::Debug) {
        let mut text = String::new();
        let captured = capture::during(|| {
            let _ = fmt::Write::write_fmt(&mut text, format_args!("{value:?}"));
        });
        match captured {
            Some(Captured::RemoteParent(import)) if text == MARK => {
                self.special.import = Some(import)
            }
            _ => self
                .writer()
                .text(Key::Name(remote_parent::FIELD), format_args!("{text}")),
        }
        let import = self.special.import.as_ref();
        if let Some(text) = import.and_then(|import| import.unreadable()) {
            let text = self.policy.text(text.to_owned());
            let text = format!("{text:.0$}", remote_parent::MAX_UNREADABLE);
            FieldWriter {
                policy: Policy::only(self.policy.limit),
                ..self.writer()
            }
            .str(Key::Name(remote_parent::FIELD), &text);
        }
    }
}

impl Visit for SpanVisitor<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == remote_parent::FIELD {
            self.import(value);
        } else if !self.takes(field, format_args!("{value:?}")) {
            self.put(field, |writer, key| debug(writer, key, field, value));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if !self.takes(field, format_args!("{value}")) {
            self.put(field, |writer, key| writer.str(key, value));
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.put(field, |writer, key| {
            writer.text(key, format_args!("{value}"))
        });
    }

    record_plain!();
}

/// Writes the message of a record.
fn put_message(out: &mut Vec<u8>, policy: Policy<'_>, message: fmt::Arguments<'_>) {
    if policy.hides(MESSAGE) {
        let policy = Policy::only(policy.limit);
        encode::text(out, record::MESSAGE, policy, format_args!("{REDACTED}"));
    } else {
        encode::text(out, record::MESSAGE, policy, message);
    }
}

/// A value that came as `Debug`: text, or the value that [`crate::val()`] has hidden in it.
fn debug(writer: &mut FieldWriter<'_>, key: Key<'_>, field: &Field, value: &dyn fmt::Debug) {
    let start = writer.out.len();
    let captured = capture::during(|| writer.text(key, format_args!("{value:?}")));
    match captured {
        None => {}
        Some(Captured::Value(value)) if is_only_the_mark(&writer.out[start..]) => {
            writer.out.truncate(start);
            writer.value(key, field.name(), value);
        }
        // Hidden in a larger text.
        Some(_) => {
            writer.out.truncate(start);
            writer.text(key, format_args!("{value:?}"));
        }
    }
}

/// Whether the text that a `Field` ends with is the mark and nothing else.
fn is_only_the_mark(field: &[u8]) -> bool {
    let mut text = Vec::with_capacity(MARK.len() + 2);
    distlog_proto::wire::encode::text_with(&mut text, 1, Key::None, |out| {
        out.extend_from_slice(MARK.as_bytes())
    });
    // Without tag and length of the `Field`, what is left are tag, length and bytes of its text.
    field.ends_with(&text[2..])
}
