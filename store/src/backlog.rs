//! Segments that are full, or closed before that, and wait to be sealed.
//!
//! Columns are made of them by threads that stand back behind everything else, so that a burst of records is not
//! slowed down, and each is sealed once. Where too many wait, the oldest are sealed in rows, which takes a quarter of
//! the time; they are written anew in columns later.

use std::collections::VecDeque;
use std::sync::Arc;

use super::live::Live;
use super::options::MAX_POSTINGS;
use super::packers::Effort;

/// So many wait for columns at most.
const MAX_WAITING: usize = 24;
/// A sixth more are sealed in compressed rows, and as many again without compression, before appends wait.
const STEPS: usize = 6;
/// Entries that the indexes in memory of all that wait may have before the same happens, at each step twice as many.
const MAX_POSTINGS_WAITING: usize = 2 * MAX_POSTINGS;
/// Those that wait for columns take this part of what may be kept.
const SHARE_OF_KEPT: u64 = 8;

/// The segments that wait, in order.
pub(super) struct Backlog {
    waiting: VecDeque<Full>,
    /// The ids of those that are being sealed.
    sealing: Vec<u64>,
    /// How many may wait for columns.
    max_waiting: usize,
}

/// A full segment.
#[derive(Clone)]
pub(super) struct Full {
    pub(super) live: Arc<Live>,
    /// The number after its last record.
    pub(super) end: u64,
    postings: usize,
}

impl Full {
    pub(super) fn new(live: Arc<Live>, end: u64) -> Full {
        let postings = live.memory().postings();
        Full {
            live,
            end,
            postings,
        }
    }

    pub(super) fn id(&self) -> u64 {
        self.live.header.id
    }
}

/// How pressing it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Pressure {
    None,
    Rows,
    PlainRows,
    /// Appends wait.
    Full,
}

impl Default for Backlog {
    fn default() -> Backlog {
        Backlog {
            waiting: VecDeque::new(),
            sealing: Vec::new(),
            max_waiting: MAX_WAITING,
        }
    }
}

impl Backlog {
    /// Sets how many may wait for columns, by the bytes that the store keeps and those of a segment.
    pub(super) fn fit(&mut self, kept: Option<u64>, segment_size: u64) {
        let share = kept.unwrap_or(u64::MAX) / SHARE_OF_KEPT / segment_size.max(1);
        let share = usize::try_from(share).unwrap_or(MAX_WAITING);
        self.max_waiting = share.clamp(1, MAX_WAITING);
    }

