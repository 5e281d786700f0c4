//! A segment that is not sealed, with its index in memory.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::format::SegmentHeader;
use super::layer::StoreFile;
use super::memory::MemoryIndex;
use super::summary::BlockSummary;

/// A segment that is not sealed: the open one, or one that waits for it.
pub(super) struct Live {
    pub(super) path: PathBuf,
    pub(super) file: Arc<dyn StoreFile>,
    pub(super) header: SegmentHeader,
    /// Where the durable frames end; readers go no further. Grows only.
    pub(super) durable: AtomicU64,
    /// When the newest record was received.
    pub(super) newest: AtomicU64,
    /// Bytes of the file.
    pub(super) size: AtomicU64,
    memory: RwLock<MemoryIndex>,
    /// What is known of groups of frames that were read, by the first frame of each.
    known: Mutex<HashMap<usize, Arc<BlockSummary>>>,
}

impl Live {
    pub(super) fn new(
        path: PathBuf,
        file: Arc<dyn StoreFile>,
        header: SegmentHeader,
        durable: u64,
        size: u64,
        memory: MemoryIndex,
    ) -> Self {
        Self {
            path,
            file,
            header,
            durable: AtomicU64::new(durable),
            newest: AtomicU64::new(0),
            size: AtomicU64::new(size),
            memory: RwLock::new(memory),
            known: Mutex::default(),
        }
    }

    /// What is known of the frames from one on that are read together.
    pub(super) fn known(&self, from: usize) -> Option<Arc<BlockSummary>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&from).cloned()
    }

    /// Notes what is known of these frames, to which none will be added.
    pub(super) fn learn(&self, from: usize, summary: BlockSummary) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(from, Arc::new(summary));
    }

    /// The index, to read. A thread that panicked while it held the lock can have left no half-done change behind: the
    /// index is only appended to.
    pub(super) fn memory(&self) -> RwLockReadGuard<'_, MemoryIndex> {
        self.memory.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn memory_mut(&self) -> RwLockWriteGuard<'_, MemoryIndex> {
        self.memory.write().unwrap_or_else(PoisonError::into_inner)
    }
}
