//! Parts of lines that come again.

use std::ops::Range;

use crate::log_record::Part;

/// Of each kind so many are kept. A batch has records of some dozens of callsites, and of a few tasks at a time.
const SLOTS: usize = 32;
/// With more bytes than these all are forgotten: what is kept is to stay in the cache, and nothing but the length of a
/// message bounds what a task's context is.
const MAX_BYTES: usize = 32 << 10;

/// Parts that were written, each in the slot that its hash says: a newer one takes the place of an older one.
#[derive(Debug)]
pub(super) struct Kept<'a> {
    slots: Box<[Option<Written<'a>>]>,
    bytes: Vec<u8>,
}

/// A part, and where it stands in the bytes.
type Written<'a> = (Part<'a>, Range<usize>);

impl Default for Kept<'_> {
    fn default() -> Self {
        Kept {
            slots: vec![None; Part::KINDS * SLOTS].into(),
            bytes: Vec::new(),
        }
    }
}

impl<'a> Kept<'a> {
    #[inline]
    fn slot(part: &Part<'_>) -> usize {
        let (kind, hash) = part.hash();
        kind * SLOTS + hash % SLOTS
    }

    /// What was written for an equal part.
    #[inline(always)] // Where it is called the kind is known.
    pub(super) fn get(&self, part: &Part<'a>) -> Option<&[u8]> {
        match self.slots.get(Kept::slot(part)) {
            Some(Some((known, range))) if known == part => self.bytes.get(range.clone()),
            _ => None,
        }
    }

    /// Keeps what was written.
    #[cold]
    pub(super) fn keep(&mut self, part: Part<'a>, written: &[u8]) {
        if self.bytes.len() + written.len() > MAX_BYTES {
            self.slots.fill(None);
            self.bytes.clear();
        }
        if written.len() > MAX_BYTES {
            return;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(written);
        if let Some(slot) = self.slots.get_mut(Kept::slot(&part)) {
            *slot = Some((part, start..self.bytes.len()));
        }
    }
}
