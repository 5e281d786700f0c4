//! Redaction: what must not leave the process is replaced before it reaches the ring, so that neither a spool nor a
//! batch ever has it.
//!
//! Names hide the values of fields. Patterns are looked for in everything that is written as text, each text as a whole
//! and before it is cut, so that nothing leaks in halves.

use std::fmt::Write;

use distlog_proto::redaction::REDACTED;
use distlog_proto::{Map, Value};

use crate::record::capture::MARK;
#[cfg(feature = "redact-patterns")]
use distlog_proto::redaction::{PatternError, Patterns};

/// What is redacted: see [`Builder::redact`](crate::Builder::redact).
#[derive(Debug, Clone, Default)]
pub(crate) struct Redaction {
    names: Vec<String>,
    #[cfg(feature = "redact-patterns")]
    patterns: Option<Patterns>,
}

impl Redaction {
    pub(crate) fn add_names(&mut self, names: impl IntoIterator<Item: Into<String>>) {
        let names = names.into_iter().map(Into::into);
        self.names.extend(names.filter(|name| !name.is_empty()));
    }

    #[cfg(feature = "redact-patterns")]
    pub(crate) fn add_patterns(&mut self, new: &[&str]) -> Result<(), PatternError> {
        let known = self.patterns.as_ref().map_or(&[][..], Patterns::texts);
        let known = known.iter().map(String::as_str);
        let all: Vec<&str> = known.chain(new.iter().copied()).collect();
        self.patterns = Patterns::compile(&all)?;
        Ok(())
    }

    /// Whether the field with this dotted path is hidden.
    fn hides(&self, path: &str) -> bool {
        let path = path.as_bytes();
        self.names.iter().any(|name| {
            let at = path.len().checked_sub(name.len());
            at.is_some_and(|at| {
                path[at..].eq_ignore_ascii_case(name.as_bytes())
                    && (at == 0 || path[at - 1] == b'.')
            })
        })
    }

    /// The text without what the patterns match; `None` if they match nothing.
    fn replaced(&self, text: &str) -> Option<String> {
        // It stands for a value that is redacted by itself.
        if text == MARK {
            return None;
        }
        #[cfg(feature = "redact-patterns")]
        return self.patterns.as_ref()?.replaced(text);
        #[cfg(not(feature = "redact-patterns"))]
        None
    }

    fn has_patterns(&self) -> bool {
        #[cfg(feature = "redact-patterns")]
        return self.patterns.is_some();
        #[cfg(not(feature = "redact-patterns"))]
        false
    }

    /// Redacts a value and what is in it. `path`: that of its field, which keys of maps are added to.
    fn redact(&self, path: &mut String, value: &mut Value) {
        let replaced = match value {
            Value::Str(text) | Value::Text(text) => self.replaced(text),
            Value::Bytes(bytes) => self.replaced(&String::from_utf8_lossy(bytes)),
            Value::I64(number) => self.replaced(&number.to_string()),
            Value::U64(number) => self.replaced(&number.to_string()),
            Value::F64(number) => self.replaced(&number.to_string()),
            Value::List(items) => {
                items.iter_mut().for_each(|item| self.redact(path, item));
                None
            }
            Value::Map(map) => {
                *map = std::mem::take(map)
                    .into_iter()
                    .map(|(name, value)| self.entry(path, name, value))
                    .collect::<Map>();
                None
            }
            Value::Null | Value::Bool(_) => None,
        };
        if let Some(replaced) = replaced {
            *value = Value::Str(replaced);
        }
    }

    fn entry(&self, path: &mut String, name: String, mut value: Value) -> (String, Value) {
        let outer = path.len();
        let _ = write!(path, ".{name}");
        if self.hides(path) {
            value = Value::from(REDACTED);
        } else {
            self.redact(path, &mut value);
        }
        path.truncate(outer);
        (self.replaced(&name).unwrap_or(name), value)
    }
}

