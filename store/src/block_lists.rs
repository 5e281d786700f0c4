//! What is kept in memory of the blocks of sealed segments: where they are, and what is known of each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::sealed::BlockAt;
use super::summary::BlockSummary;

/// Blocks that are kept, with what is known of each: some 300 bytes.
const MAX_BLOCKS: usize = 1 << 16;

/// The blocks of a sealed segment, and what is known of each.
pub(super) struct BlockList {
    pub(super) table: Vec<BlockAt>,
    pub(super) summaries: Vec<Option<BlockSummary>>,
}

/// The blocks of sealed segments, by the segments' ids.
#[derive(Default)]
pub(super) struct BlockLists(Mutex<HashMap<u64, Arc<BlockList>>>);

impl BlockLists {
    pub(super) fn get(&self, id: u64) -> Option<Arc<BlockList>> {
        let lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lists.get(&id).cloned()
    }

    /// Keeps a list while there is room; those before `oldest` are of segments that are gone.
    pub(super) fn keep(&self, id: u64, list: &Arc<BlockList>, oldest: u64) {
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lists.retain(|id, _| *id >= oldest);
        let blocks: usize = lists.values().map(|list| list.table.len()).sum();
        if blocks + list.table.len() <= MAX_BLOCKS {
            lists.insert(id, Arc::clone(list));
        }
    }
}
