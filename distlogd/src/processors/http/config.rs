//! Configuration of processor `http`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use http::header::HeaderMap;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;

use super::index::Index;
use crate::processors::http_client::{Compression, Tls, Url, bytes, headers, timeout};
use crate::values;

/// `http: { url: 'https://logs.example/ingest', format: ndjson }`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Config {
    /// Where requests go.
    pub url: Url,
    /// What they hold.
    pub format: Format,
    /// Headers of every request.
    pub headers: HeaderMap,
    /// How requests are compressed.
    pub compression: Compression,
    /// How long one request may take.
    pub timeout: Duration,
    /// Certificates.
    pub tls: Tls,
    /// Bytes of requests under way.
    pub in_flight: usize,
}

/// What requests hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// A JSON object a line.
    Ndjson,
    /// Actions of the bulk API of Elasticsearch and OpenSearch, for this index.
    Elasticsearch(Index),
}

/// As it is written in the file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map")]
#[schemars(rename = "http")]
struct Written {
    /// Where requests go: `http://host:port/path`, or `https://…` for TLS. With `format: elasticsearch`, `/_bulk` is
    /// appended to its path.
    #[schemars(with = "String")]
    url: Url,
    /// What requests hold.
    #[serde(default)]
    format: FormatName,
    /// The index, of `format: elasticsearch`; `distlog` by default. `%Y`, `%m`, `%d` and `%H` are year, month, day and
    /// hour of the record's time, in UTC: `distlog-%Y.%m.%d`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    index: Option<Index>,
    /// Headers of every request, such as `authorization`.
    #[serde(default, deserialize_with = "headers")]
    #[schemars(with = "BTreeMap<String, String>")]
    headers: HeaderMap,
    /// How requests are compressed.
    #[serde(default)]
    compression: Compression,
    /// How long one request may take, connecting included.
    #[serde(default = "thirty_seconds", deserialize_with = "timeout")]
    #[schemars(schema_with = "values::text_or_number")]
    timeout: Duration,
    /// Certificates, for `https` addresses.
    #[serde(default)]
    tls: Tls,
    /// Bytes of requests, before compression, that may be under way at the same time; one request has up to 1 MiB, or
    /// one record. With `1` there is one request at a time, and lines arrive in order.
    #[serde(default = "sixteen_mib", deserialize_with = "bytes")]
    #[schemars(schema_with = "values::text_or_number")]
    in_flight: usize,
}

/// What requests hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "HttpFormat")]
enum FormatName {
    /// Lines as the processor `file` writes them: a JSON object each.
    #[default]
    Ndjson,
    /// The bulk API of Elasticsearch and OpenSearch: the same objects with `@timestamp`; `_id` is the record's producer
    /// and offset.
    Elasticsearch,
}

fn thirty_seconds() -> Duration {
    Duration::from_secs(30)
}

fn sixteen_mib() -> usize {
    16 << 20
}

impl TryFrom<Written> for Config {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Config, &'static str> {
        let format = match (written.format, written.index) {
            (FormatName::Ndjson, None) => Format::Ndjson,
            (FormatName::Ndjson, Some(_)) => {
                return Err("`index` is of `format: elasticsearch`, and the format is `ndjson`");
            }
            (FormatName::Elasticsearch, index) => Format::Elasticsearch(index.unwrap_or_default()),
        };
        Ok(Config {
            url: written.url,
            format,
            headers: written.headers,
            compression: written.compression,
            timeout: written.timeout,
            tls: written.tls,
            in_flight: written.in_flight,
        })
    }
}

impl JsonSchema for Config {
    fn schema_name() -> Cow<'static, str> {
        Written::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Written::json_schema(generator)
    }
}

impl Config {
    /// With nothing but an address and a format.
    #[cfg(test)]
    pub(super) fn new(url: &str, format: Format) -> Config {
        Config {
            url: url.parse().unwrap_or_else(|error| panic!("{url}: {error}")),
            format,
            headers: HeaderMap::new(),
            compression: Compression::default(),
            timeout: thirty_seconds(),
            tls: Tls::default(),
            in_flight: sixteen_mib(),
        }
    }
}
