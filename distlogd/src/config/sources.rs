//! `sources:`, the streams that the daemon reads records from.

use schemars::JsonSchema;
use serde::Deserialize;
#[cfg(feature = "nats")]
use serde::Deserializer;
#[cfg(not(feature = "nats"))]
use serde::de::IgnoredAny;

#[cfg(feature = "nats")]
use crate::receivers::nats;

/// A source, by its name in the configuration.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NamedSource {
    pub(crate) name: String,
    pub(crate) kind: SourceKind,
}

/// What a source is, as the configuration says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SourceKind {
    /// NATS JetStream.
    #[cfg(feature = "nats")]
    Nats(Box<nats::Config>),
}

impl SourceKind {
    /// Its key in the configuration.
    pub(super) fn name(&self) -> &'static str {
        match *self {
            #[cfg(feature = "nats")]
            SourceKind::Nats(_) => "nats",
        }
    }
}

/// A stream that records are read from.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a source like nats: { url: 'nats://127.0.0.1:4222', stream: distlog, group: hub }"
)]
#[schemars(rename = "Source", extend("minProperties" = 1))]
pub(super) struct Section {
    /// A stream of NATS JetStream that processors `nats` of other daemons publish to.
    #[cfg(feature = "nats")]
    #[serde(deserialize_with = "some")]
    nats: Option<Box<nats::Config>>,
    /// It is in daemons that are built with the feature `nats`.
    #[cfg(not(feature = "nats"))]
    #[schemars(with = "serde_json::Value")]
    #[allow(dead_code)] // Its fault is found with its place.
    nats: IgnoredAny,
}

impl Section {
    /// The kind that is there.
    pub(super) fn kind(self) -> Option<SourceKind> {
        #[cfg(feature = "nats")]
        return self.nats.map(SourceKind::Nats);
        #[cfg(not(feature = "nats"))]
        None
    }
}

/// A key without a value is an empty configuration.
#[cfg(feature = "nats")]
fn some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<nats::Config>>, D::Error> {
    Box::deserialize(deserializer).map(Some)
}
