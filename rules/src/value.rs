//! Values while a condition is looked at: borrowed from the record or the condition, never allocated.

use std::cmp::Ordering;
use std::fmt::{self, Write};

use distlog_proto::wire::{FieldsRef, ListRef};
use distlog_proto::{SpanId, TraceId, ValueRef};

/// There is no value: a field is missing, or an operation does not exist for these types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoValue;

/// A value or none.
pub(super) type Out<'a> = Result<Val<'a>, NoValue>;

/// A value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Val<'a> {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Double(f64),
    Str(&'a str),
    /// A string that is written out only where it is looked into.
    Id(Id<'a>),
    Bytes(&'a [u8]),
    /// In nanoseconds.
    Duration(i64),
    List(ListRef<'a>),
    Map(FieldsRef<'a>),
}

/// An id, whose text is a string to conditions.
#[derive(Debug, Clone, Copy)]
pub(super) enum Id<'a> {
    Trace(TraceId),
    Span(SpanId),
    Task(TraceId, &'a str),
}

impl fmt::Display for Id<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Id::Trace(id) => write!(f, "{:032x}", u128::from_be_bytes(id.to_bytes())),
            Id::Span(id) => id.fmt(f),
            Id::Task(id, "") => id.fmt(f),
            Id::Task(id, path) => write!(f, "{id}/{path}"),
        }
    }
}

impl<'a> From<ValueRef<'a>> for Val<'a> {
    fn from(value: ValueRef<'a>) -> Val<'a> {
        match value {
            ValueRef::Null => Val::Null,
            ValueRef::Bool(v) => Val::Bool(v),
            ValueRef::I64(v) => Val::Int(v),
            ValueRef::U64(v) => Val::UInt(v),
            ValueRef::F64(v) => Val::Double(v),
            ValueRef::Str(v) | ValueRef::Text(v) => Val::Str(v),
            ValueRef::Bytes(v) => Val::Bytes(v),
            ValueRef::List(v) => Val::List(v),
            ValueRef::Map(v) => Val::Map(v),
        }
    }
}

impl<'a> Val<'a> {
    pub(super) fn bool(self) -> Result<bool, NoValue> {
        match self {
            Val::Bool(v) => Ok(v),
            _ => Err(NoValue),
        }
    }

    /// Hands the text of a string on.
    pub(super) fn text<R>(self, with: impl FnOnce(&str) -> R) -> Result<R, NoValue> {
        match self {
            Val::Str(text) => Ok(with(text)),
            Val::Id(id) => {
                let mut scratch = Scratch {
                    bytes: [0; 1100],
                    len: 0,
                };
                Ok(match write!(scratch, "{id}") {
                    Ok(()) => {
                        with(std::str::from_utf8(&scratch.bytes[..scratch.len]).unwrap_or_default())
                    }
                    Err(_) => with(&id.to_string()), // longer than ids may be: somebody else's record
                })
            }
            _ => Err(NoValue),
        }
    }

    fn is_text(self) -> bool {
        matches!(self, Val::Str(_) | Val::Id(_))
    }

    /// `==`: numbers by what they are worth, and values of different types are never equal.
    #[inline]
    pub(super) fn equals(&self, other: &Val<'_>) -> bool {
        match (self, other) {
            // What most conditions ask for.
            (Val::Int(a), Val::Int(b)) => a == b,
            (Val::Str(a), Val::Str(b)) => a == b,
            _ => self.equals_any(other),
        }
    }

    fn equals_any(&self, other: &Val<'_>) -> bool {
        match (self, other) {
            (Val::Null, Val::Null) => true,
            (Val::Bool(a), Val::Bool(b)) => a == b,
            (Val::Bytes(a), Val::Bytes(b)) => a == b,
            (Val::List(a), Val::List(b)) => {
                let (mut a, mut b) = (a.iter(), b.iter());
                loop {
                    match (a.next(), b.next()) {
                        (None, None) => return true,
                        (Some(a), Some(b)) if Val::from(a).equals(&b.into()) => {}
                        _ => return false,
                    }
                }
            }
            (Val::Map(a), Val::Map(b)) => {
                a.iter().all(|(name, _)| match (a.get(name), b.get(name)) {
                    (Some(a), Some(b)) => Val::from(a).equals(&b.into()),
                    _ => false,
                }) && b.iter().all(|(name, _)| a.get(name).is_some())
            }
            _ => self.compare(other) == Ok(Ordering::Equal),
        }
    }

    /// `<` and its kin.
    pub(super) fn compare(&self, other: &Val<'_>) -> Result<Ordering, NoValue> {
        Ok(match (*self, *other) {
            (Val::Int(a), Val::Int(b)) => a.cmp(&b),
            (Val::Str(a), Val::Str(b)) => a.cmp(b),
            (Val::Double(a), Val::Double(b)) => return a.partial_cmp(&b).ok_or(NoValue),
            (Val::Int(a), Val::Double(b)) => return (a as f64).partial_cmp(&b).ok_or(NoValue),
            (Val::Double(a), Val::Int(b)) => return a.partial_cmp(&(b as f64)).ok_or(NoValue),
            (Val::UInt(a), Val::UInt(b)) => a.cmp(&b),
            (Val::Int(a), Val::UInt(b)) => u64::try_from(a).map_or(Ordering::Less, |a| a.cmp(&b)),
            (Val::UInt(a), Val::Int(b)) => {
                i64::try_from(a).map_or(Ordering::Greater, |a| a.cmp(&b))
            }
            (Val::UInt(a), Val::Double(b)) => return (a as f64).partial_cmp(&b).ok_or(NoValue),
            (Val::Double(a), Val::UInt(b)) => return a.partial_cmp(&(b as f64)).ok_or(NoValue),
            (Val::Duration(a), Val::Duration(b)) => a.cmp(&b),
            (Val::Bool(a), Val::Bool(b)) => a.cmp(&b),
            (Val::Bytes(a), Val::Bytes(b)) => a.cmp(b),
            (a, b) if a.is_text() && b.is_text() => return a.text(|a| b.text(|b| a.cmp(b)))?,
            _ => return Err(NoValue),
        })
    }

    /// `size()`: characters, bytes, items or entries.
    pub(super) fn size(self) -> Out<'a> {
        let size = match self {
            Val::Str(text) => text.chars().count(),
            Val::Id(_) => self.text(str::len)?,
            Val::Bytes(bytes) => bytes.len(),
            Val::List(list) => list.iter().count(),
            Val::Map(map) => map.names().count(),
            _ => return Err(NoValue),
        };
        Ok(Val::Int(size as i64))
    }

    /// `in`: among the items of a list, or the names of a map.
    pub(super) fn is_in(self, container: Val<'_>) -> Out<'a> {
        match container {
            Val::List(list) => Ok(Val::Bool(list.iter().any(|item| self.equals(&item.into())))),
            Val::Map(map) => match self {
                Val::Str(_) | Val::Id(_) => {
                    Ok(Val::Bool(self.text(|name| map.get(name).is_some())?))
                }
                Val::Int(_) | Val::UInt(_) | Val::Double(_) | Val::Bool(_) => Ok(Val::Bool(false)),
                _ => Err(NoValue),
            },
            _ => Err(NoValue),
        }
    }
}

/// Where an id is written to be looked into.
struct Scratch {
    bytes: [u8; 1100],
    len: usize,
}

impl Write for Scratch {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        self.bytes
            .get_mut(self.len..end)
            .ok_or(fmt::Error)?
            .copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}
