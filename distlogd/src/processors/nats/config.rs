//! The configuration of the processor.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::Deserializer;

use crate::nats::{Secret, Server, Settings, StreamName, Tls, Urls};
use crate::values;

/// `nats: { url: 'nats://127.0.0.1:4222', stream: distlog }`
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(rename = "nats", with = "Written")]
pub struct Config {
    pub(super) server: Server,
    pub(super) stream: String,
    pub(super) settings: Settings,
    pub(super) in_flight: usize,
}

/// As it is written in the file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map")]
struct Written {
    /// Address of a server, `nats://host:port` or, with TLS, `tls://host:port`; or a list of those of one cluster.
    url: Urls,
    /// Name of the JetStream stream, which is made if it is not there. Its subjects are `STREAM.0`, `STREAM.1`, ….
    stream: StreamName,
    /// How many partitions the stream has; the records of a trace are all in one. 16 where it is made. All who publish
    /// to a stream say the same.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1024))]
    partitions: Option<u16>,
    /// On how many servers of a cluster each message is stored before it is acknowledged: 1, 3 or 5. 1 where the
    /// stream is made.
    #[serde(default)]
    #[schemars(range(min = 1, max = 5))]
    replicas: Option<usize>,
    /// How long the stream recognises what is published again, as after a lost acknowledgement. 10m where it is made.
    #[serde(default, deserialize_with = "duration")]
    #[schemars(schema_with = "values::text_or_number")]
    duplicate_window: Option<Duration>,
    /// What the stream keeps at most.
    #[serde(default)]
    keep: Keep,
    /// Bytes of messages that are published and not yet acknowledged, at most.
    #[serde(default = "in_flight", deserialize_with = "values::size")]
    #[schemars(schema_with = "values::text_or_number")]
    in_flight: u64,
    /// TLS with certificates of one's own.
    #[serde(default)]
    tls: Option<Tls>,
    /// Name of the user.
    #[serde(default)]
    user: Option<String>,
    /// Password of the user.
    #[serde(default)]
    password: Option<Secret>,
    /// A token, for servers that know no users.
    #[serde(default)]
    token: Option<Secret>,
    /// A file with the seed of an NKey.
    #[serde(default)]
    nkey: Option<PathBuf>,
    /// A file of credentials (JWT and seed), as `nsc` makes it.
    #[serde(default)]
    credentials: Option<PathBuf>,
}

/// What a stream keeps at most.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    default,
    expecting = "limits like { age: 7d, size: 100GiB }"
)]
#[schemars(rename = "NatsKeep")]
struct Keep {
    /// Messages that are older are removed, read or not. 7d where the stream is made.
    #[serde(deserialize_with = "duration")]
    #[schemars(schema_with = "values::text_or_number")]
    age: Option<Duration>,
    /// A stream of this size takes no more until hubs have read of it; in bytes. No limit but the server's where the
    /// stream is made.
    #[serde(deserialize_with = "size")]
    #[schemars(schema_with = "values::text_or_number")]
    size: Option<u64>,
}

fn in_flight() -> u64 {
    16 << 20
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    values::duration(deserializer).map(Some)
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    values::size(deserializer).map(Some)
}

impl TryFrom<Written> for Config {
    type Error = String;

    fn try_from(written: Written) -> Result<Config, String> {
        let server = Server {
            urls: written.url,
            tls: written.tls,
            user: written.user,
            password: written.password,
            token: written.token,
            nkey: written.nkey,
            credentials: written.credentials,
        };
        server.check()?;
        if !matches!(written.partitions, None | Some(1..=1024)) {
            return Err("`partitions` is out of bounds: expected 1 to 1024".into());
        }
        if !matches!(written.replicas, None | Some(1..=5)) {
            return Err("`replicas` is out of bounds: expected 1, 3 or 5".into());
        }
        Ok(Config {
            server,
            stream: written.stream.0,
            settings: Settings {
                partitions: written.partitions,
                replicas: written.replicas,
                duplicate_window: written.duplicate_window,
                max_age: written.keep.age,
                max_bytes: written.keep.size,
            },
            in_flight: usize::try_from(written.in_flight).unwrap_or(usize::MAX),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(more: Value) -> Result<Config, String> {
        let mut all = json!({ "url": "nats://127.0.0.1:4222", "stream": "distlog" });
        all.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        serde_json::from_value(all).map_err(|error| error.to_string())
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_can() {
        for (wrong, why) in [
            (
                json!({ "url": "http://127.0.0.1:4222" }),
                "expected an address like nats://",
            ),
            (json!({ "url": [] }), "an empty list"),
            (json!({ "stream": "a.b" }), "`a.b` is no name"),
            (json!({ "stream": "" }), "is no name"),
            (json!({ "partitions": 0 }), "1 to 1024"),
            (json!({ "replicas": 6 }), "1, 3 or 5"),
            (
                json!({ "user": "x" }),
                "`user` and `password` belong together",
            ),
            (json!({ "token": "x", "nkey": "x" }), "exclude each other"),
            (
                json!({ "tls": { "cert": "x" } }),
                "`cert` and `key` of `tls` belong together",
            ),
            (json!({ "strem": "x" }), "unknown field `strem`"),
        ] {
            let fault = read(wrong.clone()).unwrap_err();
            assert!(fault.contains(why), "{wrong}: {fault}");
        }
    }

    #[test]
    fn no_secret_is_printed() {
        let config = read(json!({
            "url": ["nats://me:hush@a:4222", "tls://b"],
            "user": "me",
            "password": "hush",
            "keep": { "size": "10GiB", "age": "1d" },
            "duplicate_window": "2m",
        }))
        .unwrap();
        let printed = format!("{config:?}");
        assert!(!printed.contains("hush"), "{printed}");
        assert_eq!(config.server.urls.to_string(), "a:4222, b:4222");
        assert_eq!(config.settings.max_bytes, Some(10 << 30));
        assert_eq!(config.settings.max_age, Some(Duration::from_secs(86_400)));
        // What is wrong with an address is told without it: a password may stand in it.
        let fault = read(json!({ "url": "nats://me:hush@" })).unwrap_err();
        assert!(!fault.contains("hush"), "{fault}");
    }
}
