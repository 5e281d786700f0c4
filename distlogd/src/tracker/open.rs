//! What the tracker knows of open tasks. There may be a million of them, so each takes about 100 bytes in all: they lie
//! side by side in slots, a table finds the slot of a key, and links lead from the oldest to the newest.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use distlog_proto::{ProducerId, RecordRef, SpanId, Task, TraceId};
use hashbrown::HashTable;

use crate::tree::is_python;

/// Names a task: its trace and span id, and, of a further one that came by OTLP with the same ids, its run
/// ([`RecordRef::run`]), else 0.
pub(super) type Key = (TraceId, SpanId, u64);

/// An open task.
#[derive(Debug, Clone)]
pub(super) struct Open {
    /// Number in the store of its begin.
    pub number: u64,
    /// See [`RecordRef::run`].
    pub run: u64,
    pub producer: ProducerId,
    /// Time of its begin, in ns since the epoch.
    pub begun: u64,
    /// Time of its last record, in ns since the epoch.
    pub last: u64,
    parent_span_id: Option<SpanId>,
    /// Whether it may have no end.
    pub python: bool,
    /// Whether its end was written. It stays open until that end is read from the store: a crash cannot lose it.
    reported: bool,
}

impl Open {
    pub fn new(number: u64, run: u64, begin: &RecordRef<'_>) -> Open {
        Open {
            number,
            run,
            producer: begin.source.producer,
            begun: begin.time,
            last: begin.time,
            parent_span_id: begin.task.and_then(|task| task.parent_span_id),
            python: is_python(begin),
            reported: false,
        }
    }

    /// From its begin to its last record, in ns; 0 where the begin is not known.
    pub fn duration(&self) -> u64 {
        match self.begun {
            0 => 0,
            begun => self.last.saturating_sub(begun),
        }
    }

    /// The task as far as it is known without its begin.
    pub fn task(&self, trace_id: TraceId, span_id: SpanId) -> Option<Task> {
        let id = distlog_proto::TaskId::anchor(trace_id, span_id);
        Some(Task {
            parent_span_id: self.parent_span_id,
            ..Task::from(&id)
        })
    }
}

/// Index of a task in [`OpenTasks::nodes`].
type Slot = u32;
const NO_SLOT: Slot = Slot::MAX;
/// Memory for this many tasks is not given back.
const MIN_CAPACITY: usize = 1 << 12;

/// An open task with its neighbours in the order of their begins.
#[derive(Debug)]
struct Node {
    key: Key,
    open: Open,
    /// When its last record was read, in ms since the start.
    touched: u64,
    older: Slot,
    newer: Slot,
}

impl Node {
    fn neighbours(&self) -> (Slot, Slot) {
        (self.older, self.newer)
    }
}

/// The open tasks, up to a limit.
#[derive(Debug)]
pub(super) struct OpenTasks {
    limit: usize,
    start: Instant,
    /// Without gaps: the last one takes the slot of one that is removed.
    nodes: Vec<Node>,
    slots: HashTable<Slot>,
    hasher: RandomState,
    oldest: Slot,
    newest: Slot,
}

impl OpenTasks {
    pub fn new(limit: usize) -> OpenTasks {
        OpenTasks {
            limit: limit.clamp(1, NO_SLOT as usize),
            start: Instant::now(),
            nodes: Vec::new(),
            slots: HashTable::new(),
            hasher: RandomState::new(),
            oldest: NO_SLOT,
            newest: NO_SLOT,
        }
    }

    /// The key of a task: that of its ids, unless another run has it.
    pub fn key(&self, trace_id: TraceId, span_id: SpanId, run: u64) -> Key {
        let key = (trace_id, span_id, 0);
        let first = self.slot(&key).and_then(|slot| self.nodes.get(slot));
        match first {
            Some(first) if run != 0 && first.open.run != 0 && first.open.run != run => {
                (trace_id, span_id, run)
            }
            _ => key,
        }
    }

