//! The configuration.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use distlog_proto::levels::Directives;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::receivers::{self, Http, Zmq};
use super::sensitive::Sensitive;
use super::sources::NamedSource;
use crate::intake::SyncPolicy;
use crate::processors::{Kind, StartAt};
use crate::trees::Trees;
use crate::values::{self, show_duration, show_size};
use crate::worker::{Batch, Retry};
use crate::yaml::{Fault, Place};
use distlog_rules::{Action, Change, Condition, IntakeRule, Outgoing, Router, Rule};

/// A configuration that was read and checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it listens.
    pub listen: Listen,
    /// Where and how long it keeps records.
    pub store: Store,
    /// Streams that records are read from.
    pub(crate) sources: Vec<NamedSource>,
    /// What happens to records before they are stored, in order.
    pub(crate) intake: Vec<IntakeRule>,
    /// What programs record beside what they were started with, by service.
    pub(crate) levels: Vec<(String, Directives)>,
    /// Where records go, in the order of the file.
    pub(crate) processors: Vec<Entry>,
    /// Which records go where.
    pub(crate) rules: Vec<Rule>,
    /// A task counts as lost when its producer sends nothing for this long.
    pub lost_after: Duration,
    /// Time for a clean shutdown.
    pub grace: Duration,
    /// Directories in which dead processes may have left spools.
    pub drain: Vec<Drain>,
    /// What others must not read or change.
    pub(crate) sensitive: Sensitive,
    /// Where rules and conditions stand in the file.
    pub(crate) places: Places,
    /// Valid settings that are probably mistakes.
    pub warnings: Vec<Fault>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            listen: Listen::default(),
            store: Store::default(),
            sources: Vec::new(),
            intake: Vec::new(),
            levels: Vec::new(),
            processors: Vec::new(),
            rules: Vec::new(),
            lost_after: Duration::from_secs(60),
            grace: Duration::from_secs(10),
            drain: Vec::new(),
            sensitive: Sensitive::default(),
            places: Places::default(),
            warnings: Vec::new(),
        }
    }
}

/// Where rules and conditions stand in the file, in their order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    /// The condition of each rule of the intake, or the rule if it has none.
    pub(crate) intake: Vec<Place>,
    /// The same of `rules`.
    pub(crate) rules: Vec<Place>,
    pub(crate) processors: Vec<ProcessorPlaces>,
}

/// Where a processor stands in the file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProcessorPlaces {
    /// Its `filter`, if it has one, else its name.
    pub(crate) filter: Place,
    /// The condition over trees, if it has one, else its name.
    pub(crate) keep: Place,
}

/// A directory in which dead processes may have left spools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drain {
    /// The directory.
    pub path: PathBuf,
    /// Ids of users whose spools are taken there, besides those of the daemon's user and of root.
    pub owners: Vec<u32>,
}

impl From<PathBuf> for Drain {
    fn from(path: PathBuf) -> Drain {
        Drain {
            path,
            owners: Vec::new(),
        }
    }
}

/// Where the daemon listens; `off` closes a receiver. Port 0 takes a free one. `localhost` is both loopback addresses.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "addresses of receivers, like http: localhost:5080"
)]
pub struct Listen {
    /// ZeroMQ address of the receiver that takes records without acknowledging them.
    #[serde(deserialize_with = "receivers::read::<receivers::ZmqReceiver, _, _>")]
    #[schemars(schema_with = "receivers::schema::<receivers::ZmqReceiver>")]
    pub push: Option<Zmq>,
    /// ZeroMQ address of the receiver that acknowledges.
    #[serde(deserialize_with = "receivers::read::<receivers::ZmqReceiver, _, _>")]
    #[schemars(schema_with = "receivers::schema::<receivers::ZmqReceiver>")]
    pub session: Option<Zmq>,
    /// `host:port` for OTLP over gRPC.
    #[serde(deserialize_with = "receivers::read::<receivers::Grpc, _, _>")]
    #[schemars(schema_with = "receivers::schema::<receivers::Grpc>")]
    pub otlp_grpc: Option<Http>,
    /// OTLP over HTTP.
    #[serde(deserialize_with = "receivers::read::<receivers::OtlpHttp, _, _>")]
    #[schemars(schema_with = "receivers::schema::<receivers::OtlpHttp>")]
    pub otlp_http: Option<Http>,
    /// The JSON API, the live tail and metrics.
    #[serde(deserialize_with = "receivers::read::<receivers::ApiHttp, _, _>")]
    #[schemars(schema_with = "receivers::schema::<receivers::ApiHttp>")]
    pub http: Option<Http>,
    /// What those may take who connect by TCP, for each of these receivers.
    pub limits: Limits,
}

