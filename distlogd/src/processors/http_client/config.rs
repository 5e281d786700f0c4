//! Keys that processors by HTTP have in common, and how their values are read.

#[cfg(any(feature = "http-export", feature = "otlp-export"))]
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

#[cfg(any(feature = "http-export", feature = "otlp-export"))]
use http::header::{HeaderMap, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::Deserializer;
#[cfg(any(feature = "http-export", feature = "otlp-export"))]
use serde::de::Error;

use crate::values;

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

pub(crate) fn timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    values::scalar(
        deserializer,
        "a duration like 10s or 500ms, and not 0",
        |text| values::parse_duration(text).filter(|duration| !duration.is_zero()),
    )
}

pub(crate) fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    values::scalar(deserializer, "a size like 16MiB", |text| {
        usize::try_from(values::parse_size(text)?).ok()
    })
}

/// Headers of every request. Their values may be secrets: they are not shown where a configuration is printed.
#[cfg(any(feature = "http-export", feature = "otlp-export"))]
pub(crate) fn headers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HeaderMap, D::Error> {
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
        value.set_sensitive(true);
        headers.insert(key, value);
    }
    Ok(headers)
}
