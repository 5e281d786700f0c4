//! The index of a segment that is not sealed, in memory: where its frames are, and in which of them a trace is.

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use super::options::TraceKey;

const NONE: u32 = u32::MAX;
/// Traces of a frame that are remembered.
const RECENT: usize = 64;

/// Where a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameAt {
    pub(super) offset: u64,
    pub(super) first: u64,
    pub(super) len: u32,
}

struct Posting {
    frame: u32,
    /// The posting before this one of the same trace.
    before: u32,
}

/// Frames in order, and for each trace a chain through the frames that it is in, from the last to the first: 8 bytes
/// for each frame that a trace is in, and about 24 for the trace.
#[derive(Default)]
pub(super) struct MemoryIndex {
    frames: Vec<FrameAt>,
    postings: Vec<Posting>,
    last: HashMap<TraceKey, u32>,
}

impl MemoryIndex {
    pub(super) fn frames(&self) -> &[FrameAt] {
        &self.frames
    }

    pub(super) fn postings(&self) -> usize {
        self.postings.len()
    }

    /// Begins a frame; the traces added next are in it.
    pub(super) fn add_frame(&mut self, frame: FrameAt) {
        self.frames.push(frame);
    }

    /// Says that a trace is in the last frame. The nil id is none.
    pub(super) fn add_trace(&mut self, trace: TraceKey) {
        if trace == [0; 16] {
            return;
        }
        let Some(frame) = self.frames.len().checked_sub(1) else {
            return;
        };
        let frame = frame as u32;
        let next = self.postings.len() as u32;
        let before = match self.last.entry(trace) {
            Entry::Occupied(mut entry) => {
                let last = *entry.get();
                if self.postings[last as usize].frame == frame {
                    return;
                }
                entry.insert(next);
                last
            }
            Entry::Vacant(entry) => {
                entry.insert(next);
                NONE
            }
        };
        self.postings.push(Posting { frame, before });
    }

    /// Puts the ordinals of the frames that a trace is in into `out`, in order.
    pub(super) fn frames_of(&self, trace: &TraceKey, out: &mut Vec<u32>) {
        out.clear();
        let mut at = self.last.get(trace).copied().unwrap_or(NONE);
        while at != NONE {
            let posting = &self.postings[at as usize];
            out.push(posting.frame);
            at = posting.before;
        }
        out.reverse();
    }

    /// All traces, sorted.
    pub(super) fn sorted_traces(&self) -> Vec<TraceKey> {
        let mut traces: Vec<_> = self.last.keys().copied().collect();
        traces.sort_unstable();
        traces
    }

    /// The last frame that begins at or before a record number; the first one if none does.
    pub(super) fn frame_with(&self, number: u64) -> Option<FrameAt> {
        let after = self.frames.partition_point(|f| f.first <= number);
        self.frames.get(after.saturating_sub(1)).copied()
    }

    /// The first frame that begins after an offset in the file.
    pub(super) fn frame_after(&self, offset: u64) -> Option<FrameAt> {
        let after = self.frames.partition_point(|f| f.offset <= offset);
        self.frames.get(after).copied()
    }
}

/// Traces seen in a frame, one for each of some values of a hash: most repeats end here.
pub(super) struct RecentTraces([TraceKey; RECENT]);

impl Default for RecentTraces {
    fn default() -> RecentTraces {
        RecentTraces([[0; 16]; RECENT])
    }
}

impl RecentTraces {
    /// Another frame begins.
    pub(super) fn clear(&mut self) {
        *self = RecentTraces::default();
    }

    /// False only of a trace that was seen in this frame; it may be true of one that was, too.
    pub(super) fn is_new(&mut self, trace: &TraceKey) -> bool {
        let slot = trace.iter().fold(0u8, |sum, b| sum.rotate_left(3) ^ b);
        let slot = &mut self.0[usize::from(slot) % RECENT];
        let is_new = slot != trace;
        *slot = *trace;
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_in_order_and_without_repeats() {
        let mut index = MemoryIndex::default();
        for n in 0..6u32 {
            index.add_frame(FrameAt {
                offset: u64::from(n) * 100,
                first: u64::from(n) * 10 + 1,
                len: 100,
            });
            index.add_trace([1; 16]);
            if n % 2 == 0 {
                index.add_trace([2; 16]);
                index.add_trace([1; 16]);
            }
        }
        let mut out = Vec::new();
        index.frames_of(&[1; 16], &mut out);
        assert_eq!(out, [0, 1, 2, 3, 4, 5]);
        index.frames_of(&[2; 16], &mut out);
        assert_eq!(out, [0, 2, 4]);
        index.frames_of(&[3; 16], &mut out);
        assert!(out.is_empty());
        assert_eq!(index.frame_with(25).map(|f| f.first), Some(21));
        assert_eq!(index.frame_after(100).map(|f| f.offset), Some(200));
    }
}
