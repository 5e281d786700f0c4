//! A record as a row of the table `records`.

use std::ops::Range;

use distlog_proto::{Kind, Outcome, RecordRef, Severity, SpanId};
use distlog_python::json::columns;

use super::column::Column;

/// A value of a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// Nothing.
    Null,
    /// A number, or a time in nanoseconds since the epoch.
    Integer(i64),
    /// A text, or hex digits.
    Text(&'a str),
    /// A JSON object. Each name is there once.
    Json(&'a str),
}

/// Memory for rows, used again for each.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Texts that the record does not have as they are.
    texts: Vec<u8>,
}

/// A record as a row. What the record has is borrowed from it, the rest is in the [`Scratch`].
#[derive(Debug)]
pub struct Row<'a> {
    record: RecordRef<'a>,
    name: &'a str,
    texts: &'a str,
    producer: Range<usize>,
    trace_id: Range<usize>,
    span_id: Range<usize>,
    parent_span_id: Range<usize>,
    task: Range<usize>,
    error: Range<usize>,
    /// Of `error`, the part before its causes.
    error_head: Range<usize>,
    fields: Range<usize>,
    context: Range<usize>,
    resource: Range<usize>,
    extra: Range<usize>,
}

impl<'a> Row<'a> {
    /// Makes a row.
    pub fn new(record: &RecordRef<'a>, scratch: &'a mut Scratch) -> Row<'a> {
        let record = *record;
        let name = name(&record);
        let out = &mut scratch.texts;
        out.clear();
        let mut part = |write: &mut dyn FnMut(&mut Vec<u8>)| {
            let start = out.len();
            write(out);
            start..out.len()
        };
        let producer = part(&mut |out| hex(&record.source.producer.to_bytes(), out));
        let (mut trace_id, mut span_id, mut parent_span_id) = (0..0, 0..0, 0..0);
        let (mut task_id, mut context) = (0..0, 0..0);
        if let Some(trace) = record.trace_id() {
            trace_id = part(&mut |out| hex(&trace.to_bytes(), out));
        }
        if let Some(task) = &record.task {
            span_id = part(&mut |out| span_hex(task.span_id, out));
            if let Some(parent) = task.parent_span_id {
                parent_span_id = part(&mut |out| span_hex(parent, out));
            }
            task_id = part(&mut |out| {
                uuid(&task.trace_id.to_bytes(), out);
                if !task.path.is_empty() {
                    out.push(b'/');
                    out.extend_from_slice(task.path.as_bytes());
                }
            });
            if !task.context.is_empty() {
                context = part(&mut |out| columns::context(task, out));
            }
        }
        let error_head = part(&mut |out| error_head(&record, out));
        let causes = part(&mut |out| error_causes(&record, out));
        let error = error_head.start..causes.end;
        let mut fields = 0..0;
        if !record.fields.is_empty() {
            fields = part(&mut |out| columns::fields(&record, out));
        }
        let mut resource = 0..0;
        if !record.source.resource.is_empty() {
            resource = part(&mut |out| columns::resource(&record, out));
        }
        let extra = part(&mut |out| columns::extra(&record, name, out));
        Row {
            record,
            name,
            // All of it was written from texts.
            texts: std::str::from_utf8(out).unwrap_or_default(),
            producer,
            trace_id,
            span_id,
            parent_span_id,
            task: task_id,
            error,
            error_head,
            fields,
            context,
            resource,
            extra,
        }
    }

    /// The record.
    pub fn record(&self) -> &RecordRef<'a> {
        &self.record
    }

    /// The error without its causes.
    pub(super) fn error_head(&self) -> &'a str {
        &self.texts[self.error_head.clone()]
    }

    /// The values, in the order of [`Column::ALL`].
    pub fn cells(&self) -> impl Iterator<Item = Cell<'a>> {
        Column::ALL.iter().map(|column| self.cell(*column))
    }

    /// The value of a column.
    pub fn cell(&self, column: Column) -> Cell<'a> {
        let r = &self.record;
        let (source, callsite) = (r.source, r.callsite);
        match column {
            Column::Producer => self.text(&self.producer),
            Column::RecordOffset => Cell::Integer(r.offset.cast_signed()),
            Column::Time => Cell::Integer(time(r)),
            Column::ObservedTime => nonzero(clipped(r.observed_time)),
            Column::Kind => Cell::Text(r.kind.name()),
            Column::Severity if r.severity == Severity::UNSET => Cell::Null,
            Column::Severity => Cell::Integer(r.severity.number().into()),
            Column::SeverityText => text(r.severity_text),
            Column::Service => text(source.service),
            Column::Host => text(source.host),
            Column::ProcessId => nonzero(source.process_id.cast_signed()),
            Column::ProcessName => text(source.process_name),
            Column::ThreadId => nonzero(r.thread_id.cast_signed()),
            Column::ThreadName => text(r.thread_name),
            Column::Target => text(callsite.target),
            Column::Module => text(callsite.module),
            Column::File => text(callsite.file),
            Column::Line => nonzero(callsite.line.into()),
            Column::Function => text(callsite.function),
            Column::Name => text(self.name),
            Column::Template => text(callsite.template),
            Column::Message => Cell::Text(r.message),
            Column::TraceId => self.text(&self.trace_id),
            Column::SpanId => self.text(&self.span_id),
            Column::ParentSpanId => self.text(&self.parent_span_id),
            Column::Task => self.text(&self.task),
            Column::RecordNumber if r.task.is_some() => Cell::Integer(r.number.cast_signed()),
            Column::RecordNumber => nonzero(r.number.cast_signed()),
            Column::Outcome if r.outcome == Outcome::Unset => Cell::Null,
            Column::Outcome => Cell::Text(r.outcome.name()),
            Column::DurationNs => r.took().map_or(Cell::Null, |ns| Cell::Integer(clipped(ns))),
            Column::Error => self.text(&self.error),
            Column::Stack => text(r.stack),
            Column::Fields => self.json(&self.fields),
            Column::Context => self.json(&self.context),
            Column::Resource => self.json(&self.resource),
            Column::Extra => self.json(&self.extra),
        }
    }

    fn text(&self, range: &Range<usize>) -> Cell<'a> {
        text(&self.texts[range.clone()])
    }

    fn json(&self, range: &Range<usize>) -> Cell<'a> {
        match &self.texts[range.clone()] {
            "" => Cell::Null,
            json => Cell::Json(json),
        }
    }
}

