//! Configuration of processor `sqlite`.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use crate::values;

/// `sqlite: { path: logs.db, keep: 30d }`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map")]
#[schemars(rename = "sqlite")]
pub struct Config {
    /// The file; its directory is created.
    pub path: PathBuf,
    /// How much is kept, as `30d` or `{ size: 10GiB, age: 30d }`: the oldest records go first. By default all are kept.
    #[serde(default, deserialize_with = "keep")]
    #[schemars(schema_with = "keep_schema")]
    pub keep: Keep,
}

/// How much is kept; `None`: no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keep {
    /// In bytes of the file that are in use.
    #[serde(deserialize_with = "values::size_or_off")]
    pub size: Option<u64>,
    /// Since it was written there.
    #[serde(deserialize_with = "values::duration_or_off")]
    pub age: Option<Duration>,
}

const EXPECTED: &str = "a duration like 30d, limits like { size: 10GiB, age: 30d }, or off";

fn keep<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Keep, D::Error> {
    struct Limits;
    impl<'de> Visitor<'de> for Limits {
        type Value = Keep;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(EXPECTED)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Keep, E> {
            let age = values::or_off(text, values::parse_duration);
            age.map(|age| Keep { size: None, age })
                .ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
        }

        fn visit_bool<E: Error>(self, value: bool) -> Result<Keep, E> {
            match value {
                // Some readers of YAML take `off` for a boolean.
                false => Ok(Keep::default()),
                true => Err(E::invalid_value(Unexpected::Bool(value), &self)),
            }
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Keep, A::Error> {
            Keep::deserialize(MapAccessDeserializer::new(map))
        }
    }
    deserializer.deserialize_any(Limits)
}

fn keep_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [{ "type": "string" }, {
        "type": "object",
        "properties": {
            "size": { "type": ["string", "number"], "description": "In bytes of the file that are in use." },
            "age": { "type": ["string", "number"], "description": "Since it was written there." }
        },
        "additionalProperties": false
    }] })
}
