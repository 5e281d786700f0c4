//! Unfolds the graph of nodes into values.

use std::borrow::Cow;

use super::node::{Id, Node, Nodes, Object, latin1};
use super::object::{plain, repr};
use super::text::decimal;
use crate::log_record::{Item, MAX_DEPTH, marked_map};
use distlog_proto::Value;

/// Makes values of nodes, within bounds: a node that many others share, or that contains itself, could unfold without
/// end.
pub(super) struct Unfold<'n, 'a> {
    nodes: &'n Nodes<'a>,
    /// How many values may still be made.
    values: usize,
    /// How many bytes of text may still be copied.
    bytes: usize,
    /// The lists and dicts that are being unfolded.
    path: Vec<Id>,
}

const NO_MORE: &str = "...";

impl<'n, 'a> Unfold<'n, 'a> {
    /// Of a body of this length.
    pub(super) fn new(nodes: &'n Nodes<'a>, len: usize) -> Unfold<'n, 'a> {
        Unfold {
            nodes,
            values: len + 1000,
            bytes: 4 * len + 65_536,
            path: Vec::new(),
        }
    }

    /// Gives out the entries of a dict; false if it is none.
    pub(super) fn entries_of(mut self, dict: Id, mut entry: impl FnMut(&str, Item<'_>)) -> bool {
        let entries = match self.nodes.get(dict) {
            Node::Dict(entries) => entries,
            Node::Object(object) if self.is_mapping(object) => &object.entries,
            _ => return false,
        };
        self.path.push(dict);
        for (name, value) in entries {
            let item = match self.nodes.get(*value) {
                Node::Str(text) if self.spend(text.len()) => Item::Str(Cow::Borrowed(text)),
                _ => Item::Value(self.value(*value, 1)),
            };
            entry(&self.name(*name), item);
        }
        true
    }

    fn spend(&mut self, bytes: usize) -> bool {
        if self.values == 0 || self.bytes < bytes {
            return false;
        }
        self.values -= 1;
        self.bytes -= bytes;
        true
    }

    fn name(&mut self, id: Id) -> Cow<'n, str> {
        match self.nodes.get(id) {
            Node::Str(text) if self.spend(text.len()) => Cow::Borrowed(text),
            _ => Cow::Owned(self.text(id)),
        }
    }

    /// The node as text, in the form that people read.
    fn text(&mut self, id: Id) -> String {
        if !self.spend(1) {
            return NO_MORE.to_owned();
        }
        let text = match self.nodes.get(id) {
            Node::Object(object) => {
                plain(self.nodes, object).unwrap_or_else(|| repr(self.nodes, id))
            }
            _ => repr(self.nodes, id),
        };
        if self.spend(text.len()) {
            return text;
        }
        // To make it cost time, if no memory; so it was the last.
        self.bytes = 0;
        NO_MORE.to_owned()
    }

    /// A value, `depth` lists and maps deep if it is one.
    fn value(&mut self, id: Id, depth: usize) -> Value {
        let nodes = self.nodes;
        let len = match nodes.get(id) {
            Node::Str(text) => text.len(),
            Node::Bytes(bytes) => bytes.len(),
            Node::Digits(text) => text.len(),
            // In hex, or less in decimal.
            Node::Long(bytes) => 2 * bytes.len() + 3,
            _ => 0,
        };
        if !self.spend(len) {
            return Value::Text(NO_MORE.to_owned());
        }
        match nodes.get(id) {
            Node::None => Value::Null,
            Node::Bool(value) => Value::Bool(*value),
            Node::Int(value) => Value::I64(*value),
            Node::Long(bytes) => long(&decimal(bytes)),
            Node::Digits(text) => long(text),
            Node::Float(value) => Value::F64(*value),
            Node::Str(text) => Value::Str(text.clone().into_owned()),
            Node::Bytes(bytes) => Value::Bytes(bytes.clone().into_owned()),
            Node::List(items) | Node::Tuple(items) => self.list(id, items, depth),
            Node::Dict(entries) => self.map(id, entries, depth),
            Node::Object(object) => self.object(id, object, depth),
            Node::Global(..) | Node::Opaque(_) => Value::Text(self.text(id)),
        }
    }

