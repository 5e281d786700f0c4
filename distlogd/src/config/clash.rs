//! What is good by itself and cannot be together.

use std::collections::HashMap;
use std::path::{Component, PathBuf};

use super::doors::host_and_port;
use super::fault::Fault;
use super::node::{Key, Node, Place, Tree};
use super::sections::{Entry, Listen};
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

/// Two receivers cannot listen on one address. Those that the file does not name are where they are without a file.
pub(super) fn same_address(document: &Node, listen: &Listen) -> Vec<Fault> {
    let mut faults = Vec::new();
    let section = document.get("listen");
    let place = |name: &str| {
        let node = section?.get(name)?;
        Some(node.get("bind").unwrap_or(node).place)
    };
    let bound: Vec<_> = listen
        .addresses()
        .into_iter()
        .filter_map(|(name, address)| Some((name, address?, place(name))))
        .collect();
    for (at, (name, address, own)) in bound.iter().enumerate() {
        let clash = bound[..at]
            .iter()
            .rev()
            .find(|(_, other, _)| clash(address, other));
        let Some((other, other_address, other_place)) = clash else {
            continue;
        };
        let Some(place) = own.or(*other_place) else {
            continue;
        };
        let message = format!(
            "the receivers `{other}` ({other_address}) and `{name}` ({address}) cannot both listen on one port"
        );
        faults.push(fault(place, message));
    }
    faults
}

/// Whether two addresses cannot both be bound.
fn clash(a: &str, b: &str) -> bool {
    let (Some((hosts, port)), Some((others, other))) = (bound(a), bound(b)) else {
        return a == b && a.starts_with("ipc://");
    };
    let same = |a: &str, b: &str| {
        // Of IPv6 it is those of IPv4 as well.
        let all = |host, other: &str| match host {
            "[::]" => true,
            "0.0.0.0" | "*" => !other.starts_with('['),
            _ => false,
        };
        a.eq_ignore_ascii_case(b) || all(a, b) || all(b, a)
    };
    port == other && hosts.iter().any(|a| others.iter().any(|b| same(a, b)))
}

/// The hosts and the port that an address takes; whatever they speak, it is one port. `None`: a free one, or no port.
fn bound(address: &str) -> Option<(Vec<&str>, &str)> {
    let address = address.strip_prefix("tcp://").unwrap_or(address);
    let host = host_and_port(address)?;
    let port = &address[host.len() + 1..];
    let hosts = if host.eq_ignore_ascii_case("localhost") {
        vec!["127.0.0.1", "[::1]"]
    } else {
        vec![host]
    };
    (!matches!(port, "0" | "*")).then_some((hosts, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_share_a_port_clash() {
        for (a, b) in [
            ("tcp://127.0.0.1:1", "127.0.0.1:1"),
            ("localhost:1", "tcp://127.0.0.1:1"),
            ("[::1]:1", "localhost:1"),
            ("0.0.0.0:1", "127.0.0.1:1"),
            ("tcp://*:1", "localhost:1"),
            ("[::]:1", "10.0.0.1:1"),
            ("ipc://a", "ipc://a"),
        ] {
            assert!(clash(a, b) && clash(b, a), "{a} {b}");
        }
        for (a, b) in [
            ("127.0.0.1:1", "127.0.0.1:2"),
            ("127.0.0.1:1", "[::1]:1"),
            ("0.0.0.0:1", "[::1]:1"),
            ("127.0.0.1:1", "127.0.0.2:1"),
            ("localhost:0", "localhost:0"),
            ("tcp://*:*", "tcp://*:*"),
            ("ipc://a", "ipc://b"),
        ] {
            assert!(!clash(a, b) && !clash(b, a), "{a} {b}");
        }
    }
}
