//! The shape of a configuration file: serde reads it, and the JSON Schema shows it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema, schema_for};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::sections::{Config, Listen, Store};
use crate::processors;
use crate::values;

type Processors = BTreeMap<String, processors::Section>;

/// Configuration of distlogd. Every key is optional. In values `${NAME}` and `${NAME:-default}` stand for variables
/// of the environment.
#[derive(Deserialize, JsonSchema)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "the sections of a configuration"
)]
#[schemars(title = "distlogd")]
pub(super) struct Document {
    pub(super) listen: Listen,
    pub(super) store: Store,
    /// Destinations, by the names that rules use.
    #[serde(deserialize_with = "named_processors")]
    pub(super) processors: Processors,
    /// Which records go where.
    #[serde(deserialize_with = "list_of_rules")]
    pub(super) rules: Vec<Rule>,
    /// A task counts as lost when its producer sends nothing for this long.
    #[serde(
        deserialize_with = "values::duration",
        serialize_with = "values::put_duration"
    )]
    #[schemars(schema_with = "values::text_or_number")]
    pub(super) lost_after: Duration,
    /// Time for a clean shutdown.
    #[serde(
        deserialize_with = "values::duration",
        serialize_with = "values::put_duration"
    )]
    #[schemars(schema_with = "values::text_or_number")]
    pub(super) grace: Duration,
    /// Directories of spools: records that dead processes left there are stored.
    #[schemars(schema_with = "one_or_many")]
    drain: IgnoredAny,
}

/// A rule: records that match go to the processors. Conditions and names are read with their places in the file.
#[derive(Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a rule like { when: CONDITION, to: [PROCESSOR] }"
)]
#[schemars(extend("required" = ["to"]))]
#[allow(dead_code)]
pub(super) struct Rule {
    /// A CEL condition; without it every record matches.
    #[serde(default)]
    #[schemars(with = "String")]
    when: IgnoredAny,
    /// Names of processors.
    #[serde(default)]
    #[schemars(schema_with = "one_or_many")]
    to: IgnoredAny,
}

impl Default for Document {
    fn default() -> Document {
        let config = Config::default();
        Document {
            listen: config.listen,
            store: config.store,
            processors: BTreeMap::new(),
            rules: Vec::new(),
            lost_after: config.lost_after,
            grace: config.grace,
            drain: IgnoredAny,
        }
    }
}

fn named_processors<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Processors, D::Error> {
    struct Named;

    impl<'de> Visitor<'de> for Named {
        type Value = Processors;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("processors by name, like errors: { file: { path: errors.log } }")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Processors, A::Error> {
            Processors::deserialize(MapAccessDeserializer::new(map))
        }
    }

    deserializer.deserialize_map(Named)
}

fn list_of_rules<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Rule>, D::Error> {
    struct List;

    impl<'de> Visitor<'de> for List {
        type Value = Vec<Rule>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of rules like - { when: CONDITION, to: [PROCESSOR] }")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Vec<Rule>, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(seq))
        }
    }

    deserializer.deserialize_seq(List)
}

fn one_or_many(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] })
}

/// The JSON Schema of the configuration.
pub fn schema() -> Schema {
    schema_for!(Document)
}
