//! The shape of a configuration file: serde reads it, and the JSON Schema shows it.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema, schema_for};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::sections::{Config, Listen, Store};
use super::sources;
use crate::change_shapes;
use crate::processors;
use crate::values;

type Sources = BTreeMap<String, sources::Section>;
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
    /// Streams that records are read from, by names of your own.
    #[serde(deserialize_with = "named_sources")]
    pub(super) sources: Sources,
    /// What happens to records before they are stored, in order.
    #[serde(deserialize_with = "list_of_intake_rules")]
    pub(super) intake: Vec<IntakeRule>,
    /// What running programs record on top of what they were started with, by service: `orders: 'orders=debug'`.
    #[schemars(schema_with = "levels")]
    levels: IgnoredAny,
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
    #[schemars(schema_with = "directories")]
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
    /// Values that are set in what these processors get.
    #[serde(default)]
    #[schemars(schema_with = "change_shapes::set")]
    set: IgnoredAny,
    /// What is redacted in what these processors get.
    #[serde(default)]
    redact: change_shapes::Redact,
}

/// A rule of the intake: what happens to records that match before they are stored.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a rule like { when: CONDITION, drop: true }"
)]
#[allow(dead_code)]
pub(super) struct IntakeRule {
    /// What it is called in metrics; its number, counted from 1, if it has no name.
    #[schemars(with = "String")]
    name: IgnoredAny,
    /// A CEL condition; without it every record matches.
    #[schemars(with = "String")]
    when: IgnoredAny,
    /// They are not stored.
    drop: bool,
    /// Of their traces this part is stored, from 0 to 1: the same ones on every daemon, and as samplers of
    /// OpenTelemetry choose them.
    #[schemars(schema_with = "ratio")]
    sample: IgnoredAny,
    /// Values that are set.
    #[schemars(schema_with = "change_shapes::set")]
    set: IgnoredAny,
    /// What is redacted.
    redact: change_shapes::Redact,
}

impl Default for Document {
    fn default() -> Document {
        let config = Config::default();
        Document {
            listen: config.listen,
            store: config.store,
            sources: BTreeMap::new(),
            intake: Vec::new(),
            levels: IgnoredAny,
            processors: BTreeMap::new(),
            rules: Vec::new(),
            lost_after: config.lost_after,
            grace: config.grace,
            drain: IgnoredAny,
        }
    }
}

fn named_sources<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Sources, D::Error> {
    let example = "sources by name, like hub: { nats: {…} }";
    deserializer.deserialize_map(Expecting(example, PhantomData))
}

fn named_processors<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Processors, D::Error> {
    let example = "processors by name, like errors: { file: { path: errors.log } }";
    deserializer.deserialize_map(Expecting(example, PhantomData))
}

fn list_of_intake_rules<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<IntakeRule>, D::Error> {
    let example = "a list of rules like - { when: CONDITION, drop: true }";
    deserializer.deserialize_seq(Expecting(example, PhantomData))
}

fn list_of_rules<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Rule>, D::Error> {
    let example = "a list of rules like - { when: CONDITION, to: [PROCESSOR] }";
    deserializer.deserialize_seq(Expecting(example, PhantomData))
}

/// Reads a map or a list; a value of another type gets an example of what goes there.
struct Expecting<T>(&'static str, PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Expecting<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<T, A::Error> {
        T::deserialize(SeqAccessDeserializer::new(seq))
    }
}

fn ratio(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "number", "minimum": 0, "maximum": 1 })
}

fn levels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "additionalProperties": { "type": "string" } })
}

fn one_or_many(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] })
}

fn directories(_: &mut SchemaGenerator) -> Schema {
    let owners = "Ids of users whose spools are taken there, besides those of the daemon's user and of root.";
    let directory = json_schema!({ "anyOf": [{ "type": "string" }, {
        "type": "object",
        "properties": {
            "path": { "type": "string", "description": "The directory." },
            "owners": { "type": "array", "items": { "type": "integer", "minimum": 0 }, "description": owners }
        },
        "required": ["path"],
        "additionalProperties": false
    }] });
    json_schema!({ "anyOf": [directory, { "type": "array", "items": directory }] })
}

/// The JSON Schema of the configuration.
pub fn schema() -> Schema {
    schema_for!(Document)
}
