//! How many records there were within the last so many minutes: a sliding window of a bounded size.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// A window is divided into so many slots. It slides by one of them at a time: a record counts for the whole length of
/// the window, less at most one slot.
const SLOTS: u64 = 60;

/// How long a window is, and its slots. All times are in ns of one clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Length(u64);

impl Length {
    pub(super) fn new(nanos: u64) -> Length {
        Length(nanos.max(SLOTS))
    }

    pub(super) fn nanos(self) -> u64 {
        self.0
    }

    /// The slot of a time.
    fn slot(self, time: u64) -> u64 {
        time / (self.0 / SLOTS)
    }

    /// The oldest slot that counts at a time.
    fn oldest(self, at: u64) -> u64 {
        (self.slot(at) + 1).saturating_sub(SLOTS)
    }

    /// Whether what happened at `time` counts at `at`.
    pub(super) fn holds(self, time: u64, at: u64) -> bool {
        self.slot(time) >= self.oldest(at)
    }
}

/// The records within a window: slots with how many they have, in order, those with none left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Window(VecDeque<(u64, u64)>);

impl Window {
    /// A record, which does not have to be the newest.
    pub(super) fn add(&mut self, length: Length, time: u64) {
        let slot = length.slot(time);
        let at = self.0.iter().rposition(|(known, _)| *known <= slot);
        match at.map(|at| (at, &mut self.0[at])) {
            Some((_, (known, count))) if *known == slot => *count += 1,
            Some((at, _)) => self.0.insert(at + 1, (slot, 1)),
            None => self.0.push_front((slot, 1)),
        }
    }

    /// Forgets what is too old.
    pub(super) fn slide(&mut self, length: Length, at: u64) {
        let oldest = length.oldest(at);
        while self.0.front().is_some_and(|(slot, _)| *slot < oldest) {
            self.0.pop_front();
        }
    }

    /// How many records there are.
    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The oracle keeps every time and counts those of the last sixty slots.
        #[test]
        fn it_counts_as_one_that_keeps_every_record(
            nanos in 60_u64..1_000_000,
            steps in proptest::collection::vec((0_u64..50_000, 0_u64..100_000), 1..200),
        ) {
            let (length, mut window) = (Length::new(nanos), Window::default());
            let (mut at, mut all) = (5_000_000, Vec::new());
            let slot = nanos / 60;
            for (step, age) in steps {
                at += step;
                let time = at - age;
                if length.holds(time, at) {
                    window.add(length, time);
                }
                all.push(time);
                window.slide(length, at);
                let counts = |time: &&u64| **time / slot + 60 > at / slot;
                prop_assert_eq!(window.count(), all.iter().filter(counts).count() as u64);
                prop_assert!(window.0.len() <= 60);
                // What the slots mean: none is too old, and none is left out that is younger than all but one slot.
                prop_assert!(all.iter().filter(|time| **time + nanos <= at).all(|time| !length.holds(*time, at)));
                prop_assert!(all.iter().filter(|time| **time + 59 * slot > at).all(|time| length.holds(*time, at)));
            }
        }
    }
}
