//! Reads values of a test file, and notes what is wrong with them at their places.

use std::time::Duration;

use distlog_proto::{Map, Value};

use crate::values::parse_duration;
use crate::yaml::{Fault, Key, Node, Tree, unknown};

/// Notes faults.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) faults: Vec<Fault>,
}

impl Reader {
    pub(super) fn fault(&mut self, node: &Node, message: impl Into<String>) {
        self.faults.push(node.place.fault(message));
    }

    /// Notes that something else was expected.
    pub(super) fn wrong(&mut self, node: &Node, expected: &str) {
        self.fault(node, format!("found {node}, expected {expected}"));
    }

    /// The entries of a map; what is none is noted, and so are keys that are not known.
    pub(super) fn map<'n>(
        &mut self,
        node: &'n Node,
        known: &[&str],
        expected: &str,
    ) -> &'n [(Key, Node)] {
        let entries = self.any_map(node, expected);
        for (key, _) in entries {
            if !known.contains(&key.text.as_str()) {
                self.faults
                    .push(key.place.fault(unknown("key", &key.text, known)));
            }
        }
        entries
    }

    /// The same with any keys; a key without a value is an empty map.
    pub(super) fn any_map<'n>(&mut self, node: &'n Node, expected: &str) -> &'n [(Key, Node)] {
        if !matches!(node.tree, Tree::Null | Tree::Map(_)) {
            self.wrong(node, expected);
        }
        node.entries()
    }

    /// The items of a list; a key without a value is an empty list.
    pub(super) fn list<'n>(&mut self, node: &'n Node, expected: &str) -> &'n [Node] {
        match &node.tree {
            Tree::Null => &[],
            Tree::List(items) => items,
            _ => {
                self.wrong(node, expected);
                &[]
            }
        }
    }

    /// A text; a number or boolean is taken as it is written.
    pub(super) fn text(&mut self, node: &Node, expected: &str) -> Option<String> {
        match &node.tree {
            Tree::Text(text) => Some(text.clone()),
            Tree::Bool(value) => Some(value.to_string()),
            Tree::Int(value) => Some(value.to_string()),
            Tree::Float(value) => Some(value.to_string()),
            _ => {
                self.wrong(node, expected);
                None
            }
        }
    }

    /// A list of texts, or one.
    pub(super) fn texts(&mut self, node: &Node, expected: &str) -> Vec<String> {
        let items = node.one_or_many().iter();
        items.filter_map(|item| self.text(item, expected)).collect()
    }

    /// A value of few words, read by `read`.
    pub(super) fn word<T>(
        &mut self,
        node: &Node,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let value = match &node.tree {
            Tree::Text(text) => read(text),
            Tree::Int(number) => read(&number.to_string()),
            Tree::Float(number) => read(&number.to_string()),
            _ => None,
        };
        if value.is_none() {
            self.wrong(node, expected);
        }
        value
    }

    /// A duration in ns.
    pub(super) fn nanos(&mut self, node: &Node) -> Option<u64> {
        let nanos = |text: &str| {
            let duration: Duration = parse_duration(text)?;
            u64::try_from(duration.as_nanos()).ok()
        };
        self.word(node, "a duration like 1.5s or 300ms", nanos)
    }

    /// Fields by their names.
    pub(super) fn fields(&mut self, node: &Node) -> Map {
        let expected = "fields by their names, like { user: leo, amount: 12 }";
        let entries = self.any_map(node, expected).iter();
        entries
            .map(|(key, value)| (key.text.clone(), value_of(value)))
            .collect()
    }
}

/// A value as it is written.
pub(super) fn value_of(node: &Node) -> Value {
    match &node.tree {
        Tree::Null => Value::Null,
        Tree::Bool(value) => Value::Bool(*value),
        Tree::Int(number) => match (i64::try_from(*number), u64::try_from(*number)) {
            (Ok(number), _) => Value::I64(number),
            (_, Ok(number)) => Value::U64(number),
            _ => Value::Text(number.to_string()),
        },
        Tree::Float(number) => Value::F64(*number),
        Tree::Text(text) => Value::Str(text.clone()),
        Tree::List(items) => Value::List(items.iter().map(value_of).collect()),
        Tree::Map(entries) => {
            let entries = entries.iter();
            Value::Map(
                entries
                    .map(|(key, value)| (key.text.clone(), value_of(value)))
                    .collect(),
            )
        }
    }
}
