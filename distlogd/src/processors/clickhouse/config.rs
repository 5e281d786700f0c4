//! Configuration of processor `clickhouse`.

use std::time::Duration;

use http::header::HeaderValue;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::processors::http_client::{Compression, Tls, Url, bytes, timeout};
use crate::values;

/// `clickhouse: { url: 'http://127.0.0.1:8123', database: distlog }`
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map")]
#[schemars(rename = "clickhouse")]
pub struct Config {
    /// Where ClickHouse's HTTP interface listens: `http://host:8123`, or `https://host:8443` for TLS.
    #[schemars(with = "String")]
    pub url: Url,
    /// The database that the tables are in; it is created.
    #[serde(default = "distlog", deserialize_with = "database")]
    pub database: String,
    /// User, if it is not `default`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub user: Option<Credential>,
    /// Password of the user.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub password: Option<Credential>,
    /// How long rows are kept: ClickHouse removes days that are older. Without it, as long as the tables say, which is
    /// for ever where they are made by distlogd.
    #[serde(default, deserialize_with = "keep")]
    #[schemars(schema_with = "values::text_or_number")]
    pub keep: Option<Duration>,
    /// How inserts are compressed.
    #[serde(default)]
    pub compression: Compression,
    /// How long one insert may take, connecting included.
    #[serde(default = "one_minute", deserialize_with = "timeout")]
    #[schemars(schema_with = "values::text_or_number")]
    pub timeout: Duration,
    /// Certificates, for `https` addresses.
    #[serde(default)]
    pub tls: Tls,
    /// Bytes of inserts, before compression, that may be under way at the same time; one insert has up to 8 MiB, or one
    /// record.
    #[serde(default = "sixteen_mib", deserialize_with = "bytes")]
    #[schemars(schema_with = "values::text_or_number")]
    pub in_flight: usize,
}

/// A user or a password. Not printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential(pub(super) HeaderValue);

impl<'de> Deserialize<'de> for Credential {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Credential, D::Error> {
        values::scalar(deserializer, "a text without line breaks", |text| {
            let mut value = HeaderValue::from_str(text).ok()?;
            value.set_sensitive(true);
            Some(Credential(value))
        })
    }
}

fn database<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    values::scalar(
        deserializer,
        "the name of a database: letters, digits and _, and no digit first",
        |text| is_name(text).then(|| text.to_owned()),
    )
}

/// Whether a database may be called so: its name needs no quotes.
pub(crate) fn is_name(text: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !text.is_empty()
        && text.len() <= 64
        && text.chars().all(good)
        && !text.starts_with(|c: char| c.is_ascii_digit())
}

fn keep<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    values::scalar(
        deserializer,
        "a duration of an hour or more like 30d, or off",
        |text| match text {
            "off" => Some(None),
            text => {
                let duration = values::parse_duration(text)?;
                (duration >= Duration::from_secs(3600)).then_some(Some(duration))
            }
        },
    )
}

fn distlog() -> String {
    "distlog".to_owned()
}

fn one_minute() -> Duration {
    Duration::from_secs(60)
}

fn sixteen_mib() -> usize {
    16 << 20
}
