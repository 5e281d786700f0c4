//! A record as a row, in ClickHouse's format `RowBinaryWithNamesAndTypes`.

use distlog_proto::{RecordRef, Severity};

use super::column::{SENT, Type, Value};
use crate::processors::database::{Cell, Row, Scratch};

/// What goes before the rows of a request: the columns.
pub(super) fn header() -> Vec<u8> {
    let mut header = Vec::new();
    length(SENT.len(), &mut header);
    for (name, ..) in SENT.iter() {
        text(name, &mut header);
    }
    for (_, r#type, _) in SENT.iter() {
        text(r#type.sql(), &mut header);
    }
    header
}

/// Appends a row.
pub(super) fn write(record: &RecordRef<'_>, scratch: &mut Scratch, out: &mut Vec<u8>) {
    let row = Row::new(record, scratch);
    for (_, r#type, value) in SENT.iter() {
        let cell = match value {
            Value::Column(column) => row.cell(*column),
            Value::SeverityText if !record.severity_text.is_empty() => {
                Cell::Text(record.severity_text)
            }
            Value::SeverityText if record.severity == Severity::UNSET => Cell::Null,
            Value::SeverityText => Cell::Text(record.severity.name()),
        };
        put(*r#type, cell, out);
    }
}

fn put(r#type: Type, cell: Cell<'_>, out: &mut Vec<u8>) {
    let (number, string) = match cell {
        Cell::Null => (None, None),
        Cell::Integer(number) => (Some(number), None),
        Cell::Text(text) | Cell::Json(text) => (None, Some(text)),
    };
    match r#type {
        Type::Id => {
            let mut id = [b'0'; 32];
            let digits = string.unwrap_or_default().as_bytes();
            if let Some(place) = id.get_mut(..digits.len()) {
                place.copy_from_slice(digits);
            }
            out.extend_from_slice(&id);
        }
        Type::Text | Type::Word => text(string.unwrap_or_default(), out),
        Type::TextOrNull | Type::WordOrNull => {
            out.push(string.is_none().into());
            if let Some(string) = string {
                text(string, out);
            }
        }
        Type::Byte => out.push(u8::try_from(number.unwrap_or(0)).unwrap_or(0)),
        Type::Integer | Type::Time => out.extend_from_slice(&number.unwrap_or(0).to_le_bytes()),
        Type::IntegerOrNull => {
            out.push(number.is_none().into());
            if let Some(number) = number {
                out.extend_from_slice(&number.to_le_bytes());
            }
        }
    }
}

fn text(text: &str, out: &mut Vec<u8>) {
    length(text.len(), out);
    out.extend_from_slice(text.as_bytes());
}

/// A number as LEB128.
fn length(mut length: usize, out: &mut Vec<u8>) {
    while length > 0x7f {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}
