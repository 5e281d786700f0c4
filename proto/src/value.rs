//! Typed values of fields, in owned form.

use std::collections::{HashMap, HashSet};

/// A value of a field. [`crate::ValueRef`] is its borrowed form.
#[derive(Debug, Clone, Default)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// An integer.
    I64(i64),
    /// An integer that [`Value::I64`] cannot hold; a smaller one is read back as `I64`.
    U64(u64),
    /// A floating-point number.
    F64(f64),
    /// A string of the program.
    Str(String),
    /// The readable form of a value whose type is not known: Rust's `Debug` and `Display`, integers over 64 bits.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Values in order.
    List(Vec<Value>),
    /// Named values.
    Map(Map),
}

/// Named values in the order they were given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Map(Vec<(String, Value)>);

impl Map {
    /// An empty one.
    pub fn new() -> Map {
        Map::default()
    }

    /// Sets a value; of the same name the last one counts and keeps the first one's place.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        let name = name.into();
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value.into(),
            None => self.0.push((name, value.into())),
        }
    }

    /// The value of that name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value)
    }

    /// Takes the value of that name out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(at).1)
    }

    /// Name and value of each, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<N: Into<String>, V: Into<Value>> FromIterator<(N, V)> for Map {
    /// Of values with the same name the last one counts.
    fn from_iter<I: IntoIterator<Item = (N, V)>>(entries: I) -> Map {
        let entries: Vec<(String, Value)> = entries
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        if has_duplicates(&entries) {
            last_ones(entries)
        } else {
            Map(entries)
        }
    }
}

/// In a time that grows with the number only, since strangers may send maps of any size.
fn has_duplicates(entries: &[(String, Value)]) -> bool {
    if entries.len() <= 16 {
        return (1..entries.len())
            .any(|i| entries[..i].iter().any(|(name, _)| *name == entries[i].0));
    }
    let mut seen = HashSet::with_capacity(entries.len());
    !entries.iter().all(|(name, _)| seen.insert(name.as_str()))
}

fn last_ones(entries: Vec<(String, Value)>) -> Map {
    let mut places: HashMap<String, usize> = HashMap::with_capacity(entries.len());
    let mut kept: Vec<(String, Value)> = Vec::with_capacity(entries.len());
    for (name, value) in entries {
        match places.get(&name).and_then(|place| kept.get_mut(*place)) {
            Some(entry) => entry.1 = value,
            None => {
                places.insert(name.clone(), kept.len());
                kept.push((name, value));
            }
        }
    }
    Map(kept)
}

impl IntoIterator for Map {
    type Item = (String, Value);
    type IntoIter = std::vec::IntoIter<(String, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl PartialEq for Value {
    /// Equal in type and content; floating-point numbers by their bits, so that a NaN equals itself.
    fn eq(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::I64(a), Value::I64(b)) => a == b,
            (Value::U64(a), Value::U64(b)) => a == b,
            (Value::F64(a), Value::F64(b)) => a.to_bits() == b.to_bits(),
            (Value::Str(a), Value::Str(b)) | (Value::Text(a), Value::Text(b)) => a == b,
            (Value::Bytes(a), Value::Bytes(b)) => a == b,
            (Value::List(a), Value::List(b)) => a == b,
            (Value::Map(a), Value::Map(b)) => a == b,
            _ => false,
        }
    }
}

macro_rules! value_from {
    ($($type:ty => $value:expr),* $(,)?) => {
        $(impl From<$type> for Value {
            fn from(value: $type) -> Value {
                #[allow(clippy::redundant_closure_call)]
                ($value)(value)
            }
        })*
    };
}

value_from! {
    bool => Value::Bool,
    i64 => Value::I64,
    i32 => |v: i32| Value::I64(v.into()),
    u32 => |v: u32| Value::I64(v.into()),
    u64 => |v: u64| i64::try_from(v).map_or(Value::U64(v), Value::I64),
    f64 => Value::F64,
    String => Value::Str,
    &str => |v: &str| Value::Str(v.to_owned()),
    Vec<u8> => Value::Bytes,
    Vec<Value> => Value::List,
    Map => Value::Map,
}
