//! The parts of a record that are JSON where everything else has a column of a database.
//!
//! Each is one JSON object in the form of [`json`](super): `fields`, `context` (without the label `key`), `resource`,
//! and `extra`: what is in `distlog` and has no column. Numbers that a column of 64 bits with a sign cannot hold (times
//! and durations beyond 292 years) stand in `extra`, too, and a `time` of 0 where the column has the observed time.

use super::parse::Parser;
use super::write::Writer;
use crate::log_record::{self, Parts, Sink, marked_map};
use distlog_proto::wire::{RecordRef, TaskRef, ValueRef};
use distlog_proto::{Record, Value};

/// Appends the record's own fields.
pub fn fields(record: &RecordRef<'_>, out: &mut Vec<u8>) {
    log_record::fields(&mut Writer::new(out, None), record);
}

/// Appends the fields of the task.
pub fn context(task: &TaskRef<'_>, out: &mut Vec<u8>) {
    log_record::context(&mut Writer::new(out, None), task);
}

/// Appends the attributes of the resource.
pub fn resource(record: &RecordRef<'_>, out: &mut Vec<u8>) {
    super::write_value(out, ValueRef::Map(record.source.resource));
}

/// Appends what no column has, or nothing if there is none. `name` is what the column of that name has.
pub fn extra(record: &RecordRef<'_>, name: &str, out: &mut Vec<u8>) {
    let start = out.len();
    let mut sink = Writer::new(out, None);
    sink.begin_map();
    log_record::rest(&mut sink, record, name);
    sink.end_map();
    if out.len() == start + 2 {
        out.truncate(start);
    }
}

/// Columns of a row; empty: null.
#[derive(Debug, Default, Clone, Copy)]
pub struct Columns<'a> {
    /// As [`fields`] writes it.
    pub fields: &'a str,
    /// As [`context`] writes it.
    pub context: &'a str,
    /// As [`resource`] writes it.
    pub resource: &'a str,
    /// As [`extra`] writes it.
    pub extra: &'a str,
    /// The text of the error: its traceback, or it and its causes.
    pub error: &'a str,
}

/// Puts into a record what the columns have. The record has what other columns have: its callsite has the severity of
/// the record, its time is that of its column, its name is empty. Afterwards the name is still empty, unless it is
/// another one than the column of that name has.
///
/// A column that is no JSON object becomes a field of its name, as text. A floating-point number that a database has
/// written without point and exponent is an integer.
pub fn restore(columns: Columns<'_>, record: &mut Record) {
    let mut odd = Vec::new();
    let mut read = |name: &str, json: &str, is_value: bool| -> Vec<(String, Value)> {
        if json.is_empty() {
            return Vec::new();
        }
        let entries = Parser::new(json.as_bytes()).and_then(|mut parser| parser.object());
        match entries {
            // What looks marked was written with a mark more.
            Ok(entries) if is_value => match marked_map(entries) {
                Value::Map(map) => return map.into_iter().collect(),
                other => odd.push((name.to_owned(), other)),
            },
            Ok(entries) => return entries,
            Err(_) => odd.push((name.to_owned(), Value::from(json))),
        }
        Vec::new()
    };
    let mut parts = Parts {
        fields: read("fields", columns.fields, true),
        context: read("context", columns.context, false),
        resource: read("resource", columns.resource, true),
        extra: read("extra", columns.extra, false),
        error: columns.error.to_owned(),
    };
    parts.fields.append(&mut odd);
    log_record::restore(parts, record);
}
