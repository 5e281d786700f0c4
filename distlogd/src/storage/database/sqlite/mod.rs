//! A file of processor `sqlite`, read while the daemon writes to it.
//!
//! Read it in this order: `open.rs`, `query.rs` (what is asked as SQL), `slices.rs`, `error.rs`.
//!
//! Rows come one by one from the indexes by time, by service and time, or by trace, each call of a snapshot of its own.
//! Words are tested here, on rows that are read in place: the index of words (`messages`) knows only those of messages,
//! and a word may as well stand in a field.

mod error;
mod open;
mod query;
mod slices;
#[cfg(test)]
mod tests;

use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};

use distlog_proto::Record;
use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension, params_from_iter};

use super::pool::Pool;
use super::restore::restore;
use super::texts::RowTest;
use super::{Ask, Database, DatabaseError};
use crate::processors::database::{Cell, Column};
use error::Fault;
use open::Opened;
use query::Query;

/// The file.
#[derive(Debug)]
pub(super) struct Sqlite {
    path: PathBuf,
    name: String,
    idle: Pool<Opened>,
}

impl Sqlite {
    /// Opens the file.
    ///
    /// # Errors
    /// If it cannot be read, or is none of ours.
    pub(super) fn open(path: &Path) -> Result<Sqlite, DatabaseError> {
        let sqlite = Sqlite {
            path: path.to_owned(),
            name: format!("SQLite file {}", path.display()),
            idle: Pool::new(),
        };
        sqlite.with(|_| Ok(()))?;
        Ok(sqlite)
    }

    /// Works with a connection; after an error it is closed.
    fn with<R>(
        &self,
        work: impl FnOnce(&rusqlite::Connection) -> Result<R, Fault>,
    ) -> Result<R, DatabaseError> {
        self.try_with(work)
            .map_err(|fault| fault.into_error(&self.name))
    }

    fn try_with<R>(
        &self,
        work: impl FnOnce(&rusqlite::Connection) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        // Another file may stand there now.
        let idle = self.idle.take().filter(|idle| idle.is_of(&self.path));
        let opened = match idle {
            Some(idle) => idle,
            None => Opened::open(&self.path)?,
        };
        let result = work(&opened.connection)?;
        self.idle.give_back(opened);
        Ok(result)
    }
}

impl Database for Sqlite {
    fn name(&self) -> &str {
        &self.name
    }

    fn times(&self) -> Result<Option<RangeInclusive<u64>>, DatabaseError> {
        const ASK: &str = "SELECT (SELECT min(time) FROM records), (SELECT max(time) FROM records)";
        self.with(|connection| {
            let times: (Option<i64>, Option<i64>) = connection
                .prepare_cached(ASK)?
                .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(match times {
                (Some(oldest), Some(newest)) => {
                    Some(oldest.cast_unsigned()..=newest.cast_unsigned())
                }
                _ => None,
            })
        })
    }

    fn slices(&self, ask: &Ask<'_>, rows: u64) -> Result<Vec<Range<u64>>, DatabaseError> {
        self.with(|connection| slices::slices(connection, ask, rows))
    }

    fn records(
        &self,
        ask: &Ask<'_>,
        take: &mut dyn FnMut(Record) -> bool,
    ) -> Result<(), DatabaseError> {
        let Query { sql, parameters } = Query::new(ask);
        let test = RowTest::new(ask.words);
        self.with(|connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = statement.query(params_from_iter(parameters))?;
            while let Some(row) = rows.next()? {
                let mut cells = [Cell::Null; Column::ALL.len()];
                for (at, place) in cells.iter_mut().enumerate() {
                    *place = cell(row.get_ref(at)?);
                }
                if test.may_pass(&cells) && !take(restore(&cells)) {
                    break;
                }
            }
            Ok(())
        })
    }
}

/// What is no valid text is nothing: the processor writes none.
fn cell(value: ValueRef<'_>) -> Cell<'_> {
    match value {
        ValueRef::Integer(number) => Cell::Integer(number),
        ValueRef::Text(text) => std::str::from_utf8(text).map_or(Cell::Null, Cell::Text),
        ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => Cell::Null,
    }
}

/// The number that a statement gives, if it gives one.
fn number(
    connection: &rusqlite::Connection,
    sql: &str,
    parameter: i64,
) -> Result<Option<i64>, Fault> {
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_row([parameter], |row| row.get(0));
    Ok(found.optional()?.flatten())
}
