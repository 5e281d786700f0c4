//! Protobuf as it is written in one way only: what is read by this is the same when it is written again.

/// The wire types of protobuf.
pub(super) const VARINT: u32 = 0;
pub(super) const FIXED64: u32 = 1;
pub(super) const BYTES: u32 = 2;
pub(super) const FIXED32: u32 = 5;

/// Walks over a message; accepts only what would be written again as it was.
pub(super) struct Scan<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Scan<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Scan<'a> {
        Scan { rest: bytes }
    }

    #[inline]
    pub(super) fn tag(&mut self) -> Option<u32> {
        u32::try_from(self.varint()?).ok().filter(|tag| *tag >= 8)
    }

    /// A varint that is no longer than it must be.
    #[inline]
    pub(super) fn varint(&mut self) -> Option<u64> {
        if let [byte @ 0..=0x7f, rest @ ..] = self.rest {
            self.rest = rest;
            return Some(u64::from(*byte));
        }
        let mut value = 0u64;
        for (at, byte) in self.rest.iter().enumerate().take(10) {
            if at == 9 && *byte != 1 {
                return None;
            }
            value |= u64::from(byte & 0x7f) << (7 * at);
            if *byte < 0x80 {
                self.rest = &self.rest[at + 1..];
                return (*byte != 0).then_some(value);
            }
        }
        None
    }

    #[inline]
    pub(super) fn fixed64(&mut self) -> Option<u64> {
        let (word, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(u64::from_le_bytes(*word))
    }

    #[inline]
    pub(super) fn fixed32(&mut self) -> Option<u32> {
        let (word, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(u32::from_le_bytes(*word))
    }

    #[inline]
    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.varint()?).ok()?;
        let (bytes, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(bytes)
    }

    pub(super) fn skip(&mut self, tag: u32) -> Option<()> {
        match tag & 7 {
            VARINT => drop(self.varint()?),
            FIXED64 => drop(self.fixed64()?),
            BYTES => drop(self.bytes()?),
            FIXED32 => drop(self.fixed32()?),
            _ => return None,
        }
        Some(())
    }
}
