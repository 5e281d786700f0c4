//! What the operations of a condition begin with: values of the condition and of the record.

use distlog_proto::RecordRef;

use super::memo::Memo;
use super::names::Name;
use super::path::Path;
use super::value::{Out, Val};

/// A value that no operation makes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Leaf {
    Literal(Literal),
    Name(Name),
    Path(Path),
    /// `has(path)`: false where any part of it is missing.
    Has(Path),
}

/// A value of the condition itself.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Double(f64),
    Str(String),
    Bytes(Vec<u8>),
    Duration(i64),
}

impl Leaf {
    /// The path in it.
    pub(super) fn path_mut(&mut self) -> Option<&mut Path> {
        match self {
            Leaf::Path(path) | Leaf::Has(path) => Some(path),
            Leaf::Literal(_) | Leaf::Name(_) => None,
        }
    }

    /// What it is for this record.
    #[inline]
    pub(super) fn value<'a>(&'a self, record: &RecordRef<'a>, memo: &Memo<'a>) -> Out<'a> {
        match self {
            Leaf::Literal(literal) => Ok(literal.value()),
            Leaf::Name(name) => name.value(record),
            Leaf::Path(path) => path.value(record, memo),
            Leaf::Has(path) => Ok(Val::Bool(path.value(record, memo).is_ok())),
        }
    }
}

impl Literal {
    fn value(&self) -> Val<'_> {
        match self {
            Literal::Null => Val::Null,
            Literal::Bool(v) => Val::Bool(*v),
            Literal::Int(v) => Val::Int(*v),
            Literal::UInt(v) => Val::UInt(*v),
            Literal::Double(v) => Val::Double(*v),
            Literal::Str(v) => Val::Str(v),
            Literal::Bytes(v) => Val::Bytes(v),
            Literal::Duration(v) => Val::Duration(*v),
        }
    }
}