    /// Whether it may be unfolded here; [`Unfold::leave`] follows.
    fn enter(&mut self, id: Id, depth: usize) -> bool {
        let free = depth <= MAX_DEPTH && !self.path.contains(&id);
        if free {
            self.path.push(id);
        }
        free
    }

    fn leave(&mut self) {
        self.path.pop();
    }

    fn list(&mut self, id: Id, items: &[Id], depth: usize) -> Value {
        if !self.enter(id, depth) {
            return Value::Text(self.text(id));
        }
        let items = items
            .iter()
            .map(|item| self.value(*item, depth + 1))
            .collect();
        self.leave();
        Value::List(items)
    }

    fn map(&mut self, id: Id, entries: &[(Id, Id)], depth: usize) -> Value {
        if !self.enter(id, depth) {
            return Value::Text(self.text(id));
        }
        let entries = entries
            .iter()
            .map(|(name, value)| (self.name(*name).into_owned(), self.value(*value, depth + 1)))
            .collect();
        self.leave();
        marked_map(entries)
    }

    fn is_mapping(&self, object: &Object) -> bool {
        matches!(self.nodes.get(object.class), Node::Global(module, name)
            if module == "collections" && matches!(&**name, "OrderedDict" | "defaultdict" | "Counter"))
    }

    /// Collections and bytes as such, all else as text.
    fn object(&mut self, id: Id, object: &Object, depth: usize) -> Value {
        let nodes = self.nodes;
        let Node::Global(module, name) = nodes.get(object.class) else {
            return Value::Text(self.text(id));
        };
        let first = nodes.items(object.args).first().copied();
        if (&**module, &**name) == ("_codecs", "encode")
            && self.spend(1)
            && let Some(bytes) = nodes.bytes(id)
        {
            let fits = self.spend(bytes.len());
            self.bytes = if fits { self.bytes } else { 0 };
            return if fits {
                Value::Bytes(bytes.into_owned())
            } else {
                Value::Text(NO_MORE.to_owned())
            };
        }
        match (
            &**module,
            &**name,
            first.map(|first| (first, nodes.get(first))),
        ) {
            (
                "builtins" | "__builtin__",
                "set" | "frozenset",
                Some((_, Node::List(items) | Node::Tuple(items))),
            ) => self.list(id, items, depth),
            ("builtins" | "__builtin__", "set" | "frozenset", None) => Value::List(Vec::new()),
            ("collections", "deque", _) if !object.items.is_empty() => {
                self.list(id, &object.items, depth)
            }
            ("collections", "deque", Some((_, Node::List(items) | Node::Tuple(items)))) => {
                self.list(id, items, depth)
            }
            ("collections", "deque", None) => Value::List(Vec::new()),
            ("builtins" | "__builtin__", "bytearray" | "bytes", Some((bytes, Node::Bytes(_)))) => {
                self.value(bytes, depth)
            }
            ("builtins" | "__builtin__", "bytearray", Some((bytes, Node::Object(_))))
                if depth <= MAX_DEPTH && nodes.bytes(bytes).is_some() =>
            {
                self.value(bytes, depth + 1)
            }
            ("builtins" | "__builtin__", "bytearray" | "bytes", None) => Value::Bytes(Vec::new()),
            ("builtins" | "__builtin__", "bytearray", Some((_, Node::Str(text)))) => {
                match latin1(text) {
                    Some(bytes) if self.spend(bytes.len()) => Value::Bytes(bytes),
                    _ => Value::Text(self.text(id)),
                }
            }
            (_, _, Some((_, Node::Dict(entries))))
                if object.entries.is_empty() && self.is_mapping(object) =>
            {
                self.map(id, entries, depth)
            }
            _ if self.is_mapping(object) => self.map(id, &object.entries, depth),
            _ => Value::Text(self.text(id)),
        }
    }
}

/// An integer that may fit into 64 bits.
fn long(text: &str) -> Value {
    match (text.parse(), text.parse()) {
        (Ok(value), _) => Value::I64(value),
        (_, Ok(value)) => Value::U64(value),
        _ => Value::Text(text.to_owned()),
    }
}
