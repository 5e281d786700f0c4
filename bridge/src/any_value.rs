//! Typed values and fields as OTLP has them.

use std::fmt::Write;

use distlog_proto::ValueRef;
use distlog_proto::wire::FieldsRef;

use crate::attributes::Attributes;
use crate::otlp::common::v1::any_value::Value;
use crate::otlp::common::v1::{AnyValue, ArrayValue, KeyValueList};

/// Lists and maps that stand deeper in each other leave as text: each level is three messages in OTLP, and protobuf
/// decoders commonly refuse a message that is nested deeper than 100.
pub(crate) const MAX_DEPTH: usize = 20;

/// The value as OTLP has it. Integers beyond 64 bits with sign are decimal text, null is a value with nothing in it.
pub fn any_value(value: ValueRef<'_>) -> AnyValue {
    convert(value, 0)
}

pub(crate) fn convert(value: ValueRef<'_>, depth: usize) -> AnyValue {
    let value = match value {
        ValueRef::Null => return AnyValue { value: None },
        ValueRef::Bool(v) => Value::BoolValue(v),
        ValueRef::I64(v) => Value::IntValue(v),
        ValueRef::U64(v) => match i64::try_from(v) {
            Ok(v) => Value::IntValue(v),
            Err(_) => Value::StringValue(v.to_string()),
        },
        ValueRef::F64(v) => Value::DoubleValue(v),
        ValueRef::Str(v) | ValueRef::Text(v) => Value::StringValue(v.to_owned()),
        ValueRef::Bytes(v) => Value::BytesValue(v.to_owned()),
        ValueRef::List(_) | ValueRef::Map(_) if depth >= MAX_DEPTH => {
            let mut text = String::new();
            write_text(&mut text, value);
            Value::StringValue(text)
        }
        ValueRef::List(list) => {
            let values = list.iter().map(|item| convert(item, depth + 1)).collect();
            Value::ArrayValue(ArrayValue { values })
        }
        ValueRef::Map(map) => {
            let mut entries = Attributes::default();
            for (name, item) in map.iter() {
                entries.set_value(name, convert(item, depth + 1));
            }
            Value::KvlistValue(KeyValueList {
                values: entries.take(),
            })
        }
    };
    AnyValue { value: Some(value) }
}

/// Sets each of the fields; of the same name the last one counts.
pub(crate) fn set_fields(attributes: &mut Attributes, fields: FieldsRef<'_>) {
    fields.for_each(|name, value| {
        // Each record of a task has all of its fields, mostly unchanged.
        attributes.set_changed(name, |known| is_same(known, value), || any_value(value));
    });
}

/// Whether converting the value would give this again; of lists, maps and rare values nobody looks.
fn is_same(known: Option<&AnyValue>, value: ValueRef<'_>) -> bool {
    match (known.and_then(|known| known.value.as_ref()), value) {
        (Some(Value::StringValue(known)), ValueRef::Str(value) | ValueRef::Text(value)) => {
            known == value
        }
        (Some(Value::IntValue(known)), ValueRef::I64(value)) => *known == value,
        (Some(Value::BoolValue(known)), ValueRef::Bool(value)) => *known == value,
        (Some(Value::DoubleValue(known)), ValueRef::F64(value)) => {
            known.to_bits() == value.to_bits()
        }
        _ => false,
    }
}

pub(crate) fn string(text: impl Into<String>) -> AnyValue {
    AnyValue {
        value: Some(Value::StringValue(text.into())),
    }
}

/// An integer; what 64 bits with sign cannot hold is text.
pub(crate) fn unsigned(number: u64) -> AnyValue {
    any_value(ValueRef::U64(number))
}

/// Like JSON.
pub(crate) fn write_text(out: &mut String, value: ValueRef<'_>) {
    // Writing to a string cannot fail.
    let _ = match value {
        ValueRef::Null => out.write_str("null"),
        ValueRef::Bool(v) => write!(out, "{v}"),
        ValueRef::I64(v) => write!(out, "{v}"),
        ValueRef::U64(v) => write!(out, "{v}"),
        ValueRef::F64(v) => write!(out, "{v}"),
        ValueRef::Str(v) | ValueRef::Text(v) => write!(out, "{v:?}"),
        ValueRef::Bytes(v) => write!(out, "\"{}\"", v.escape_ascii()),
        ValueRef::List(list) => {
            out.push('[');
            for (i, item) in list.iter().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                write_text(out, item);
            }
            out.write_str("]")
        }
        ValueRef::Map(map) => {
            out.push('{');
            for (i, (name, item)) in map.iter().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                let _ = write!(out, "{name:?}: ");
                write_text(out, item);
            }
            out.write_str("}")
        }
    };
}
