//! Where a server of NATS is, and who we are there.

use std::fmt;
use std::path::PathBuf;

use async_nats::ServerAddr;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

/// A value that no log and no answer shows.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct Secret(pub(super) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// Addresses of servers of one cluster, at least one: a text, or a list of them.
#[derive(Clone, PartialEq)]
pub(crate) struct Urls(pub(super) Vec<ServerAddr>);

/// Without user and password.
impl fmt::Display for Urls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, server) in self.0.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            write!(f, "{comma}{}:{}", server.host(), server.port())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Urls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for Urls {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Urls, D::Error> {
        deserializer.deserialize_any(OneOrMany).map(Urls)
    }
}

impl JsonSchema for Urls {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Urls".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "string" },
            { "type": "array", "items": { "type": "string" }, "minItems": 1 }
        ] })
    }
}

struct OneOrMany;

const EXPECTED: &str = "an address like nats://127.0.0.1:4222, or a list of them";

fn url<E: Error>(text: &str) -> Result<ServerAddr, E> {
    // What is wrong is not said in the parser's words: they could repeat a password.
    let parsed = text.parse::<ServerAddr>().ok();
    let good =
        parsed.filter(|url| matches!(url.scheme(), "nats" | "tls") && !url.host().is_empty());
    good.ok_or_else(|| {
        E::custom(format_args!(
            "no address of a NATS server: expected {EXPECTED}"
        ))
    })
}

impl<'de> Visitor<'de> for OneOrMany {
    type Value = Vec<ServerAddr>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(vec![url(text)?])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut urls = Vec::new();
        while let Some(text) = list.next_element::<String>()? {
            urls.push(url(&text)?);
        }
        if urls.is_empty() {
            return Err(A::Error::custom(format_args!(
                "an empty list: expected {EXPECTED}"
            )));
        }
        Ok(urls)
    }
}

/// Certificates for TLS, all in PEM files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "a map")]
#[schemars(rename = "NatsTls")]
pub(crate) struct Tls {
    /// Authorities that sign the servers' certificates; without it those of the system.
    pub(crate) ca: Option<PathBuf>,
    /// Own certificate, if the servers ask for one; with its chain.
    pub(crate) cert: Option<PathBuf>,
    /// Key of the own certificate.
    pub(crate) key: Option<PathBuf>,
}

/// Where a server is, and who we are there: what processor and source have in common.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Server {
    pub(crate) urls: Urls,
    pub(crate) tls: Option<Tls>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) token: Option<Secret>,
    pub(crate) nkey: Option<PathBuf>,
    pub(crate) credentials: Option<PathBuf>,
}

impl Server {
    /// What is contradictory in it.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.user.is_some() != self.password.is_some() {
            return Err("`user` and `password` belong together".into());
        }
        let ways = [
            self.user.is_some(),
            self.token.is_some(),
            self.nkey.is_some(),
            self.credentials.is_some(),
        ];
        if ways.iter().filter(|way| **way).count() > 1 {
            return Err(
                "`user` with `password`, `token`, `nkey` and `credentials` exclude each other"
                    .into(),
            );
        }
        if let Some(tls) = &self.tls
            && tls.cert.is_some() != tls.key.is_some()
        {
            return Err("`cert` and `key` of `tls` belong together".into());
        }
        Ok(())
    }
}
