//! Which rules lead to one processor.

use distlog_proto::RecordRef;

use super::condition::Condition;
use super::memo::{Memo, SLOTS};
use super::node::Node;
use super::path::Path;

/// A rule: records that match go to these processors.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// `None` matches every record.
    pub when: Option<Condition>,
    /// Names of processors.
    pub to: Vec<String>,
}

/// What one processor gets: the records that any rule sends to it and that pass its own filter.
#[derive(Debug, Clone)]
pub struct Router {
    /// `None`: every record.
    any: Option<Vec<Node>>,
    filter: Option<Node>,
    /// How many paths the conditions have in common.
    slots: usize,
}

impl Router {
    /// For the processor of that name.
    pub fn new(rules: &[Rule], processor: &str, filter: Option<&Condition>) -> Router {
        let mine = || {
            rules
                .iter()
                .filter(|rule| rule.to.iter().any(|to| to == processor))
        };
        let any = (!mine().any(|rule| rule.when.is_none()))
            .then(|| mine().filter_map(|rule| rule.when.as_ref()));
        // Copies: among these conditions paths have other slots than among those of another processor.
        let mut any: Option<Vec<Node>> =
            any.map(|conditions| conditions.map(|when| when.node().clone()).collect());
        let mut filter = filter.map(|filter| filter.node().clone());
        let mut all: Vec<&mut Node> = any.iter_mut().flatten().chain(&mut filter).collect();
        Router {
            slots: assign_slots(&mut all),
            any,
            filter,
        }
    }

    /// Whether the record goes to this processor.
    pub fn takes<'a>(&'a self, record: &RecordRef<'a>) -> bool {
        let memo = Memo::new(self.slots);
        let matches = |node: &'a Node| node.test(record, &memo) == Ok(true);
        self.filter.as_ref().is_none_or(matches)
            && self.any.as_ref().is_none_or(|any| any.iter().any(matches))
    }

    /// Whether no rule leads to it, so that it gets nothing.
    pub fn is_closed(&self) -> bool {
        self.any.as_ref().is_some_and(Vec::is_empty)
    }
}

/// Gives a slot to each path that occurs more than once in the conditions. Returns their number.
fn assign_slots(conditions: &mut [&mut Node]) -> usize {
    let mut seen: Vec<(Path, usize)> = Vec::new();
    each_path(
        conditions,
        &mut |path| match seen.iter_mut().find(|(known, _)| known == path) {
            Some((_, times)) => *times += 1,
            None => seen.push((path.clone(), 1)),
        },
    );
    // The most frequent ones.
    seen.retain(|(_, times)| *times > 1);
    seen.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
    seen.truncate(SLOTS);
    each_path(conditions, &mut |path| {
        let at = seen.iter().position(|(known, _)| known == path);
        path.slot = at.and_then(|at| u8::try_from(at).ok());
    });
    seen.len()
}

fn each_path(conditions: &mut [&mut Node], visit: &mut dyn FnMut(&mut Path)) {
    for condition in conditions {
        condition.each_leaf(&mut |leaf| leaf.path_mut().into_iter().for_each(&mut *visit));
    }
}
