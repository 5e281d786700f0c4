//! A PostgreSQL database that processor `postgres` fills.
//!
//! Read it in this order: `address.rs`, `query.rs` (what is asked as SQL), `slices.rs`.
//!
//! Sessions are read-only. What is asked is one statement over the partitions of its days, in a transaction that only
//! reads; rows come in portions, and the server stops when no more are wanted.

mod address;
mod query;
mod slices;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::ops::{Range, RangeInclusive};

use distlog_proto::Record;
use futures_util::TryStreamExt;
use tokio::runtime::Handle;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, ToSql, Type};

use super::conditions::traces;
use super::pool::Pool;
use super::restore::restore;
use super::slice::{cut, cut_spreads};
use super::{Ask, Database, DatabaseError};
use crate::processor::Error;
use crate::processors::database::{Cell, Column};
use crate::processors::postgres::config::Config;
use crate::processors::postgres::connection::{self, Connection};
use crate::processors::postgres::schema;
use query::Query;

/// Rows that the server sends at once.
const PORTION: i32 = 1000;
/// More times than these are not read to cut a trace.
const MAX_TIMES: usize = 4 << 20;
/// Of who reads. Where the server takes the setting from nobody, as some poolers, the role's rights are what counts.
const READ_ONLY: &str =
    "SET default_transaction_read_only = on; SET idle_in_transaction_session_timeout = '60s'";

/// The database.
pub(super) struct Postgres {
    config: Config,
    /// Where it is, as errors of the connection begin.
    destination: String,
    name: String,
    runtime: Handle,
    idle: Pool<Connection>,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Postgres {
    /// Connects, and looks at the tables.
    ///
    /// # Errors
    /// If `from` is no URL, the server is not there, or has no tables that can be read.
    pub(super) fn open(from: &str, runtime: &Handle) -> Result<Postgres, DatabaseError> {
        let password = std::env::var("PGPASSWORD").ok();
        let config = address::config(from, password.as_deref())?;
        let destination = config.url.to_string();
        let postgres = Postgres {
            name: format!("PostgreSQL at {destination}, schema {}", config.schema),
            destination,
            config,
            runtime: runtime.clone(),
            idle: Pool::new(),
        };
        let connection = runtime.block_on(postgres.connection())?;
        postgres.idle.give_back(connection);
        Ok(postgres)
    }

    fn unavailable(&self, error: Error) -> DatabaseError {
        let reason = match error {
            Error::Retry { reason, .. } | Error::Refused { reason } => reason,
            Error::Reject { reason, .. } => reason,
            Error::Again => "it is busy".to_owned(),
        };
        let reason = match reason.strip_prefix(&format!("{}: ", self.destination)) {
            Some(rest) => rest.to_owned(),
            None => reason,
        };
        DatabaseError::Unavailable {
            database: self.name.clone(),
            reason,
        }
    }

    /// One that answers.
    async fn connection(&self) -> Result<Connection, DatabaseError> {
        while let Some(idle) = self.idle.take() {
            // A server that was restarted meanwhile has closed it.
            if !idle.is_closed() && idle.run("asking", "SELECT 1").await.is_ok() {
                return Ok(idle);
            }
        }
        let opened = async {
            let connection = Connection::open(&self.config).await?;
            connection.run("setting up", READ_ONLY).await?;
            let version = schema::version(&connection, &self.config.schema).await?;
            Ok::<_, Error>((connection, version))
        };
        let (connection, version) = opened.await.map_err(|error| self.unavailable(error))?;
        self.check(version)?;
        Ok(connection)
    }

    /// Every version up to the newest has the same table of records.
    fn check(&self, version: usize) -> Result<(), DatabaseError> {
        let schema = &self.config.schema;
        let reason = match version {
            0 => format!(
                "schema {schema} has no tables of distlog: name the `schema=` that processor `postgres` writes to, and \
                 let this role read it"
            ),
            version if version > schema::VERSION => format!(
                "the tables have version {version}, and this distlogd knows none beyond {}: use a newer distlogd",
                schema::VERSION
            ),
            _ => return Ok(()),
        };
        Err(DatabaseError::Schema {
            database: self.name.clone(),
            reason,
        })
    }

    async fn step<T>(
        &self,
        doing: &str,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, DatabaseError> {
        connection::step(&self.destination, self.config.timeout, doing, work)
            .await
            .map_err(|error| self.unavailable(error))
    }

    /// All rows of a statement that gives few.
    fn rows(
        &self,
        doing: &str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, DatabaseError> {
        self.runtime.block_on(async {
            let connection = self.connection().await?;
            let asking = connection.client.query(sql, parameters);
            let rows = self.step(doing, asking).await?;
            self.idle.give_back(connection);
            Ok(rows)
        })
    }

    async fn read(
        &self,
        connection: &mut Connection,
        query: &Query,
        take: &mut dyn FnMut(Record) -> bool,
    ) -> Result<(), DatabaseError> {
        const DOING: &str = "reading records";
        let transaction = connection.client.build_transaction().read_only(true);
        let transaction = self.step(DOING, transaction.start()).await?;
        let parameters = query.parameters();
        let binding = transaction.bind(query.sql.as_str(), &parameters);
        let portal = self.step(DOING, binding).await?;
        loop {
            let asking = transaction.query_portal_raw(&portal, PORTION);
            let mut rows = Box::pin(self.step(DOING, asking).await?);
            let mut count = 0;
            while let Some(row) = self.step(DOING, rows.try_next()).await? {
                count += 1;
                let mut cells = [Cell::Null; Column::ALL.len()];
                for (at, place) in cells.iter_mut().enumerate() {
                    *place = self.cell(&row, at)?;
                }
                if !take(restore(&cells)) {
                    return Ok(());
                }
            }
            if count < PORTION {
                return Ok(());
            }
        }
    }

    fn cell<'r>(&self, row: &'r Row, at: usize) -> Result<Cell<'r>, DatabaseError> {
        let value: Result<Option<Value<'r>>, _> = row.try_get(at);
        match value {
            Ok(value) => Ok(value.map_or(Cell::Null, |value| value.0)),
            Err(error) => Err(DatabaseError::Schema {
                database: self.name.clone(),
                reason: format!("the table `records` is another one than distlog makes: {error}"),
            }),
        }
    }
}

impl Database for Postgres {
    fn name(&self) -> &str {
        &self.name
    }

