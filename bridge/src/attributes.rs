//! A set of attributes in which every name stands once, as OTLP demands.

use std::collections::HashMap;

use crate::otlp::common::v1::{AnyValue, KeyValue};

/// Up to so many are searched one by one; an index only pays for more.
const INDEX_BEYOND: usize = 32;

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

    pub fn set_value(&mut self, name: &str, value: AnyValue) {
        self.set_changed(name, |_| false, || value);
    }

    /// Sets it, unless what it has is the same already: then the value is not even made.
    pub fn set_changed(
        &mut self,
        name: &str,
        is_same: impl FnOnce(Option<&AnyValue>) -> bool,
        value: impl FnOnce() -> AnyValue,
    ) {
        match self.position(name) {
            Some(at) if is_same(self.list[at].value.as_ref()) => {}
            Some(at) => self.list[at].value = Some(value()),
            None => self.push(name, value()),
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
