//! Reads nodes into types, and does not stop at the first fault.
//!
//! serde does. So the node that a fault is in is left out and the rest is read again, until nothing new comes up.

use std::collections::HashSet;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer,
    MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::fault::Fault;
use super::node::{Key, Node, Place, Tree, Variables};
use super::read_fault::{ReadFault, one_of};
use distlog_rules::nearest;

/// Reads a `T`, adding everything that is wrong to `faults`. Returns it only if nothing is.
pub(super) fn read<T: DeserializeOwned>(node: &Node, faults: &mut Vec<Fault>) -> Option<T> {
    let mut left_out = HashSet::new();
    node.incomplete(&mut left_out);
    if left_out.contains(&node.id) {
        return None;
    }
    loop {
        match T::deserialize(Reader {
            node,
            left_out: &left_out,
        }) {
            Ok(value) => return left_out.is_empty().then_some(value),
            Err(fault) => {
                if !fault.follows {
                    let place = fault.place.unwrap_or(node.place);
                    faults.push(Fault {
                        line: place.line,
                        column: place.column,
                        message: fault.message,
                    });
                }
                // Each turn leaves out one node more, so this ends.
                if !fault.node.is_some_and(|id| left_out.insert(id)) {
                    return None;
                }
            }
        }
    }
}

/// The variants of an enum, as serde knows them.
pub(super) fn variants<T: DeserializeOwned>() -> &'static [&'static str] {
    let node = Node {
        id: 0,
        place: Place { line: 1, column: 1 },
        tree: Tree::Text(String::new()),
        variables: Variables::None,
    };
    match T::deserialize(Reader {
        node: &node,
        left_out: &HashSet::new(),
    }) {
        Ok(_) => &[],
        Err(fault) => fault.variants,
    }
}

/// Reads one node.
#[derive(Clone, Copy)]
struct Reader<'n> {
    node: &'n Node,
    left_out: &'n HashSet<usize>,
}

impl<'n> Reader<'n> {
    fn of(self, node: &'n Node) -> Reader<'n> {
        Reader {
            node,
            left_out: self.left_out,
        }
    }

    fn here(self, fault: ReadFault) -> ReadFault {
        fault.at(self.node.place, self.node.id)
    }

    /// What a text with variables is, if it is wanted as something else.
    fn variable_as<T: std::str::FromStr>(self) -> Option<T> {
        match &self.node.tree {
            Tree::Text(text) if self.node.variables == Variables::Replaced => {
                text.trim().parse().ok()
            }
            _ => None,
        }
    }

    fn map<'de, V: Visitor<'de>>(
        self,
        entries: &'n [(Key, Node)],
        visitor: V,
    ) -> Result<V::Value, ReadFault> {
        visitor
            .visit_map(Entries {
                reader: self,
                entries: entries.iter(),
                value: None,
            })
            .map_err(|mut fault| {
                // Under another name it may have been meant.
                let meant =
                    |key: &Key, name| key.text == name || nearest(&key.text, [name]).is_some();
                let left_out = |name| {
                    entries
                        .iter()
                        .any(|(key, value)| self.left_out.contains(&value.id) && meant(key, name))
                };
                fault.follows |= fault.place.is_none() && fault.missing.is_some_and(left_out);
                fault.at(self.node.place, self.node.id)
            })
    }
}

impl<'de, 'n> Deserializer<'de> for Reader<'n> {
    type Error = ReadFault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadFault> {
        let here = |fault| self.here(fault);
        match &self.node.tree {
            Tree::Null => visitor.visit_unit().map_err(here),
            Tree::Bool(v) => visitor.visit_bool(*v).map_err(here),
            Tree::Int(v) => match u64::try_from(*v) {
                Ok(v) => visitor.visit_u64(v).map_err(here),
                Err(_) => visitor.visit_i64(*v).map_err(here),
            },
            Tree::UInt(v) => visitor.visit_u64(*v).map_err(here),
            Tree::Float(v) => visitor.visit_f64(*v).map_err(here),
            Tree::Text(v) => visitor.visit_str(v).map_err(here),
            Tree::List(items) => visitor
                .visit_seq(Items {
                    reader: self,
                    items: items.iter(),
                })
                .map_err(here),
            Tree::Map(entries) => self.map(entries, visitor),
        }
    }

