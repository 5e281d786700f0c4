//! The files of `tokens:`.

use super::sections::Listen;
use crate::access::Tokens;
use crate::address::is_local;
use crate::yaml::{Fault, Node, Tree};

/// Finds files that cannot be used, and adds what is probably a mistake to `warnings`.
pub(super) fn check(document: &Node, listen: &Listen, warnings: &mut Vec<Fault>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, http) in listen.tcp() {
        let section = document.get("listen").and_then(|listen| listen.get(name));
        let (Some(http), Some(section)) = (http, section) else {
            continue;
        };
        let (Some(path), Some(node)) = (&http.tokens, section.get("tokens")) else {
            continue;
        };
        if let Err(error) = Tokens::open(path) {
            faults.push(node.place.fault(error.to_string()));
        }
        let plain = section.get("plaintext");
        if plain.is_some_and(|plain| plain.tree == Tree::Bool(true)) && !is_local(&http.bind) {
            let why = "tokens travel in plain text: whoever reads along on the way can use them; \
                       `tls: { cert: FILE, key: FILE }` hides them";
            warnings.push(node.place.fault(why));
        }
    }
    faults
}
