//! The table behind the ring: the source and the callsites, which are never freed.
//!
//! It grows at its end. Each entry has a checksum, so a half-written one ends it.

use std::collections::HashMap;
use std::ops::Range;

use crate::layout::{KIND_CALLSITE, KIND_SOURCE, TABLE_HEADER};

/// Where the table's contents stand, in bytes from the beginning of what was parsed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    /// The source, as a field of a batch.
    pub(crate) source: Option<Range<usize>>,
    /// The callsites by number, likewise.
    pub(crate) callsites: HashMap<u32, Range<usize>>,
}

/// Appends an entry, padded to whole words.
pub(crate) fn put(out: &mut Vec<u8>, kind: u32, id: u32, bytes: &[u8]) {
    let [kind, id] = [kind, id].map(u32::to_ne_bytes);
    out.extend_from_slice(&(bytes.len() as u32).to_ne_bytes());
    out.extend_from_slice(&checksum(kind, id, bytes).to_ne_bytes());
    out.extend_from_slice(&kind);
    out.extend_from_slice(&id);
    out.extend_from_slice(bytes);
    out.resize(out.len().next_multiple_of(8), 0);
}

fn checksum(kind: [u8; 4], id: [u8; 4], bytes: &[u8]) -> u32 {
    let sum = crc32c::crc32c_append(crc32c::crc32c(&kind), &id);
    crc32c::crc32c_append(sum, bytes)
}

impl Table {
    /// Reads the table that begins at `at`, a multiple of 8, up to its first bad entry.
    pub(crate) fn parse(bytes: &[u8], mut at: usize) -> Table {
        let mut table = Table::default();
        while let Some((kind, id, range)) = entry(bytes, at) {
            at = range.end.next_multiple_of(8);
            match kind {
                KIND_SOURCE if table.source.is_none() => table.source = Some(range),
                // The first one of a number is what its records were written with.
                KIND_CALLSITE => _ = table.callsites.entry(id).or_insert(range),
                _ => break,
            }
        }
        table
    }
}

fn entry(bytes: &[u8], at: usize) -> Option<(u32, u32, Range<usize>)> {
    let part = |index: usize| -> Option<[u8; 4]> {
        let at = at.checked_add(4 * index)?;
        bytes.get(at..at.checked_add(4)?)?.try_into().ok()
    };
    let (length, sum, kind, id) = (part(0)?, part(1)?, part(2)?, part(3)?);
    let start = at.checked_add(TABLE_HEADER)?;
    let end = start.checked_add(u32::from_ne_bytes(length) as usize)?;
    let content = bytes.get(start..end)?;
    (checksum(kind, id, content) == u32::from_ne_bytes(sum))
        .then(|| (u32::from_ne_bytes(kind), u32::from_ne_bytes(id), start..end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, KIND_SOURCE, 0, b"who");
        put(&mut out, KIND_CALLSITE, 1, b"");
        put(&mut out, KIND_CALLSITE, 7, b"seven is here");
        out
    }

    #[test]
    fn entries_come_back() {
        let bytes = table();
        assert_eq!(bytes.len(), 24 + 16 + 32);
        for behind in [&[][..], &[0; 40], &[0xff; 40]] {
            let whole = [&bytes, behind].concat();
            let table = Table::parse(&whole, 0);
            assert_eq!(&whole[table.source.unwrap()], b"who");
            assert_eq!(table.callsites.len(), 2);
            assert_eq!(&whole[table.callsites[&7].clone()], b"seven is here");
        }
    }

    #[test]
    fn a_bad_entry_ends_it_wherever_it_is_bad() {
        let good = table();
        // Each byte of the third entry but its padding.
        for at in (40..40 + 16 + 13).chain(40..40 + 16) {
            let mut bytes = good.clone();
            bytes[at] ^= 0x10;
            let table = Table::parse(&bytes, 0);
            assert!(table.source.is_some());
            assert_eq!(table.callsites.len(), 1, "byte {at}");
        }
        for length in 0..good.len() - 3 {
            assert!(Table::parse(&good[..length], 0).callsites.len() < 2);
        }
    }

    #[test]
    fn the_first_one_of_a_number_counts() {
        let mut bytes = table();
        put(&mut bytes, KIND_CALLSITE, 7, b"another");
        put(&mut bytes, KIND_SOURCE, 0, b"another");
        put(&mut bytes, KIND_CALLSITE, 8, b"behind a second source");
        let table = Table::parse(&bytes, 0);
        assert_eq!(&bytes[table.source.unwrap()], b"who");
        assert_eq!(&bytes[table.callsites[&7].clone()], b"seven is here");
        assert!(!table.callsites.contains_key(&8));
    }
}