    /// A number or boolean where text is expected is taken as it is.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadFault> {
        let text = match &self.node.tree {
            Tree::Bool(v) => v.to_string(),
            Tree::Int(v) => v.to_string(),
            Tree::UInt(v) => v.to_string(),
            Tree::Float(v) => v.to_string(),
            _ => return self.deserialize_any(visitor),
        };
        visitor
            .visit_str(&text)
            .map_err(|fault: ReadFault| fault.at(self.node.place, self.node.id))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadFault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadFault> {
        match &self.node.tree {
            Tree::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadFault> {
        self.deserialize_any(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadFault> {
        visitor.visit_newtype_struct(self)
    }

    /// A key without anything after it is an empty list.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadFault> {
        match &self.node.tree {
            Tree::Null => visitor.visit_seq(Items {
                reader: self,
                items: [].iter(),
            }),
            _ => self.deserialize_any(visitor),
        }
    }

    /// A key without anything after it is an empty map.
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadFault> {
        match &self.node.tree {
            Tree::Null => self.map(&[], visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadFault> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadFault> {
        let here = |fault| self.here(fault);
        match &self.node.tree {
            Tree::Text(name) => visitor
                .visit_enum(Variant {
                    reader: self,
                    name,
                    place: self.node.place,
                    content: None,
                })
                .map_err(here),
            Tree::Map(entries) => match entries.as_slice() {
                [(key, value)] => visitor
                    .visit_enum(Variant {
                        reader: self,
                        name: &key.text,
                        place: key.place,
                        content: Some(value),
                    })
                    .map_err(here),
                _ => Err(here(ReadFault::custom(format_args!(
                    "found {} keys, expected one of {}",
                    entries.len(),
                    one_of(variants)
                )))),
            },
            _ => Err(here(ReadFault::custom(format_args!(
                "found {}, expected one of {}",
                self.node.describe(),
                one_of(variants)
            )))),
        }
    }

    /// The environment has nothing but texts.
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadFault> {
        match self.variable_as() {
            Some(value) => visitor.visit_bool(value).map_err(|fault| self.here(fault)),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadFault> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadFault> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadFault> {
        match self.variable_as() {
            Some(value) => visitor.visit_u64(value).map_err(|fault| self.here(fault)),
            None => self.deserialize_any(visitor),
        }
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u128 f32 f64 char bytes byte_buf unit_struct tuple tuple_struct identifier
        ignored_any
    }
}

struct Items<'n> {
    reader: Reader<'n>,
    items: std::slice::Iter<'n, Node>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = ReadFault;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ReadFault> {
        let left_out = self.reader.left_out;
        match self.items.find(|item| !left_out.contains(&item.id)) {
            Some(item) => seed
                .deserialize(self.reader.of(item))
                .map(Some)
                .map_err(|fault| fault.at(item.place, item.id)),
            None => Ok(None),
        }
    }
}

struct Entries<'n> {
    reader: Reader<'n>,
    entries: std::slice::Iter<'n, (Key, Node)>,
    value: Option<&'n Node>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = ReadFault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ReadFault> {
        let left_out = self.reader.left_out;
        let Some((key, value)) = self
            .entries
            .find(|(_, value)| !left_out.contains(&value.id))
        else {
            return Ok(None);
        };
        self.value = Some(value);
        let text: StrDeserializer<'_, ReadFault> = key.text.as_str().into_deserializer();
        seed.deserialize(text)
            .map(Some)
            .map_err(|fault| fault.at(key.place, value.id))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadFault> {
        let value = self
            .value
            .take()
            .ok_or_else(|| ReadFault::custom("a value was asked for before its key"))?;
        seed.deserialize(self.reader.of(value))
            .map_err(|fault| fault.at(value.place, value.id))
    }
}

struct Variant<'n> {
    reader: Reader<'n>,
    name: &'n str,
    place: Place,
    content: Option<&'n Node>,
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = ReadFault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), ReadFault> {
        let text: StrDeserializer<'_, ReadFault> = self.name.into_deserializer();
        match seed.deserialize(text) {
            Ok(value) => Ok((value, self)),
            Err(fault) => Err(fault.at(self.place, self.reader.node.id)),
        }
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = ReadFault;

    fn unit_variant(self) -> Result<(), ReadFault> {
        match self.content {
            None
            | Some(Node {
                tree: Tree::Null, ..
            }) => Ok(()),
            Some(node) => Err(ReadFault::custom(format_args!(
                "found {}, expected nothing after `{}`",
                node.describe(),
                self.name
            ))
            .at(node.place, node.id)),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, ReadFault> {
        match self.content {
            Some(node) => seed
                .deserialize(self.reader.of(node))
                .map_err(|fault| fault.at(node.place, node.id)),
            None => {
                let empty = Node {
                    id: self.reader.node.id,
                    place: self.place,
                    tree: Tree::Null,
                    variables: Variables::None,
                };
                seed.deserialize(Reader {
                    node: &empty,
                    left_out: self.reader.left_out,
                })
            }
        }
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, ReadFault> {
        self.reader
            .of(self.content.unwrap_or(self.reader.node))
            .deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadFault> {
        self.reader
            .of(self.content.unwrap_or(self.reader.node))
            .deserialize_map(visitor)
    }
}
