//! Which task of one tree is which of another.

use std::collections::{HashMap, VecDeque};

use crate::tree::{Outline, OutlinedTask};

/// One tree.
pub(super) struct Side<'o> {
    pub tasks: &'o [OutlinedTask],
    children: Vec<Vec<usize>>,
    roots: Vec<usize>,
    begin: u64,
}

impl<'o> Side<'o> {
    pub(super) fn new(outline: &'o Outline) -> Side<'o> {
        let tasks = &outline.tasks[..];
        let mut children = vec![Vec::new(); tasks.len()];
        let mut roots = Vec::new();
        for (at, task) in tasks.iter().enumerate() {
            match task.parent.and_then(|parent| children.get_mut(parent)) {
                Some(siblings) => siblings.push(at),
                None => roots.push(at),
            }
        }
        let begins = tasks
            .iter()
            .map(|task| task.begin)
            .filter(|begin| *begin > 0);
        Side {
            tasks,
            children,
            roots,
            begin: begins.min().unwrap_or(0),
        }
    }

    /// Since the tree began, in ns.
    pub(super) fn offset(&self, time: u64) -> u64 {
        time.saturating_sub(self.begin)
    }

    /// When a task began since the tree did, in ns.
    pub(super) fn begin_of(&self, at: usize) -> u64 {
        self.offset(self.tasks[at].begin)
    }
}

/// A task of both trees, or of one, by its place in each; how deep it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    pub depth: usize,
    pub places: [Option<usize>; 2],
    /// Both trees have the task above it.
    pub parent_in_both: bool,
    /// To be added to times of the first tree to compare them with those of the second.
    pub shift: i64,
}

/// Finds for each task that of the other tree: below the same one, of the same name and service, in order among equals.
pub(super) fn pair(sides: &[Side<'_>; 2]) -> Vec<Pair> {
    let [a, b] = sides;
    let mut pairs = Vec::new();
    let mut left = match (&a.roots[..], &b.roots[..]) {
        // They were asked for: whatever they are called.
        (&[a], &[b]) => vec![Pair {
            depth: 0,
            places: [Some(a), Some(b)],
            parent_in_both: true,
            shift: 0,
        }],
        (a, b) => below(sides, [a, b], 0, true, 0),
    };
    left.reverse();
    while let Some(next) = left.pop() {
        pairs.push(next);
        let [in_a, in_b] = next.places;
        let of =
            |side: usize, at: Option<usize>| at.map_or(&[][..], |at| &sides[side].children[at]);
        let both = in_a.is_some() && in_b.is_some();
        let shift = match (in_a, in_b) {
            (Some(a), Some(b)) => sides[1].begin_of(b).wrapping_sub(sides[0].begin_of(a)) as i64,
            _ => next.shift,
        };
        let inner = below(
            sides,
            [of(0, in_a), of(1, in_b)],
            next.depth + 1,
            both,
            shift,
        );
        left.extend(inner.into_iter().rev());
    }
    pairs
}

/// Pairs siblings, in order of time.
fn below(
    sides: &[Side<'_>; 2],
    [in_a, in_b]: [&[usize]; 2],
    depth: usize,
    parent_in_both: bool,
    shift: i64,
) -> Vec<Pair> {
    let [a, b] = sides;
    let key = |task: &'_ OutlinedTask| (task.template.clone(), task.service.clone());
    let mut equals: HashMap<(String, String), VecDeque<usize>> = HashMap::new();
    for at in in_b {
        equals.entry(key(&b.tasks[*at])).or_default().push_back(*at);
    }
    let mut pairs: Vec<(u64, Pair)> = Vec::new();
    let mut add = |time: u64, places: [Option<usize>; 2]| {
        pairs.push((
            time,
            Pair {
                depth,
                places,
                parent_in_both,
                shift,
            },
        ));
    };
    for at in in_a {
        let other = equals
            .get_mut(&key(&a.tasks[*at]))
            .and_then(VecDeque::pop_front);
        let begin = match other {
            Some(other) => b.begin_of(other),
            None => a.begin_of(*at).saturating_add_signed(shift),
        };
        add(begin, [Some(*at), other]);
    }
    for at in equals.into_values().flatten() {
        add(b.begin_of(at), [None, Some(at)]);
    }
    pairs.sort_by_key(|(time, pair)| (*time, pair.places));
    pairs.into_iter().map(|(_, pair)| pair).collect()
}
