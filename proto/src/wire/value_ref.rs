//! Fields and their values, read in place.

use super::once::{Once, Seen, once};
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

/// A value, borrowed from the wire. The owned form is [`Value`].
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
pub struct ListRef<'a> {
    bytes: &'a [u8],
    /// Whether a map in it may have a name twice.
    repeats_inside: bool,
}

impl<'a> ListRef<'a> {
    /// The values. They were validated when the record was read.
    pub fn iter(self) -> impl Iterator<Item = ValueRef<'a>> + Clone {
        Scan::new("List", self.bytes)
            .map_while(Result::ok)
            .filter_map(move |item| match item {
                Field {
                    number: field::ITEMS,
                    payload: Payload::Bytes(bytes),
                    ..
                } => read_in(bytes, &[], self.repeats_inside)
                    .ok()
                    .map(|(_, value)| value),
                _ => None,
            })
    }
}

/// Named values, read in place: the fields of a record, the context of a task, a map.
///
/// Each name is there once: where the bytes repeat a name, its last value counts, in the place of the first.
#[derive(Debug, Clone, Copy, Default)]
pub struct FieldsRef<'a> {
    /// From the first field on; what has another number is skipped.
    bytes: &'a [u8],
    number: u32,
    keys: &'a [&'a str],
    repeats: Repeats,
}

/// Where names may stand twice. It is found out once, when the record is validated, so that reading without repeated
/// names costs nothing more.
#[derive(Debug, Clone, Copy, Default)]
struct Repeats {
    /// In the fields themselves.
    here: bool,
    /// In maps within them.
    inside: bool,
}

impl<'a> FieldsRef<'a> {
    /// Validates the fields of that number in `bytes`, which holds whole fields of one message.
    pub(super) fn new(
        bytes: &'a [u8],
        number: u32,
        keys: &'a [&'a str],
    ) -> Result<FieldsRef<'a>, DecodeError> {
        let mut fields = FieldsRef {
            bytes,
            number,
            keys,
            repeats: Repeats::default(),
        };
        fields.repeats = fields.check(0)?;
        Ok(fields)
    }

    fn check(&self, depth: usize) -> Result<Repeats, DecodeError> {
        let mut names = 0;
        let mut repeats = Repeats::default();
        let mut seen = Seen::new(self.bytes.len());
        for item in Scan::new("Map", self.bytes) {
            let item = item?;
            if item.number == self.number {
                let (name, inside) = check(item.bytes()?, self.keys, depth)?;
                repeats.inside |= inside;
                if seen.perhaps(name) {
                    repeats.here |= self.repeats(name, &seen);
                }
                if !self.keys.is_empty() {
                    names += name.len();
                    if names > MAX_NAMES {
                        return Err(DecodeError::LongNames(MAX_NAMES));
                    }
                }
            }
        }
        Ok(repeats)
    }

    /// Whether the name that was seen last stands before it, too. With very many names the answer may be yes where it
    /// is no, as looking through all of them each time takes too long.
    #[cold]
    fn repeats(&self, name: &str, seen: &Seen) -> bool {
        seen.before().is_none_or(|before| {
            let known = |bytes: &[u8]| read_name(bytes, self.keys) == Ok(name);
            self.messages().take(before).any(known)
        })
    }

    #[inline]
    fn messages(self) -> Messages<'a> {
        Messages {
            scan: Scan::new("Map", self.bytes),
            number: self.number,
        }
    }

    /// Name and value of each, in order.
    #[inline]
    pub fn iter(self) -> impl Iterator<Item = (&'a str, ValueRef<'a>)> + Clone {
        // They were validated.
        self.entries()
            .map(move |bytes| read_in(bytes, self.keys, self.repeats.inside).unwrap_or_default())
    }

    /// Shows name and value of each, in order; quicker than a loop over [`FieldsRef::iter`].
    #[inline]
    pub fn for_each(self, mut show: impl FnMut(&'a str, ValueRef<'a>)) {
        if self.repeats.here {
            self.iter().for_each(|(name, value)| show(name, value));
            return;
        }
        for bytes in self.messages() {
            let (name, value) = read_in(bytes, self.keys, self.repeats.inside).unwrap_or_default();
            show(name, value);
        }
    }

    /// The names, in order.
    pub fn names(self) -> impl Iterator<Item = &'a str> + Clone {
        self.entries()
            .filter_map(move |bytes| read_name(bytes, self.keys).ok())
    }

    /// The message of each name.
    #[inline]
    fn entries(self) -> Once<Messages<'a>> {
        if self.repeats.here {
            return once(self.messages(), |bytes| {
                read_name(bytes, self.keys).unwrap_or_default()
            });
        }
        Once::All(self.messages())
    }

    /// The value of that name.
    pub fn get(self, name: &str) -> Option<ValueRef<'a>> {
        // Only the value of the field that is looked for is read.
        let found = self
            .messages()
            .filter(|bytes| read_name(bytes, self.keys) == Ok(name))
            .last()?;
        read_in(found, self.keys, self.repeats.inside)
            .ok()
            .map(|(_, value)| value)
    }

    /// Whether a name may stand twice in the bytes, here or in a map within: all but its last value are not seen.
    pub fn has_repeats(self) -> bool {
        self.repeats.here || self.repeats.inside
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
    let (_, inside) = check(bytes, &[], 0)?;
    read_in(bytes, &[], inside).map(|(_, value)| value)
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

/// Reads one `Field` message, which was validated; `repeats`: whether a map in it may have a name twice.
#[inline(always)] // The inner loop of whoever reads fields.
fn read_in<'a>(
    bytes: &'a [u8],
    keys: &'a [&'a str],
    repeats: bool,
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
            field::LIST => {
                value = ValueRef::List(ListRef {
                    bytes: item.bytes()?,
                    repeats_inside: repeats,
                });
            }
            field::MAP => {
                value = ValueRef::Map(FieldsRef {
                    bytes: item.bytes()?,
                    number: field::ITEMS,
                    keys: &[],
                    repeats: Repeats {
                        here: repeats,
                        inside: repeats,
                    },
                });
            }
            _ => {}
        }
    }
    Ok((name, value))
}

/// Reads one `Field` message and all that is in it, so that later reading cannot fail. Gives its name, and whether a
/// map in it may have a name twice.
fn check<'a>(
    bytes: &'a [u8],
    keys: &'a [&'a str],
    depth: usize,
) -> Result<(&'a str, bool), DecodeError> {
    if depth > MAX_DEPTH {
        return Err(DecodeError::TooDeep(MAX_DEPTH));
    }
    let (name, value) = read_in(bytes, keys, false)?;
    let repeats = match value {
        // The items of a list have no names.
        ValueRef::List(list) => {
            let mut inside = false;
            for item in Scan::new("List", list.bytes) {
                let item = item?;
                if item.number == field::ITEMS {
                    inside |= check(item.bytes()?, &[], depth + 1)?.1;
                }
            }
            inside
        }
        ValueRef::Map(map) => {
            let repeats = map.check(depth + 1)?;
            repeats.here || repeats.inside
        }
        _ => false,
    };
    Ok((name, repeats))
}
