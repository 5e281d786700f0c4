//! A YAML document as a tree in which every node knows its place.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Spanned};

use super::fault::Fault;

/// A node.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// Distinguishes it from all others of the document.
    pub(super) id: usize,
    pub(super) place: Place,
    pub(super) tree: Tree,
    pub(super) variables: Variables,
}

/// What of the text of a node comes from the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variables {
    /// Nothing.
    None,
    /// The variables in it are replaced.
    Replaced,
    /// Some are missing, which was told.
    Missing,
}

/// Where a node begins in the text, counted from 1, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Tree {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    /// In order; the same key may stand several times.
    Map(Vec<(Key, Node)>),
}

/// A key of a map.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Key {
    pub(super) place: Place,
    pub(super) text: String,
}

impl Node {
    /// Reads a document; an empty one is null.
    ///
    /// # Errors
    /// If the text is no YAML; where it is not is then the only fault that can be told.
    pub(super) fn parse(text: &str) -> Result<Node, Fault> {
        let options = serde_saphyr::options! {
            duplicate_keys: DuplicateKeyPolicy::PassThrough,
            strict_booleans: true,
            with_snippet: false,
        };
        match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options) {
            Ok(document) => Ok(document.place(&mut 0)),
            Err(error) => {
                let place = error
                    .location()
                    .map(place_of)
                    .unwrap_or(Place { line: 1, column: 1 });
                let message = error.without_snippet().to_string();
                // The place is said once, in front.
                let message = message
                    .split(" at line ")
                    .next()
                    .unwrap_or_default()
                    .to_owned();
                Err(Fault {
                    line: place.line,
                    column: place.column,
                    message: format!("is no YAML: {message}"),
                })
            }
        }
    }

    /// Adds the numbers of the nodes in which variables are missing.
    pub(super) fn incomplete(&self, ids: &mut HashSet<usize>) {
        match &self.tree {
            Tree::Text(_) if self.variables == Variables::Missing => _ = ids.insert(self.id),
            Tree::List(items) => items.iter().for_each(|item| item.incomplete(ids)),
            Tree::Map(entries) => entries.iter().for_each(|(_, value)| value.incomplete(ids)),
            _ => {}
        }
    }

    /// The value of that key.
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        match &self.tree {
            Tree::Map(entries) => entries
                .iter()
                .find(|(key, _)| key.text == name)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// For people.
    pub(super) fn describe(&self) -> String {
        match &self.tree {
            Tree::Null => "nothing".to_owned(),
            Tree::Bool(v) => format!("boolean `{v}`"),
            Tree::Int(v) => format!("number `{v}`"),
            Tree::UInt(v) => format!("number `{v}`"),
            Tree::Float(v) => format!("number `{v}`"),
            Tree::Text(v) => format!("`{v}`"),
            Tree::List(_) => "a list".to_owned(),
            Tree::Map(_) => "a map".to_owned(),
        }
    }
}

fn place_of(location: serde_saphyr::Location) -> Place {
    let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).max(1);
    Place {
        line: number(location.line()),
        column: number(location.column()),
    }
}

/// As it comes out of the reader.
enum Raw {
    Scalar(Tree),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

/// Numbers the nodes.
trait Placed {
    fn place(self, next: &mut usize) -> Node;
}

impl Placed for Spanned<Raw> {
    fn place(self, next: &mut usize) -> Node {
        *next += 1;
        let id = *next;
        let place = place_of(self.defined);
        let tree = match self.value {
            Raw::Scalar(tree) => tree,
            Raw::List(items) => {
                Tree::List(items.into_iter().map(|item| item.place(next)).collect())
            }
            Raw::Map(entries) => Tree::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| {
                        (
                            Key {
                                place: place_of(key.defined),
                                text: key.value,
                            },
                            value.place(next),
                        )
                    })
                    .collect(),
            ),
        };
        Node {
            id,
            place,
            tree,
            variables: Variables::None,
        }
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scalar, a list or a map")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Tree::Null))
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Tree::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Raw, E> {
        Ok(Raw::Scalar(Tree::Bool(v)))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Tree::Int(v)))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Raw, E> {
        Ok(Raw::Scalar(
            i64::try_from(v).map_or(Tree::UInt(v), Tree::Int),
        ))
    }

    fn visit_i128<E>(self, v: i128) -> Result<Raw, E> {
        Ok(Raw::Scalar(Tree::Text(v.to_string())))
    }

    fn visit_u128<E>(self, v: u128) -> Result<Raw, E> {
        Ok(Raw::Scalar(Tree::Text(v.to_string())))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Tree::Float(v)))
    }

    fn visit_str<E>(self, v: &str) -> Result<Raw, E> {
        Ok(Raw::Scalar(Tree::Text(v.to_owned())))
    }

    fn visit_bytes<E>(self, v: &[u8]) -> Result<Raw, E> {
        Ok(Raw::Scalar(Tree::Text(
            String::from_utf8_lossy(v).into_owned(),
        )))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}
