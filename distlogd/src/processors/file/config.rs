//! Configuration of processor `file`.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::values;

/// `file: { path: logs/all.jsonl, format: json, rotate: { size: 100MiB, age: 1d, keep: 5, compress: gzip } }`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map")]
#[schemars(rename = "file")]
pub struct Config {
    /// The file; its directory is created.
    pub path: PathBuf,
    /// How lines are written.
    #[serde(default)]
    pub format: Format,
    /// When a new file is begun; by default never.
    #[serde(default)]
    pub rotate: Option<Rotate>,
    /// Who may read and write the files that are created.
    #[serde(default)]
    pub mode: Mode,
}

/// The permissions of a file, in octal as `chmod` takes them: `0640`. Without it, this user alone reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Mode(
    #[serde(deserialize_with = "mode")]
    #[schemars(schema_with = "values::text_or_number")]
    pub u32,
);

impl Default for Mode {
    fn default() -> Mode {
        Mode(0o600)
    }
}

impl Mode {
    /// That of a directory whose files have it: who may read those may find them.
    pub fn of_directory(self) -> u32 {
        self.0 | (self.0 & 0o444) >> 2
    }
}

fn mode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    values::scalar(deserializer, "permissions in octal like 0640", |text| {
        let mode = u32::from_str_radix(text, 8).ok();
        // Whoever writes the file must be able to.
        mode.filter(|mode| *mode <= 0o777 && mode & 0o600 == 0o600)
    })
}

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// The LogRecord form of encoding J, as the Python package writes it.
    #[default]
    Json,
    /// For people.
    Text,
}

/// When a new file is begun, and what happens to old ones.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
pub struct Rotate {
    /// The file has this many bytes.
    pub size: Option<u64>,
    /// The file is this old when the next record comes.
    pub age: Option<Duration>,
    /// Number of old files that are kept; `None`: all.
    pub keep: Option<usize>,
    /// How old files are compressed.
    pub compress: Compress,
}

/// How old files are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compress {
    /// As `.gz`.
    Gzip,
    /// As `.zst`.
    Zstd,
    /// Not at all.
    #[default]
    None,
}

/// As it is written in the file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map")]
struct Written {
    /// A new file is begun when the file has this many bytes.
    #[serde(default, deserialize_with = "values::size_or_off")]
    #[schemars(schema_with = "values::text_or_number")]
    size: Option<u64>,
    /// A new file is begun when the next record comes and the file is this old.
    #[serde(default, deserialize_with = "values::duration_or_off")]
    #[schemars(schema_with = "values::text_or_number")]
    age: Option<Duration>,
    /// Number of old files that are kept; `off`: all.
    #[serde(default = "five", deserialize_with = "count_or_off")]
    #[schemars(schema_with = "values::text_or_number")]
    keep: Option<usize>,
    /// How old files are compressed.
    #[serde(default)]
    compress: Compress,
}

fn five() -> Option<usize> {
    Some(5)
}

fn count_or_off<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    values::scalar(deserializer, "a number of files, or off", |text| {
        values::or_off(text, |number| number.parse().ok())
    })
}

impl TryFrom<Written> for Rotate {
    type Error = &'static str;

    fn try_from(
        Written {
            size,
            age,
            keep,
            compress,
        }: Written,
    ) -> Result<Rotate, &'static str> {
        if size.is_none() && age.is_none() {
            return Err(
                "it does not say when to rotate: expected `size: 100MiB`, `age: 1d` or both",
            );
        }
        if size == Some(0) || age == Some(Duration::ZERO) {
            return Err("a file cannot be rotated at nothing: expected a `size` or `age` above 0");
        }
        Ok(Rotate {
            size,
            age,
            keep,
            compress,
        })
    }
}
