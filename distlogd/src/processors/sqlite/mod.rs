//! Processor `sqlite`: a database in a file, with the tables `records` and `tasks`, views for people, and an index of
//! the words of all messages.
//!
//! Read it in this order: `config.rs`, `schema.rs` (what is in the file), `open.rs` (opens it, or says why not),
//! `write.rs` (records and tasks become rows), `retention.rs` (removes the oldest), `error.rs`, `processor.rs`.
//!
//! What comes between two flushes is one transaction. It is durable when `flush` returns: in WAL mode with
//! `synchronous=FULL`, SQLite syncs the log of the database after each commit. The key (producer, record_offset) makes
//! that a record which comes twice stands there once, whatever the cursor says; tasks change only with a new record, in
//! the same transaction.

mod config;
mod error;
mod open;
mod processor;
mod retention;
pub(crate) mod schema;
#[cfg(test)]
mod tests;
mod write;

use super::start::Start;
use crate::processor::{Error, Processor};

pub use config::Config;

/// One that writes to this file, without a daemon.
#[cfg(test)]
pub(crate) fn writing(path: &std::path::Path) -> Box<dyn Processor> {
    let config = Config {
        path: path.to_owned(),
        keep: config::Keep::default(),
    };
    Box::new(processor::Sqlite::open(&config).expect("a file"))
}

/// Makes the processor.
///
/// # Errors
/// If the file cannot be opened, or is no database of ours.
pub fn open(config: &Config, _start: Start<'_>) -> Result<Box<dyn Processor>, Error> {
    let opened = processor::Sqlite::open(config).map_err(Error::retry)?;
    Ok(Box::new(opened))
}
