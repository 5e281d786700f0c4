//! Processor `http`: records as JSON lines to an address, or to the bulk API of Elasticsearch and OpenSearch.
//!
//! Read it in this order: `config.rs` with `index.rs`; `lines.rs`, where records become bodies of requests;
//! `failure.rs`, what a status means; `bulk.rs`, what an answer of the bulk API means; `sender.rs`, one request and
//! what became of it. How many are sent, and what is remembered of them, is in `../http_client/`.
//!
//! What a killed daemon sends twice Elasticsearch recognises by `_id`, others by the header `Idempotency-Key` if they
//! look at it (draft-ietf-httpapi-idempotency-key-header).

mod bulk;
mod config;
mod failure;
mod index;
mod lines;
mod sender;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use distlog_proto::RecordRef;
use distlog_python::json;
use tokio::runtime::Handle;

use super::http_client::Poster;
use super::start::Start;
use crate::processor::{Convert, Converted, Error, Processor, TakeConverted, Token};
use config::Format;
use lines::{LIMITS, Lines};
use sender::{OpenError, Sender};

pub use config::Config;
pub(in crate::processors) use failure::of_status;

/// Makes the processor; it connects when it has something to send.
///
/// # Errors
/// If certificates cannot be used.
pub fn open(config: &Config, start: Start<'_>) -> Result<Box<dyn Processor>, Error> {
    let http = Http::new(start.name, config, start.runtime).map_err(Error::retry)?;
    Ok(Box::new(http))
}

/// The processor.
struct Http {
    format: Arc<Format>,
    lines: Lines,
    poster: Poster<Sender>,
}

impl Http {
    fn new(name: &str, config: &Config, runtime: &Handle) -> Result<Http, OpenError> {
        let _entered = runtime.enter();
        let sender = Sender::new(config)?;
        Ok(Http {
            format: Arc::new(config.format.clone()),
            lines: Lines::new(&config.format),
            poster: Poster::new(name, sender, LIMITS, config.in_flight, runtime.clone()),
        })
    }
}

impl Processor for Http {
    fn process(&mut self, records: &[RecordRef<'_>]) -> Result<(), Error> {
        let Http { lines, poster, .. } = self;
        let mut json = json::Encoder::default();
        records.iter().try_for_each(|record| {
            poster.take(record.store_number, |body| {
                lines.write(record, &mut json, body);
            })
        })
    }

    fn takes_converted(&mut self) -> Option<&mut dyn TakeConverted> {
        Some(self)
    }

    fn flush(&mut self) -> Result<Token, Error> {
        self.poster.flush()
    }
}

impl TakeConverted for Http {
    fn converter(&self) -> Arc<dyn Convert> {
        Arc::<Format>::clone(&self.format)
    }

    fn take(&mut self, converted: &Converted) -> Result<(), Error> {
        converted.iter().try_for_each(|(number, line)| {
            self.poster
                .take(number, |body| body.extend_from_slice(line))
        })
    }
}
