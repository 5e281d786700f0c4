//! The destinations. Each is one file or folder: a `Config`, and `open`, which makes the [`Processor`] out of it and a
//! [`Start`] (`start.rs`). To add one, write its file and add its `mod` and its row in `kinds!` below.

pub mod alert;
#[cfg(any(feature = "http-client", feature = "postgres"))]
mod causes;
#[cfg(feature = "clickhouse")]
pub mod clickhouse;
pub mod console;
#[cfg(any(test, feature = "clickhouse", feature = "postgres", feature = "sqlite"))]
#[allow(dead_code)] // Each database uses a part of it.
pub(crate) mod database;
pub mod exec;
pub mod file;
#[cfg(feature = "http-export")]
pub mod http;
#[cfg(feature = "http-client")]
pub(crate) mod http_client;
pub mod levels;
#[cfg(feature = "nats")]
pub mod nats;
#[cfg(feature = "otlp-export")]
pub mod otlp;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod publish;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod start;

use std::time::Duration;

use schemars::JsonSchema;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use crate::change_shapes;
use crate::processor::{Error, Processor};
use crate::trees;
use crate::worker::{Batch, Retry};

pub use start::{Start, StartAt};

/// One row for each kind of processor: its key in the configuration, the feature that it needs, the type of its
/// configuration, and what makes it.
macro_rules! kinds {
    ($($key:literal $([$feature:tt])? $field:ident $variant:ident($config:ty): $open:path;)*) => {
        /// What a processor is, as the configuration says.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(missing_docs)] // Each is described in its own file.
        pub enum Kind {
            $($(#[cfg(feature = $feature)])? $variant($config)),*
        }

        impl Kind {
            /// The keys of all kinds in the configuration.
            pub(crate) const KEYS: &[&str] = &[$($(#[cfg(feature = $feature)])? $key),*];

            /// The keys of those that are not in this program, and the feature that each needs.
            pub(crate) const NOT_BUILT: &[(&str, &str)] =
                &[$($(#[cfg(not(feature = $feature))] ($key, $feature),)?)*];

            /// Its key in the configuration.
            pub fn name(&self) -> &'static str {
                match self {
                    $($(#[cfg(feature = $feature)])? Kind::$variant(_) => $key),*
                }
            }

            /// Makes the processor.
            ///
            /// # Errors
            /// If it cannot be made now; it is tried again.
            pub fn open(&self, start: Start<'_>) -> Result<Box<dyn Processor>, Error> {
                match self {
                    $($(#[cfg(feature = $feature)])? Kind::$variant(config) => $open(config, start)),*
                }
            }
        }

        /// A destination: exactly one of the kinds, which records it gets, and where in the store it begins.
        #[derive(Default, Deserialize, JsonSchema)]
        #[serde(default, deny_unknown_fields, expecting = "one of alert, clickhouse, console, exec, file, http, levels, nats, otlp, postgres, pub, sqlite")]
        #[schemars(rename = "Processor", extend("minProperties" = 1))]
        pub(crate) struct Section {
            $(
                $(#[cfg(feature = $feature)])?
                #[serde(rename = $key, deserialize_with = "some")]
                $field: Option<$config>,
            )*
            /// Of what rules send to it, the processor gets what matches this CEL condition.
            #[schemars(with = "String")]
            #[allow(dead_code)] // Read with its place in the file, for faults within it.
            filter: IgnoredAny,
            /// Values that are set in what leaves for it.
            #[schemars(schema_with = "change_shapes::set")]
            #[allow(dead_code)]
            set: IgnoredAny,
            /// What is redacted in what leaves for it.
            #[allow(dead_code)]
            redact: change_shapes::Redact,
            /// Where in the store it begins when it is new.
            pub(crate) from: StartAt,
            /// When it is new it goes on where the processor of this name ended, which is no more: its former name.
            #[schemars(with = "String")]
            #[allow(dead_code)] // Read with its place in the file.
            cursor: IgnoredAny,
            /// When it flushes what it was given.
            pub(crate) batch: Batch,
            /// How long it waits before what failed is tried again.
            pub(crate) retry: Retry,
            /// Whole trees pass, or nothing of them; without it records pass one by one, at once.
            #[serde(deserialize_with = "some")]
            pub(crate) trees: Option<trees::Section>,
        }

        impl Section {
            /// The first kind that is there.
            pub(crate) fn kind(self) -> Option<Kind> {
                $(
                    $(#[cfg(feature = $feature)])?
                    if let Some(config) = self.$field {
                        return Some(Kind::$variant(config));
                    }
                )*
                None
            }
        }
    };
}

kinds! {
    "alert" alert Alert(alert::Config): alert::open;
    "clickhouse" ["clickhouse"] clickhouse ClickHouse(clickhouse::Config): clickhouse::open;
    "console" console Console(console::Config): console::open;
    "exec" exec Exec(exec::Config): exec::open;
    "file" file File(file::Config): file::open;
    "http" ["http-export"] http Http(http::Config): http::open;
    "levels" levels Levels(levels::Config): levels::open;
    "nats" ["nats"] nats Nats(nats::Config): nats::open;
    "otlp" ["otlp-export"] otlp Otlp(otlp::Config): open_otlp;
    "postgres" ["postgres"] postgres Postgres(postgres::Config): postgres::open;
    "pub" publish Pub(publish::Config): publish::open;
    "sqlite" ["sqlite"] sqlite Sqlite(sqlite::Config): sqlite::open;
}

impl Kind {
    /// Whether the processor itself asks which records are routed to it.
    pub(crate) fn knows_rules(&self) -> bool {
        match self {
            #[cfg(feature = "otlp-export")]
            Kind::Otlp(_) => true,
            Kind::Alert(_) => true,
            _ => false,
        }
    }

    /// Whether it compares the numbers of records with those that it looks up in the store.
    pub(crate) fn looks_up(&self) -> bool {
        match self {
            #[cfg(feature = "otlp-export")]
            Kind::Otlp(_) => true,
            _ => false,
        }
    }

    /// How long it may take to end when the daemon stops at once.
    pub(crate) fn stop_time(&self) -> Duration {
        match self {
            Kind::Alert(_) | Kind::Exec(_) => exec::STOP_TIME,
            _ => Duration::ZERO,
        }
    }
}

/// A key without a value is an empty configuration.
fn some<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

#[cfg(feature = "otlp-export")]
/// Tells the processor how to find in the store what a task began with.
fn open_otlp(config: &otlp::Config, start: Start<'_>) -> Result<Box<dyn Processor>, Error> {
    use distlog_proto::{Kind as RecordKind, RecordRef, SpanId, TraceId};

    let (reader, router) = (start.reader.clone(), start.router.clone());
    let outgoing = start.outgoing.clone();
    let find = move |trace: TraceId,
                     span: SpanId,
                     take: &mut dyn FnMut(&RecordRef<'_>)|
          -> Result<(), otlp::FindError> {
        crate::lookup::task(&reader, trace, span, &mut |record| {
            if record.kind != RecordKind::Event || router.takes(record) {
                // What could not be set is counted when the record itself leaves.
                let found = std::slice::from_ref(record);
                outgoing.present(found, &mut 0, |changed| changed.iter().for_each(&mut *take));
            }
        })
        .map_err(Into::into)
    };
    let processor = otlp::open(
        start.name,
        config,
        start.metrics,
        start.threads,
        start.runtime,
        Box::new(find),
    )
    .map_err(Error::retry)?;
    Ok(Box::new(processor))
}
