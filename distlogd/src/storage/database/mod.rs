//! Databases that processors of distlogd fill, to be read: SQLite, PostgreSQL and ClickHouse.
//!
//! A [`Database`] gives records of a range of time, in order. It narrows by what SQL can tell, and who asks tests each
//! record again. Nothing is ever written there.
//!
//! Read it in this order: this file; `url.rs` (which database a text names) and `error.rs`; `restore.rs` (a row becomes
//! a record again); `conditions.rs` and `texts.rs` (what SQL tests); `slice.rs` (a range of time is cut); `pool.rs`;
//! then the databases: `sqlite/`, `postgres/`, `clickhouse/`.
//!
//! **Time.** Rows lie by the column `time`: when it happened or, where the record says no time, when it was observed
//! ([`time_of`]). The column holds at most `i64::MAX`; what says a later time lies there.

#[cfg(feature = "clickhouse")]
mod clickhouse;
#[cfg(any(feature = "clickhouse", feature = "postgres", feature = "sqlite", test))]
mod conditions;
mod error;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod pool;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "clickhouse", feature = "postgres", feature = "sqlite", test))]
mod restore;
#[cfg(any(feature = "clickhouse", feature = "postgres", feature = "sqlite", test))]
mod slice;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(all(
    test,
    any(feature = "clickhouse", feature = "postgres", feature = "sqlite")
))]
mod test_records;
#[cfg(any(feature = "clickhouse", feature = "postgres", feature = "sqlite", test))]
mod texts;
mod url;

use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use distlog_proto::{Record, Severity};
use distlog_store::Rows;
use tokio::runtime::Handle;

pub use error::DatabaseError;

#[cfg(any(feature = "clickhouse", feature = "postgres", feature = "sqlite"))]
use url::Engine;

/// What is wanted of a database. Each part narrows. A database may hand over more than is asked, never less: who asks
/// tests each record again.
#[derive(Debug, Clone)]
pub struct Ask<'a> {
    /// Not older than its start, in ns since the epoch, and older than its end; `u64::MAX` as end: there is none.
    pub times: Range<u64>,
    /// Of one of these services; empty: of all. A program without the name of a service is that of its process.
    pub services: &'a [String],
    /// At least as severe; [`Severity::UNSET`]: all.
    pub severity: Severity,
    /// Which records by kind, outcome and trace. Log records that name a trace and no task may come with its tasks.
    pub rows: Rows<'a>,
    /// In lower case; each stands in a text of the record ([`distlog_store::any_text`]).
    pub words: &'a [String],
}

impl Ask<'_> {
    /// All records.
    pub const ALL: Ask<'static> = Ask {
        times: 0..u64::MAX,
        services: &[],
        severity: Severity::UNSET,
        rows: Rows::All,
        words: &[],
    };
}

/// A database that is read. Calls block, and may be made from any thread that is none of the runtime's own: threads of
/// the query engine, or `spawn_blocking`. Several may be made at once.
pub trait Database: Send + Sync + fmt::Debug {
    /// Which it is, for people: `PostgreSQL at db.example:5432/logs, schema distlog`. Without user and password.
    fn name(&self) -> &str;

    /// The oldest and the newest time; `None`: it is empty.
    ///
    /// # Errors
    /// If it cannot be read.
    fn times(&self) -> Result<Option<RangeInclusive<u64>>, DatabaseError>;

    /// Cuts the times of `ask` into slices of about `rows` rows each, oldest first, without gaps: the first begins and
    /// the last ends where the ask does. It is an estimate, and cheap: statistics and sampled keys. What else is asked
    /// may make the slices longer, where it is known that little of them is wanted.
    ///
    /// # Errors
    /// If it cannot be read.
    fn slices(&self, ask: &Ask<'_>, rows: u64) -> Result<Vec<Range<u64>>, DatabaseError>;

    /// Hands over the records of an [`Ask`], each once, ordered by (time, producer, offset), within bounded memory,
    /// until `take` gives false. The offset is compared as a number with a sign.
    ///
    /// # Errors
    /// If it cannot be read. What was handed over before is right.
    fn records(
        &self,
        ask: &Ask<'_>,
        take: &mut dyn FnMut(Record) -> bool,
    ) -> Result<(), DatabaseError>;
}

/// The time that a record lies at: when it happened, or when it was observed. Later ones than a column can hold are the
/// latest one.
pub fn time_of(record: &Record) -> u64 {
    let time = match record.time {
        0 => record.observed_time,
        time => time,
    };
    time.min(i64::MAX.cast_unsigned())
}

/// Opens the database that a text names, as `sqlite:logs.db`, `postgres://host/logs` or `clickhouse://host/distlog`,
/// and looks whether it is one of ours.
///
/// # Errors
/// If the text names none, it cannot be reached, or is none that can be read.
pub fn open(from: &str, runtime: &Handle) -> Result<Arc<dyn Database>, DatabaseError> {
    let _ = runtime;
    match url::engine(from)? {
        #[cfg(feature = "sqlite")]
        Engine::Sqlite => Ok(Arc::new(sqlite::Sqlite::open(
            url::sqlite_path(from)?.as_ref(),
        )?)),
        #[cfg(feature = "postgres")]
        Engine::Postgres => Ok(Arc::new(postgres::Postgres::open(from, runtime)?)),
        #[cfg(feature = "clickhouse")]
        Engine::ClickHouse => Ok(Arc::new(clickhouse::ClickHouse::open(from, runtime)?)),
        #[allow(unreachable_patterns)] // Where all are built in.
        engine => Err(DatabaseError::NotBuilt {
            engine: engine.name(),
            feature: engine.feature(),
        }),
    }
}
