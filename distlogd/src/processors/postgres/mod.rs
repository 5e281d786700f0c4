//! Processor `postgres`: records and tasks in a PostgreSQL database.
//!
//! Read it in this order: `config.rs` with `url.rs`; this file; `copy.rs` and `text.rs`, records as rows; `writer.rs`,
//! how rows get into the tables, over `connection.rs` (`tls.rs`); `schema.rs`, which makes the tables;
//! `partitions.rs` and `day.rs`; `fault.rs`, what an error means.
//!
//! A flush is one transaction: rows are copied into a staging table of the session and inserted from there unless they
//! are there. A record that comes again is found by its key, so what was committed without our knowing is not there
//! twice. Nothing is retried here: the worker presents again from the last flush what was not committed.

pub(crate) mod config;
pub(crate) mod connection;
mod copy;
pub(crate) mod day;
mod fault;
mod partitions;
pub(crate) mod schema;
pub(crate) mod text;
mod tls;
pub(crate) mod url;
mod writer;

use std::collections::BTreeSet;

use distlog_proto::RecordRef;
use tokio::runtime::Handle;

use super::database::{Cell, Column, Row, Scratch};
use super::start::Start;
use crate::processor::{Error, Processor, Token};
use crate::shutdown::{Phase, Shutdown};
use copy::Rows;
use day::Day;
use partitions::Partitions;
use writer::Writer;

pub use config::Config;

/// Rows are handed over when they have this many bytes.
const MAX_ROWS_BYTES: usize = 4 << 20;

/// Makes the processor; it connects when it is flushed first.
///
/// # Errors
/// None.
pub fn open(config: &Config, start: Start<'_>) -> Result<Box<dyn Processor>, Error> {
    Ok(writing(config, start.runtime, start.shutdown))
}

/// One that writes to this database.
pub(crate) fn writing(
    config: &Config,
    runtime: &Handle,
    shutdown: &Shutdown,
) -> Box<dyn Processor> {
    Box::new(Postgres {
        link: Link {
            config: config.clone(),
            runtime: runtime.clone(),
            shutdown: shutdown.clone(),
            partitions: Partitions::new(&config.schema, config.keep, config.timeout),
            writer: None,
        },
        records: Rows::default(),
        tasks: Rows::default(),
        days: BTreeSet::new(),
        scratch: Scratch::default(),
    })
}

/// The processor. Made by [`open`].
struct Postgres {
    link: Link,
    /// Rows that are not handed over yet.
    records: Rows,
    tasks: Rows,
    /// Days of the records since the last flush.
    days: BTreeSet<Day>,
    scratch: Scratch,
}

/// The way to the database.
struct Link {
    config: Config,
    runtime: Handle,
    shutdown: Shutdown,
    partitions: Partitions,
    writer: Option<Writer>,
}

impl Link {
    /// Hands rows over, and commits if wanted. A hanging server holds nobody up when the daemon has to stop.
    fn write(
        &mut self,
        (records, tasks): (&mut Rows, &mut Rows),
        days: &BTreeSet<Day>,
        commit: bool,
    ) -> Result<(), Error> {
        let stop = self.shutdown.clone().wait_for(Phase::Abort);
        let Link {
            config,
            runtime,
            partitions,
            writer,
            ..
        } = self;
        // A server that was restarted meanwhile is no failure, as long as it has not been given anything.
        if writer.as_ref().is_some_and(Writer::is_useless) {
            *writer = None;
        }
        let work = async {
            let writer = match writer {
                Some(writer) => writer,
                None => {
                    partitions.forget();
                    writer.insert(Writer::open(config).await?)
                }
            };
            writer
                .stage(records.take(), tasks.take(), days, partitions)
                .await?;
            if commit {
                writer.commit(days, partitions).await?;
            }
            Ok::<(), Error>(())
        };
        runtime.block_on(async {
            tokio::select! {
                biased;
                done = work => done,
                () = stop => Err(Error::retry("the daemon stops")),
            }
        })
    }

    /// Undoes what is not committed. Where nothing is known to be wrong with the connection, it is kept.
    fn undo(&mut self, error: &Error) {
        let Some(mut writer) = self.writer.take() else {
            return;
        };
        if matches!(error, Error::Refused { .. }) {
            let undone = self.runtime.block_on(writer.roll_back());
            self.writer = undone.is_ok().then_some(writer);
        }
    }
}

impl Postgres {
    fn write(&mut self, commit: bool) -> Result<(), Error> {
        let rows = (&mut self.records, &mut self.tasks);
        let result = self.link.write(rows, &self.days, commit);
        if let Err(error) = &result {
            self.link.undo(error);
            self.records.clear();
            self.tasks.clear();
        }
        if commit || result.is_err() {
            self.days.clear();
        }
        result
    }
}

impl Processor for Postgres {
    fn process(&mut self, records: &[RecordRef<'_>]) -> Result<(), Error> {
        for record in records {
            let row = Row::new(record, &mut self.scratch);
            self.records.push(&row);
            if let Some(change) = row.task_change() {
                self.tasks.push_task(&change);
            }
            if let Cell::Integer(time) = row.cell(Column::Time) {
                self.days.insert(Day::of(time));
            }
            if self.records.len() >= MAX_ROWS_BYTES {
                self.write(false)?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<Token, Error> {
        self.write(true)?;
        Ok(Token::default())
    }
}
