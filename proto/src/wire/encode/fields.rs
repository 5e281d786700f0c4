//! Values, with their names where they have one.

use crate::value::{Map, Value};
use crate::wire::put;
use crate::wire::value_ref::field;

/// Number of the items of a list, and of the entries of a map.
pub const ITEMS: u32 = field::ITEMS;

/// What a field is called.
#[derive(Debug, Clone, Copy)]
pub enum Key<'a> {
    /// Its place among the field names of the record's callsite, counted from 0.
    Index(u32),
    /// Its name.
    Name(&'a str),
    /// Nothing: an item of a list.
    None,
}

impl Key<'_> {
    #[inline]
    fn put(self, buf: &mut Vec<u8>) {
        match self {
            Key::Index(index) => put::varint(buf, field::KEY, u64::from(index) + 1),
            Key::Name(name) => put::bytes(buf, field::NAME, name.as_bytes()),
            Key::None => {}
        }
    }
}

/// A value that is no list and no map.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)] // As in Value.
pub enum Scalar<'a> {
    Null,
    Bool(bool),
    I64(i64),
    U64(u64),
    F64(f64),
    Str(&'a str),
    Text(&'a str),
    Bytes(&'a [u8]),
}

/// A `Field` message as field `number` of the message being written.
#[inline]
pub fn scalar(buf: &mut Vec<u8>, number: u32, key: Key<'_>, value: Scalar<'_>) {
    put::nested(buf, number, |buf| {
        key.put(buf);
        match value {
            Scalar::Null => {}
            Scalar::Bool(v) => put::varint_always(buf, field::BOOL, v.into()),
            Scalar::I64(v) => put::varint_always(buf, field::INT, put::zigzag(v)),
            Scalar::U64(v) => match i64::try_from(v) {
                Ok(v) => put::varint_always(buf, field::INT, put::zigzag(v)),
                Err(_) => put::varint_always(buf, field::UINT, v),
            },
            Scalar::F64(v) => put::fixed64_always(buf, field::DOUBLE, v.to_bits()),
            Scalar::Str(v) => put::bytes_always(buf, field::STRING, v.as_bytes()),
            Scalar::Text(v) => put::bytes_always(buf, field::TEXT, v.as_bytes()),
            Scalar::Bytes(v) => put::bytes_always(buf, field::BYTES, v),
        }
    });
}

/// A `Field` whose text `write` appends in place; it must append UTF-8.
#[inline]
pub fn text_with(buf: &mut Vec<u8>, number: u32, key: Key<'_>, write: impl FnOnce(&mut Vec<u8>)) {
    put::nested(buf, number, |buf| {
        key.put(buf);
        put::nested(buf, field::TEXT, write);
    });
}

/// A `Field` that is a list; `write` appends the items with [`scalar`], [`list_with`] or [`map_with`], field number 1.
pub fn list_with<R>(
    buf: &mut Vec<u8>,
    number: u32,
    key: Key<'_>,
    write: impl FnOnce(&mut Vec<u8>) -> R,
) -> R {
    put::nested(buf, number, |buf| {
        key.put(buf);
        put::nested(buf, field::LIST, write)
    })
}

/// A `Field` that is a map; `write` appends the entries with their names, field number 1.
pub fn map_with<R>(
    buf: &mut Vec<u8>,
    number: u32,
    key: Key<'_>,
    write: impl FnOnce(&mut Vec<u8>) -> R,
) -> R {
    put::nested(buf, number, |buf| {
        key.put(buf);
        put::nested(buf, field::MAP, write)
    })
}

/// A `Field` from a value in owned form.
pub fn value(buf: &mut Vec<u8>, number: u32, key: Key<'_>, value: &Value) {
    let scalar_value = match value {
        Value::Null => Scalar::Null,
        Value::Bool(v) => Scalar::Bool(*v),
        Value::I64(v) => Scalar::I64(*v),
        Value::U64(v) => Scalar::U64(*v),
        Value::F64(v) => Scalar::F64(*v),
        Value::Str(v) => Scalar::Str(v),
        Value::Text(v) => Scalar::Text(v),
        Value::Bytes(v) => Scalar::Bytes(v),
        Value::List(items) => {
            return list_with(buf, number, key, |buf| {
                items
                    .iter()
                    .for_each(|item| self::value(buf, field::ITEMS, Key::None, item))
            });
        }
        Value::Map(map) => return map_with(buf, number, key, |buf| fields(buf, field::ITEMS, map)),
    };
    scalar(buf, number, key, scalar_value);
}

/// Each entry of a map as a `Field` with number `number`.
pub fn fields(buf: &mut Vec<u8>, number: u32, map: &Map) {
    map.iter()
        .for_each(|(name, v)| value(buf, number, Key::Name(name), v));
}
