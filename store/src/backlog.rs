//! Segments that are full and wait to be sealed.
//!
//! Columns are made of them by threads that stand back behind everything else, so that a burst of records is not
//! slowed down, and each is sealed once. Where too many wait, the oldest are sealed in rows, which takes a quarter of
//! the time; they are written anew in columns later.

use std::collections::VecDeque;
use std::sync::Arc;

use super::live::Live;
use super::options::MAX_POSTINGS;
use super::packers::Effort;

/// So many wait for columns.
const PATIENT: usize = 24;
/// This many more are sealed in compressed rows, and as many again without compression, before appends wait.
const STEP: usize = 4;
/// Entries that the indexes in memory of all that wait may have before the same happens, at each step twice as many.
const PATIENT_POSTINGS: usize = 2 * MAX_POSTINGS;
/// Those that wait for columns take this part of what may be kept, at most.
const SHARE_OF_KEPT: u64 = 8;

/// The segments that wait, in order.
pub(super) struct Backlog {
    waiting: VecDeque<Full>,
    /// How many are being sealed.
    sealing: usize,
    /// How many may wait for columns.
    patient: usize,
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
            sealing: 0,
            patient: PATIENT,
        }
    }
}

impl Backlog {
    /// Sets how many may wait for columns, by the bytes that the store keeps and those of a segment.
    pub(super) fn fit(&mut self, kept: Option<u64>, segment_size: u64) {
        let share = kept.unwrap_or(u64::MAX) / SHARE_OF_KEPT / segment_size.max(1);
        let share = usize::try_from(share).unwrap_or(PATIENT);
        self.patient = share.clamp(1, PATIENT);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many are not sealed, those included that are being sealed.
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.sealing
    }

    /// Whether appends are to wait.
    pub(super) fn is_full(&self) -> bool {
        self.pressure() == Pressure::Full
    }

    pub(super) fn add(&mut self, full: Full) {
        self.waiting.push_back(full);
    }

    /// The oldest one that nobody seals.
    pub(super) fn take(&mut self) -> Option<Full> {
        let full = self.waiting.pop_front()?;
        self.sealing += 1;
        Some(full)
    }

    /// The same where it must be done faster than columns are, and how.
    pub(super) fn take_in_a_hurry(&mut self) -> Option<(Full, Effort)> {
        let effort = match self.pressure() {
            Pressure::None => return None,
            Pressure::Rows => Effort::PackedRows,
            Pressure::PlainRows | Pressure::Full => Effort::Rows,
        };
        Some((self.take()?, effort))
    }

    /// One that was taken is sealed, or cannot be.
    pub(super) fn done(&mut self) {
        self.sealing = self.sealing.saturating_sub(1);
    }

    fn pressure(&self) -> Pressure {
        let postings: usize = self.waiting.iter().map(|full| full.postings).sum();
        let by_number = self.len().saturating_sub(self.patient).div_ceil(STEP);
        let by_memory = (postings / PATIENT_POSTINGS).checked_ilog2();
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
    fn full(postings: usize) -> Full {
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
            id: 1,
            first: 0,
            salt: 0,
        };
        let live = Live::new(PathBuf::new(), file, header, 0, 0, memory);
        Full::new(Arc::new(live), 1)
    }

    /// How the next one is sealed in a hurry, if it is.
    fn effort(backlog: &mut Backlog) -> Option<Effort> {
        backlog.take_in_a_hurry().map(|(_, effort)| effort)
    }

    #[test]
    fn a_burst_waits_for_columns_and_more_is_sealed_in_rows() {
        let mut backlog = Backlog::default();
        let one = full(1);
        (0..PATIENT).for_each(|_| backlog.add(one.clone()));
        assert_eq!(effort(&mut backlog), None);
        backlog.add(one.clone());
        assert_eq!(effort(&mut backlog), Some(Effort::PackedRows));
        // It counts until it is done.
        assert_eq!(backlog.len(), PATIENT + 1);
        (0..STEP).for_each(|_| backlog.add(one.clone()));
        assert_eq!(effort(&mut backlog), Some(Effort::Rows));
        assert!(!backlog.is_full());
        (0..STEP).for_each(|_| backlog.add(one.clone()));
        assert!(backlog.is_full());
        backlog.done();
        assert!(!backlog.is_full());
    }

    #[test]
    fn large_indexes_do_not_wait_in_memory() {
        let mut backlog = Backlog::default();
        let large = full(MAX_POSTINGS);
        (0..PATIENT_POSTINGS / MAX_POSTINGS - 1).for_each(|_| backlog.add(large.clone()));
        assert_eq!(effort(&mut backlog), None);
        backlog.add(large.clone());
        assert_eq!(effort(&mut backlog), Some(Effort::PackedRows));
        let more = 4 * PATIENT_POSTINGS / MAX_POSTINGS;
        (0..more).for_each(|_| backlog.add(large.clone()));
        assert!(backlog.is_full());
    }

    #[test]
    fn a_small_store_is_not_filled_by_what_waits() {
        let mut backlog = Backlog::default();
        backlog.fit(Some(1 << 30), 64 << 20);
        assert_eq!(backlog.patient, 2);
        backlog.fit(Some(1 << 20), 64 << 20);
        assert_eq!(backlog.patient, 1);
        backlog.fit(None, 64 << 20);
        assert_eq!(backlog.patient, PATIENT);
    }
}