    fn times(&self) -> Result<Option<RangeInclusive<u64>>, DatabaseError> {
        let table = format!("{}.records", self.config.schema);
        // The index is to the microsecond.
        let ask = format!(
            "SELECT (SELECT min(time_ns) FROM {table} WHERE time = (SELECT min(time) FROM {table})), \
             (SELECT max(time_ns) FROM {table} WHERE time = (SELECT max(time) FROM {table}))"
        );
        let rows = self.rows("asking for the oldest and the newest record", &ask, &[])?;
        let times = rows.first().map(|row| (row.get(0), row.get(1)));
        Ok(match times {
            Some((Some(oldest), Some(newest))) => {
                Some(i64::cast_unsigned(oldest)..=i64::cast_unsigned(newest))
            }
            _ => None,
        })
    }

    fn slices(&self, ask: &Ask<'_>, rows: u64) -> Result<Vec<Range<u64>>, DatabaseError> {
        const DOING: &str = "looking where records lie";
        let schema = &self.config.schema;
        if traces(ask.rows).is_some() {
            let query = Query::times(ask, schema, MAX_TIMES);
            let found = self.rows(DOING, &query.sql, &query.parameters())?;
            let mut times: Vec<i64> = found.iter().map(|row| row.get(0)).collect();
            times.sort_unstable();
            let rows = usize::try_from(rows).unwrap_or(usize::MAX).max(1);
            let at = times.iter().skip(rows).step_by(rows);
            return Ok(cut(
                &ask.times,
                at.map(|time| time.cast_unsigned()).collect(),
            ));
        }
        let Some(all) = self.times()? else {
            return Ok(cut(&ask.times, Vec::new()));
        };
        let all = *all.start()..all.end().saturating_add(1);
        let table = format!("{schema}.records");
        let partitions = self.rows(DOING, slices::ASK, &[&table, schema])?;
        let spreads: Vec<_> = partitions
            .iter()
            .flat_map(|row| slices::spreads(row, &all))
            .collect();
        Ok(cut_spreads(&ask.times, &spreads, rows))
    }

    fn records(
        &self,
        ask: &Ask<'_>,
        take: &mut dyn FnMut(Record) -> bool,
    ) -> Result<(), DatabaseError> {
        let query = Query::new(ask, &self.config.schema);
        self.runtime.block_on(async {
            let mut connection = self.connection().await?;
            self.read(&mut connection, &query, take).await?;
            self.idle.give_back(connection);
            Ok(())
        })
    }
}

/// A text or an integer.
struct Value<'r>(Cell<'r>);

impl<'r> FromSql<'r> for Value<'r> {
    fn from_sql(
        r#type: &Type,
        bytes: &'r [u8],
    ) -> Result<Value<'r>, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Value(match *r#type {
            Type::INT8 => Cell::Integer(i64::from_sql(r#type, bytes)?),
            _ => Cell::Text(<&str>::from_sql(r#type, bytes)?),
        }))
    }

    fn accepts(r#type: &Type) -> bool {
        matches!(*r#type, Type::INT8 | Type::TEXT)
    }
}
