//! Rows in the format `RowBinary`: for each column a byte that says whether it is null, then an integer of 64 bits, or
//! a length in LEB128 and as many bytes.

use std::borrow::Cow;

use super::query::is_integer;
use crate::processors::database::{Cell, Column};

/// A value of a column that may be null.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Integer(i64),
    Text(Cow<'a, str>),
}

impl Value<'_> {
    /// As restoring wants it.
    pub(super) fn cell(&self) -> Cell<'_> {
        match self {
            Value::Null => Cell::Null,
            Value::Integer(number) => Cell::Integer(*number),
            Value::Text(text) => Cell::Text(text),
        }
    }
}

/// Rows with all columns, one after the other.
#[derive(Debug)]
pub(super) struct Rows<'a>(pub(super) &'a [u8]);

/// The answer ends within a row.
#[derive(Debug, PartialEq)]
pub(super) struct CutOff;

impl<'a> Iterator for Rows<'a> {
    type Item = Result<Vec<Value<'a>>, CutOff>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let values = Column::ALL.iter().map(|column| self.value(*column));
        let row: Option<Vec<Value<'a>>> = values.collect();
        if row.is_none() {
            self.0 = &[];
        }
        Some(row.ok_or(CutOff))
    }
}

impl<'a> Rows<'a> {
    fn value(&mut self, column: Column) -> Option<Value<'a>> {
        if self.bytes(1)? != [0] {
            return Some(Value::Null);
        }
        if is_integer(column) {
            let bytes = self.bytes(8)?.try_into().ok()?;
            return Some(Value::Integer(i64::from_le_bytes(bytes)));
        }
        let length = self.length()?;
        Some(Value::Text(String::from_utf8_lossy(self.bytes(length)?)))
    }

    fn length(&mut self) -> Option<usize> {
        let mut length: u64 = 0;
        for shift in (0..63).step_by(7) {
            let byte = *self.bytes(1)?.first()?;
            length |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return usize::try_from(length).ok();
            }
        }
        None
    }

    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_and_a_part_of_one_is_an_error() {
        let mut bytes = Vec::new();
        for column in Column::ALL {
            match column {
                Column::Time => bytes.extend([0, 5, 0, 0, 0, 0, 0, 0, 0]),
                Column::Message => {
                    bytes.extend([0, 0x82, 0x01]);
                    bytes.extend([b'a'; 130]);
                }
                _ => bytes.push(1),
            }
        }
        let one = bytes.clone();
        bytes.extend_from_slice(&one);
        let rows: Vec<_> = Rows(&bytes).collect();
        assert_eq!(rows.len(), 2);
        let row = rows[1].as_ref().unwrap();
        assert_eq!(row[Column::Time as usize], Value::Integer(5));
        assert_eq!(
            row[Column::Message as usize],
            Value::Text("a".repeat(130).into())
        );
        assert_eq!(row[Column::Extra as usize], Value::Null);
        for end in 1..one.len() {
            let rows: Vec<_> = Rows(&one[..end]).collect();
            assert_eq!(rows, [Err(CutOff)], "{end}");
        }
        assert!(Rows(&[0; 40]).all(|row| row.is_err()));
    }
}
