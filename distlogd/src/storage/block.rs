//! A piece of all records, which is read as a whole.

use std::ops::Range;
use std::time::Duration;

use distlog_proto::Severity;
use distlog_store::{Block as StoreBlock, BlockBuffer, BlockSummary, Selection};

use super::StorageError;
use super::slice::Slice;

/// A piece of all records. Blocks are read in any order, by many threads at once.
#[derive(Clone)]
pub enum Block {
    /// Of the store of this daemon.
    Store(StoreBlock),
    /// Of a database.
    Slice(Slice),
}

impl Block {
    /// The positions of its records.
    pub fn positions(&self) -> Range<u64> {
        match self {
            Block::Store(block) => block.numbers(),
            Block::Slice(slice) => slice.positions(),
        }
    }

    /// What is known of it without reading it.
    pub fn summary(&self) -> Option<&BlockSummary> {
        match self {
            Block::Store(block) => block.summary(),
            Block::Slice(_) => None,
        }
    }

    /// No record in it is newer, in ns since the epoch; `u64::MAX` where nothing is known.
    pub fn newest_time(&self) -> u64 {
        match self {
            Block::Store(_) => self.summary().map_or(u64::MAX, |known| *known.times.end()),
            Block::Slice(slice) => slice.newest_time(),
        }
    }

    /// So long after its deadline a query fails that is still not through with it: a condition is too slow, or a
    /// database.
    pub fn grace(&self) -> Duration {
        match self {
            Block::Store(_) => Duration::from_secs(5),
            Block::Slice(_) => Duration::from_secs(60),
        }
    }

    /// Whether what is known of it is true of all its records.
    pub fn is_whole(&self) -> bool {
        match self {
            Block::Store(block) => block.is_whole(),
            Block::Slice(_) => false,
        }
    }

    /// Whether a record in it may have all of these words, which are in lowercase.
    ///
    /// # Errors
    /// As [`Block::read`].
    pub fn may_hold<'w>(
        &self,
        words: impl IntoIterator<Item = &'w str>,
        buffer: &mut BlockBuffer,
    ) -> Result<bool, StorageError> {
        match self {
            Block::Store(block) => Ok(block.may_hold(words, buffer)?),
            // The database was told the words.
            Block::Slice(_) => Ok(true),
        }
    }

    /// Shows how many of its records that are at least so severe have which text in a field, and how many have no such
    /// field; false, and nothing was shown, where that is not known without reading them.
    ///
    /// # Errors
    /// As [`Block::read`].
    pub fn count_texts(
        &self,
        severity: Severity,
        field: &str,
        buffer: &mut BlockBuffer,
        see: &mut dyn FnMut(Option<&str>, u64),
    ) -> Result<bool, StorageError> {
        match self {
            Block::Store(block) => Ok(block.count_texts(severity, field, buffer, see)?),
            Block::Slice(_) => Ok(false),
        }
    }

    /// Reads what is wanted of it into the buffer, part by part, and hands over each part, until `take` gives false.
    /// Records beyond what is wanted may be there, too.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(
        &self,
        wanted: &Selection<'_>,
        buffer: &mut BlockBuffer,
        mut take: impl FnMut(&BlockBuffer) -> bool,
    ) -> Result<(), StorageError> {
        match self {
            Block::Store(block) => {
                block.read(wanted, buffer)?;
                take(buffer);
                Ok(())
            }
            Block::Slice(slice) => slice.read(wanted, buffer, &mut take),
        }
    }
}
