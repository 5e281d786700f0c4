//! What is kept in memory of the blocks of sealed segments: where they are, and what is known of each.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::sealed::{BlockAt, Sealed};
use super::summary::BlockSummary;

/// Blocks that are kept, with what is known of each: some 300 bytes.
const MAX_BLOCKS: usize = 1 << 16;

/// The blocks of a sealed segment, and what is known of each.
pub(super) struct BlockList {
    pub(super) table: Vec<BlockAt>,
    pub(super) summaries: Vec<Option<BlockSummary>>,
}

impl BlockList {
    /// The numbers of the records of a block; the last one ends where the segment does.
    pub(super) fn numbers(&self, place: usize, end: u64) -> Option<Range<u64>> {
        let next = self.table.get(place + 1).map_or(end, |next| next.first);
        Some(self.table.get(place)?.first..next)
    }
}

/// Id and generation of a sealed segment.
type Key = (u64, u32);

/// The blocks of sealed segments.
#[derive(Default)]
pub(super) struct BlockLists(Mutex<HashMap<Key, Arc<BlockList>>>);

impl BlockLists {
    pub(super) fn get(&self, sealed: &Sealed) -> Option<Arc<BlockList>> {
        let lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lists.get(&key(sealed)).cloned()
    }

    /// Keeps a list while there is room; those before `oldest` are of segments that are gone.
    pub(super) fn keep(&self, sealed: &Sealed, list: &Arc<BlockList>, oldest: u64) {
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = key(sealed);
        lists.retain(|known, _| known.0 >= oldest && (known.0 != of.0 || known.1 > of.1));
        let blocks: usize = lists.values().map(|list| list.table.len()).sum();
        if blocks + list.table.len() <= MAX_BLOCKS {
            lists.insert(of, Arc::clone(list));
        }
    }
}

fn key(sealed: &Sealed) -> Key {
    (sealed.footer.id, sealed.generation)
}
