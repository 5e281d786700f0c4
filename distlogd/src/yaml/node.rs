//! A YAML document as a tree in which every node knows its place.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Spanned};

use super::fault::Fault;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) place: Place,
    /// Where it is in the file.
    pub(crate) bytes: Range<usize>,
    pub(crate) tree: Tree,
    /// It is a text in which variables were replaced.
    pub(crate) replaced: bool,
}

/// Where a node begins in the text, counted from 1, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Place {
    pub(crate) fn fault(self, message: impl Into<String>) -> Fault {
        Fault {
            line: self.line,
            column: self.column,
            message: message.into(),
        }
    }

    /// The place behind a text that begins here.
    pub(crate) fn after(self, text: &str) -> Place {
        match text.rsplit_once('\n') {
            Some((lines, last)) => Place {
                line: self.line + lines.matches('\n').count() + 1,
                column: last.chars().count() + 1,
            },
            None => Place {
                column: self.column + text.chars().count(),
                ..self
            },
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tree {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    /// In the order of the file; a key may stand several times.
    Map(Vec<(Key, Node)>),
}

/// A key of a map.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Key {
    pub(crate) place: Place,
    pub(crate) text: String,
}

/// Distinguishes a node from all others of its document, while that does not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct NodeId(*const Node);

impl Node {
    /// Reads a document; an empty one is null.
    ///
    /// # Errors
    /// If the text is no YAML. The reader stops there, so this is the only fault.
    pub(crate) fn parse(text: &str) -> Result<Node, Fault> {
        let options = serde_saphyr::options! {
            duplicate_keys: DuplicateKeyPolicy::PassThrough,
            strict_booleans: true,
            with_snippet: false,
        };
        serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let place = error.location().map(place_of);
            let message = error.without_snippet().to_string();
            // The place is reported once, in front.
            let message = message.split(" at line ").next().unwrap_or_default();
            place
                .unwrap_or(Place { line: 1, column: 1 })
                .fault(format!("is no YAML: {message}"))
        })
    }

    pub(crate) fn id(&self) -> NodeId {
        NodeId(self)
    }

    /// The items of a list, or the values of a map.
    pub(crate) fn children(&self) -> Vec<&Node> {
        match &self.tree {
            Tree::List(items) => items.iter().collect(),
            Tree::Map(entries) => entries.iter().map(|(_, value)| value).collect(),
            _ => Vec::new(),
        }
    }

    /// The entries of a map; anything else has none.
    pub(crate) fn entries(&self) -> &[(Key, Node)] {
        match &self.tree {
            Tree::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The first entry of that key.
    pub(crate) fn entry(&self, name: &str) -> Option<&(Key, Node)> {
        self.entries().iter().find(|(key, _)| key.text == name)
    }

    /// The value of that key.
    pub(crate) fn get(&self, name: &str) -> Option<&Node> {
        self.entry(name).map(|(_, value)| value)
    }

    /// The items of a list; a null has none, and any other node is the only item.
    pub(crate) fn one_or_many(&self) -> &[Node] {
        match &self.tree {
            Tree::Null => &[],
            Tree::List(items) => items,
            _ => std::slice::from_ref(self),
        }
    }
}

impl fmt::Display for Node {
    /// Its type and value, for messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tree {
            Tree::Null => f.write_str("nothing"),
            Tree::Bool(v) => write!(f, "boolean `{v}`"),
            Tree::Int(v) => write!(f, "number `{v}`"),
            Tree::Float(v) => write!(f, "number `{v}`"),
            Tree::Text(v) => write!(f, "`{v}`"),
            Tree::List(_) => f.write_str("a list"),
            Tree::Map(_) => f.write_str("a map"),
        }
    }
}

fn place_of(location: serde_saphyr::Location) -> Place {
    Place {
        line: number(location.line()).max(1),
        column: number(location.column()).max(1),
    }
}

fn number(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Node, D::Error> {
        let Spanned { value, defined, .. } = Spanned::deserialize(deserializer)?;
        let (start, length) = (defined.span().byte_offset(), defined.span().byte_len());
        let start = start.map_or(0, number);
        Ok(Node {
            place: place_of(defined),
            bytes: start..start.saturating_add(length.map_or(0, number)),
            tree: value,
            replaced: false,
        })
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Key, D::Error> {
        Spanned::deserialize(deserializer).map(|spanned| Key {
            place: place_of(spanned.defined),
            text: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Tree, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scalar, a list or a map")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Tree, E> {
        Ok(Tree::Int(v.into()))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Tree, E> {
        Ok(Tree::Int(v.into()))
    }

    fn visit_i128<E>(self, v: i128) -> Result<Tree, E> {
        Ok(Tree::Int(v))
    }

    fn visit_u128<E>(self, v: u128) -> Result<Tree, E> {
        Ok(Tree::Text(v.to_string()))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Tree, E> {
        Ok(Tree::Float(v))
    }

    fn visit_str<E>(self, v: &str) -> Result<Tree, E> {
        Ok(Tree::Text(v.to_owned()))
    }

    fn visit_bytes<E>(self, v: &[u8]) -> Result<Tree, E> {
        Ok(Tree::Text(String::from_utf8_lossy(v).into_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Tree::Map(entries))
    }
}
