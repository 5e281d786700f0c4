//! What is good by itself and cannot be together.

use std::collections::HashMap;
use std::path::{Component, PathBuf};

use super::fault::Fault;
use super::node::{Key, Node, Place, Tree};
use super::sections::Entry;
use crate::processors::Kind;

fn fault(place: Place, message: String) -> Fault {
    Fault {
        line: place.line,
        column: place.column,
        message,
    }
}

/// Keys that stand twice in one map, anywhere.
pub(super) fn twice(node: &Node, faults: &mut Vec<Fault>) {
    match &node.tree {
        Tree::List(items) => items.iter().for_each(|item| twice(item, faults)),
        Tree::Map(entries) => {
            let mut first: HashMap<&str, usize> = HashMap::new();
            for (key, value) in entries {
                if let Some(line) = first.get(key.text.as_str()) {
                    let message = format!("`{}` stands twice, first in line {line}", key.text);
                    faults.push(fault(key.place, message));
                } else {
                    first.insert(&key.text, key.place.line);
                }
                twice(value, faults);
            }
        }
        _ => {}
    }
}

/// Two processors would write over each other in one file.
pub(super) fn same_file(entries: &[Entry], nodes: &[(Key, Node)]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut first: HashMap<PathBuf, &str> = HashMap::new();
    for entry in entries {
        let Kind::File(file) = &entry.kind else {
            continue;
        };
        let parts = file.path.components();
        let path: PathBuf = parts.filter(|part| *part != Component::CurDir).collect();
        let Some(other) = first.get(&path) else {
            first.insert(path, &entry.name);
            continue;
        };
        if let Some((key, _)) = nodes.iter().find(|(key, _)| key.text == entry.name) {
            let message = format!(
                "the processors `{other}` and `{}` would write to the same file, {}",
                entry.name,
                path.display()
            );
            faults.push(fault(key.place, message));
        }
    }
    faults
}

/// Two doors cannot listen on one address.
pub(super) fn same_address(document: &Node) -> Vec<Fault> {
    let Some(Node {
        tree: Tree::Map(doors),
        ..
    }) = document.get("listen")
    else {
        return Vec::new();
    };
    let mut faults = Vec::new();
    let mut first: HashMap<&str, &str> = HashMap::new();
    for (key, node) in doors {
        let node = node.get("bind").unwrap_or(node);
        let Tree::Text(address) = &node.tree else {
            continue;
        };
        // Whatever they speak, it is one port.
        let port = address.strip_prefix("tcp://").unwrap_or(address);
        let any = [":0", ":*"].iter().any(|any| port.ends_with(any));
        if any || port == "off" {
            continue;
        }
        if let Some(other) = first.insert(port, &key.text) {
            let message = format!(
                "the doors `{other}` and `{}` cannot both listen on {address}",
                key.text
            );
            faults.push(fault(node.place, message));
        }
    }
    faults
}
