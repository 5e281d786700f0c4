//! Finds keys that stand twice in a map: YAML forbids them, and readers take the first or the last.

use std::collections::{HashMap, HashSet};

use super::fault::Fault;
use super::node::{Node, NodeId};

/// Finds keys that stand twice in one map, at any depth. The later values are added to `faulty`.
pub(crate) fn duplicate_keys(node: &Node, faults: &mut Vec<Fault>, faulty: &mut HashSet<NodeId>) {
    let mut first: HashMap<&str, usize> = HashMap::new();
    for (key, value) in node.entries() {
        if let Some(line) = first.get(key.text.as_str()) {
            let message = format!("`{}` stands twice, first in line {line}", key.text);
            faults.push(key.place.fault(message));
            faulty.insert(value.id());
        } else {
            first.insert(&key.text, key.place.line);
        }
    }
    for child in node.children() {
        duplicate_keys(child, faults, faulty);
    }
}
