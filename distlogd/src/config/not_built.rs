//! Processors that this program was built without.

use std::collections::HashSet;

use crate::yaml::{Fault, Node, NodeId};

/// Finds processors of `kinds`, each with the feature that it needs. What they say is added to `faulty`, since nothing
/// here can read it.
pub(super) fn find(
    document: &Node,
    kinds: &[(&str, &str)],
    faults: &mut Vec<Fault>,
    faulty: &mut HashSet<NodeId>,
) {
    let processors = document.get("processors").map_or(&[][..], Node::entries);
    for (key, value) in processors.iter().flat_map(|(_, node)| node.entries()) {
        let of_key = |(kind, _): &&(&str, &str)| *kind == key.text;
        if let Some((kind, feature)) = kinds.iter().find(of_key) {
            faults.push(key.place.fault(format!(
                "this distlogd was built without the processor `{kind}`: build it with `--features {feature}`"
            )));
            faulty.insert(value.id());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_that_was_not_built_in_is_named_with_its_feature() {
        let text =
            "processors:\n  db: { oracle: { path: x } }\n  all: { file: { path: oracle } }\n";
        let document = Node::parse(text).unwrap();
        let (mut faults, mut faulty) = (Vec::new(), HashSet::new());
        find(
            &document,
            &[("oracle", "db-oracle")],
            &mut faults,
            &mut faulty,
        );
        let said: Vec<_> = faults
            .iter()
            .map(|f| (f.line, f.column, f.message.as_str()))
            .collect();
        let expected = "this distlogd was built without the processor `oracle`: build it with `--features db-oracle`";
        assert_eq!(said, [(2, 9, expected)]);
        assert_eq!(faulty.len(), 1);
    }
}
