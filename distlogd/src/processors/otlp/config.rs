//! The configuration of the processor.

use std::collections::BTreeMap;
use std::time::Duration;

use http::header::HeaderMap;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::processors::http_client::{Compression, Tls, Url, bytes, headers, timeout};
use crate::values;

/// `otlp: { endpoint: 'http://127.0.0.1:4317' }`
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map")]
#[schemars(rename = "otlp")]
pub struct Config {
    /// Where the receiver listens: `http://host:port`, or `https://…` for TLS. By `http/protobuf` the paths
    /// `/v1/traces` and `/v1/logs` are appended.
    #[serde(deserialize_with = "endpoint")]
    #[schemars(with = "String")]
    pub endpoint: Url,
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
    pub fn new(endpoint: impl AsRef<str>) -> Config {
        Config {
            endpoint: endpoint.as_ref().parse().unwrap(),
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

fn endpoint<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    values::scalar(
        deserializer,
        "an endpoint like http://127.0.0.1:4317, without a user and password (the header `authorization` has those)",
        |text| text.parse().ok(),
    )
}
