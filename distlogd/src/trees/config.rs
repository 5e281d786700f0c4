//! The key `trees` of a processor.

use std::time::Duration;

use distlog_proto::sampling::Threshold;
use distlog_rules::TreeCondition;
use schemars::JsonSchema;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use crate::values;

/// Trees that are open at once, if nothing else is set.
const MAX_OPEN: u32 = 1 << 20;

/// Which trees a processor gets, and when that is decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Trees {
    /// Trees that match pass.
    pub keep: TreeCondition,
    /// Of the others a share passes.
    pub other: Threshold,
    /// So long after its first record a tree is decided, ended or not.
    pub wait: Duration,
    /// So long after its last record a tree whose root has ended is decided.
    pub quiet: Duration,
    /// Trees that are open at once, at least 1. Beyond it the oldest is decided.
    pub open: u32,
}

/// Whole trees pass to the processor, or nothing of them.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "which trees pass, like { keep: 'tree.failed', else: 0.01 }"
)]
#[schemars(rename = "Trees", extend("required" = ["keep"]))]
pub(crate) struct Section {
    /// Trees pass that match this CEL condition over `tree.*`.
    #[schemars(with = "String")]
    #[allow(dead_code)] // Read with its place in the file, for faults within it.
    keep: IgnoredAny,
    /// Of the other trees this share passes, from 0 (none) to 1 (all): the same ones on every daemon, by trace id.
    #[serde(
        rename = "else",
        deserialize_with = "share",
        serialize_with = "put_share"
    )]
    #[schemars(schema_with = "values::text_or_number")]
    other: Threshold,
    /// So long after its first record a tree is decided, whether it has ended or not.
    #[serde(
        deserialize_with = "values::duration",
        serialize_with = "values::put_duration"
    )]
    #[schemars(schema_with = "values::text_or_number")]
    wait: Duration,
    /// A tree whose root has ended is decided when nothing came of it for so long.
    #[serde(
        deserialize_with = "values::duration",
        serialize_with = "values::put_duration"
    )]
    #[schemars(schema_with = "values::text_or_number")]
    quiet: Duration,
    /// Trees that are open at once, some 150 bytes of memory each. Beyond it the oldest is decided early.
    #[serde(deserialize_with = "open")]
    #[schemars(range(min = 1))]
    open: u32,
}

impl Default for Section {
    fn default() -> Section {
        Section {
            keep: IgnoredAny,
            other: Threshold::NEVER,
            wait: Duration::from_secs(60),
            quiet: Duration::from_secs(2),
            open: MAX_OPEN,
        }
    }
}

impl Section {
    /// With the condition, which is read apart.
    pub(crate) fn with(&self, keep: TreeCondition) -> Trees {
        Trees {
            keep,
            other: self.other,
            wait: self.wait,
            quiet: self.quiet,
            open: self.open,
        }
    }
}

fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Threshold, D::Error> {
    values::scalar(
        deserializer,
        "a share from 0 (none) to 1 (all), like 0.01",
        |text| Threshold::from_ratio(text.parse().ok()?).ok(),
    )
}

fn put_share<S: serde::Serializer>(share: &Threshold, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(share.ratio())
}

fn open<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    values::scalar(
        deserializer,
        "a number of trees like 1000000, at least 1",
        |text| {
            let number = text.replace('_', "").parse().ok();
            number.filter(|number| *number > 0)
        },
    )
}
