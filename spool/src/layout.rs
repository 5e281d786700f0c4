//! Where everything stands in a spool file, version 1. All words are native-endian `u64` unless said otherwise.
//!
//! The crate's front page draws it; these are the same numbers for the code that writes and reads it.

/// The first word: `DISTLOGS`. Stored last when a file is made.
pub const MAGIC: u64 = u64::from_be_bytes(*b"DISTLOGS");
/// The second word.
pub const VERSION: u64 = 1;

/// Position of the magic number, in bytes from the file's beginning, as all `_AT` here.
pub const MAGIC_AT: usize = 0;
/// Position of the layout's version.
pub const VERSION_AT: usize = 8;
/// Position of the ring's length in bytes.
pub const CAPACITY_AT: usize = 16;
/// Position of the secret that commit words are mixed with. Its highest bit is set.
pub const SECRET_AT: usize = 24;
/// Position of the producer's id, 16 bytes.
pub const PRODUCER_AT: usize = 32;
/// Position of the last epoch that was used; 0: none.
pub const EPOCH_AT: usize = 128;
/// Position of the ring position before which everything is durable elsewhere.
pub const ACKED_AT: usize = 256;
/// Position of the [`LEVELS`] counts of dropped records since the producer began, ERROR first.
pub const DROPPED_AT: usize = 384;
/// Position of the time of the first drop that no loss record has told of (ns since the Unix epoch; 0: none).
pub const LOST_FIRST_AT: usize = DROPPED_AT + 8 * LEVELS;
/// Position of the time of the last one.
pub const LOST_LAST_AT: usize = LOST_FIRST_AT + 8;
/// Position of the [`LEVELS`] counts of dropped records that loss records in the stream have told of.
pub const REPORTED_AT: usize = 512;
/// Bytes in front of the ring: one page.
pub const HEADER_LEN: usize = 4096;

/// Levels that drops are counted by.
pub const LEVELS: usize = 5;

/// Bytes of the two words in front of a record in the ring. Entries begin at multiples of it.
pub const ENTRY_HEADER: u64 = 16;
/// The tag of an entry that only fills the end of the ring's memory.
pub const PADDING: u32 = u32::MAX;

/// The smallest ring in a file, in bytes: one page.
pub const MIN_CAPACITY: u64 = 4096;
/// The largest, in bytes. Whoever drains a file holds it in memory.
pub const MAX_CAPACITY: u64 = 1 << 32;

/// Bytes of the header of an entry of the table: length, checksum, kind and id, each a `u32`.
pub const TABLE_HEADER: usize = 16;
/// Kind of the table's first entry: the source.
pub const KIND_SOURCE: u32 = 1;
/// Kind of a callsite.
pub const KIND_CALLSITE: u32 = 2;

/// Bytes that an entry of the ring with a record of `length` bytes takes.
pub const fn entry_len(length: usize) -> u64 {
    ENTRY_HEADER + (length as u64).next_multiple_of(16)
}

/// Where the table begins, in bytes from the file's beginning.
pub const fn table_at(capacity: u64) -> u64 {
    HEADER_LEN as u64 + capacity
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_different_threads_write_shares_no_cache_lines() {
        let lines = [
            PRODUCER_AT,
            EPOCH_AT,
            ACKED_AT,
            DROPPED_AT,
            REPORTED_AT,
            HEADER_LEN,
        ];
        assert!(lines.windows(2).all(|w| w[0] / 128 < w[1] / 128));
        assert_eq!(LOST_LAST_AT + 8, 440);
    }

    #[test]
    fn an_entry_is_a_header_and_whole_units() {
        assert_eq!([0, 1, 16, 17].map(entry_len), [16, 32, 32, 48]);
    }
}
