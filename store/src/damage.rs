//! What the store is known to have lost: each place is told once, counted once, and taken out of what the store says it
//! has.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many places are named in one line; a store can have thousands of files.
const MAX_NAMED: usize = 16;

/// A place where the store is damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Damage {
    /// The file; the directory, where files are missing.
    pub(super) path: PathBuf,
    pub(super) what: What,
    /// Numbers of the records that are lost; empty: none.
    pub(super) lost: Range<u64>,
}

/// What is wrong there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum What {
    /// Records that were there cannot be read; `kept`: those of the file that can, where that is known.
    Unreadable { kept: Option<u64> },
    /// Segments are missing.
    Missing,
    /// No segment is there; `before`: the number that the next record gets.
    AllMissing { before: u64 },
    /// Nothing could be made of the file; it is kept for a human under another name.
    SetAside,
    /// Index or footer were damaged, and are made anew from the records.
    Rebuilt { kept: u64 },
    /// The index is damaged; reading takes longer.
    Index,
    /// The checkpoint was damaged; the segments say the same.
    Checkpoint,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.what {
            What::Unreadable { .. } => write!(f, "{path} cannot be read everywhere")?,
            What::Missing => write!(f, "segments are missing in {path}")?,
            What::AllMissing { before } => {
                write!(f, "all segments are missing in {path}")?;
                if self.lost.is_empty() {
                    write!(f, ": the records before {before} are lost")?;
                }
            }
            What::SetAside => write!(f, "{path} cannot be read and is kept as {path}.damaged")?,
            What::Rebuilt { .. } => write!(f, "{path} had a damaged footer and was rebuilt")?,
            What::Index => write!(f, "{path} has a damaged index, looking up takes longer")?,
            What::Checkpoint => write!(f, "{path} is damaged and was rebuilt from the segments")?,
        }
        let count = self.lost.end.saturating_sub(self.lost.start);
        match count {
            0 => {}
            1 => write!(f, ": record {} is lost", self.lost.start)?,
            _ => write!(
                f,
                ": records {}–{} ({count}) are lost",
                self.lost.start,
                self.lost.end - 1
            )?,
        }
        match self.what {
            What::Unreadable { kept: Some(kept) } | What::Rebuilt { kept } => {
                let comma = if count > 0 { "," } else { ":" };
                write!(f, "{comma} {kept} of it are kept")
            }
            _ => Ok(()),
        }
    }
}

/// All of it, for one line of the log.
pub(super) struct Report<'a>(pub(super) &'a [Damage]);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, damage) in self.0.iter().take(MAX_NAMED).enumerate() {
            let separator = if number > 0 { "; " } else { "" };
            write!(f, "{separator}{damage}")?;
        }
        match self.0.len().saturating_sub(MAX_NAMED) {
            0 => Ok(()),
            more => write!(f, "; and {more} more places"),
        }
    }
}

/// What is known so far.
#[derive(Default)]
pub(super) struct DamageLog(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// Numbers of lost records: ranges without overlaps, from their first to the one behind their last.
    lost: BTreeMap<u64, u64>,
    /// Files of which something else was told.
    told: HashSet<(PathBuf, What)>,
}

impl DamageLog {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes it. Gives how many records are lost that were not known to be, unless all of it was told before.
    pub(super) fn note(&self, damage: &Damage) -> Option<u64> {
        let mut known = self.known();
        if damage.lost.is_empty() {
            let is_new = known.told.insert((damage.path.clone(), damage.what));
            return is_new.then_some(0);
        }
        let new = known.add(damage.lost.clone());
        (new > 0).then_some(new)
    }

    /// How many of these records are lost.
    pub(super) fn lost_within(&self, numbers: Range<u64>) -> u64 {
        let known = self.known();
        let overlaps = known.lost.range(..numbers.end).map(|(&from, &to)| {
            let (from, to) = (from.max(numbers.start), to.min(numbers.end));
            to.saturating_sub(from)
        });
        overlaps.sum()
    }

    /// Forgets what was in records before `first`, which retention removed.
    pub(super) fn forget_before(&self, first: u64, gone: &Path) {
        let mut known = self.known();
        known.lost.retain(|_, to| *to > first);
        known.told.retain(|(path, _)| path != gone);
    }
}

impl Known {
    /// Adds a range; gives how much of it is new.
    fn add(&mut self, range: Range<u64>) -> u64 {
        let (mut from, mut to) = (range.start, range.end);
        let mut new = to - from;
        let touching: Vec<(u64, u64)> = self
            .lost
            .range(..=to)
            .map(|(&from, &to)| (from, to))
            .filter(|(_, known_to)| *known_to >= from)
            .collect();
        for (known_from, known_to) in touching {
            let overlap = known_to
                .min(range.end)
                .saturating_sub(known_from.max(range.start));
            new -= overlap;
            (from, to) = (from.min(known_from), to.max(known_to));
            self.lost.remove(&known_from);
        }
        self.lost.insert(from, to);
        new
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a set of numbers.
        #[test]
        fn each_record_is_lost_once(ranges in prop::collection::vec((0..60u64, 1..20u64), 0..30), from in 0..80u64,
            len in 0..40u64) {
            let (log, mut set) = (DamageLog::default(), BTreeSet::new());
            for (start, len) in ranges {
                let before = set.len();
                set.extend(start..start + len);
                let damage = Damage {
                    path: PathBuf::from("a"),
                    what: What::Unreadable { kept: None },
                    lost: start..start + len,
                };
                let new = (set.len() - before) as u64;
                prop_assert_eq!(log.note(&damage), (new > 0).then_some(new));
            }
            prop_assert_eq!(log.lost_within(from..from + len), set.range(from..from + len).count() as u64);
        }
    }

    #[test]
    fn a_place_is_told_in_words() {
        let damage = |what, lost| Damage {
            path: PathBuf::from("segments/7.seal"),
            what,
            lost,
        };
        let all = [
            damage(What::Unreadable { kept: Some(4) }, 7..9),
            damage(What::Rebuilt { kept: 12 }, 0..0),
            damage(What::SetAside, 20..21),
        ];
        assert_eq!(
            Report(&all).to_string(),
            "segments/7.seal cannot be read everywhere: records 7–8 (2) are lost, 4 of it are kept; \
             segments/7.seal had a damaged footer and was rebuilt: 12 of it are kept; \
             segments/7.seal cannot be read and is kept as segments/7.seal.damaged: record 20 is lost"
        );
    }
}
