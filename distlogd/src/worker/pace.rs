//! The pace of a worker: when it flushes, and how long it waits between attempts. The keys `batch` and `retry` of every
//! processor.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::values;

/// When the processor flushes what it was given: at what comes first. What comes between two flushes is one transaction
/// or one request of a database.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "limits like { records: 10000, wait: 1s }"
)]
pub struct Batch {
    /// After this many records; `off`: however many come.
    #[serde(deserialize_with = "count_or_off", serialize_with = "put_count")]
    #[schemars(schema_with = "values::text_or_number")]
    pub records: Option<u64>,
    /// So long after the last flush, while there is more to read.
    #[serde(
        deserialize_with = "values::duration",
        serialize_with = "values::put_duration"
    )]
    #[schemars(schema_with = "values::text_or_number")]
    pub wait: Duration,
    /// So long after the last flush, when nothing more is to be read.
    #[serde(
        deserialize_with = "values::duration",
        serialize_with = "values::put_duration"
    )]
    #[schemars(schema_with = "values::text_or_number")]
    pub idle: Duration,
}

impl Default for Batch {
    fn default() -> Batch {
        Batch {
            records: None,
            wait: Duration::from_secs(1),
            idle: Duration::from_millis(50),
        }
    }
}

/// How long to wait before what failed is tried again: the time doubles from the first to the longest. It is tried
/// until it works.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "times like { first: 100ms, most: 30s }"
)]
pub struct Retry {
    /// After the first failure.
    #[serde(deserialize_with = "pause", serialize_with = "values::put_duration")]
    #[schemars(schema_with = "values::text_or_number")]
    pub first: Duration,
    /// At most.
    #[serde(deserialize_with = "pause", serialize_with = "values::put_duration")]
    #[schemars(schema_with = "values::text_or_number")]
    pub most: Duration,
}

impl Default for Retry {
    fn default() -> Retry {
        Retry {
            first: Duration::from_millis(100),
            most: Duration::from_secs(30),
        }
    }
}

fn count_or_off<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    values::scalar(
        deserializer,
        "a number of records like 10000, or off",
        |text| {
            values::or_off(text, |number| {
                let count = number.replace('_', "").parse().ok();
                count.filter(|count| *count > 0)
            })
        },
    )
}

fn put_count<S: serde::Serializer>(count: &Option<u64>, to: S) -> Result<S::Ok, S::Error> {
    match count {
        Some(count) => to.serialize_u64(*count),
        None => to.serialize_str("off"),
    }
}

/// A destination that fails at once would be asked without a pause.
fn pause<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    values::scalar(
        deserializer,
        "a duration like 100ms or 30s, above 0",
        |text| values::parse_duration(text).filter(|duration| !duration.is_zero()),
    )
}
