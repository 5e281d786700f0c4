//! serde's errors in words for people. Each gets its place on the way up from where it arose.

use std::fmt::{self, Display};

use distlog_rules::nearest;
use serde::de::{Error, Expected, Unexpected};

use super::node::{NodeId, Place};

#[derive(Debug)]
pub(crate) struct ReadError {
    pub(crate) message: String,
    /// Its place, and the node to leave out to find the next one.
    pub(crate) at: Option<(Place, NodeId)>,
    /// The missing key.
    pub(crate) missing: Option<&'static str>,
    /// It is only there because something was left out.
    pub(crate) follows: bool,
}

impl ReadError {
    /// Adds the place, unless it has one.
    pub(crate) fn at(mut self, place: Place, node: NodeId) -> ReadError {
        self.at.get_or_insert((place, node));
        self
    }
}

impl Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ReadError {}

/// `a`, `b`, `c`
pub(crate) fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

/// The message for an unknown word: what was probably meant, or what is known.
pub(crate) fn unknown(what: &str, found: &str, known: &[&str]) -> String {
    let hint = match nearest(found, known.iter().copied()) {
        _ if known.is_empty() => "none is expected here".to_owned(),
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("expected one of {}", one_of(known)),
    };
    format!("unknown {what} `{found}`: {hint}")
}

impl Error for ReadError {
    fn custom<T: Display>(message: T) -> ReadError {
        ReadError {
            message: message.to_string(),
            at: None,
            missing: None,
            follows: false,
        }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> ReadError {
        let found = match found {
            Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
            Unexpected::Seq => "a list".to_owned(),
            Unexpected::Map => "a map".to_owned(),
            other => other.to_string(),
        };
        ReadError::custom(format_args!("found {found}, expected {expected}"))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> ReadError {
        ReadError::invalid_type(found, expected)
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> ReadError {
        ReadError::custom(format_args!("found {length} items, expected {expected}"))
    }

    fn unknown_variant(found: &str, known: &'static [&'static str]) -> ReadError {
        ReadError::custom(unknown("value", found, known))
    }

    fn unknown_field(found: &str, known: &'static [&'static str]) -> ReadError {
        ReadError::custom(unknown("key", found, known))
    }

    fn missing_field(name: &'static str) -> ReadError {
        ReadError {
            missing: Some(name),
            ..ReadError::custom(format_args!("`{name}` is missing"))
        }
    }
}
