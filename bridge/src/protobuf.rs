//! Values and attributes, written as the bytes that OTLP has for them, without messages in between.

use distlog_proto::ValueRef;
use distlog_proto::wire::{FieldsRef, put};
use prost::Message;

use crate::any_value::{MAX_DEPTH, convert};

/// Appends fields as `KeyValue`s under a number.
pub(crate) fn attributes(out: &mut Vec<u8>, number: u32, fields: FieldsRef<'_>) {
    key_values(out, number, fields, 0);
}

fn key_values(out: &mut Vec<u8>, number: u32, fields: FieldsRef<'_>, depth: usize) {
    fields.for_each(|name, value| {
        put::nested(out, number, |out| {
            put::bytes(out, 1, name.as_bytes());
            put::nested(out, 2, |out| any(out, value, depth));
        });
    });
}

/// Appends the content of an `AnyValue`.
pub(crate) fn any_value(out: &mut Vec<u8>, value: ValueRef<'_>) {
    any(out, value, 0);
}

fn any(out: &mut Vec<u8>, value: ValueRef<'_>, depth: usize) {
    match value {
        ValueRef::Null => {}
        ValueRef::Str(v) | ValueRef::Text(v) => put::bytes_always(out, 1, v.as_bytes()),
        ValueRef::Bool(v) => put::varint_always(out, 2, v.into()),
        ValueRef::I64(v) => put::varint_always(out, 3, v as u64),
        ValueRef::F64(v) => put::fixed64_always(out, 4, v.to_bits()),
        ValueRef::List(list) if depth < MAX_DEPTH => put::nested(out, 5, |out| {
            for item in list.iter() {
                put::nested(out, 1, |out| any(out, item, depth + 1));
            }
        }),
        ValueRef::Map(map) if depth < MAX_DEPTH => {
            put::nested(out, 6, |out| key_values(out, 1, map, depth + 1));
        }
        ValueRef::Bytes(v) => put::bytes_always(out, 7, v),
        // What OTLP cannot hold. Writing to a vector cannot fail for want of room.
        ValueRef::U64(_) | ValueRef::List(_) | ValueRef::Map(_) => {
            let _ = convert(value, depth).encode(out);
        }
    }
}

/// A word of 4 bytes, unless it is 0.
pub(crate) fn fixed32(out: &mut Vec<u8>, number: u32, value: u32) {
    if value != 0 {
        put::raw_varint(out, u64::from(number << 3 | 5));
        out.extend_from_slice(&value.to_le_bytes());
    }
}
