//! The shapes of `set:` and `redact:` in the configuration. What is in them is read with its places, for faults
//! (`config/changes.rs`).

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// What is replaced by `[redacted]`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "what is redacted, like { fields: [password] }"
)]
#[allow(dead_code)]
pub(crate) struct Redact {
    /// Names of fields, in any case: their values. A name is also the end of a dotted one, and of the path to an entry
    /// of a map.
    #[schemars(schema_with = "texts")]
    fields: IgnoredAny,
    /// Regular expressions: what they match in any text of a record.
    #[schemars(schema_with = "texts")]
    patterns: IgnoredAny,
}

fn texts(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] })
}

/// Expressions by what they are given to.
pub(crate) fn set(_: &mut SchemaGenerator) -> Schema {
    let value = json_schema!({ "type": ["string", "number", "boolean"] });
    json_schema!({
        "type": "object",
        "patternProperties": { "^fields\\.": value, "^(message|severity)$": value },
        "additionalProperties": false,
        "minProperties": 1
    })
}
