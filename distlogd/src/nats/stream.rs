//! The stream: `STREAM.0`, `STREAM.1`, …, a subject for each partition.

use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::{
    Config, DiscardPolicy, Info, RetentionPolicy, StorageType, Stream,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::connect::Connection;
use super::reason::reason;
use crate::values::{show_duration, show_size};

/// Partitions of a stream that is made.
const PARTITIONS: u16 = 16;
/// Replicas of a stream that is made.
const REPLICAS: usize = 1;
/// How long the stream remembers the ids of its messages, where that is not configured.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(600);
/// How long messages are kept, where that is not configured.
const MAX_AGE: Duration = Duration::from_secs(7 * 86_400);

/// The name of a stream, which begins its subjects and the name of its key-value bucket.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(transparent)]
pub(crate) struct StreamName(pub(crate) String);

impl<'de> Deserialize<'de> for StreamName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<StreamName, D::Error> {
        let name = String::deserialize(deserializer)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            return Err(D::Error::custom(format_args!(
                "`{name}` is no name: expected up to 64 of a–z, A–Z, 0–9, - and _"
            )));
        }
        Ok(StreamName(name))
    }
}

/// How a stream is to be. What is not said is taken as it is there.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Settings {
    pub(crate) partitions: Option<u16>,
    pub(crate) replicas: Option<usize>,
    pub(crate) duplicate_window: Option<Duration>,
    pub(crate) max_age: Option<Duration>,
    pub(crate) max_bytes: Option<u64>,
}

/// A stream that is as it is to be.
pub(crate) struct NatsStream {
    pub(crate) stream: Stream,
    pub(crate) partitions: u16,
}

/// The subject of a partition.
pub(crate) fn subject(stream: &str, partition: u16) -> String {
    format!("{stream}.{partition}")
}

impl NatsStream {
    /// When a stream was made, in ns since the epoch: one that is made anew counts its messages anew.
    pub(crate) fn made(info: &Info) -> i64 {
        i64::try_from(info.created.unix_timestamp_nanos()).unwrap_or_default()
    }

    /// The stream of that name; `None` if there is none.
    ///
    /// # Errors
    /// A sentence that names the server and the stream: it cannot be asked, or its settings are others.
    pub(crate) async fn find(
        connection: &Connection,
        name: &str,
        settings: &Settings,
    ) -> Result<Option<NatsStream>, String> {
        let at = &connection.at;
        let stream = match connection.jetstream.get_stream(name).await {
            Ok(stream) => stream,
            Err(error) => {
                return match error.kind() {
                    GetStreamErrorKind::JetStream(why)
                        if why.error_code() == ErrorCode::STREAM_NOT_FOUND =>
                    {
                        Ok(None)
                    }
                    _ => Err(format!(
                        "cannot ask NATS at {at} for the stream {name}: {}{}",
                        asking(&error),
                        connection.trouble()
                    )),
                };
            }
        };
        let (partitions, others) = differences(name, stream.cached_info(), settings);
        if !others.is_empty() {
            return Err(format!(
                "the stream {name} at {at} is there with other settings: {}; change the configuration, or the stream \
                 (`nats stream edit {name}`)",
                others.join("; ")
            ));
        }
        Ok(Some(NatsStream { stream, partitions }))
    }

    /// The stream of that name, which is made if there is none.
    ///
    /// # Errors
    /// As [`NatsStream::find`], and if it cannot be made.
    pub(crate) async fn find_or_make(
        connection: &Connection,
        name: &str,
        settings: &Settings,
    ) -> Result<NatsStream, String> {
        if let Some(found) = NatsStream::find(connection, name, settings).await? {
            return Ok(found);
        }
        let partitions = settings.partitions.unwrap_or(PARTITIONS);
        let max_age = settings.max_age.unwrap_or(MAX_AGE);
        let window = settings.duplicate_window.unwrap_or(DUPLICATE_WINDOW);
        let config = Config {
            name: name.to_owned(),
            subjects: (0..partitions).map(|p| subject(name, p)).collect(),
            num_replicas: settings.replicas.unwrap_or(REPLICAS),
            retention: RetentionPolicy::Limits,
            storage: StorageType::File,
            // Who publishes into a full stream waits. The other policy deletes what nobody has read.
            discard: DiscardPolicy::New,
            max_bytes: settings
                .max_bytes
                .map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
            max_messages: -1,
            max_age,
            duplicate_window: if max_age.is_zero() {
                window
            } else {
                window.min(max_age)
            },
            description: Some("records of distlog, published by its processors `nats`".into()),
            ..Config::default()
        };
        let made = connection.jetstream.create_stream(config).await;
        // Another daemon may have made it meanwhile.
        if let Some(found) = NatsStream::find(connection, name, settings).await? {
            return Ok(found);
        }
        let why = made.map_or_else(|error| reason(&error), |_| "it is not there then".into());
        Err(format!(
            "cannot make the stream {name} at {}: {why}{}",
            connection.at,
            connection.trouble()
        ))
    }
}

/// Why a stream cannot be asked for.
fn asking(error: &async_nats::jetstream::context::GetStreamError) -> String {
    let text = reason(error);
    if text.contains("no responders") || text.contains("not enabled") {
        format!(
            "{text}: JetStream is off there (`jetstream {{}}` in the server's configuration), or has no leader now"
        )
    } else {
        text
    }
}

/// How many partitions it has, and what is otherwise than it is to be.
fn differences(name: &str, info: &Info, settings: &Settings) -> (u16, Vec<String>) {
    let there = &info.config;
    let mut others = Vec::new();
    let mut numbers: Vec<u16> = there
        .subjects
        .iter()
        .filter_map(|subject| subject.strip_prefix(name)?.strip_prefix('.')?.parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    let partitions = u16::try_from(numbers.len()).unwrap_or(u16::MAX);
    let are_all =
        numbers.iter().copied().eq(0..partitions) && numbers.len() == there.subjects.len();
    if !are_all || partitions == 0 {
        others.push(format!(
            "subjects {}, not {name}.0, {name}.1, … without a gap",
            there.subjects.join(", ")
        ));
    } else if let Some(wanted) = settings.partitions.filter(|wanted| *wanted != partitions) {
        others.push(format!("partitions {partitions}, not {wanted}"));
    }
    if let Some(wanted) = settings
        .replicas
        .filter(|wanted| *wanted != there.num_replicas)
    {
        others.push(format!("replicas {}, not {wanted}", there.num_replicas));
    }
    let window = there.duplicate_window;
    if let Some(wanted) = settings.duplicate_window.filter(|wanted| *wanted != window) {
        others.push(format!(
            "duplicate window {}, not {}",
            show_duration(window),
            show_duration(wanted)
        ));
    }
    if let Some(wanted) = settings.max_age.filter(|wanted| *wanted != there.max_age) {
        others.push(format!(
            "age {}, not {}",
            show_duration(there.max_age),
            show_duration(wanted)
        ));
    }
    if let Some(wanted) = settings.max_bytes
        && u64::try_from(there.max_bytes) != Ok(wanted)
    {
        let size =
            u64::try_from(there.max_bytes).map_or_else(|_| "unlimited".to_owned(), show_size);
        others.push(format!("size {size}, not {}", show_size(wanted)));
    }
    if there.retention != RetentionPolicy::Limits {
        others.push("retention is not `limits`".to_owned());
    }
    (partitions, others)
}
