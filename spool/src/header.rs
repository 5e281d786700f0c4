//! The page in front of the ring, as bytes.

use std::path::Path;

use distlog_proto::ProducerId;

use crate::error::SpoolError;
use crate::layout::{self, LEVELS};

/// What the page says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) capacity: u64,
    pub(crate) secret: u64,
    pub(crate) producer: ProducerId,
    pub(crate) epoch: u64,
    pub(crate) acked: u64,
    pub(crate) dropped: [u64; LEVELS],
    pub(crate) lost_first: u64,
    pub(crate) lost_last: u64,
    pub(crate) reported: [u64; LEVELS],
}

impl Header {
    /// Of a new file.
    pub(crate) fn new(producer: ProducerId, capacity: u64, secret: u64) -> Header {
        Header {
            capacity,
            secret,
            producer,
            epoch: 0,
            acked: 0,
            dropped: [0; LEVELS],
            lost_first: 0,
            lost_last: 0,
            reported: [0; LEVELS],
        }
    }

    /// Whether a ring can be like this: a length within limits that is a power of two, a secret with the highest bit.
    pub(crate) fn is_possible(&self) -> bool {
        (layout::MIN_CAPACITY..=layout::MAX_CAPACITY).contains(&self.capacity)
            && self.capacity.is_power_of_two()
            && self.secret >> 63 == 1
    }

    /// The page.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut page = Vec::with_capacity(layout::HEADER_LEN);
        put(&mut page, layout::MAGIC_AT, &[layout::MAGIC]);
        put(&mut page, layout::VERSION_AT, &[layout::VERSION]);
        put(&mut page, layout::CAPACITY_AT, &[self.capacity]);
        put(&mut page, layout::SECRET_AT, &[self.secret]);
        page.resize(layout::PRODUCER_AT, 0);
        page.extend_from_slice(&self.producer.to_bytes());
        put(&mut page, layout::EPOCH_AT, &[self.epoch]);
        put(&mut page, layout::ACKED_AT, &[self.acked]);
        put(&mut page, layout::DROPPED_AT, &self.dropped);
        put(
            &mut page,
            layout::LOST_FIRST_AT,
            &[self.lost_first, self.lost_last],
        );
        put(&mut page, layout::REPORTED_AT, &self.reported);
        page.resize(layout::HEADER_LEN, 0);
        page
    }

    /// Reads the page, the beginning of the file at `path` with `length` bytes.
    pub(crate) fn parse(path: &Path, page: &[u8], length: u64) -> Result<Header, SpoolError> {
        let not_a_spool = || SpoolError::NotASpool {
            path: path.to_owned(),
        };
        let word = |at| word(page, at);
        if word(layout::MAGIC_AT) != Some(layout::MAGIC) {
            return Err(not_a_spool());
        }
        let version = word(layout::VERSION_AT).ok_or_else(not_a_spool)?;
        if version != layout::VERSION {
            return Err(SpoolError::OldFormat {
                path: path.to_owned(),
                found: version,
                known: layout::VERSION,
            });
        }
        let header = Header::read(page).ok_or_else(|| SpoolError::Truncated {
            path: path.to_owned(),
            length,
            expected: layout::HEADER_LEN as u64,
        })?;
        if !header.is_possible() {
            return Err(SpoolError::damaged(
                path,
                "its header describes no possible ring",
            ));
        }
        // Positions have a bit less than words, and entries begin at multiples of their header.
        if header.acked >> 62 != 0 || !header.acked.is_multiple_of(layout::ENTRY_HEADER) {
            return Err(SpoolError::damaged(
                path,
                "its header names a position where no entry can begin",
            ));
        }
        let expected = layout::table_at(header.capacity);
        if length < expected {
            return Err(SpoolError::Truncated {
                path: path.to_owned(),
                length,
                expected,
            });
        }
        Ok(header)
    }

    fn read(page: &[u8]) -> Option<Header> {
        page.get(..layout::HEADER_LEN)?;
        let producer = page.get(layout::PRODUCER_AT..layout::PRODUCER_AT + 16)?;
        Some(Header {
            capacity: word(page, layout::CAPACITY_AT)?,
            secret: word(page, layout::SECRET_AT)?,
            producer: ProducerId::from_bytes(producer.try_into().ok()?),
            epoch: word(page, layout::EPOCH_AT)?,
            acked: word(page, layout::ACKED_AT)?,
            dropped: levels(page, layout::DROPPED_AT)?,
            lost_first: word(page, layout::LOST_FIRST_AT)?,
            lost_last: word(page, layout::LOST_LAST_AT)?,
            reported: levels(page, layout::REPORTED_AT)?,
        })
    }
}

