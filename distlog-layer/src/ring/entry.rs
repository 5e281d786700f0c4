//! An entry's measures, and a record as both ends see it.

pub(super) use distlog_spool::layout::{ENTRY_HEADER, PADDING, entry_len};

/// Where a record went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pushed {
    /// Its position, which is its number in the producer's stream.
    pub offset: u64,
    /// Bytes in the ring that are not freed, this record included.
    pub used: u64,
}

/// Why a record did not go into the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There is no room until the consumer frees some, or ever, if the ring is closed.
    Full,
    /// It is longer than [`super::Ring::max_record`].
    TooLong,
}

/// A record as the consumer sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    /// Its number in the producer's stream.
    pub offset: u64,
    /// What the producer gave beside it.
    pub tag: u32,
    /// The record.
    pub bytes: &'a [u8],
}

/// The second word of an entry.
pub(super) fn length_word(tag: u32, length: u32) -> u64 {
    u64::from(tag) << 32 | u64::from(length)
}

/// Tag and length that are in it.
pub(super) fn tag_and_length(word: u64) -> (u32, usize) {
    ((word >> 32) as u32, word as u32 as usize)
}
