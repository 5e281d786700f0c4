//! Fields and their values, read in place.

use super::put::unzigzag;
use super::scan::{DecodeError, Field, Payload, Scan};
use crate::value::{Map, Value};

/// Lists and maps may stand in each other this deep; what is deeper is refused.
pub(crate) const MAX_DEPTH: usize = 64;

/// Names that fields give by their number may be so long together, in bytes, in one record: else a few bytes for each
/// would become gigabytes where the record is written out.
pub(crate) const MAX_NAMES: usize = 1 << 20;

pub(super) mod field {
    pub const KEY: u32 = 1;
    pub const NAME: u32 = 2;
    pub const BOOL: u32 = 3;
    pub const INT: u32 = 4;
    pub const UINT: u32 = 5;
    pub const DOUBLE: u32 = 6;
    pub const STRING: u32 = 7;
    pub const TEXT: u32 = 8;
    pub const BYTES: u32 = 9;
    pub const LIST: u32 = 10;
    pub const MAP: u32 = 11;
    /// Of `List` and `Map`.
    pub const ITEMS: u32 = 1;
}

/// A value, borrowed from the wire. The owned twin is [`Value`].
#[derive(Debug, Clone, Copy, Default)]
pub enum ValueRef<'a> {
    /// Nothing.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// An integer.
    I64(i64),
    /// An integer that `I64` cannot hold.
    U64(u64),
    /// A floating-point number.
    F64(f64),
    /// A string of the program.
    Str(&'a str),
    /// The readable form of a value whose type is not known.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// Values in order.
    List(ListRef<'a>),
    /// Named values.
    Map(FieldsRef<'a>),
}

impl ValueRef<'_> {
    /// Copies it.
    pub fn to_value(self) -> Value {
        match self {
            ValueRef::Null => Value::Null,
            ValueRef::Bool(v) => Value::Bool(v),
            ValueRef::I64(v) => Value::I64(v),
            ValueRef::U64(v) => Value::U64(v),
            ValueRef::F64(v) => Value::F64(v),
            ValueRef::Str(v) => Value::Str(v.to_owned()),
            ValueRef::Text(v) => Value::Text(v.to_owned()),
            ValueRef::Bytes(v) => Value::Bytes(v.to_owned()),
            ValueRef::List(v) => Value::List(v.iter().map(ValueRef::to_value).collect()),
            ValueRef::Map(v) => Value::Map(v.to_map()),
        }
    }
}

/// Values in order, read in place.
#[derive(Debug, Clone, Copy)]
pub struct ListRef<'a>(&'a [u8]);

impl<'a> ListRef<'a> {
    /// The values. They were validated when the record was read.
    pub fn iter(self) -> impl Iterator<Item = ValueRef<'a>> + Clone {
        Scan::new("List", self.0)
            .map_while(Result::ok)
            .filter_map(|item| match item {
                Field {
                    number: field::ITEMS,
                    payload: Payload::Bytes(bytes),
                    ..
                } => read(bytes, &[]).ok().map(|(_, value)| value),
                _ => None,
            })
    }
}

/// Named values, read in place: the fields of a record, the context of a task, a map.
#[derive(Debug, Clone, Copy, Default)]
pub struct FieldsRef<'a> {
    /// From the first field on; what has another number is skipped.
    bytes: &'a [u8],
    number: u32,
    keys: &'a [&'a str],
}

impl<'a> FieldsRef<'a> {
    /// Validates the fields of that number in `bytes`, which holds whole fields of one message.
    pub(super) fn new(
        bytes: &'a [u8],
        number: u32,
        keys: &'a [&'a str],
    ) -> Result<FieldsRef<'a>, DecodeError> {
        let fields = FieldsRef {
            bytes,
            number,
            keys,
        };
        fields.check(0)?;
        Ok(fields)
    }

    fn check(&self, depth: usize) -> Result<(), DecodeError> {
        let mut names = 0;
        for item in Scan::new("Map", self.bytes) {
            let item = item?;
            if item.number == self.number {
                let name = check(item.bytes()?, self.keys, depth)?;
                if !self.keys.is_empty() {
                    names += name.len();
                    if names > MAX_NAMES {
                        return Err(DecodeError::LongNames(MAX_NAMES));
                    }
                }
            }
        }
        Ok(())
    }

    #[inline]
    fn messages(self) -> Messages<'a> {
        Messages {
            scan: Scan::new("Map", self.bytes),
            number: self.number,
        }
    }

    /// Name and value of each, in order. Of the same name the last one counts.
    #[inline]
    pub fn iter(self) -> impl Iterator<Item = (&'a str, ValueRef<'a>)> + Clone {
        self.messages()
            .map_while(move |bytes| read(bytes, self.keys).ok())
    }

    /// The names, in order.
    pub fn names(self) -> impl Iterator<Item = &'a str> + Clone {
        self.messages()
            .filter_map(move |bytes| read_name(bytes, self.keys).ok())
    }

    /// The value of that name.
    pub fn get(self, name: &str) -> Option<ValueRef<'a>> {
        // Only the value of the field that is looked for is read.
        let found = self
            .messages()
            .filter(|bytes| read_name(bytes, self.keys) == Ok(name))
            .last()?;
        read(found, self.keys).ok().map(|(_, value)| value)
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.messages().next().is_none()
    }

    /// Copies them.
    pub fn to_map(self) -> Map {
        self.iter()
            .map(|(name, value)| (name, value.to_value()))
            .collect()
    }
}