/// What people call the task that begins or ends here, or the event.
fn name<'a>(record: &RecordRef<'a>) -> &'a str {
    match record.kind {
        Kind::Begin | Kind::End => record.task_name(),
        Kind::Event => record.event_name(),
        Kind::Bind => record.name,
    }
}

/// When it happened, in nanoseconds since the epoch.
pub(super) fn time(record: &RecordRef<'_>) -> i64 {
    clipped(record.time_or(record.observed_time))
}

/// A number that a column can hold. What is beyond it stands in `extra`.
pub(super) fn clipped(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn text(text: &str) -> Cell<'_> {
    match text {
        "" => Cell::Null,
        text => Cell::Text(text),
    }
}

fn nonzero<'a>(number: i64) -> Cell<'a> {
    match number {
        0 => Cell::Null,
        number => Cell::Integer(number),
    }
}

/// Appends the traceback or, without one, the error.
fn error_head(record: &RecordRef<'_>, out: &mut Vec<u8>) {
    let Some(error) = record.error() else { return };
    if !error.traceback.is_empty() {
        return out.extend_from_slice(error.traceback.as_bytes());
    }
    let colon = match (error.kind, error.message) {
        ("", _) | (_, "") => "",
        _ => ": ",
    };
    for piece in [error.kind, colon, error.message] {
        out.extend_from_slice(piece.as_bytes());
    }
}

/// Appends the causes of the error, unless there is a traceback.
fn error_causes(record: &RecordRef<'_>, out: &mut Vec<u8>) {
    let Some(error) = record.error() else { return };
    if error.traceback.is_empty() {
        for cause in error.chain() {
            out.extend_from_slice(b"\ncaused by: ");
            out.extend_from_slice(cause.as_bytes());
        }
    }
}

fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
        out.extend_from_slice(&[DIGITS[high], DIGITS[low]]);
    }
}

fn span_hex(id: SpanId, out: &mut Vec<u8>) {
    hex(&id.to_bytes(), out);
}

/// Hex digits with hyphens.
fn uuid(bytes: &[u8; 16], out: &mut Vec<u8>) {
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        hex(&[*byte], out);
    }
}