/// Appends words that begin at a position in bytes.
pub(crate) fn put(page: &mut Vec<u8>, at: usize, words: &[u64]) {
    page.resize(at, 0);
    words
        .iter()
        .for_each(|word| page.extend_from_slice(&word.to_ne_bytes()));
}

/// The counts by level at a position in bytes.
pub(crate) fn levels(page: &[u8], at: usize) -> Option<[u64; LEVELS]> {
    let mut counts = [0; LEVELS];
    for (level, count) in counts.iter_mut().enumerate() {
        *count = word(page, at + 8 * level)?;
    }
    Some(counts)
}

/// The word at a position in bytes, if it is there.
pub(crate) fn word(bytes: &[u8], at: usize) -> Option<u64> {
    let word = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_ne_bytes(word.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Header {
        Header {
            epoch: 3,
            acked: 4096 * 7 + 16,
            dropped: [1, 2, 3, 4, 5],
            lost_first: 11,
            lost_last: 12,
            reported: [0, 1, 2, 3, 4],
            ..Header::new(
                ProducerId::from_bytes(*b"0123456789abcdef"),
                8192,
                9 | 1 << 63,
            )
        }
    }

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let page = some().to_bytes();
        assert_eq!(page.len(), layout::HEADER_LEN);
        assert_eq!(
            Header::parse(Path::new("s"), &page, 4096 + 8192).unwrap(),
            some()
        );
    }

    #[test]
    fn what_is_no_header_is_told_apart() {
        let path = Path::new("s");
        let page = some().to_bytes();
        let with = |at: usize, value: u64| {
            let mut page = page.clone();
            page[at..at + 8].copy_from_slice(&value.to_ne_bytes());
            Header::parse(path, &page, 4096 + 8192).unwrap_err()
        };
        for magic in [0, 1, layout::MAGIC.swap_bytes()] {
            assert!(matches!(
                with(layout::MAGIC_AT, magic),
                SpoolError::NotASpool { .. }
            ));
        }
        for version in [0, 2, u64::MAX] {
            assert!(matches!(
                with(layout::VERSION_AT, version),
                SpoolError::OldFormat { found, known: 1, .. } if found == version
            ));
        }
        for capacity in [0, 16, 2048, 8191, 8193, 1 << 33, u64::MAX] {
            assert!(matches!(
                with(layout::CAPACITY_AT, capacity),
                SpoolError::Damaged { .. }
            ));
        }
        assert!(matches!(
            with(layout::CAPACITY_AT, 16384),
            SpoolError::Truncated {
                length: 12288,
                expected: 20480,
                ..
            }
        ));
        assert!(matches!(
            with(layout::SECRET_AT, 5),
            SpoolError::Damaged { .. }
        ));
        for acked in [8, 1 << 62, u64::MAX - 15] {
            assert!(matches!(
                with(layout::ACKED_AT, acked),
                SpoolError::Damaged { .. }
            ));
        }
        for length in [0, 7, 8, 15] {
            assert!(matches!(
                Header::parse(path, &page[..length], length as u64),
                Err(SpoolError::NotASpool { .. })
            ));
        }
        for length in [16, 600, 4095] {
            assert!(matches!(
                Header::parse(path, &page[..length], length as u64),
                Err(SpoolError::Truncated { expected: 4096, .. })
            ));
        }
    }
}
