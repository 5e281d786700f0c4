//! The name of an index, which may have the record's time in it.

use chrono::DateTime;
use serde::{Deserialize, Deserializer};

use crate::values;

/// What Elasticsearch does not take in the name of an index.
const FORBIDDEN: &[char] = &[
    '\\', '/', '*', '?', '"', '<', '>', '|', ' ', ',', '#', ':', '\'',
];
/// The longest name, in bytes.
const MAX_NAME: usize = 255;

/// `distlog` or `distlog-%Y.%m.%d`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index(String);

impl Default for Index {
    fn default() -> Index {
        Index("distlog".to_owned())
    }
}

impl Index {
    fn parse(text: &str) -> Option<Index> {
        let mut rest = text;
        while let Some((_, after)) = rest.split_once('%') {
            rest = after.strip_prefix(['Y', 'm', 'd', 'H'])?;
        }
        let index = Index(text.to_owned());
        let name = index.at(0);
        let is_good = !name.is_empty()
            && name.len() <= MAX_NAME
            && !name.starts_with(['-', '_', '+', '.'])
            && name == name.to_lowercase()
            && !name.contains(FORBIDDEN)
            && !name.contains(char::is_control);
        is_good.then_some(index)
    }

    /// Its name for a record of that second since the epoch.
    fn at(&self, second: i64) -> String {
        if !self.0.contains('%') {
            return self.0.clone();
        }
        let time = DateTime::from_timestamp(second, 0).unwrap_or_default();
        time.format(&self.0).to_string()
    }

    /// What gives its names.
    pub(super) fn names(&self) -> Names {
        Names {
            index: self.clone(),
            hour: 0,
            name: self.at(0),
        }
    }
}

impl<'de> Deserialize<'de> for Index {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Index, D::Error> {
        values::scalar(
            deserializer,
            "the name of an index like distlog or distlog-%Y.%m.%d (in lowercase; %Y, %m, %d and %H are the record's time)",
            Index::parse,
        )
    }
}

/// Names of an index; that of the last hour is kept.
#[derive(Debug)]
pub(super) struct Names {
    index: Index,
    hour: i64,
    name: String,
}

impl Names {
    /// The name for a record of that second since the epoch.
    pub(super) fn at(&mut self, second: i64) -> &str {
        let hour = second.div_euclid(3600);
        if hour != self.hour {
            self.hour = hour;
            self.name = self.index.at(second);
        }
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_have_the_time_in_it() {
        let mut names = Index::parse("logs-%Y.%m.%d").unwrap().names();
        assert_eq!(names.at(1_763_871_098), "logs-2025.11.23");
        assert_eq!(names.at(1_763_871_098 + 86_400), "logs-2025.11.24");
        assert_eq!(names.at(0), "logs-1970.01.01");
        assert_eq!(Index::default().names().at(1_763_871_098), "distlog");
    }

    #[test]
    fn what_elasticsearch_does_not_take_is_no_name() {
        for good in ["distlog", "a-%Y", "%Y-%m-%dt%H", "größe"] {
            assert!(Index::parse(good).is_some(), "{good}");
        }
        let long = "x".repeat(256);
        for bad in [
            "", "Logs", "_x", "a b", "a/b", "a%", "a-%y", "a-%Q", "-x", "a\"b", &long,
        ] {
            assert!(Index::parse(bad).is_none(), "{bad}");
        }
    }
}
