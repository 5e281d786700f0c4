//! Values that are valid alone and conflict with each other.

use std::collections::HashMap;
use std::path::{Component, PathBuf};

use super::sections::{Entry, Listen};
use crate::address::conflict;
use crate::processors::Kind;
use crate::yaml::{Fault, Node};

/// Two processors would write over each other in one file.
pub(super) fn same_file(entries: &[Entry], section: &Node) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut first: HashMap<PathBuf, &str> = HashMap::new();
    for entry in entries {
        let path = match &entry.kind {
            Kind::File(file) => &file.path,
            #[cfg(feature = "sqlite")]
            Kind::Sqlite(file) => &file.path,
            _ => continue,
        };
        let parts = path.components();
        let path: PathBuf = parts.filter(|part| *part != Component::CurDir).collect();
        let Some(other) = first.get(&path) else {
            first.insert(path, &entry.name);
            continue;
        };
        if let Some((key, _)) = section.entry(&entry.name) {
            faults.push(key.place.fault(format!(
                "the processors `{other}` and `{}` would write to the same file, {}",
                entry.name,
                path.display()
            )));
        }
    }
    faults
}

/// Two receivers cannot listen on one address. A receiver that the file does not name listens on its default address.
pub(super) fn same_address(document: &Node, listen: &Listen) -> Vec<Fault> {
    let mut faults = Vec::new();
    let section = document.get("listen");
    let place = |name: &str| {
        let node = section?.get(name)?;
        Some(node.get("bind").unwrap_or(node).place)
    };
    let mut bound = Vec::new();
    for (name, address) in listen.addresses() {
        let Some(address) = address else { continue };
        let own = place(name);
        let taken = |(_, other, _): &&(&str, &str, _)| conflict(address, other);
        if let Some((other, other_address, other_place)) = bound.iter().rev().find(taken)
            && let Some(place) = own.or(*other_place)
        {
            faults.push(place.fault(format!(
                "the receivers `{other}` ({other_address}) and `{name}` ({address}) cannot both listen on one port"
            )));
        }
        bound.push((name, address, own));
    }
    faults
}
