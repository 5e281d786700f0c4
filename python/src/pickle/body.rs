//! The bytes of a pickle: numbers, lines, and bytes with their length before them.

use super::error::ErrorKind;

pub(super) type Result<T> = std::result::Result<T, ErrorKind>;

/// What is read from.
#[derive(Debug)]
pub(super) struct Body<'a> {
    pub(super) bytes: &'a [u8],
    /// The next byte to read.
    pub(super) at: usize,
}

impl<'a> Body<'a> {
    pub(super) fn byte(&mut self) -> Result<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let array = self
            .bytes
            .get(self.at..)
            .and_then(|rest| rest.first_chunk::<N>())
            .ok_or(ErrorKind::End)?;
        self.at += N;
        Ok(*array)
    }

    pub(super) fn bytes_of(&mut self, len: usize) -> Result<&'a [u8]> {
        let bytes = self
            .bytes
            .get(self.at..)
            .and_then(|rest| rest.get(..len))
            .ok_or(ErrorKind::End)?;
        self.at += len;
        Ok(bytes)
    }

    pub(super) fn len1(&mut self) -> Result<usize> {
        self.byte().map(usize::from)
    }

    pub(super) fn len4(&mut self) -> Result<usize> {
        self.array().map(|bytes| u32::from_le_bytes(bytes) as usize)
    }

    pub(super) fn len8(&mut self) -> Result<usize> {
        self.array().and_then(|bytes| {
            usize::try_from(u64::from_le_bytes(bytes)).map_err(|_| ErrorKind::End)
        })
    }

    /// A number in text form.
    pub(super) fn number(&mut self) -> Result<usize> {
        self.line()?.parse().map_err(|_| ErrorKind::Number)
    }

    pub(super) fn raw_line(&mut self) -> Result<&'a [u8]> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let len = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .ok_or(ErrorKind::End)?;
        self.at += len + 1;
        Ok(&rest[..len])
    }

    pub(super) fn line(&mut self) -> Result<&'a str> {
        std::str::from_utf8(self.raw_line()?)
            .map(str::trim)
            .map_err(|_| ErrorKind::Expected("UTF-8"))
    }

    /// Bytes with their length before them.
    pub(super) fn sized(&mut self, len: fn(&mut Self) -> Result<usize>) -> Result<&'a [u8]> {
        let len = len(self)?;
        self.bytes_of(len)
    }
}
