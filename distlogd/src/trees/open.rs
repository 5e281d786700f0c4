//! The trees that are not decided yet. There may be a million of them: they lie side by side in slots, a table finds
//! the slot of a trace, and links lead from the oldest to the newest, by first record and by last.

use std::hash::{BuildHasher, RandomState};

use distlog_proto::sampling::Randomness;
use distlog_proto::{Severity, TraceId};
use hashbrown::HashTable;

use super::texts::TextId;

/// What is known of a tree.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    pub trace: TraceId,
    /// Numbers of its first and its last record in the store.
    pub first: u64,
    pub last: u64,
    /// The range of its records' times, in ns since the epoch; of those that have one.
    pub earliest: u64,
    pub latest: u64,
    /// How long the root took, in ns; `u64::MAX`: not known.
    pub took: u64,
    /// When its first and its last record were read, by [`Clock`](super::clock::Clock).
    pub begun: u64,
    pub touched: u64,
    pub randomness: Randomness,
    pub records: u32,
    /// Tasks that began.
    pub tasks: u32,
    /// Roots that began and have not ended. More than one is rare: only foreign programs write them.
    pub open_roots: u16,
    pub severity: Severity,
    pub failed: bool,
    pub lost: bool,
    /// A root has ended, and none is open.
    pub ended: bool,
    /// The set of its services, and the name of its root.
    pub services: TextId,
    pub name: TextId,
}

/// Index of a tree in [`OpenTrees`].
pub(super) type Slot = u32;
const NO_SLOT: Slot = Slot::MAX;
/// Memory for this many trees is not given back.
const MIN_CAPACITY: usize = 1 << 12;

/// The orders that trees are linked in.
#[derive(Debug, Clone, Copy)]
enum Order {
    /// All, by their first records.
    Begun = 0,
    /// Those whose root has ended, by their last records.
    Quiet = 1,
}

#[derive(Debug, Clone, Copy)]
struct Link {
    older: Slot,
    newer: Slot,
}

const UNLINKED: Link = Link {
    older: NO_SLOT,
    newer: NO_SLOT,
};

#[derive(Debug)]
struct Node {
    tree: Tree,
    /// By [`Order`].
    links: [Link; 2],
}

/// The oldest and the newest of an order.
#[derive(Debug, Clone, Copy)]
struct Ends {
    oldest: Slot,
    newest: Slot,
}

/// The open trees.
#[derive(Debug)]
pub(super) struct OpenTrees {
    /// Without gaps: the last one takes the slot of one that is removed.
    nodes: Vec<Node>,
    slots: HashTable<Slot>,
    hasher: RandomState,
    ends: [Ends; 2],
}

impl Default for OpenTrees {
    fn default() -> OpenTrees {
        let none = Ends {
            oldest: NO_SLOT,
            newest: NO_SLOT,
        };
        OpenTrees {
            nodes: Vec::new(),
            slots: HashTable::new(),
            hasher: RandomState::new(),
            ends: [none; 2],
        }
    }
}

impl OpenTrees {
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The tree of a trace.
    pub(super) fn find(&self, trace: TraceId) -> Option<Slot> {
        let is_it = |slot: &Slot| self.nodes[*slot as usize].tree.trace == trace;
        self.slots.find(self.hasher.hash_one(trace), is_it).copied()
    }

    /// Adds a tree that began after all others, and is not there yet.
    pub(super) fn insert(&mut self, tree: Tree) -> Slot {
        let slot = self.nodes.len() as Slot;
        let hash = self.hasher.hash_one(tree.trace);
        self.nodes.push(Node {
            tree,
            links: [UNLINKED; 2],
        });
        let (nodes, hasher) = (&self.nodes, &self.hasher);
        self.slots.insert_unique(hash, slot, |slot| {
            hasher.hash_one(nodes[*slot as usize].tree.trace)
        });
        self.append(Order::Begun, slot);
        slot
    }

    /// The tree in a slot, which must have one.
    pub(super) fn get_mut(&mut self, slot: Slot) -> &mut Tree {
        &mut self.nodes[slot as usize].tree
    }

    /// Notes that a record of the tree was read now, after whatever was read of others, and whether its root has ended.
    pub(super) fn touch(&mut self, slot: Slot, now: u64, ended: bool) {
        if self.nodes[slot as usize].tree.ended {
            self.unlink(Order::Quiet, slot);
        }
        let tree = self.get_mut(slot);
        (tree.touched, tree.ended) = (now, ended);
        if ended {
            self.append(Order::Quiet, slot);
        }
    }

    /// The tree whose first record is the oldest.
    pub(super) fn oldest(&self) -> Option<&Tree> {
        self.first_of(Order::Begun)
    }

    /// The tree whose root has ended and whose last record is the oldest.
    pub(super) fn quietest(&self) -> Option<&Tree> {
        self.first_of(Order::Quiet)
    }

    fn first_of(&self, order: Order) -> Option<&Tree> {
        let slot = self.ends[order as usize].oldest;
        self.nodes.get(slot as usize).map(|node| &node.tree)
    }