    /// Tracks a task that began after all others. True if the oldest one was evicted for it, since too many are open.
    pub fn insert(&mut self, key: Key, open: Open, now: Instant) -> bool {
        // A begin that comes twice is the same task.
        if self.slot(&key).is_some() {
            return false;
        }
        let full = self.nodes.len() >= self.limit;
        if full && let Some(oldest) = self.node(self.oldest).map(|node| node.key) {
            self.remove(&oldest);
        }
        let slot = self.nodes.len() as Slot;
        self.nodes.push(Node {
            key,
            open,
            touched: self.millis(now),
            older: self.newest,
            newer: NO_SLOT,
        });
        self.link(self.newest, slot);
        self.newest = slot;
        let (nodes, hasher) = (&self.nodes, &self.hasher);
        self.slots
            .insert_unique(hasher.hash_one(key), slot, |slot| {
                hash_at(nodes, hasher, *slot)
            });
        full
    }

    pub fn remove(&mut self, key: &Key) {
        let (nodes, hash) = (&self.nodes, self.hasher.hash_one(key));
        let Ok(entry) = self.slots.find_entry(hash, |slot| is_at(nodes, *slot, key)) else {
            return;
        };
        let (slot, _) = entry.remove();
        let Some((older, newer)) = self.node(slot).map(Node::neighbours) else {
            return;
        };
        self.link(older, newer);
        self.nodes.swap_remove(slot as usize);
        // The last node moved to the slot of the removed one.
        let from = self.nodes.len() as Slot;
        if let Some((key, (older, newer))) = self.node(slot).map(|n| (n.key, n.neighbours())) {
            let hash = self.hasher.hash_one(key);
            if let Some(moved) = self.slots.find_mut(hash, |known| *known == from) {
                *moved = slot;
            }
            self.link(older, slot);
            self.link(slot, newer);
        }
        self.shrink();
    }

    /// Links the nodes of two slots; [`NO_SLOT`] stands for both ends.
    fn link(&mut self, older: Slot, newer: Slot) {
        match self.nodes.get_mut(older as usize) {
            Some(node) => node.newer = newer,
            None => self.oldest = newer,
        }
        match self.nodes.get_mut(newer as usize) {
            Some(node) => node.older = older,
            None => self.newest = older,
        }
    }

    /// Gives memory back after very many tasks were open.
    fn shrink(&mut self) {
        let (capacity, used) = (self.nodes.capacity(), self.nodes.len());
        if capacity > MIN_CAPACITY && used < capacity / 4 {
            self.nodes.shrink_to(capacity / 2);
            let (nodes, hasher) = (&self.nodes, &self.hasher);
            self.slots
                .shrink_to(capacity / 2, |slot| hash_at(nodes, hasher, *slot));
        }
    }

    fn node(&self, slot: Slot) -> Option<&Node> {
        self.nodes.get(slot as usize)
    }

    fn slot(&self, key: &Key) -> Option<usize> {
        self.slots
            .find(self.hasher.hash_one(key), |slot| {
                is_at(&self.nodes, *slot, key)
            })
            .map(|slot| *slot as usize)
    }

    fn millis(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_millis() as u64
    }

    /// Notes a record of a task: its time, in ns since the epoch, and when it was read. Returns whether the task is
    /// open.
    pub fn touch(&mut self, key: &Key, time: u64, now: Instant) -> bool {
        let touched = self.millis(now);
        let node = self.slot(key).and_then(|slot| self.nodes.get_mut(slot));
        let Some(node) = node else { return false };
        node.open.last = node.open.last.max(time);
        node.touched = touched;
        true
    }

    /// The tasks that `why` gives a reason to end, oldest first, at most `limit`. Each is returned once. `why` gets the
    /// time since the last record of the task.
    pub fn overdue<W>(
        &mut self,
        limit: usize,
        now: Instant,
        mut why: impl FnMut(&Open, Duration) -> Option<W>,
    ) -> Vec<(Key, Open, W)> {
        let now = self.millis(now);
        let mut taken: Vec<(Key, Open, W)> = self
            .nodes
            .iter_mut()
            .filter(|node| !node.open.reported)
            .filter_map(|node| {
                let quiet = Duration::from_millis(now.saturating_sub(node.touched));
                let why = why(&node.open, quiet)?;
                node.open.reported = true;
                Some((node.key, node.open.clone(), why))
            })
            .take(limit)
            .collect();
        taken.sort_by_key(|(_, open, _)| open.number);
        taken
    }

    /// Number in the store of the oldest begin.
    pub fn oldest(&self) -> Option<u64> {
        self.node(self.oldest).map(|node| node.open.number)
    }
}

