//! Fragments of lines that repeat from record to record.

use std::ops::Range;

use crate::log_record::Fragment;

/// Fragments of each kind. A batch has records of some dozens of callsites, and of a few tasks at a time.
const SLOTS: usize = 32;
/// The cache is emptied beyond this, so that it stays in the processor's cache: a task's context may be as long as a
/// message.
const MAX_BYTES: usize = 32 << 10;

/// Fragments that were written, each in the slot of its hash; a newer one replaces an older one.
#[derive(Debug)]
pub(super) struct FragmentCache<'a> {
    slots: Box<[Option<Written<'a>>]>,
    bytes: Vec<u8>,
}

/// A fragment, and its range in the bytes.
type Written<'a> = (Fragment<'a>, Range<usize>);

impl Default for FragmentCache<'_> {
    fn default() -> Self {
        FragmentCache {
            slots: vec![None; Fragment::KINDS * SLOTS].into(),
            bytes: Vec::new(),
        }
    }
}

impl<'a> FragmentCache<'a> {
    #[inline]
    fn slot(fragment: &Fragment<'_>) -> usize {
        let (kind, hash) = fragment.hash();
        kind * SLOTS + hash % SLOTS
    }

    /// The bytes of an equal fragment.
    #[inline(always)] // The kind is known where it is called.
    pub(super) fn get(&self, fragment: &Fragment<'a>) -> Option<&[u8]> {
        match self.slots.get(FragmentCache::slot(fragment)) {
            Some(Some((known, range))) if known == fragment => self.bytes.get(range.clone()),
            _ => None,
        }
    }

    /// Keeps the bytes of a fragment.
    #[cold]
    pub(super) fn insert(&mut self, fragment: Fragment<'a>, written: &[u8]) {
        if self.bytes.len() + written.len() > MAX_BYTES {
            self.slots.fill(None);
            self.bytes.clear();
        }
        if written.len() > MAX_BYTES {
            return;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(written);
        if let Some(slot) = self.slots.get_mut(FragmentCache::slot(&fragment)) {
            *slot = Some((fragment, start..self.bytes.len()));
        }
    }
}