/// Limits of one receiver by TCP.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "limits like { connections: 512, peer_connections: 256 }"
)]
pub struct Limits {
    /// Connections at once, at least 1.
    #[serde(deserialize_with = "connections")]
    #[schemars(range(min = 1))]
    pub connections: usize,
    /// Connections of one address, at least 1; loopback has no limit of its own.
    #[serde(deserialize_with = "connections")]
    #[schemars(range(min = 1))]
    pub peer_connections: usize,
    /// What is read of one address in a second, in bytes, at least 1; `off`: as much as comes. Loopback has no limit.
    #[serde(
        deserialize_with = "bytes_per_second",
        serialize_with = "values::put_size"
    )]
    #[schemars(schema_with = "values::text_or_number")]
    pub peer_bytes_per_second: Option<u64>,
}

fn connections<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let expected =
        "a number of connections, at least 1; `off` in place of its address closes a receiver";
    values::scalar(deserializer, expected, |text| {
        text.parse().ok().filter(|number| *number > 0)
    })
}

fn bytes_per_second<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let expected = "a size like 20MiB, at least 1, or `off`";
    values::scalar(deserializer, expected, |text| {
        values::or_off(text, |text| {
            values::parse_size(text).filter(|bytes| *bytes > 0)
        })
    })
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 512,
            peer_connections: 256,
            peer_bytes_per_second: None,
        }
    }
}

impl Default for Listen {
    fn default() -> Listen {
        Listen {
            push: Some("tcp://localhost:5010".into()),
            session: Some("tcp://localhost:5011".into()),
            otlp_grpc: Some("localhost:4317".into()),
            otlp_http: Some("localhost:4318".into()),
            http: Some("localhost:5080".into()),
            limits: Limits::default(),
        }
    }
}

impl Listen {
    /// The receivers by TCP, by their keys.
    pub(crate) fn tcp(&self) -> [(&'static str, Option<&Http>); 3] {
        [
            ("otlp_grpc", self.otlp_grpc.as_ref()),
            ("otlp_http", self.otlp_http.as_ref()),
            ("http", self.http.as_ref()),
        ]
    }

    /// The receivers' keys and addresses, in the order in which they are listed.
    pub(super) fn addresses(&self) -> [(&'static str, Option<&str>); 5] {
        fn bind(http: &Option<Http>) -> Option<&str> {
            http.as_ref().map(|http| http.bind.as_str())
        }
        fn zmq(zmq: &Option<Zmq>) -> Option<&str> {
            zmq.as_ref().map(|zmq| zmq.bind.as_str())
        }
        [
            ("push", zmq(&self.push)),
            ("session", zmq(&self.session)),
            ("otlp_grpc", bind(&self.otlp_grpc)),
            ("otlp_http", bind(&self.otlp_http)),
            ("http", bind(&self.http)),
        ]
    }
}

/// Where and how long records are kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "settings of the store, like path: ./distlog-data"
)]
pub struct Store {
    /// Directory.
    pub path: PathBuf,
    /// How much is kept.
    pub keep: Keep,
    /// When received batches are made durable and acknowledged. `adaptive`: at once, and those that come meanwhile
    /// together when the disk is done; it works for half of the time at most. A time: within it. `always`: as soon as
    /// the disk is done.
    #[schemars(schema_with = "values::text_or_number")]
    pub sync: SyncPolicy,
    /// Nothing is accepted while less is free on the disk, in bytes.
    #[serde(deserialize_with = "values::size", serialize_with = "values::put_size")]
    #[schemars(schema_with = "values::text_or_number")]
    pub reserve: u64,
}

impl Default for Store {
    fn default() -> Store {
        Store {
            path: "./distlog-data".into(),
            keep: Keep::default(),
            sync: SyncPolicy::Adaptive,
            reserve: 256 << 20,
        }
    }
}

/// How much is kept; the oldest records are removed first. `off`: no limit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "limits like { size: 10GiB, age: 7d }"
)]
pub struct Keep {
    /// In bytes.
    #[serde(
        deserialize_with = "values::size_or_off",
        serialize_with = "values::put_size"
    )]
    #[schemars(schema_with = "values::text_or_number")]
    pub size: Option<u64>,
    /// Since it was received.
    #[serde(
        deserialize_with = "values::duration_or_off",
        serialize_with = "values::put_duration"
    )]
    #[schemars(schema_with = "values::text_or_number")]
    pub age: Option<Duration>,
}

