//! `count: '> 10'`: how many records within the window make an alert fire.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use crate::values;

const EXPECTED: &str =
    "a comparison like '> 10', '>= 10', '< 1' or '<= 3' that can be true as well as false";

/// A comparison with a number of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    operator: &'static str,
    number: u64,
}

impl Count {
    /// Reads `> 10`. One that is always true, or never, is none.
    fn parse(text: &str) -> Option<Count> {
        let text = text.trim();
        // The longer ones first.
        let operators = [">=", "<=", ">", "<"];
        let operator = operators.into_iter().find(|sign| text.starts_with(sign))?;
        let number = text[operator.len()..]
            .trim()
            .replace('_', "")
            .parse()
            .ok()?;
        let sensible = match operator {
            ">=" | "<" => number > 0,
            _ => number < u64::MAX,
        };
        sensible.then_some(Count { operator, number })
    }

    /// Whether so many records make the alert fire.
    pub(super) fn holds(self, count: u64) -> bool {
        match self.operator {
            ">" => count > self.number,
            ">=" => count >= self.number,
            "<" => count < self.number,
            _ => count <= self.number,
        }
    }

    /// Whether it is records that are missing that make the alert fire.
    pub(super) fn is_below(self) -> bool {
        self.operator.starts_with('<')
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.operator, self.number)
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Count, D::Error> {
        values::scalar(deserializer, EXPECTED, Count::parse)
    }
}

impl JsonSchema for Count {
    fn schema_name() -> Cow<'static, str> {
        "Count".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^\\s*[<>]=?\\s*[0-9_]+\\s*$" })
    }
}

#[cfg(test)]
impl Count {
    pub(super) fn of(text: &str) -> Count {
        Count::parse(text).unwrap_or_else(|| panic!("{text}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_are_read_and_compare() {
        for (text, holds, holds_not) in [
            ("> 10", 11, 10),
            (">=10", 10, 9),
            (" < 1 ", 0, 1),
            ("<= 1_000", 1000, 1001),
            ("> 0", 1, 0),
        ] {
            let count = Count::of(text);
            assert!(count.holds(holds) && !count.holds(holds_not), "{text}");
            assert_eq!(count.is_below(), text.trim().starts_with('<'));
            assert_eq!(Count::of(&count.to_string()), count);
        }
        for bad in [
            "", "10", "= 10", "== 10", ">", "> -1", "> 1.5", "> ten", ">= 0", "< 0", "=> 1",
        ] {
            assert_eq!(Count::parse(bad), None, "{bad}");
        }
    }
}
