//! Rows in the binary format of `COPY`:
//! [its description](https://www.postgresql.org/docs/current/sql-copy.html), "Binary Format".

use bytes::Bytes;

use super::text::{indexed, json, plain};
use crate::processors::database::{Cell, Column, ColumnType, Row, TaskChange, TaskEvent};

/// Signature, flags, and the length of the header's extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// Instead of the number of columns: no row follows.
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();
/// 2000-01-01, in microseconds since 1970: where PostgreSQL counts from.
const EPOCH_MICROS: i64 = 946_684_800_000_000;
/// The first byte of `jsonb`: the version of its format.
const JSONB_VERSION: u8 = 1;
/// Columns that the table of tasks is filled from.
pub(super) const TASK_COLUMNS: &str = "number, is_end, trace_id, span_id, run, parent_span_id, task, name, service, \
     host, producer, at, at_ns, duration_ns, outcome, error, is_provisional";
const TASK_COLUMN_COUNT: i16 = 17;
/// Times have two.
const RECORD_COLUMN_COUNT: i16 = {
    let (mut count, mut at) = (0, 0);
    while at < Column::ALL.len() {
        let is_time = matches!(Column::ALL[at].column_type(), ColumnType::Time);
        count += if is_time { 2 } else { 1 };
        at += 1;
    }
    count
};

/// Names of the columns that a record is written to, in the order of [`Rows::push`].
pub(super) fn record_columns() -> String {
    let mut names = Vec::new();
    for column in Column::ALL {
        names.push(column.name().to_owned());
        if column.column_type() == ColumnType::Time {
            names.push(format!("{}_ns", column.name()));
        }
    }
    names.join(", ")
}

/// Rows for one `COPY`.
#[derive(Debug, Default)]
pub(super) struct Rows {
    bytes: Vec<u8>,
    rows: i32,
}

impl Rows {
    /// Appends a record.
    pub(super) fn push(&mut self, row: &Row<'_>) {
        self.begin(RECORD_COLUMN_COUNT);
        for (column, cell) in Column::ALL.iter().zip(row.cells()) {
            self.cell(*column, cell);
        }
    }

    /// Appends what a record tells about its task.
    pub(super) fn push_task(&mut self, change: &TaskChange<'_>) {
        self.begin(TASK_COLUMN_COUNT);
        let number = self.rows;
        self.value(&number.to_be_bytes());
        self.bool(matches!(change.event, TaskEvent::End { .. }));
        self.uuid(change.trace_id);
        self.value(change.span_id.as_bytes());
        self.value(&change.run.to_be_bytes());
        self.text(change.parent_span_id);
        self.text(Some(change.task));
        self.text(change.name);
        self.optional(change.service.map(indexed));
        self.text(change.host);
        self.uuid(change.producer);
        match change.event {
            TaskEvent::Begin { time } => {
                self.time(time);
                self.null();
                self.null();
                self.null();
                self.bool(false);
            }
            TaskEvent::End {
                time,
                duration_ns,
                outcome,
                error,
                is_provisional,
            } => {
                self.time(time);
                match duration_ns {
                    Some(duration) => self.value(&duration.to_be_bytes()),
                    None => self.null(),
                }
                self.text(outcome);
                self.text(error);
                self.bool(is_provisional);
            }
        }
    }

    /// How many bytes there are.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets all rows.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.rows = 0;
    }

    /// The rows so far, whole; `None` if there is none.
    pub(super) fn take(&mut self) -> Option<Bytes> {
        if self.rows == 0 {
            return None;
        }
        self.rows = 0;
        self.bytes.extend_from_slice(&TRAILER);
        Some(Bytes::from(std::mem::take(&mut self.bytes)))
    }

    fn begin(&mut self, columns: i16) {
        if self.rows == 0 {
            self.bytes.clear();
            self.bytes.extend_from_slice(HEADER);
        }
        self.rows += 1;
        self.bytes.extend_from_slice(&columns.to_be_bytes());
    }

    fn cell(&mut self, column: Column, cell: Cell<'_>) {
        match (column, cell) {
            (Column::Severity, Cell::Integer(number)) => {
                self.value(&i16::try_from(number).unwrap_or_default().to_be_bytes());
            }
            (Column::Producer | Column::TraceId, Cell::Text(hex)) => self.uuid(hex),
            (Column::Service, Cell::Text(text)) => self.optional(Some(indexed(text))),
            (_, Cell::Text(text)) => self.text(Some(text)),
            (_, Cell::Json(text)) => {
                let text = json(text);
                self.length(text.len() + 1);
                self.bytes.push(JSONB_VERSION);
                self.bytes.extend_from_slice(text.as_bytes());
            }
            (_, Cell::Integer(time)) if column.column_type() == ColumnType::Time => self.time(time),
            (_, Cell::Integer(number)) => self.value(&number.to_be_bytes()),
            (_, Cell::Null) if column.column_type() == ColumnType::Time => {
                self.null();
                self.null();
            }
            (_, Cell::Null) => self.null(),
        }
    }

    /// Two columns: to the microsecond, as PostgreSQL has it, and in nanoseconds.
    fn time(&mut self, nanos: i64) {
        self.value(&(nanos.div_euclid(1000) - EPOCH_MICROS).to_be_bytes());
        self.value(&nanos.to_be_bytes());
    }

    fn uuid(&mut self, hex: &str) {
        match u128::from_str_radix(hex, 16) {
            Ok(number) => self.value(&number.to_be_bytes()),
            Err(_) => self.null(),
        }
    }

    fn text(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.value(plain(text).as_bytes()),
            None => self.null(),
        }
    }

    fn optional(&mut self, text: Option<std::borrow::Cow<'_, str>>) {
        self.text(text.as_deref());
    }

    fn bool(&mut self, value: bool) {
        self.value(&[u8::from(value)]);
    }

    fn null(&mut self) {
        self.bytes.extend_from_slice(&(-1_i32).to_be_bytes());
    }

    fn value(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    /// What is too long for the format is too long for the server, which says so.
    fn length(&mut self, bytes: usize) {
        let length = i32::try_from(bytes).unwrap_or(i32::MAX);
        self.bytes.extend_from_slice(&length.to_be_bytes());
    }
}