/// Says what is redacted. Nothing, as long as it says nothing else.
pub(crate) trait Redact: Copy {
    /// Whether nothing of a field's value may be written.
    fn hides(self, _name: &str) -> bool {
        false
    }

    /// Whether texts are looked through.
    fn has_patterns(self) -> bool {
        false
    }

    /// The text without what is redacted; `None` if that is all of it.
    fn replaced(self, _text: &str) -> Option<String> {
        None
    }

    /// Redacts what is in the value of a field that is not hidden itself.
    fn redact(self, _name: &str, _value: &mut Value) {}
}

/// Redacts nothing. What writes records is compiled once with it and once with a [`Redaction`], so that nobody pays for
/// redaction who does not use it.
#[derive(Clone, Copy)]
pub(crate) struct Nothing;

impl Redact for Nothing {}

impl Redact for &Redaction {
    fn hides(self, name: &str) -> bool {
        Redaction::hides(self, name)
    }

    fn has_patterns(self) -> bool {
        Redaction::has_patterns(self)
    }

    fn replaced(self, text: &str) -> Option<String> {
        Redaction::replaced(self, text)
    }

    fn redact(self, name: &str, value: &mut Value) {
        Redaction::redact(self, &mut name.to_owned(), value);
    }
}

/// Where it is looked up each time, since it matters little.
impl<R: Redact> Redact for Option<R> {
    fn hides(self, name: &str) -> bool {
        self.is_some_and(|redaction| redaction.hides(name))
    }

    fn has_patterns(self) -> bool {
        self.is_some_and(R::has_patterns)
    }

    fn replaced(self, text: &str) -> Option<String> {
        self?.replaced(text)
    }

    fn redact(self, name: &str, value: &mut Value) {
        if let Some(redaction) = self {
            redaction.redact(name, value);
        }
    }
}

/// What may be written of a value: as many bytes, and nothing that is redacted.
#[derive(Clone, Copy)]
pub(crate) struct Policy<R> {
    /// The length that the buffer may reach.
    pub(crate) limit: usize,
    pub(crate) redaction: R,
}

/// As a producer has it.
pub(crate) type ProducerPolicy<'a> = Policy<Option<&'a Redaction>>;

impl Policy<Nothing> {
    /// For what a program does not say of its data, or what was redacted.
    pub(crate) const fn only(limit: usize) -> Policy<Nothing> {
        Policy {
            limit,
            redaction: Nothing,
        }
    }
}

impl<R: Redact> Policy<R> {
    /// The text without what is redacted.
    pub(crate) fn text(&self, text: String) -> String {
        self.redaction.replaced(&text).unwrap_or(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_whole_one_or_the_end_of_a_dotted_one_in_any_case() {
        let mut redaction = Redaction::default();
        redaction.add_names(["password", "header.Authorization", ""]);
        for name in [
            "password",
            "PassWord",
            "user.password",
            "http.request.header.authorization",
            "header.authorization",
        ] {
            assert!(redaction.hides(name), "{name}");
        }
        for name in [
            "passwords",
            "my_password",
            "password.length",
            "authorization",
            "",
            "a.",
        ] {
            assert!(!redaction.hides(name), "{name}");
        }
    }

    #[test]
    fn keys_of_maps_are_names_with_and_without_the_path_to_them() {
        let mut redaction = Redaction::default();
        redaction.add_names(["password", "order.card"]);
        let inner = Map::from_iter([
            ("Password", Value::from("x")),
            ("card", Value::from("kept")),
        ]);
        let order = Map::from_iter([
            ("card", Value::from("x")),
            ("by", Value::List(vec![Value::Map(inner)])),
        ]);
        let mut value = Value::Map(order);
        redaction.redact(&mut "order".into(), &mut value);
        let inner = Map::from_iter([
            ("Password", Value::from(REDACTED)),
            ("card", Value::from("kept")),
        ]);
        let expected = Map::from_iter([
            ("card", Value::from(REDACTED)),
            ("by", Value::List(vec![Value::Map(inner)])),
        ]);
        assert_eq!(value, Value::Map(expected));
    }
}
