//! Which rules lead to one processor.

use distlog_proto::RecordRef;

use super::change::Change;
use super::condition::Condition;
use super::memo::{Memo, SLOTS};
use super::node::Node;
use super::path::Path;

/// A rule: records that match go to these processors.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rule {
    /// `None` matches every record.
    pub when: Option<Condition>,
    /// Names of processors.
    pub to: Vec<String>,
    /// What is changed in what they get.
    pub change: Change,
}

/// What one processor gets: the records that any rule sends to it and that pass its own filter.
#[derive(Debug, Clone)]
pub struct Router {
    /// `None`: every record.
    any: Option<Vec<Node>>,
    filter: Option<Node>,
    /// As one condition.
    text: String,
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
        let text = text(any.clone(), filter);
        // Copies: among these conditions paths have other slots than among those of another processor.
        let mut any: Option<Vec<Node>> =
            any.map(|conditions| conditions.map(|when| when.node().clone()).collect());
        let mut filter = filter.map(|filter| filter.node().clone());
        let mut all: Vec<&mut Node> = any.iter_mut().flatten().chain(&mut filter).collect();
        Router {
            slots: assign_slots(&mut all),
            any,
            filter,
            text,
        }
    }

    /// Whether the record goes to this processor.
    pub fn takes<'a>(&'a self, record: &RecordRef<'a>) -> bool {
        let memo = Memo::new(self.slots);
        let matches = |node: &'a Node| node.test(record, &memo) == Ok(true);
        self.filter.as_ref().is_none_or(matches)
            && self.any.as_ref().is_none_or(|any| any.iter().any(matches))
    }

    /// All its conditions as one, which records match that go to this processor; empty if all do.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether no rule leads to it, so that it gets nothing.
    pub fn is_closed(&self) -> bool {
        self.any.as_ref().is_some_and(Vec::is_empty)
    }
}

/// `(a || b) && filter`, with parentheses around what others wrote.
fn text<'c>(
    any: Option<impl Iterator<Item = &'c Condition>>,
    filter: Option<&Condition>,
) -> String {
    let whens: Option<Vec<&str>> = any.map(|any| any.map(Condition::text).collect());
    let whens = whens.map(|whens| match whens.as_slice() {
        [] => "false".to_owned(),
        [one] => (*one).to_owned(),
        many => format!("({})", many.join(") || (")),
    });
    match (whens, filter) {
        (None, None) => String::new(),
        (Some(whens), None) => whens,
        (None, Some(filter)) => filter.text().to_owned(),
        (Some(whens), Some(filter)) => format!("({whens}) && ({})", filter.text()),
    }
}

/// Gives a slot to each path that occurs more than once in the conditions. Returns their number.
pub(super) fn assign_slots(conditions: &mut [&mut Node]) -> usize {
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
