//! Recovery: finding the entries of a ring whose writer is gone.

use crate::header::{Header, word};
use crate::layout::{ENTRY_HEADER, HEADER_LEN, PADDING, entry_len};

/// A committed entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    /// Where it begins: for a record its offset in the producer's stream.
    pub(crate) position: u64,
    /// The callsite's number, or [`PADDING`].
    pub(crate) tag: u32,
    /// The record. Empty for padding.
    pub(crate) bytes: &'a [u8],
    /// Where it ends.
    pub(crate) end: u64,
}

impl Entry<'_> {
    /// Whether it only fills the end of the ring's memory.
    pub(crate) fn is_padding(&self) -> bool {
        self.tag == PADDING
    }
}

/// The entries from a position on, in order; holes of uncommitted ones are stepped over.
#[derive(Debug, Clone)]
pub(crate) struct Walk<'a> {
    ring: &'a [u8],
    secret: u64,
    position: u64,
    /// The writer cannot have gone further: it frees only what is acknowledged in the file.
    limit: u64,
}

impl<'a> Walk<'a> {
    /// Over the ring in the bytes of a file, from what is not acknowledged on. `None` if the ring is not there.
    pub(crate) fn new(header: &Header, file: &'a [u8]) -> Option<Walk<'a>> {
        let capacity = usize::try_from(header.capacity).ok()?;
        Some(Walk {
            ring: file.get(HEADER_LEN..HEADER_LEN.checked_add(capacity)?)?,
            secret: header.secret,
            position: header.acked,
            limit: header.acked.checked_add(header.capacity)?,
        })
    }

    /// The same, beginning at `position`, where an entry begins.
    pub(crate) fn starting_at(self, position: u64) -> Walk<'a> {
        Walk { position, ..self }
    }

    /// The entry at the present position, if one was committed there.
    fn entry(&self) -> Option<Entry<'a>> {
        let at = (self.position & (self.ring.len() as u64 - 1)) as usize;
        if word(self.ring, at)? != self.position ^ self.secret {
            return None;
        }
        let second = word(self.ring, at + 8)?;
        let (tag, length) = ((second >> 32) as u32, second as u32 as usize);
        let end = self.position + entry_len(length);
        let start = at + ENTRY_HEADER as usize;
        let bytes = self.ring.get(start..start.checked_add(length)?)?;
        (end <= self.limit).then_some(Entry {
            position: self.position,
            tag,
            bytes: if tag == PADDING { &[] } else { bytes },
            end,
        })
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        while self.position < self.limit {
            match self.entry() {
                Some(entry) => {
                    self.position = entry.end;
                    return Some(entry);
                }
                None => self.position += ENTRY_HEADER,
            }
        }
        None
    }
}
