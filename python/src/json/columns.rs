//! The parts of a record that are JSON where everything else has a column of a database.
//!
//! Each is one JSON object in the form of [`json`](super): `fields`, `context` (without the label `key`), `resource`,
//! and `extra`: what is in `distlog` and has no column. Numbers that a column of 64 bits with a sign cannot hold (times
//! and durations beyond 292 years) stand in `extra`, too, and a `time` of 0 where the column has the observed time.

use super::write::Writer;
use crate::log_record::{self, Sink};
use distlog_proto::wire::{RecordRef, TaskRef, ValueRef};

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
