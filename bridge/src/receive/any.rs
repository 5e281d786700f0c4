//! `AnyValue` and `KeyValue`, read in place and written as fields.

use distlog_proto::wire::encode;
use distlog_proto::wire::scan::{DecodeError, Scan};

/// Lists and maps may stand in each other this deep, as in records.
const MAX_DEPTH: usize = 64;

/// An `AnyValue`. Lists and maps in it are not looked into.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Any<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Str(&'a str),
    Bytes(&'a [u8]),
    List(&'a [u8]),
    Map(&'a [u8]),
}

impl<'a> Any<'a> {
    /// Reads the bytes of an `AnyValue`.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Any<'a>, DecodeError> {
        let mut any = Any::Null;
        for field in Scan::new("AnyValue", bytes) {
            let field = field?;
            any = match field.number {
                1 => Any::Str(field.str()?),
                2 => Any::Bool(field.varint()? != 0),
                3 => Any::Int(field.varint()? as i64),
                4 => Any::Double(f64::from_bits(field.fixed64()?)),
                5 => Any::List(field.bytes()?),
                6 => Any::Map(field.bytes()?),
                7 => Any::Bytes(field.bytes()?),
                _ => continue,
            };
        }
        Ok(any)
    }

    /// As a string, if it is one.
    pub(super) fn str(self) -> Option<&'a str> {
        match self {
            Any::Str(text) => Some(text),
            _ => None,
        }
    }

    /// As a number of something, if it is one.
    pub(super) fn count(self) -> Option<u64> {
        match self {
            Any::Int(number) => u64::try_from(number).ok(),
            _ => None,
        }
    }

    /// Appends it as a `Field`.
    pub(super) fn put(
        self,
        out: &mut Vec<u8>,
        number: u32,
        key: encode::Key<'_>,
    ) -> Result<(), DecodeError> {
        self.put_at(out, number, key, 0)
    }

    fn put_at(
        self,
        out: &mut Vec<u8>,
        number: u32,
        key: encode::Key<'_>,
        depth: usize,
    ) -> Result<(), DecodeError> {
        let scalar = match self {
            Any::Null => encode::Scalar::Null,
            Any::Bool(value) => encode::Scalar::Bool(value),
            Any::Int(value) => encode::Scalar::I64(value),
            Any::Double(value) => encode::Scalar::F64(value),
            Any::Str(value) => encode::Scalar::Str(value),
            Any::Bytes(value) => encode::Scalar::Bytes(value),
            Any::List(_) | Any::Map(_) if depth >= MAX_DEPTH => {
                return Err(DecodeError::TooDeep(MAX_DEPTH));
            }
            Any::List(list) => {
                return encode::list_with(out, number, key, |out| {
                    super::parts("ArrayValue", list, 1).try_for_each(|item| {
                        Any::read(item?)?.put_at(out, encode::ITEMS, encode::Key::None, depth + 1)
                    })
                });
            }
            Any::Map(map) => {
                return encode::map_with(out, number, key, |out| {
                    super::parts("KeyValueList", map, 1).try_for_each(|entry| {
                        let (name, value) = key_value(entry?)?;
                        value.put_at(out, encode::ITEMS, encode::Key::Name(name), depth + 1)
                    })
                });
            }
        };
        encode::scalar(out, number, key, scalar);
        Ok(())
    }
}

/// Reads a `KeyValue`.
fn key_value(bytes: &[u8]) -> Result<(&str, Any<'_>), DecodeError> {
    let (mut name, mut value) = ("", Any::Null);
    for field in Scan::new("KeyValue", bytes) {
        let field = field?;
        match field.number {
            1 => name = field.str()?,
            2 => value = Any::read(field.bytes()?)?,
            _ => {}
        }
    }
    Ok((name, value))
}

/// Appends the attributes that stand as fields `from` in the bytes of a message, as fields `number`, and shows each.
pub(super) fn attributes<'a>(
    (message, bytes, from): (&'static str, &'a [u8], u32),
    out: &mut Vec<u8>,
    number: u32,
    mut note: impl FnMut(&'a str, Any<'a>),
) -> Result<(), DecodeError> {
    for entry in super::parts(message, bytes, from) {
        let (name, value) = attribute(entry?, out, number)?;
        note(name, value);
    }
    Ok(())
}

/// Appends an attribute as field `number`; gives its name and value.
pub(super) fn attribute<'a>(
    bytes: &'a [u8],
    out: &mut Vec<u8>,
    number: u32,
) -> Result<(&'a str, Any<'a>), DecodeError> {
    let (name, value) = key_value(bytes)?;
    value.put(out, number, encode::Key::Name(name))?;
    Ok((name, value))
}
