//! Walks over the fields of a protobuf message without copying: those of distlog, and those of OTLP for the bridge.

/// Bytes that are no message of encoding `B`, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The message ends within a field.
    #[error("truncated: a field of {0} ends beyond the message")]
    Truncated(&'static str),
    /// A varint of more than 64 bits, a field number 0 or a wire type that protobuf does not have.
    #[error("malformed protobuf in {0}")]
    Malformed(&'static str),
    /// A known field of another type.
    #[error("field {1} of {0} has an unexpected wire type")]
    WrongType(&'static str, u32),
    /// A string that is not UTF-8.
    #[error("field {1} of {0} is not UTF-8")]
    NotUtf8(&'static str, u32),
    /// An id of the wrong length, or all zero.
    #[error("field {1} of {0} is no id: wrong length, or all zero")]
    BadId(&'static str, u32),
    /// Something that a record has once stands in it twice.
    #[error("field {1} of {0} stands there twice")]
    Repeated(&'static str, u32),
    /// The record was deleted; only its place is left.
    #[error("the record was deleted")]
    Removed,
    /// The record names a callsite that its batch does not have.
    #[error("the record names callsite {0}, which its batch does not describe")]
    NoCallsite(u32),
    /// More callsites than any program has.
    #[error("the batch describes more callsites than any program has")]
    TooManyCallsites,
    /// A field names a key that its callsite does not have.
    #[error("a field names key {0}, which its callsite does not have")]
    NoKey(u32),
    /// The names of a record's fields, each of which may be given by a number of a few bytes, are longer than the limit
    /// together.
    #[error("the names of a record's fields are longer than {0} bytes together")]
    LongNames(usize),
    /// Lists and maps in each other beyond the limit.
    #[error("values are nested deeper than {0}")]
    TooDeep(usize),
}

/// The payload of one field, by its wire type.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)] // As protobuf calls them.
pub enum Payload<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
}

/// One field of a message.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    /// The message that it stands in, for errors.
    pub message: &'static str,
    /// Its number.
    pub number: u32,
    /// What it holds.
    pub payload: Payload<'a>,
}

impl<'a> Field<'a> {
    /// A varint.
    ///
    /// # Errors
    /// If it is of another type; so with those below.
    pub fn varint(self) -> Result<u64, DecodeError> {
        match self.payload {
            Payload::Varint(value) => Ok(value),
            _ => Err(DecodeError::WrongType(self.message, self.number)),
        }
    }

    /// A varint; what is beyond 32 bits is the largest number.
    pub fn u32(self) -> Result<u32, DecodeError> {
        Ok(u32::try_from(self.varint()?).unwrap_or(u32::MAX))
    }

    /// A word of 8 bytes.
    pub fn fixed64(self) -> Result<u64, DecodeError> {
        match self.payload {
            Payload::Fixed64(value) => Ok(value),
            _ => Err(DecodeError::WrongType(self.message, self.number)),
        }
    }

    /// A word of 4 bytes.
    pub fn fixed32(self) -> Result<u32, DecodeError> {
        match self.payload {
            Payload::Fixed32(value) => Ok(value),
            _ => Err(DecodeError::WrongType(self.message, self.number)),
        }
    }

    /// Bytes, or a message.
    pub fn bytes(self) -> Result<&'a [u8], DecodeError> {
        match self.payload {
            Payload::Bytes(bytes) => Ok(bytes),
            _ => Err(DecodeError::WrongType(self.message, self.number)),
        }
    }

    /// A string.
    pub fn str(self) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.bytes()?)
            .map_err(|_| DecodeError::NotUtf8(self.message, self.number))
    }
}

/// Iterates over the fields of a message; ends after the first error.
#[derive(Debug, Clone, Copy)]
pub struct Scan<'a> {
    /// What was not walked over yet.
    pub rest: &'a [u8],
    message: &'static str,
}

impl<'a> Scan<'a> {
    /// `message` names what is read, for errors.
    pub fn new(message: &'static str, bytes: &'a [u8]) -> Scan<'a> {
        Scan {
            rest: bytes,
            message,
        }
    }

    // The reader's inner loop, always inlined: else each field goes through memory as a `Result<Field>` of 56 bytes,
    // which costs a third of reading a record.
    #[inline(always)]
    fn varint(&mut self) -> Result<u64, DecodeError> {
        match self.rest {
            [byte @ 0..=0x7f, rest @ ..] => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            // Most records are longer than 127 bytes.
            [low, high @ 0..=0x7f, rest @ ..] => {
                self.rest = rest;
                Ok(u64::from(low & 0x7f) | u64::from(*high) << 7)
            }
            _ => self.long_varint(),
        }
    }

    #[inline(never)]
    fn long_varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0u64;
        for (i, &byte) in self.rest.iter().enumerate().take(10) {
            if i == 9 && byte > 1 {
                return Err(DecodeError::Malformed(self.message));
            }
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                self.rest = &self.rest[i + 1..];
                return Ok(value);
            }
        }
        Err(if self.rest.len() < 10 {
            DecodeError::Truncated(self.message)
        } else {
            DecodeError::Malformed(self.message)
        })
    }

    #[inline(always)]
    fn take(&mut self, len: u64) -> Result<&'a [u8], DecodeError> {
        match usize::try_from(len)
            .ok()
            .and_then(|len| self.rest.split_at_checked(len))
        {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(DecodeError::Truncated(self.message)),
        }
    }

    #[inline(always)]
    fn field(&mut self) -> Result<Field<'a>, DecodeError> {
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3)
            .ok()
            .filter(|n| *n != 0)
            .ok_or(DecodeError::Malformed(self.message))?;
        let payload = match tag & 7 {
            0 => Payload::Varint(self.varint()?),
            1 => {
                let mut word = [0; 8];
                word.copy_from_slice(self.take(8)?);
                Payload::Fixed64(u64::from_le_bytes(word))
            }
            2 => {
                let len = self.varint()?;
                Payload::Bytes(self.take(len)?)
            }
            5 => {
                let mut word = [0; 4];
                word.copy_from_slice(self.take(4)?);
                Payload::Fixed32(u32::from_le_bytes(word))
            }
            _ => return Err(DecodeError::Malformed(self.message)),
        };
        Ok(Field {
            message: self.message,
            number,
            payload,
        })
    }
}

impl<'a> Iterator for Scan<'a> {
    type Item = Result<Field<'a>, DecodeError>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}
