//! The configuration of the source.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::nats::{Secret, Server, StreamName, Tls, Urls};
use crate::values;

/// Leases that are shorter are lost by a short pause of a server.
const SHORTEST_LEASE: Duration = Duration::from_secs(1);

/// `nats: { url: 'nats://127.0.0.1:4222', stream: distlog, group: hub }`
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(rename = "NatsSource", with = "Written")]
pub struct Config {
    pub(super) server: Server,
    pub(super) stream: String,
    pub(super) group: String,
    pub(super) lease: Duration,
    pub(super) purge: bool,
}

/// As it is written in the file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map")]
struct Written {
    /// Address of a server, `nats://host:port` or, with TLS, `tls://host:port`; or a list of those of one cluster.
    url: Urls,
    /// Name of the JetStream stream that processors `nats` publish to.
    stream: StreamName,
    /// Name of the group. The daemons of a group share the partitions of the stream, each of several groups reads all.
    group: StreamName,
    /// So long after a daemon was last heard of, others of its group take its partitions; at least 1s.
    #[serde(default = "lease", deserialize_with = "values::duration")]
    #[schemars(schema_with = "values::text_or_number")]
    lease: Duration,
    /// Removes from the stream what all groups have stored and what is older than its duplicate window. Otherwise
    /// messages stay until they have the stream's age.
    #[serde(default = "purge")]
    purge: bool,
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

fn lease() -> Duration {
    Duration::from_secs(10)
}

fn purge() -> bool {
    true
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
        if written.lease < SHORTEST_LEASE {
            return Err("`lease` is too short: expected at least 1s".into());
        }
        Ok(Config {
            server,
            stream: written.stream.0,
            group: written.group.0,
            lease: written.lease,
            purge: written.purge,
        })
    }
}
