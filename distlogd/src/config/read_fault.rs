//! What is wrong with a value, while it is on its way up to where its place is known.

use std::fmt::{self, Display};

use serde::de::{Error, Expected, Unexpected};

use super::node::Place;
use distlog_rules::nearest;

/// A fault on its way up, which gets its place from the first node that it passes.
#[derive(Debug, Default)]
pub(super) struct ReadFault {
    pub(super) message: String,
    pub(super) place: Option<Place>,
    /// What to leave out to find the next fault.
    pub(super) node: Option<usize>,
    pub(super) missing: Option<&'static str>,
    pub(super) variants: &'static [&'static str],
    /// It is only there because something was left out.
    pub(super) follows: bool,
}

impl ReadFault {
    pub(super) fn at(mut self, place: Place, node: usize) -> ReadFault {
        self.place = self.place.or(Some(place));
        self.node = self.node.or(Some(node));
        self
    }
}

impl Display for ReadFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ReadFault {}

/// `a`, `b` or `c`
pub(super) fn one_of(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// That something is not known, and what is.
pub(super) fn unknown(what: &str, found: &str, known: &[&str]) -> String {
    match (nearest(found, known.iter().copied()), known) {
        (_, []) => format!("unknown {what} `{found}`: none is expected here"),
        (Some(meant), _) => format!("unknown {what} `{found}`: did you mean `{meant}`?"),
        (None, _) => format!(
            "unknown {what} `{found}`: expected one of {}",
            one_of(known)
        ),
    }
}

impl Error for ReadFault {
    fn custom<T: Display>(message: T) -> ReadFault {
        ReadFault {
            message: message.to_string(),
            ..ReadFault::default()
        }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> ReadFault {
        let found = match found {
            Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
            Unexpected::Seq => "a list".to_owned(),
            Unexpected::Map => "a map".to_owned(),
            other => other.to_string(),
        };
        ReadFault::custom(format_args!("found {found}, expected {expected}"))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> ReadFault {
        ReadFault::invalid_type(found, expected)
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> ReadFault {
        ReadFault::custom(format_args!("found {length} items, expected {expected}"))
    }

    fn unknown_variant(found: &str, known: &'static [&'static str]) -> ReadFault {
        ReadFault {
            variants: known,
            ..ReadFault::custom(unknown("value", found, known))
        }
    }

    fn unknown_field(found: &str, known: &'static [&'static str]) -> ReadFault {
        ReadFault::custom(unknown("key", found, known))
    }

    fn missing_field(name: &'static str) -> ReadFault {
        ReadFault {
            missing: Some(name),
            ..ReadFault::custom(format_args!("`{name}` is missing"))
        }
    }
}
