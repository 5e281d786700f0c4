//! Configuration of processor `exec`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::values;

/// `exec: { command: [python3, my_processor.py], env: { LEVEL: '3' }, dir: /srv/mine, in_flight: 10000, timeout: 30s }`
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map")]
#[schemars(rename = "exec")]
pub struct Config {
    /// The program and its arguments.
    #[serde(deserialize_with = "command")]
    #[schemars(length(min = 1))]
    pub command: Vec<String>,
    /// Variables added to its environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Directory that it runs in; by default the daemon's.
    #[serde(default)]
    pub dir: Option<PathBuf>,
    /// Number of records that the program may hold unacknowledged.
    #[serde(default = "in_flight")]
    pub in_flight: usize,
    /// The program is restarted when it neither reads nor acknowledges for this long.
    #[serde(default = "timeout", deserialize_with = "values::duration")]
    #[schemars(schema_with = "values::text_or_number")]
    pub timeout: Duration,
}

pub(in crate::processors) fn command<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<String>, D::Error> {
    let command = Vec::<String>::deserialize(deserializer)?;
    match command.first() {
        Some(program) if !program.is_empty() => Ok(command),
        _ => Err(serde::de::Error::custom(
            "the command is empty: expected a program and its arguments like [python3, my_processor.py]",
        )),
    }
}

fn in_flight() -> usize {
    10_000
}

fn timeout() -> Duration {
    Duration::from_secs(30)
}
