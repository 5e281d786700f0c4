//! The position of each producer: the offset after the last one that the store has of it.

use distlog_proto::ProducerId;
use std::collections::{HashMap, HashSet};

use super::options::PRODUCER_KEPT;

/// Producers that are remembered. The least recently seen are evicted.
const MAX_PRODUCERS: usize = 1 << 18;

/// A producer's position and when it was last seen, in ns since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) to: u64,
    pub(super) seen: u64,
}

impl Position {
    /// Only ever forward.
    pub(super) fn forward(&mut self, to: u64, seen: u64) {
        self.to = self.to.max(to);
        self.seen = self.seen.max(seen);
    }
}

/// The producers, with what is needed to take back what did not become durable.
#[derive(Default)]
pub(super) struct Producers {
    map: HashMap<ProducerId, Position>,
    undo: Vec<(ProducerId, Option<Position>)>,
}

impl Producers {
    pub(super) fn get(&self, producer: &ProducerId) -> Option<Position> {
        self.map.get(producer).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    /// What a batch says, to be taken back if it does not become durable.
    pub(super) fn advance(&mut self, producer: ProducerId, to: u64, seen: u64) {
        let before = self.map.get(&producer).copied();
        self.undo.push((producer, before));
        self.forward(producer, to, seen);
    }

    /// What is known for good. Only ever forward.
    pub(super) fn forward(&mut self, producer: ProducerId, to: u64, seen: u64) {
        let position = self.map.entry(producer).or_insert(Position { to, seen });
        position.forward(to, seen);
    }

    /// Notes contact with a producer that is known.
    pub(super) fn touch(&mut self, producer: &ProducerId, seen: u64) {
        if let Some(position) = self.map.get_mut(producer) {
            position.seen = position.seen.max(seen);
        }
    }

    /// How many steps could be taken back.
    pub(super) fn steps(&self) -> usize {
        self.undo.len()
    }

    /// The first `steps` steps are durable.
    pub(super) fn settle(&mut self, steps: usize) {
        self.undo.drain(..steps.min(self.undo.len()));
    }

    /// Takes back every step that is not durable.
    pub(super) fn rewind(&mut self) {
        while let Some((producer, before)) = self.undo.pop() {
            match before {
                Some(position) => self.map.insert(producer, position),
                None => self.map.remove(&producer),
            };
        }
    }

    /// Where each stands by what is durable.
    pub(super) fn durable(&self) -> impl Iterator<Item = (ProducerId, Position)> + '_ {
        // Of several steps of one producer the oldest tells its position.
        let mut before = HashMap::new();
        for (producer, position) in &self.undo {
            before.entry(*producer).or_insert(*position);
        }
        self.map
            .iter()
            .filter_map(move |(producer, position)| match before.get(producer) {
                Some(old) => old.map(|old| (*producer, old)),
                None => Some((*producer, *position)),
            })
    }

    /// Forgets those not seen for long. One whose last step could be taken back stays.
    pub(super) fn expire(&mut self, now: u64) {
        // Under load there is always one: to wait until there is none would be to wait for ever.
        let undecided: HashSet<ProducerId> = self.undo.iter().map(|(id, _)| *id).collect();
        let oldest = now.saturating_sub(PRODUCER_KEPT.as_nanos() as u64);
        self.map
            .retain(|id, position| position.seen >= oldest || undecided.contains(id));
        if self.map.len() > MAX_PRODUCERS {
            let mut seen: Vec<u64> = self.map.values().map(|s| s.seen).collect();
            let surplus = seen.len() - MAX_PRODUCERS;
            let (_, oldest, _) = seen.select_nth_unstable(surplus);
            let oldest = *oldest;
            self.map
                .retain(|id, position| position.seen >= oldest || undecided.contains(id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewind_takes_back_exactly_what_is_not_settled() {
        let [one, two] = [1, 2].map(|n| ProducerId::from_bytes([n; 16]));
        let mut p = Producers::default();
        p.advance(one, 10, 1);
        p.advance(one, 20, 2);
        p.advance(two, 5, 2);
        p.settle(1);
        assert_eq!(
            p.durable().collect::<Vec<_>>(),
            [(one, Position { to: 10, seen: 1 })]
        );
        p.rewind();
        assert_eq!(p.get(&one).map(|s| s.to), Some(10));
        assert_eq!(p.get(&two), None);
    }

    #[test]
    fn there_are_not_too_many_even_while_some_are_undecided() {
        let mut p = Producers::default();
        let id = |n: u64| {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&n.to_be_bytes());
            ProducerId::from_bytes(id)
        };
        let most = MAX_PRODUCERS as u64;
        (0..most + 1000).for_each(|n| p.forward(id(n), 10, n));
        // The oldest of all.
        p.advance(id(0), 20, 0);
        p.expire(most + 1000);
        assert_eq!(p.len(), MAX_PRODUCERS + 1);
        assert_eq!(p.get(&id(0)).map(|s| s.to), Some(20));
        assert_eq!(p.get(&id(999)), None);
        assert!(p.get(&id(1000)).is_some());
        p.rewind();
        assert_eq!(p.get(&id(0)).map(|s| s.to), Some(10));
    }

    #[test]
    fn the_silent_are_forgotten() {
        let mut p = Producers::default();
        let month = PRODUCER_KEPT.as_nanos() as u64;
        let [one, two] = [1, 2].map(|n| ProducerId::from_bytes([n; 16]));
        p.forward(one, 10, 5);
        p.forward(two, 10, 7);
        p.touch(&one, 6);
        p.expire(month + 7);
        assert_eq!(p.len(), 1);
        assert!(p.get(&two).is_some());
    }
}