fn is_at(nodes: &[Node], slot: Slot, key: &Key) -> bool {
    nodes
        .get(slot as usize)
        .is_some_and(|node| node.key == *key)
}

fn hash_at(nodes: &[Node], hasher: &RandomState, slot: Slot) -> u64 {
    // Every slot in the table is that of a node.
    nodes
        .get(slot as usize)
        .map_or(0, |node| hasher.hash_one(node.key))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn open(number: u64) -> Open {
        Open {
            number,
            run: 0,
            producer: ProducerId::from_bytes([1; 16]),
            python: false,
            begun: number,
            last: number,
            parent_span_id: None,
            reported: false,
        }
    }

    fn key(n: u8) -> Key {
        let trace_id = TraceId::from_bytes([n; 16]).unwrap();
        (trace_id, SpanId::new(n.into()).unwrap(), 0)
    }

    fn now() -> Instant {
        Instant::now()
    }

    #[test]
    fn beyond_the_limit_the_oldest_is_evicted_and_that_is_returned() {
        let mut tasks = OpenTasks::new(2);
        assert!(!tasks.insert(key(1), open(10), now()));
        assert!(!tasks.insert(key(2), open(20), now()));
        assert!(
            !tasks.insert(key(2), open(21), now()),
            "it is known already"
        );
        assert!(tasks.insert(key(3), open(30), now()));
        assert_eq!(tasks.oldest(), Some(20));
    }

    #[test]
    fn two_that_share_an_id_are_two() {
        let mut tasks = OpenTasks::new(10);
        let (trace, span, _) = key(1);
        for run in [7, 8] {
            let key = tasks.key(trace, span, run);
            tasks.insert(key, Open { run, ..open(run) }, now());
        }
        assert_eq!(tasks.nodes.len(), 2);
        tasks.remove(&tasks.key(trace, span, 8));
        assert_eq!(tasks.oldest(), Some(7));
        // An end that the daemon wrote has no run.
        tasks.remove(&tasks.key(trace, span, 0));
        assert_eq!(tasks.oldest(), None);
    }

    #[test]
    fn each_is_returned_once_and_the_rest_later() {
        let mut tasks = OpenTasks::new(10);
        (1..=5u8).for_each(|n| _ = tasks.insert(key(n), open(n.into()), now()));
        let first = tasks.overdue(3, now(), |open, _| (open.number != 2).then_some("why"));
        assert_eq!(first.len(), 3);
        let more = tasks.overdue(3, now(), |open, _| (open.number != 2).then_some("why"));
        assert_eq!(more.len(), 1);
        let numbers: BTreeSet<u64> = first.iter().chain(&more).map(|t| t.1.number).collect();
        assert_eq!(numbers, BTreeSet::from([1, 3, 4, 5]));
        assert_eq!(
            tasks.oldest(),
            Some(1),
            "reported ones stay until their end came"
        );
    }

    proptest! {
        /// Against a list that does the same the slow way.
        #[test]
        fn none_is_lost_and_the_order_stays(steps in prop::collection::vec((any::<bool>(), 0..60u8), 0..400),
            limit in 1..50usize) {
            let (mut tasks, mut list) = (OpenTasks::new(limit), Vec::<(u8, u64)>::new());
            for (number, (begins, n)) in (1..).zip(steps) {
                let known = list.iter().position(|(known, _)| *known == n);
                if begins {
                    let evicted = known.is_none() && list.len() >= limit;
                    prop_assert_eq!(tasks.insert(key(n + 1), open(number), now()), evicted);
                    if evicted {
                        list.remove(0);
                    }
                    if known.is_none() {
                        list.push((n, number));
                    }
                } else {
                    tasks.remove(&key(n + 1));
                    known.map(|at| list.remove(at));
                }
                prop_assert_eq!(tasks.oldest(), list.first().map(|first| first.1));
            }
            let numbers: Vec<u64> = tasks.overdue(100, now(), |_, _| Some(())).iter().map(|t| t.1.number).collect();
            prop_assert_eq!(numbers, list.iter().map(|t| t.1).collect::<Vec<_>>());
            for (n, number) in list {
                prop_assert_eq!(tasks.oldest(), Some(number));
                tasks.remove(&key(n + 1));
            }
            prop_assert_eq!(tasks.oldest(), None);
        }
    }
}
