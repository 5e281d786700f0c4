//! The configuration of the processor.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::uri::{InvalidUri, Uri};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, Error};

use crate::values;

/// `otlp: { endpoint: 'http://127.0.0.1:4317' }`
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map")]
#[schemars(rename = "otlp")]
pub struct Config {
    /// Where the receiver listens: `http://host:port`, or `https://…` for TLS. By `http/protobuf` the paths
    /// `/v1/traces` and `/v1/logs` are appended.
    #[serde(deserialize_with = "endpoint")]
    pub endpoint: String,
    /// How requests travel.
    #[serde(default)]
    pub protocol: Protocol,
    /// How requests are compressed.
    #[serde(default)]
    pub compression: Compression,
    /// Headers of every request, such as `authorization`.
    #[serde(default, deserialize_with = "headers")]
    #[schemars(with = "BTreeMap<String, String>")]
    pub headers: HeaderMap,
    /// How long one request may take, connecting included.
    #[serde(default = "defaults::timeout", deserialize_with = "timeout")]
    #[schemars(schema_with = "values::text_or_number")]
    pub timeout: Duration,
    /// Certificates, for `https` endpoints.
    #[serde(default)]
    pub tls: Tls,
    /// What becomes of events.
    #[serde(default)]
    pub events: Events,
    /// Bytes of requests, before compression, that may be under way at the same time; one request has up to 4 MiB.
    #[serde(default = "defaults::in_flight", deserialize_with = "bytes")]
    #[schemars(schema_with = "values::text_or_number")]
    pub in_flight: usize,
    /// Tasks whose begin is kept in memory until they end; those beyond it are looked up in the store.
    #[serde(default = "defaults::open_tasks")]
    pub open_tasks: usize,
}

impl Config {
    /// With nothing but an endpoint.
    #[cfg(test)]
    pub fn new(endpoint: impl Into<String>) -> Config {
        Config {
            endpoint: endpoint.into(),
            protocol: Protocol::default(),
            compression: Compression::default(),
            headers: HeaderMap::new(),
            timeout: defaults::timeout(),
            tls: Tls::default(),
            events: Events::default(),
            in_flight: defaults::in_flight(),
            open_tasks: defaults::open_tasks(),
        }
    }
}

mod defaults {
    use std::time::Duration;

    pub fn timeout() -> Duration {
        Duration::from_secs(10)
    }

    pub fn in_flight() -> usize {
        16 << 20
    }

    pub fn open_tasks() -> usize {
        20_000
    }
}

/// How requests travel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Protocol {
    /// gRPC, by default on port 4317.
    #[default]
    #[serde(rename = "grpc")]
    Grpc,
    /// Protobuf over HTTP/1.1, by default on port 4318.
    #[serde(rename = "http/protobuf")]
    HttpProtobuf,
}

/// How requests are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// By gzip, which every receiver understands.
    Gzip,
    /// By Zstandard.
    Zstd,
}

/// What becomes of events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Events {
    /// Log records where the receiver takes them, else events of their spans.
    #[default]
    Auto,
    /// Log records.
    Logs,
    /// Events of their spans; events outside of a task have none.
    Span,
    /// Log records and events of their spans.
    Both,
}

/// Certificates, all in PEM files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "a map")]
pub struct Tls {
    /// Authorities that sign the receiver's certificate; without it those of the system.
    pub ca: Option<PathBuf>,
    /// Own certificate, if the receiver asks for one; with its chain.
    pub cert: Option<PathBuf>,
    /// Key of the own certificate.
    pub key: Option<PathBuf>,
}

/// The endpoint with what follows it in the paths of requests; an error says what is wrong with it.
pub(super) fn uri(endpoint: &str, path: &str) -> Result<Uri, String> {
    let uri = format!("{}{path}", endpoint.trim_end_matches('/'));
    let uri: Uri = uri.parse().map_err(|error: InvalidUri| error.to_string())?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(_)) => Ok(uri),
        (None, _) => Err("it does not begin with http:// or https://".into()),
        _ => Err("neither http nor https".into()),
    }
}

fn endpoint<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    values::scalar(
        deserializer,
        "an endpoint like http://127.0.0.1:4317",
        |text| uri(text, "").is_ok().then(|| text.to_owned()),
    )
}

fn timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    values::scalar(
        deserializer,
        "a duration like 10s or 500ms, and not 0",
        |text| values::parse_duration(text).filter(|duration| !duration.is_zero()),
    )
}

fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    values::scalar(deserializer, "a size like 16MiB", |text| {
        usize::try_from(values::parse_size(text)?).ok()
    })
}

fn headers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HeaderMap, D::Error> {
    let texts: BTreeMap<String, String> = BTreeMap::deserialize(deserializer)?;
    let mut headers = HeaderMap::new();
    for (name, value) in texts {
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
            D::Error::custom(format_args!("`{name}` cannot be the name of a header"))
        })?;
        let mut value = HeaderValue::from_str(&value).map_err(|_| {
            D::Error::custom(format_args!(
                "the value of header `{name}` has characters that none can have"
            ))
        })?;
        // It is shown by no `Debug`, and HTTP/2 keeps it in no table.
        value.set_sensitive(true);
        headers.insert(key, value);
    }
    Ok(headers)
}
