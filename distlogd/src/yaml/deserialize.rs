//! Reads nodes into types.
//!
//! serde stops at its first fault. So the node that a fault is in is left out and the rest is read again, until nothing
//! new comes up.

use std::collections::HashSet;
use std::str::FromStr;

use distlog_rules::nearest;
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Visitor,
};

use super::error::{ReadError, one_of};
use super::fault::Fault;
use super::node::{Key, Node, NodeId, Tree};

/// Reads a `T` without the nodes that are left out, whose faults are known, and adds all other faults to `faults`.
/// With faults the result is read from the rest, if that suffices.
pub(crate) fn read<T: DeserializeOwned>(
    node: &Node,
    mut left_out: HashSet<NodeId>,
    faults: &mut Vec<Fault>,
) -> Option<T> {
    loop {
        let left = &left_out;
        let error = match T::deserialize(Reader { node, left }) {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        let (place, id) = error.at.unwrap_or((node.place, node.id()));
        if !error.follows {
            faults.push(place.fault(error.message));
        }
        // Each turn leaves out one node more, so this ends.
        if id == node.id() || !left_out.insert(id) {
            return None;
        }
    }
}

/// Reads one node.
#[derive(Clone, Copy)]
struct Reader<'n> {
    node: &'n Node,
    left: &'n HashSet<NodeId>,
}

impl<'n> Reader<'n> {
    /// Reads a part of the node; an error that has no place yet is there.
    fn part<'de, T: DeserializeSeed<'de>>(
        self,
        node: &'n Node,
        seed: T,
    ) -> Result<T::Value, ReadError> {
        seed.deserialize(Reader { node, ..self })
            .map_err(|error| error.at(node.place, node.id()))
    }

    /// The value of a variable, if something else than text is wanted: the environment has nothing but texts.
    fn variable_as<T: FromStr>(self) -> Option<T> {
        match &self.node.tree {
            Tree::Text(text) if self.node.replaced => text.trim().parse().ok(),
            _ => None,
        }
    }

    fn unexpected<T>(self, expected: &dyn Expected) -> Result<T, ReadError> {
        let (found, expected) = (self.node, expected.to_string());
        // serde's word for a list.
        let expected = expected.replace("a sequence", "a list");
        Err(ReadError::custom(format_args!(
            "found {found}, expected {expected}"
        )))
    }

    fn items<'de, V: Visitor<'de>>(self, items: &[Node], to: V) -> Result<V::Value, ReadError> {
        to.visit_seq(Items {
            reader: self,
            items: items.iter(),
        })
    }

    fn map<'de, V: Visitor<'de>>(
        self,
        entries: &[(Key, Node)],
        to: V,
    ) -> Result<V::Value, ReadError> {
        let read = to.visit_map(Entries {
            reader: self,
            entries: entries.iter(),
            value: None,
        });
        read.map_err(|mut error| {
            // The missing key was left out, perhaps under a misspelt name.
            let meant = |key: &str, name| key == name || nearest(key, [name]).is_some();
            let left_out = |name| {
                let mut left = entries.iter().filter(|(_, v)| self.left.contains(&v.id()));
                left.any(|(key, _)| meant(&key.text, name))
            };
            error.follows |= error.at.is_none() && error.missing.is_some_and(left_out);
            error
        })
    }
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.tree {
            Tree::Null => visitor.visit_unit(),
            Tree::Bool(v) => visitor.visit_bool(*v),
            Tree::Int(v) => match (u64::try_from(*v), i64::try_from(*v)) {
                (Ok(v), _) => visitor.visit_u64(v),
                (_, Ok(v)) => visitor.visit_i64(v),
                _ => visitor.visit_i128(*v),
            },
            Tree::Float(v) => visitor.visit_f64(*v),
            Tree::Text(v) => visitor.visit_str(v),
            Tree::List(items) => self.items(items, visitor),
            Tree::Map(entries) => self.map(entries, visitor),
        }
    }

    /// A number or boolean where text is expected is taken as it is.
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.tree {
            Tree::Bool(v) => visitor.visit_string(v.to_string()),
            Tree::Int(v) => visitor.visit_string(v.to_string()),
            Tree::Float(v) => visitor.visit_string(v.to_string()),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_string(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.tree {
            Tree::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    /// A key without a value is an empty list.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.tree {
            Tree::Null => self.items(&[], visitor),
            Tree::List(items) => self.items(items, visitor),
            _ => self.unexpected(&visitor),
        }
    }

    /// A key without a value is an empty map.
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.tree {
            Tree::Null => self.map(&[], visitor),
            Tree::Map(entries) => self.map(entries, visitor),
            _ => self.unexpected(&visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match &self.node.tree {
            Tree::Text(name) => visitor.visit_enum(name.as_str().into_deserializer()),
            _ => self.unexpected(&format!("one of {}", one_of(variants)).as_str()),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.variable_as() {
            Some(value) => visitor.visit_bool(value),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.variable_as() {
            Some(value) => visitor.visit_u64(value),
            None => self.deserialize_any(visitor),
        }
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
        ignored_any
    }
}

struct Items<'n> {
    reader: Reader<'n>,
    items: std::slice::Iter<'n, Node>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ReadError> {
        let left = self.reader.left;
        let item = self.items.find(|item| !left.contains(&item.id()));
        item.map(|item| self.reader.part(item, seed)).transpose()
    }
}

struct Entries<'n> {
    reader: Reader<'n>,
    entries: std::slice::Iter<'n, (Key, Node)>,
    value: Option<&'n Node>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ReadError> {
        let left = self.reader.left;
        let Some((key, value)) = self.entries.find(|(_, value)| !left.contains(&value.id())) else {
            return Ok(None);
        };
        self.value = Some(value);
        let text: StrDeserializer<'_, ReadError> = key.text.as_str().into_deserializer();
        let read = seed.deserialize(text);
        read.map(Some)
            .map_err(|error| error.at(key.place, value.id()))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        match self.value.take() {
            Some(value) => self.reader.part(value, seed),
            None => Err(ReadError::custom("a value is asked for before its key")),
        }
    }
}
