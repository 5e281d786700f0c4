//! Processor `clickhouse`: records as rows of ClickHouse, in tables as OpenTelemetry's exporter has, with more columns.
//!
//! Read it in this order: `config.rs`; `column.rs`, what `otel_logs` has; `schema.rs`, how the tables are made and kept
//! up to date; `row.rs`, a record as a row; `exception.rs`, what errors of ClickHouse mean; `client.rs`, one insert.
//!
//! A repeated insert has the same deduplication token, and a repeated row the same key of a `ReplacingMergeTree`: what
//! a killed daemon sends twice is there once, at the latest when its parts are merged, and for `FINAL` at once.

mod client;
mod column;
pub(crate) mod config;
pub(crate) mod exception;
mod row;
mod schema;
#[cfg(test)]
mod tests;

use distlog_proto::RecordRef;
use tokio::runtime::Handle;

use super::database::Scratch;
use super::http_client::{Limits, Poster};
use super::start::Start;
use crate::processor::{Error, Processor, Token};
use client::Client;

pub use config::Config;

/// ClickHouse likes few large inserts; it holds them in memory.
const LIMITS: Limits = Limits {
    bytes: 8 << 20,
    records: 100_000,
};

/// Makes the processor; it connects when it has something to send.
///
/// # Errors
/// If certificates cannot be used.
pub fn open(config: &Config, start: Start<'_>) -> Result<Box<dyn Processor>, Error> {
    writing(config, start.name, start.runtime)
}

/// One that writes to this database.
///
/// # Errors
/// If certificates cannot be used.
pub(crate) fn writing(
    config: &Config,
    name: &str,
    runtime: &Handle,
) -> Result<Box<dyn Processor>, Error> {
    let _entered = runtime.enter();
    let client = Client::new(config).map_err(Error::retry)?;
    let poster = Poster::new(name, client, LIMITS, config.in_flight, runtime.clone());
    Ok(Box::new(ClickHouse {
        scratch: Scratch::default(),
        poster,
    }))
}

/// The processor.
struct ClickHouse {
    scratch: Scratch,
    poster: Poster<Client>,
}

impl Processor for ClickHouse {
    fn process(&mut self, records: &[RecordRef<'_>]) -> Result<(), Error> {
        records.iter().try_for_each(|record| {
            let scratch = &mut self.scratch;
            self.poster.take(record.store_number, |body| {
                row::write(record, scratch, body);
            })
        })
    }

    fn flush(&mut self) -> Result<Token, Error> {
        self.poster.flush()
    }
}
