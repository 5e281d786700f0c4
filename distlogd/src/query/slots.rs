//! When something happened, in slots of time: a few numbers, however much there is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Slots at most.
const MAX_SLOTS: u64 = 30;

/// How often something happened in each slot of time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Times {
    /// When the first slot begins, in ns since the epoch.
    pub from_ns: u64,
    /// How long each is, in ns: a power of two.
    pub every_ns: u64,
    /// How often, in each: at most 30 numbers.
    pub counts: Vec<u64>,
}

/// Slots of a length that is a power of two ns, at multiples of it. They grow when there would be too many, so that
/// they are the same in whatever order times come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slots {
    /// The length of one is 2 to the power of this, in ns.
    power: u32,
    /// The first slot, in slots since the epoch.
    first: u64,
    counts: Vec<u64>,
}

impl Slots {
    /// Of one time, in ns since the epoch.
    pub(super) fn of(time: u64) -> Slots {
        Slots {
            power: 0,
            first: time,
            counts: vec![1],
        }
    }

    fn last(&self) -> u64 {
        self.first + (self.counts.len() as u64).saturating_sub(1)
    }

    /// Each slot, in slots since the epoch, and its count.
    fn each(&self) -> impl Iterator<Item = (u64, u64)> {
        let counts = self.counts.iter().enumerate();
        counts.map(|(at, count)| (self.first + at as u64, *count))
    }

    /// Makes the slots so long.
    fn grow(&mut self, power: u32) {
        let more = power - self.power;
        if more == 0 {
            return;
        }
        let first = self.first >> more;
        let len = (self.last() >> more) - first + 1;
        let mut counts = vec![0; len as usize];
        for (slot, count) in self.each() {
            counts[((slot >> more) - first) as usize] += count;
        }
        *self = Slots {
            power,
            first,
            counts,
        };
    }

    pub(super) fn merge(&mut self, mut other: Slots) {
        let mut power = self.power.max(other.power);
        let (from, to) = loop {
            let in_slots = |of: &Slots| {
                let more = power - of.power;
                (of.first >> more, of.last() >> more)
            };
            let (own, others) = (in_slots(self), in_slots(&other));
            let (from, to) = (own.0.min(others.0), own.1.max(others.1));
            if to - from < MAX_SLOTS {
                break (from, to);
            }
            power += 1;
        };
        self.grow(power);
        other.grow(power);
        let mut counts = vec![0; (to - from + 1) as usize];
        for of in [&*self, &other] {
            for (slot, count) in of.each() {
                counts[(slot - from) as usize] += count;
            }
        }
        (self.first, self.counts) = (from, counts);
    }

    pub(super) fn times(self) -> Times {
        Times {
            from_ns: self.first << self.power,
            every_ns: 1 << self.power,
            counts: self.counts,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn merged(times: &[u64]) -> Slots {
        let mut slots = Slots::of(times[0]);
        times[1..]
            .iter()
            .for_each(|time| slots.merge(Slots::of(*time)));
        slots
    }

    proptest! {
        #[test]
        fn each_time_counts_once_in_its_slot(
            times in proptest::collection::vec(prop_oneof![any::<u64>(), 0u64..100, Just(u64::MAX)], 1..60),
            at in any::<prop::sample::Index>(),
        ) {
            let all = merged(&times);
            let mut backwards = times.clone();
            backwards.reverse();
            prop_assert_eq!(&merged(&backwards), &all);
            let (some, others) = times.split_at(at.index(times.len()));
            if !some.is_empty() {
                let mut both = merged(others);
                both.merge(merged(some));
                prop_assert_eq!(&both, &all);
            }
            let Times { from_ns, every_ns, counts } = all.times();
            prop_assert!(counts.len() <= 30);
            for (slot, count) in (0u64..).zip(&counts) {
                let begin = u128::from(from_ns) + u128::from(slot) * u128::from(every_ns);
                let end = begin + u128::from(every_ns);
                let within = times.iter().filter(|time| (begin..end).contains(&u128::from(**time)));
                prop_assert_eq!(within.count() as u64, *count);
            }
            prop_assert_eq!(counts.iter().sum::<u64>(), times.len() as u64);
        }
    }
}