impl Default for Keep {
    fn default() -> Keep {
        Keep {
            size: Some(10 << 30),
            age: Some(Duration::from_secs(7 * 86_400)),
        }
    }
}

/// A processor.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The name that rules use.
    pub name: String,
    /// Its kind and configuration.
    pub kind: Kind,
    /// Of the records that rules send to it, it gets those that match.
    pub filter: Option<Condition>,
    /// What is changed in them.
    pub change: Change,
    /// Where in the store it begins when it is new.
    pub from: StartAt,
    /// The processor, no longer there, from whose position it goes on when it is new.
    pub cursor: Option<String>,
    /// When it flushes.
    pub batch: Batch,
    /// How long it waits between attempts.
    pub retry: Retry,
    /// Whole trees pass, or nothing of them.
    pub trees: Option<Trees>,
}

impl Config {
    /// Decides which records go to the processor of that name, which is in the file or registered in code.
    pub(crate) fn router(&self, processor: &str) -> Router {
        let filter = self
            .processors
            .iter()
            .find(|entry| entry.name == processor)
            .and_then(|entry| entry.filter.as_ref());
        Router::new(&self.rules, processor, filter)
    }

    /// What is changed in the records of that processor.
    pub(crate) fn outgoing(&self, processor: &str) -> Outgoing {
        let mut entries = self.processors.iter();
        let own = entries.find(|entry| entry.name == processor);
        Outgoing::new(&self.rules, processor, own.map(|entry| &entry.change))
    }
}

impl fmt::Display for Config {
    /// A short summary for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |key: &str, value: fmt::Arguments<'_>| writeln!(f, "{key:<10} {value}");
        for (receiver, address) in self.listen.addresses() {
            line(receiver, format_args!("{}", address.unwrap_or("off")))?;
        }
        let limits = [
            self.store.keep.size.map(show_size),
            self.store.keep.age.map(show_duration),
        ];
        let limits: Vec<String> = limits.into_iter().flatten().collect();
        let keeps = if limits.is_empty() {
            "everything".to_owned()
        } else {
            limits.join(" and ")
        };
        let store = self.store.path.display();
        line("store", format_args!("{store}, keeps {keeps}"))?;
        for Drain { path, owners } in &self.drain {
            let path = path.display();
            match owners.is_empty() {
                true => line("drain", format_args!("{path}"))?,
                false => line(
                    "drain",
                    format_args!("{path}, also of the users {owners:?}"),
                )?,
            }
        }
        for NamedSource { name, kind } in &self.sources {
            line("source", format_args!("{name} ({})", kind.name()))?;
        }
        for IntakeRule { name, when, action } in &self.intake {
            let filter = when.as_ref().map(|when| format!(" where {}", words(when)));
            let (does, filter) = (shown(action), filter.unwrap_or_default());
            line("intake", format_args!("{name}: {does}{filter}"))?;
        }
        for Entry {
            name,
            kind,
            filter,
            trees,
            ..
        } in &self.processors
        {
            let filter = filter.as_ref().map(|filter| format!(" where {filter}"));
            let trees = trees
                .as_ref()
                .map(|trees| format!(" of trees with {}", trees.keep));
            let (filter, trees) = (filter.unwrap_or_default(), trees.unwrap_or_default());
            let kind = kind.name();
            line("processor", format_args!("{name} ({kind}){filter}{trees}"))?;
        }
        for rule in &self.rules {
            let when = rule.when.as_ref().map_or("everything".to_owned(), words);
            let to = rule.to.join(", ");
            line("rule", format_args!("{when} → {to}"))?;
        }
        Ok(())
    }
}

/// A condition on one line.
fn words(condition: &Condition) -> String {
    let words: Vec<&str> = condition.text().split_whitespace().collect();
    words.join(" ")
}

/// What a rule of the intake does.
fn shown(action: &Action) -> String {
    let Action::Keep { sample, change } = action else {
        return "drop".to_owned();
    };
    let sample = sample.map(|threshold| format!("sample {:.3}", threshold.ratio()));
    let set = (!change.set.is_empty()).then(|| "set".to_owned());
    let redact = change.redact.as_ref().map(|_| "redact".to_owned());
    let does: Vec<String> = [sample, set, redact].into_iter().flatten().collect();
    does.join(", ")
}
