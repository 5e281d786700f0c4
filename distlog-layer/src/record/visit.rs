//! Takes the fields of events and spans from `tracing` and writes them into records.

use std::error::Error;
use std::fmt;
use std::ops::Range;

use distlog_proto::SpanKind;
use distlog_proto::redaction::REDACTED;
use distlog_proto::wire::encode::{Key, Scalar};
use distlog_proto::wire::field::{record, task};
use tracing_core::field::Visit;
use tracing_core::{Event, Field};

use crate::record::capture::{self, Captured, MARK};
use crate::record::encode;
use crate::record::encode::ERROR;
use crate::record::field::FieldWriter;
use crate::record::redact::{Policy, ProducerPolicy, Redact};
use crate::record::remote_parent::{self, RemoteParent};
use crate::record::sampling::FORCE;

/// The field that holds the readable text.
const MESSAGE: &str = "message";

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

/// Writes an event's fields into its record; where in the record its error stands. `is_log`: the event came from the
/// `log` crate.
#[inline]
pub(crate) fn event(
    event: &Event<'_>,
    out: &mut Vec<u8>,
    policy: ProducerPolicy<'_>,
    is_log: bool,
) -> Option<Range<usize>> {
    fn with<R: Redact>(
        event: &Event<'_>,
        out: &mut Vec<u8>,
        policy: Policy<R>,
        is_log: bool,
    ) -> Option<Range<usize>> {
        let mut visitor = EventVisitor::new(out, policy, is_log);
        event.record(&mut visitor);
        visitor.error()
    }
    let limit = policy.limit;
    match policy.redaction {
        None => with(event, out, Policy::only(limit), is_log),
        Some(redaction) => with(event, out, Policy { limit, redaction }, is_log),
    }
}

/// Writes a span's message into a record and its other fields, as context, into a buffer beside it; the policy's limit
/// is the length that each of both may reach. `fields` gives the span's fields.
pub(crate) fn span(
    fields: impl FnOnce(&mut dyn Visit),
    record: &mut Vec<u8>,
    context: &mut Vec<u8>,
    policy: ProducerPolicy<'_>,
) -> Special {
    fn with<R: Redact>(
        fields: impl FnOnce(&mut dyn Visit),
        mut visitor: SpanVisitor<'_, R>,
    ) -> Special {
        fields(&mut visitor);
        visitor.special()
    }
    let limit = policy.limit;
    match policy.redaction {
        None => with(
            fields,
            SpanVisitor::new(record, context, Policy::only(limit)),
        ),
        Some(redaction) => {
            let policy = Policy { limit, redaction };
            with(fields, SpanVisitor::new(record, context, policy))
        }
    }
}

/// Whether the field [`FORCE`] is among the fields, and `true`. `fields` gives them.
#[cold]
pub(crate) fn forces(fields: impl FnOnce(&mut dyn Visit)) -> bool {
    struct Force(bool);

    impl Visit for Force {
        fn record_bool(&mut self, field: &Field, value: bool) {
            self.0 |= value && field.name() == FORCE;
        }

        fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
    }

    let mut visitor = Force(false);
    fields(&mut visitor);
    visitor.0
}

/// Writes an event's fields into its record.
struct EventVisitor<'a, R> {
    out: &'a mut Vec<u8>,
    policy: Policy<R>,
    is_log: bool,
    error: Option<Range<usize>>,
}

impl<'a, R: Redact> EventVisitor<'a, R> {
    /// `is_log`: the event came from the `log` crate.
    fn new(out: &'a mut Vec<u8>, policy: Policy<R>, is_log: bool) -> EventVisitor<'a, R> {
        EventVisitor {
            out,
            policy,
            is_log,
            error: None,
        }
    }

    /// Where in the record the event's error stands.
    fn error(self) -> Option<Range<usize>> {
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
    fn put(&mut self, field: &Field, write: impl FnOnce(&mut FieldWriter<'_, R>, Key<'_>)) {
        match self.key(field) {
            Some(key) if self.policy.redaction.hides(field.name()) => self.writer().hidden(key),
            Some(key) => write(&mut self.writer(), key),
            None => {}
        }
    }

    #[inline]
    fn writer(&mut self) -> FieldWriter<'_, R> {
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
    fn put_error(&mut self, name: &str, put: impl FnOnce(&mut Vec<u8>, Policy<R>)) {
        if self.error.is_none() {
            let start = self.out.len();
            encode::error_of(self.out, self.policy, name, put);
            self.error = Some(start..self.out.len());
        }
    }
}

impl<R: Redact> Visit for EventVisitor<'_, R> {
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
struct SpanVisitor<'a, R> {
    record: &'a mut Vec<u8>,
    context: &'a mut Vec<u8>,
    policy: Policy<R>,
    special: Special,
}

impl<'a, R: Redact> SpanVisitor<'a, R> {
    /// The policy's limit is the length that each of both may reach.
    fn new(
        record: &'a mut Vec<u8>,
        context: &'a mut Vec<u8>,
        policy: Policy<R>,
    ) -> SpanVisitor<'a, R> {
        SpanVisitor {
            record,
            context,
            policy,
            special: Special::default(),
        }
    }

    fn special(self) -> Special {
        self.special
    }

    fn writer(&mut self) -> FieldWriter<'_, R> {
        FieldWriter {
            out: self.context,
            number: task::CONTEXT,
            policy: self.policy,
        }
    }

    /// Writes a field into the context.
    #[inline]
    fn put(&mut self, field: &Field, write: impl FnOnce(&mut FieldWriter<'_, R>, Key<'_>)) {
        let (name, hides) = (field.name(), self.policy.redaction.hides(field.name()));
        let mut writer = self.writer();
        match hides {
            true => writer.hidden(Key::Name(name)),
            false => write(&mut writer, Key::Name(name)),
        }
    }

    /// A text that is kept for later.
    fn redacted(&self, name: &str, text: fmt::Arguments<'_>) -> String {
        match self.policy.redaction.hides(name) {
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
                out: self.context,
                number: task::CONTEXT,
                policy: Policy::only(self.policy.limit),
            }
            .str(Key::Name(remote_parent::FIELD), &text);
        }
    }
}

impl<R: Redact> Visit for SpanVisitor<'_, R> {
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
fn put_message(out: &mut Vec<u8>, policy: Policy<impl Redact>, message: fmt::Arguments<'_>) {
    if policy.redaction.hides(MESSAGE) {
        let policy = Policy::only(policy.limit);
        encode::text(out, record::MESSAGE, policy, format_args!("{REDACTED}"));
    } else {
        encode::text(out, record::MESSAGE, policy, message);
    }
}

/// A value that came as `Debug`: text, or the value that [`crate::val()`] has hidden in it.
fn debug<R: Redact>(
    writer: &mut FieldWriter<'_, R>,
    key: Key<'_>,
    field: &Field,
    value: &dyn fmt::Debug,
) {
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