/// The `Field` messages of that number, which were validated.
#[derive(Debug, Clone)]
struct Messages<'a> {
    scan: Scan<'a>,
    number: u32,
}

impl<'a> Iterator for Messages<'a> {
    type Item = &'a [u8];

    #[inline(always)] // As the scan itself.
    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            match self.scan.next()?.ok()? {
                Field {
                    number,
                    payload: Payload::Bytes(bytes),
                    ..
                } if number == self.number => return Some(bytes),
                _ => {}
            }
        }
    }
}

impl From<ValueRef<'_>> for Value {
    fn from(value: ValueRef<'_>) -> Value {
        value.to_value()
    }
}

/// Reads the value of one `Field` message, and looks at all that is in it.
///
/// # Errors
/// If it is malformed, or nested too deep.
pub fn field_value(bytes: &[u8]) -> Result<ValueRef<'_>, DecodeError> {
    check(bytes, &[], 0)?;
    read(bytes, &[]).map(|(_, value)| value)
}

/// Reads the name of a `Field` message.
#[inline]
fn read_name<'a>(bytes: &'a [u8], keys: &'a [&'a str]) -> Result<&'a str, DecodeError> {
    let mut name = "";
    for item in Scan::new("Field", bytes) {
        let item = item?;
        match item.number {
            field::KEY => name = key(item, keys)?,
            field::NAME => name = item.str()?,
            _ => {}
        }
    }
    Ok(name)
}

/// The name that a field gives by its number.
#[inline]
fn key<'a>(item: Field<'_>, keys: &'a [&'a str]) -> Result<&'a str, DecodeError> {
    let key = item.u32()?;
    keys.get((key as usize).wrapping_sub(1))
        .copied()
        .ok_or(DecodeError::NoKey(key))
}

/// Reads one `Field` message. Lists and maps in it are not looked into.
pub(super) fn read<'a>(
    bytes: &'a [u8],
    keys: &'a [&'a str],
) -> Result<(&'a str, ValueRef<'a>), DecodeError> {
    let mut name = "";
    let mut value = ValueRef::Null;
    for item in Scan::new("Field", bytes) {
        let item = item?;
        match item.number {
            field::KEY => name = key(item, keys)?,
            field::NAME => name = item.str()?,
            field::BOOL => value = ValueRef::Bool(item.varint()? != 0),
            field::INT => value = ValueRef::I64(unzigzag(item.varint()?)),
            field::UINT => {
                let v = item.varint()?;
                value = i64::try_from(v).map_or(ValueRef::U64(v), ValueRef::I64);
            }
            field::DOUBLE => value = ValueRef::F64(f64::from_bits(item.fixed64()?)),
            field::STRING => value = ValueRef::Str(item.str()?),
            field::TEXT => value = ValueRef::Text(item.str()?),
            field::BYTES => value = ValueRef::Bytes(item.bytes()?),
            field::LIST => value = ValueRef::List(ListRef(item.bytes()?)),
            field::MAP => {
                value = ValueRef::Map(FieldsRef {
                    bytes: item.bytes()?,
                    number: field::ITEMS,
                    keys: &[],
                });
            }
            _ => {}
        }
    }
    Ok((name, value))
}

/// Reads one `Field` message and all that is in it, so that later reading cannot fail. Gives its name.
pub(super) fn check<'a>(
    bytes: &'a [u8],
    keys: &'a [&'a str],
    depth: usize,
) -> Result<&'a str, DecodeError> {
    if depth > MAX_DEPTH {
        return Err(DecodeError::TooDeep(MAX_DEPTH));
    }
    let (name, value) = read(bytes, keys)?;
    match value {
        ValueRef::List(list) => FieldsRef {
            bytes: list.0,
            number: field::ITEMS,
            keys: &[],
        }
        .check(depth + 1)?,
        ValueRef::Map(map) => map.check(depth + 1)?,
        _ => {}
    }
    Ok(name)
}
