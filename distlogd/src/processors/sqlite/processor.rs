//! The processor.

use std::path::{Path, PathBuf};
use std::time::Duration;

use distlog_proto::RecordRef;
use rusqlite::{Connection, OptionalExtension};

use super::config::Config;
use super::error::{DatabaseError, Fault};
use super::open::{self, Identity};
use super::retention::Retention;
use super::write::{Writer, insert_record};
use crate::processor::{Error, Processor, Token};
use crate::processors::database::{Row, Scratch};

/// Writes records into a database.
pub(super) struct Sqlite {
    path: PathBuf,
    retention: Retention,
    insert: String,
    /// `None` after something failed: it is opened again.
    open: Option<Open>,
}

/// An open database.
struct Open {
    connection: Connection,
    identity: Identity,
    /// The id of the next record.
    next: i64,
    /// Records since the last flush.
    written: i64,
}

impl Sqlite {
    /// Opens the file.
    pub(super) fn open(config: &Config) -> Result<Sqlite, DatabaseError> {
        let mut sqlite = Sqlite {
            path: config.path.clone(),
            retention: Retention::new(config.keep),
            insert: insert_record(),
            open: None,
        };
        sqlite.with(|_| Ok(()))?;
        Ok(sqlite)
    }

    /// Works with the database. After an error it is closed, which undoes all since the last flush.
    fn with<R>(
        &mut self,
        work: impl FnOnce(&mut Work<'_>) -> Result<R, Fault>,
    ) -> Result<R, DatabaseError> {
        let result = self.try_with(work);
        result.map_err(|fault| {
            self.open = None;
            self.retention.forget_mark();
            DatabaseError::new(&self.path, fault)
        })
    }

    fn try_with<R>(
        &mut self,
        work: impl FnOnce(&mut Work<'_>) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        let open = match &mut self.open {
            Some(open) => open,
            None => self.open.insert(Open::new(&self.path)?),
        };
        work(&mut Work {
            open,
            retention: &mut self.retention,
            insert: &self.insert,
        })
    }

    /// The file has at most so many pages, as on a disk that is full then, until it is opened again.
    #[cfg(test)]
    pub(super) fn limit_pages(&self, pages: i64) {
        if let Some(open) = &self.open {
            let limited =
                open.connection
                    .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()));
            limited.expect("a limit");
        }
    }

    /// Whether the file is gone, or another stands there.
    fn is_moved(&self) -> bool {
        let there = open::identity(&self.path).ok();
        self.open
            .as_ref()
            .is_some_and(|open| there != Some(open.identity))
    }
}

impl Open {
    fn new(path: &Path) -> Result<Open, Fault> {
        let (connection, identity) = open::open(path)?;
        let last: Option<i64> = connection
            .query_row(
                "SELECT max(coalesce((SELECT max(id) FROM records), 0), coalesce((SELECT max(id) FROM written), 0))",
                [],
                |row| row.get(0),
            )
            .optional()?;
        Ok(Open {
            connection,
            identity,
            next: last.unwrap_or(0) + 1,
            written: 0,
        })
    }

    /// Begins a transaction, unless one is open.
    fn begin(&self) -> Result<(), Fault> {
        if self.connection.is_autocommit() {
            self.connection.execute_batch("BEGIN IMMEDIATE")?;
        }
        Ok(())
    }
}

/// What work is done with.
struct Work<'s> {
    open: &'s mut Open,
    retention: &'s mut Retention,
    insert: &'s str,
}

impl Work<'_> {
    /// Writes records. Returns the numbers of those that SQLite will never take.
    fn write(&mut self, records: &[RecordRef<'_>]) -> Result<Vec<u64>, Fault> {
        let mut too_big = Vec::new();
        let mut scratch = Scratch::default();
        self.open.begin()?;
        let Open {
            connection,
            next,
            written,
            ..
        } = &mut *self.open;
        let mut writer = Writer::new(connection, self.insert)?;
        for record in records {
            let row = Row::new(record, &mut scratch);
            match writer.write(*next, &row).map_err(Fault::from) {
                Ok(true) => {
                    *next += 1;
                    *written += 1;
                }
                Ok(false) => {}
                Err(fault) if fault.is_too_big() => too_big.push(record.store_number),
                Err(fault) => return Err(fault),
            }
        }
        Ok(too_big)
    }

    /// Ends the transaction, and removes some of what is old in it.
    fn flush(&mut self) -> Result<(), Fault> {
        if self.open.connection.is_autocommit() {
            return Ok(());
        }
        let written = std::mem::take(&mut self.open.written);
        let connection = &self.open.connection;
        if let Some(to) = self.retention.next(connection, written)? {
            Retention::remove(connection, to)?;
        }
        if self.retention.is_mark_due(self.open.next - 1) {
            self.retention.mark(connection, self.open.next - 1)?;
        }
        connection.execute_batch("COMMIT")?;
        Ok(())
    }

    /// Removes some of what is old, in a transaction of its own.
    fn tidy(&mut self) -> Result<(), Fault> {
        let (last, is_due) = (
            self.open.next - 1,
            self.retention.is_mark_due(self.open.next - 1),
        );
        let to = self.retention.next(&self.open.connection, 0)?;
        if to.is_none() && !is_due {
            return Ok(());
        }
        self.open.begin()?;
        if let Some(to) = to {
            Retention::remove(&self.open.connection, to)?;
        }
        if is_due {
            self.retention.mark(&self.open.connection, last)?;
        }
        self.open.connection.execute_batch("COMMIT")?;
        Ok(())
    }
}

impl Processor for Sqlite {
    fn process(&mut self, records: &[RecordRef<'_>]) -> Result<(), Error> {
        let too_big = self
            .with(|work| work.write(records))
            .map_err(Error::retry)?;
        if too_big.is_empty() {
            return Ok(());
        }
        Err(Error::Reject {
            numbers: too_big,
            reason: format!("larger than {} takes", self.path.display()),
        })
    }

    fn flush(&mut self) -> Result<Token, Error> {
        if self.is_moved() {
            self.open = None;
            self.retention.forget_mark();
            return Err(Error::Retry {
                reason: DatabaseError::new(&self.path, Fault::Moved).to_string(),
                after: Some(Duration::ZERO),
            });
        }
        self.with(|work| work.flush()).map_err(Error::retry)?;
        Ok(Token::default())
    }

    fn idle(&mut self) -> Result<(), Error> {
        self.with(|work| work.tidy()).map_err(Error::retry)
    }
}