    /// How many are not sealed, those included that are being sealed.
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.sealing.len()
    }

    /// Whether a segment is among them.
    pub(super) fn has(&self, id: u64) -> bool {
        self.sealing.contains(&id) || self.waiting.iter().any(|full| full.id() == id)
    }

    /// Whether appends are to wait.
    pub(super) fn is_full(&self) -> bool {
        self.pressure() == Pressure::Full
    }

    pub(super) fn add(&mut self, full: Full) {
        self.waiting.push_back(full);
    }

    /// A segment is gone, and need not be sealed.
    pub(super) fn forget(&mut self, id: u64) {
        self.waiting.retain(|full| full.id() != id);
    }

    /// The oldest one that nobody seals.
    pub(super) fn take(&mut self) -> Option<Full> {
        let full = self.waiting.pop_front()?;
        self.sealing.push(full.id());
        Some(full)
    }

    /// The same where it must be done faster than columns are, and how: where too many wait, where the disk is short
    /// of room, and where somebody waits for those with records before a number.
    pub(super) fn take_for_rows(&mut self, before: u64, is_short: bool) -> Option<(Full, Effort)> {
        let effort = match self.pressure() {
            Pressure::None => {
                let first = self.waiting.front()?.live.header.first;
                (is_short || first < before).then_some(Effort::PackedRows)?
            }
            Pressure::Rows => Effort::PackedRows,
            Pressure::PlainRows | Pressure::Full => Effort::Rows,
        };
        Some((self.take()?, effort))
    }

    /// One that was taken is sealed, or cannot be.
    pub(super) fn done(&mut self, id: u64) {
        self.sealing.retain(|one| *one != id);
    }

    fn pressure(&self) -> Pressure {
        let postings: usize = self.waiting.iter().map(|full| full.postings).sum();
        let step = (self.max_waiting / STEPS).max(1);
        let by_number = self.len().saturating_sub(self.max_waiting).div_ceil(step);
        let by_memory = (postings / MAX_POSTINGS_WAITING).checked_ilog2();
        match by_number.max(by_memory.map_or(0, |log| log as usize + 1)) {
            0 => Pressure::None,
            1 => Pressure::Rows,
            2 => Pressure::PlainRows,
            _ => Pressure::Full,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::format::SegmentHeader;
    use crate::layer::{FileLayer, OsFiles};
    use crate::memory::{FrameAt, MemoryIndex};

    /// A full segment with so many entries in its index.
    fn full(id: u64, postings: usize) -> Full {
        let dir = tempfile::tempdir().unwrap();
        let file = OsFiles.create(&dir.path().join("segment")).unwrap();
        let mut memory = MemoryIndex::default();
        memory.add_frame(FrameAt {
            offset: 0,
            first: 0,
            len: 0,
        });
        (1..=postings as u128).for_each(|trace| memory.add_trace(trace.to_be_bytes()));
        let header = SegmentHeader {
            id,
            first: 10 * id,
            salt: 0,
        };
        let live = Live::new(PathBuf::new(), file, header, 0, 0, memory);
        Full::new(Arc::new(live), 10 * (id + 1))
    }

    /// Adds so many.
    fn add(backlog: &mut Backlog, ids: std::ops::Range<u64>, postings: usize) {
        ids.for_each(|id| backlog.add(full(id, postings)));
    }

    /// How the next one is sealed that does not wait for columns.
    fn effort(backlog: &mut Backlog) -> Option<Effort> {
        let taken = backlog.take_for_rows(0, false);
        taken.map(|(_, effort)| effort)
    }

    #[test]
    fn a_burst_waits_for_columns_and_more_is_sealed_in_rows() {
        let (mut backlog, most) = (Backlog::default(), MAX_WAITING as u64);
        add(&mut backlog, 0..most, 1);
        assert_eq!(effort(&mut backlog), None);
        add(&mut backlog, most..most + 1, 1);
        assert_eq!(effort(&mut backlog), Some(Effort::PackedRows));
        // It counts until it is done.
        assert!(backlog.len() == MAX_WAITING + 1 && backlog.has(0));
        add(&mut backlog, most + 1..most + 5, 1);
        assert_eq!(effort(&mut backlog), Some(Effort::Rows));
        assert!(!backlog.is_full());
        add(&mut backlog, most + 5..most + 9, 1);
        assert!(backlog.is_full());
        backlog.done(0);
        assert!(!backlog.is_full() && !backlog.has(0) && backlog.has(1) && backlog.has(2));
    }

    #[test]
    fn large_indexes_do_not_wait_in_memory() {
        let mut backlog = Backlog::default();
        add(&mut backlog, 0..1, MAX_POSTINGS);
        assert_eq!(effort(&mut backlog), None);
        add(&mut backlog, 1..2, MAX_POSTINGS);
        assert_eq!(effort(&mut backlog), Some(Effort::PackedRows));
        add(&mut backlog, 2..9, MAX_POSTINGS);
        assert!(backlog.is_full());
    }

    #[test]
    fn what_somebody_waits_for_and_what_has_no_room_is_not_put_off() {
        let mut backlog = Backlog::default();
        add(&mut backlog, 0..3, 1);
        let mut taken = |before, is_short| {
            let taken = backlog.take_for_rows(before, is_short);
            taken.map(|(full, effort)| (full.id(), effort))
        };
        assert_eq!(taken(1, false), Some((0, Effort::PackedRows)));
        assert_eq!(taken(1, false), None);
        assert_eq!(taken(0, true), Some((1, Effort::PackedRows)));
        backlog.forget(2);
        assert_eq!(backlog.take_for_rows(u64::MAX, true).map(|_| ()), None);
    }

    #[test]
    fn a_small_store_is_not_filled_by_what_waits() {
        let (mut backlog, segment) = (Backlog::default(), 64 << 20);
        for (kept, most) in [
            (Some(1 << 30), 2),
            (Some(1 << 20), 1),
            (None, MAX_WAITING as u64),
        ] {
            backlog.fit(kept, segment);
            assert_eq!(backlog.max_waiting as u64, most);
        }
        backlog.fit(Some(1 << 30), segment);
        add(&mut backlog, 0..4, 1);
        assert!(!backlog.is_full());
        add(&mut backlog, 4..5, 1);
        assert!(backlog.is_full());
    }
}
