//! Where each producer stands: the offset after the last one that the store has of it.

use std::collections::{HashMap, HashSet};

use super::options::{PRODUCER_KEPT, ProducerId};

/// More producers than this are not remembered: those that were silent longest go first.
const MOST: usize = 1 << 18;

/// Where a producer stands and when it was last heard (ns since the epoch).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stand {
    pub(super) to: u64,
    pub(super) seen: u64,
}

/// The producers, with what is needed to take back what did not become durable.
#[derive(Default)]
pub(super) struct Producers {
    map: HashMap<ProducerId, Stand>,
    undo: Vec<(ProducerId, Option<Stand>)>,
}

impl Producers {
    pub(super) fn get(&self, producer: &ProducerId) -> Option<Stand> {
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
        let stand = self.map.entry(producer).or_insert(Stand { to, seen });
        stand.to = stand.to.max(to);
        stand.seen = stand.seen.max(seen);
    }

    /// Notes contact with a producer that is known.
    pub(super) fn touch(&mut self, producer: &ProducerId, seen: u64) {
        if let Some(stand) = self.map.get_mut(producer) {
            stand.seen = stand.seen.max(seen);
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
                Some(stand) => self.map.insert(producer, stand),
                None => self.map.remove(&producer),
            };
        }
    }

    /// Where each stands by what is durable.
    pub(super) fn durable(&self) -> impl Iterator<Item = (ProducerId, Stand)> + '_ {
        // Of several steps of one producer the oldest tells where it stood.
        let mut before = HashMap::new();
        for (producer, stand) in &self.undo {
            before.entry(*producer).or_insert(*stand);
        }
        self.map
            .iter()
            .filter_map(move |(producer, stand)| match before.get(producer) {
                Some(old) => old.map(|old| (*producer, old)),
                None => Some((*producer, *stand)),
            })
    }

    /// Forgets those not heard for long. One whose last step could be taken back stays.
    pub(super) fn expire(&mut self, now: u64) {
        // Under load there is always one: to wait until there is none would be to wait for ever.
        let undecided: HashSet<ProducerId> = self.undo.iter().map(|(id, _)| *id).collect();
        let oldest = now.saturating_sub(PRODUCER_KEPT.as_nanos() as u64);
        self.map
            .retain(|id, stand| stand.seen >= oldest || undecided.contains(id));
        if self.map.len() > MOST {
            let mut seen: Vec<u64> = self.map.values().map(|s| s.seen).collect();
            let surplus = seen.len() - MOST;
            let (_, oldest, _) = seen.select_nth_unstable(surplus);
            let oldest = *oldest;
            self.map
                .retain(|id, stand| stand.seen >= oldest || undecided.contains(id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewind_takes_back_exactly_what_is_not_settled() {
        let mut p = Producers::default();
        p.advance([1; 16], 10, 1);
        p.advance([1; 16], 20, 2);
        p.advance([2; 16], 5, 2);
        p.settle(1);
        assert_eq!(
            p.durable().collect::<Vec<_>>(),
            [([1; 16], Stand { to: 10, seen: 1 })]
        );
        p.rewind();
        assert_eq!(p.get(&[1; 16]).map(|s| s.to), Some(10));
        assert_eq!(p.get(&[2; 16]), None);
    }

    #[test]
    fn there_are_not_too_many_even_while_some_are_undecided() {
        let mut p = Producers::default();
        let id = |n: u64| {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&n.to_be_bytes());
            id
        };
        let most = MOST as u64;
        (0..most + 1000).for_each(|n| p.forward(id(n), 10, n));
        // The oldest of all.
        p.advance(id(0), 20, 0);
        p.expire(most + 1000);
        assert_eq!(p.len(), MOST + 1);
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
        p.forward([1; 16], 10, 5);
        p.forward([2; 16], 10, 7);
        p.touch(&[1; 16], 6);
        p.expire(month + 7);
        assert_eq!(p.len(), 1);
        assert!(p.get(&[2; 16]).is_some());
    }
}
