//! A set of attributes in which every name stands once, as OTLP demands.

use std::collections::HashMap;

use distlog_proto::ValueRef;
use distlog_proto::wire::FieldsRef;

use crate::any_value::any_value;
use crate::otlp::common::v1::any_value::Value;
use crate::otlp::common::v1::{AnyValue, KeyValue};

/// Up to so many are searched one by one; an index only pays for more.
const INDEX_BEYOND: usize = 32;

/// Whether converting the value would give this again; of lists, maps and rare values nobody looks.
fn is_same(known: Option<&AnyValue>, value: ValueRef<'_>) -> bool {
    match (known.and_then(|known| known.value.as_ref()), value) {
        (Some(Value::StringValue(known)), ValueRef::Str(value) | ValueRef::Text(value)) => {
            known == value
        }
        (Some(Value::IntValue(known)), ValueRef::I64(value)) => *known == value,
        (Some(Value::BoolValue(known)), ValueRef::Bool(value)) => *known == value,
        (Some(Value::DoubleValue(known)), ValueRef::F64(value)) => {
            known.to_bits() == value.to_bits()
        }
        _ => false,
    }
}

/// Attributes in the order in which they were first set.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attributes {
    list: Vec<KeyValue>,
    /// Where each name stands; empty as long as there are few.
    index: HashMap<String, usize>,
}

impl Attributes {
    /// With room for so many.
    pub fn with_capacity(capacity: usize) -> Attributes {
        Attributes {
            list: Vec::with_capacity(capacity),
            ..Attributes::default()
        }
    }

    /// Sets each of the fields; of the same name the last one counts.
    pub fn set_fields(&mut self, fields: FieldsRef<'_>) {
        for (name, value) in fields.iter() {
            match self.position(name) {
                // Each record of a task has all of its fields, mostly unchanged.
                Some(at) if is_same(self.list[at].value.as_ref(), value) => {}
                Some(at) => self.list[at].value = Some(any_value(value)),
                None => self.push(name, any_value(value)),
            }
        }
    }

    pub fn set_value(&mut self, name: &str, value: AnyValue) {
        match self.position(name) {
            Some(at) => self.list[at].value = Some(value),
            None => self.push(name, value),
        }
    }

    /// Sets it only if nobody did: for what distlog knows by itself.
    pub fn set_default(&mut self, name: &str, value: impl FnOnce() -> AnyValue) {
        if self.position(name).is_none() {
            self.push(name, value());
        }
    }

    /// The attributes; none are left.
    pub fn take(&mut self) -> Vec<KeyValue> {
        self.index.clear();
        std::mem::take(&mut self.list)
    }

    fn position(&self, name: &str) -> Option<usize> {
        if self.index.is_empty() {
            self.list.iter().position(|known| known.key == name)
        } else {
            self.index.get(name).copied()
        }
    }

    fn push(&mut self, name: &str, value: AnyValue) {
        let at = self.list.len();
        self.list.push(KeyValue {
            key: name.to_owned(),
            value: Some(value),
            ..KeyValue::default()
        });
        if !self.index.is_empty() {
            self.index.insert(name.to_owned(), at);
        } else if at >= INDEX_BEYOND {
            self.index = self
                .list
                .iter()
                .enumerate()
                .map(|(at, known)| (known.key.clone(), at))
                .collect();
        }
    }
}
