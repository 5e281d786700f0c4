//! The buffer that readers fill: many batches, their heads in one list and their bytes in one allocation.

use std::ops::Range;

use super::batch::Batch;
use super::format::{BatchHeader, BatchesOf, FrameHeader, FramesIn};
use super::removal::Removal;

/// Batches read from the store. Use one again and again: it keeps its memory.
#[derive(Debug, Default)]
pub struct Batches {
    pub(super) bytes: Vec<u8>,
    list: Vec<Batch>,
}

impl Batches {
    /// An empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// The batches with their bytes, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Batch, &[u8])> {
        self.list
            .iter()
            .map(|batch| (batch, &self.bytes[batch.range.clone()]))
    }

    /// How many batches there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many records the batches have together.
    pub fn records(&self) -> u64 {
        self.list.iter().map(|batch| u64::from(batch.count)).sum()
    }

    /// Forgets the batches, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.list.clear();
    }

    /// Forgets the batches that `keep` does not want.
    pub(super) fn retain(&mut self, keep: impl Fn(&[u8]) -> bool) {
        let bytes = &self.bytes;
        self.list.retain(|batch| keep(&bytes[batch.range.clone()]));
        if self.list.is_empty() {
            self.clear();
        }
    }

    /// Lists the batches of a frame that stands in `bytes` from `at` on, if `wanted` says so, without what is deleted.
    pub(super) fn add_frame(
        &mut self,
        frame: &FrameHeader,
        at: usize,
        removals: &[Removal],
        mut wanted: impl FnMut(&Batch, &[u8]) -> bool,
    ) {
        let batch_of = |(head, first, body): (BatchHeader, u64, Range<usize>)| {
            Batch::new(&head, first, at + body.start..at + body.end)
        };
        let batches = BatchesOf::new(frame, &self.bytes[at..]).map(batch_of);
        if removals.is_empty() {
            let wanted = batches.filter(|batch| {
                // A batch of holes only has nothing to read.
                batch.count > 0 && wanted(batch, &self.bytes[batch.range.clone()])
            });
            self.list.extend(wanted);
            return;
        }
        for mut batch in batches.collect::<Vec<_>>() {
            for removal in removals {
                self.remove(&mut batch, removal);
            }
            if batch.count > 0 && wanted(&batch, &self.bytes[batch.range.clone()]) {
                self.list.push(batch);
            }
        }
    }

    /// Lists the batches of all frames that stand in `bytes`, without what is deleted.
    pub(super) fn add_frames(&mut self, removals: &[Removal]) {
        let frames: Vec<_> = FramesIn::new(&self.bytes).collect();
        for (frame, range) in frames {
            self.add_frame(&frame, range.start, removals, |_, _| true);
        }
    }

    /// Takes records out of a batch, which stays where it is and becomes shorter.
    fn remove(&mut self, batch: &mut Batch, removal: &Removal) {
        let Some((new, _)) = removal.apply(batch, &self.bytes[batch.range.clone()]) else {
            return;
        };
        batch.range.end = batch.range.start + new.len();
        self.bytes[batch.range.clone()].copy_from_slice(&new);
    }

    /// Adds those of another one whose numbers are in a range.
    pub(super) fn append(&mut self, other: &Batches, numbers: &Range<u64>) {
        for (batch, bytes) in other.iter().filter(|(b, _)| numbers.contains(&b.first)) {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(bytes);
            self.list.push(Batch {
                range: start..self.bytes.len(),
                ..batch.clone()
            });
        }
    }

    /// Lists a batch that stands in `bytes`, if it is wanted.
    pub(super) fn add_if(
        &mut self,
        head: &BatchHeader,
        first: u64,
        range: Range<usize>,
        wanted: impl Fn(&Batch, &[u8]) -> bool,
    ) {
        let batch = Batch::new(head, first, range);
        if wanted(&batch, &self.bytes[batch.range.clone()]) {
            self.list.push(batch);
        }
    }

    /// Lists a batch that stands in `bytes`.
    pub(super) fn add(&mut self, head: &BatchHeader, first: u64, range: Range<usize>) {
        self.list.push(Batch::new(head, first, range));
    }

    /// Drops the bytes from `at` on except those of the batches from number `from` on in the list, which are moved
    /// there.
    pub(super) fn compact(&mut self, at: usize, from: usize) {
        let mut to = at;
        for batch in self.list.iter_mut().skip(from) {
            let len = batch.range.len();
            self.bytes.copy_within(batch.range.clone(), to);
            batch.range = to..to + len;
            to += len;
        }
        self.bytes.truncate(to);
    }
}