    pub(super) fn remove(&mut self, trace: TraceId) -> Option<Tree> {
        let nodes = &self.nodes;
        let is_it = |slot: &Slot| nodes[*slot as usize].tree.trace == trace;
        let hash = self.hasher.hash_one(trace);
        let (slot, _) = self.slots.find_entry(hash, is_it).ok()?.remove();
        self.unlink(Order::Begun, slot);
        if self.nodes[slot as usize].tree.ended {
            self.unlink(Order::Quiet, slot);
        }
        let tree = self.nodes.swap_remove(slot as usize).tree;
        // The last node moved to the slot of the removed one.
        let from = self.nodes.len() as Slot;
        if let Some(moved) = self.nodes.get(slot as usize) {
            let (hash, links, ended) = (
                self.hasher.hash_one(moved.tree.trace),
                moved.links,
                moved.tree.ended,
            );
            if let Some(known) = self.slots.find_mut(hash, |known| *known == from) {
                *known = slot;
            }
            self.join(Order::Begun, links[0].older, slot);
            self.join(Order::Begun, slot, links[0].newer);
            if ended {
                self.join(Order::Quiet, links[1].older, slot);
                self.join(Order::Quiet, slot, links[1].newer);
            }
        }
        self.shrink();
        Some(tree)
    }

    fn append(&mut self, order: Order, slot: Slot) {
        let newest = self.ends[order as usize].newest;
        self.join(order, newest, slot);
        self.join(order, slot, NO_SLOT);
    }

    fn unlink(&mut self, order: Order, slot: Slot) {
        let Link { older, newer } = self.nodes[slot as usize].links[order as usize];
        self.join(order, older, newer);
        self.nodes[slot as usize].links[order as usize] = UNLINKED;
    }

    /// Makes two neighbours; [`NO_SLOT`] stands for both ends.
    fn join(&mut self, order: Order, older: Slot, newer: Slot) {
        let at = order as usize;
        match self.nodes.get_mut(older as usize) {
            Some(node) => node.links[at].newer = newer,
            None => self.ends[at].oldest = newer,
        }
        match self.nodes.get_mut(newer as usize) {
            Some(node) => node.links[at].older = older,
            None => self.ends[at].newest = older,
        }
    }

    /// Gives memory back after very many trees were open.
    fn shrink(&mut self) {
        let (capacity, used) = (self.nodes.capacity(), self.nodes.len());
        if capacity > MIN_CAPACITY && used < capacity / 4 {
            self.nodes.shrink_to(capacity / 2);
            let (nodes, hasher) = (&self.nodes, &self.hasher);
            self.slots.shrink_to(capacity / 2, |slot| {
                hasher.hash_one(nodes[*slot as usize].tree.trace)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn trace(n: u8) -> TraceId {
        TraceId::from_bytes([n + 1; 16]).unwrap()
    }

    pub(super) fn tree(trace: TraceId, number: u64) -> Tree {
        Tree {
            trace,
            first: number,
            last: number,
            earliest: u64::MAX,
            latest: 0,
            took: u64::MAX,
            begun: number,
            touched: number,
            randomness: Randomness::of_trace(trace, ""),
            records: 0,
            tasks: 0,
            open_roots: 0,
            severity: Severity::UNSET,
            failed: false,
            lost: false,
            ended: false,
            services: 0,
            name: 0,
        }
    }

    #[test]
    fn a_million_trees_fit_in_little_memory() {
        assert!(size_of::<Node>() <= 152, "{}", size_of::<Node>());
    }

    proptest! {
        /// Against lists that do the same the slow way.
        #[test]
        fn both_orders_hold_whatever_comes(steps in prop::collection::vec((0..3u8, 0..40u8, any::<bool>()), 0..400)) {
            let mut trees = OpenTrees::default();
            let (mut begun, mut quiet) = (Vec::<u8>::new(), Vec::<u8>::new());
            for (now, (step, n, ended)) in (1..).zip(steps) {
                match (step, trees.find(trace(n))) {
                    (0, _) => {
                        prop_assert_eq!(trees.remove(trace(n)).is_some(), begun.contains(&n));
                        begun.retain(|known| *known != n);
                        quiet.retain(|known| *known != n);
                    }
                    (_, None) => {
                        prop_assert!(!begun.contains(&n));
                        trees.insert(tree(trace(n), now));
                        begun.push(n);
                    }
                    (_, Some(slot)) => {
                        trees.touch(slot, now, ended);
                        quiet.retain(|known| *known != n);
                        if ended {
                            quiet.push(n);
                        }
                    }
                }
                prop_assert_eq!(trees.oldest().map(|t| t.trace), begun.first().map(|n| trace(*n)));
                prop_assert_eq!(trees.quietest().map(|t| t.trace), quiet.first().map(|n| trace(*n)));
                prop_assert_eq!(trees.len(), begun.len());
            }
            while let Some(n) = quiet.first().copied() {
                prop_assert_eq!(trees.quietest().map(|t| t.trace), Some(trace(n)));
                trees.remove(trace(n));
                quiet.remove(0);
            }
        }
    }
}
