//! Processor `otlp`: spans and log records for any receiver of OpenTelemetry.
//!
//! Read it in this order: `config.rs`; this file; `convert.rs`, where records become spans and log records;
//! `open_tasks.rs`, `find.rs` and `complete_span.rs`, where the begin of a task is when it ends; `answer.rs`, what a
//! receiver may answer; `outbox.rs`, the requests under way; `client.rs` with `grpc.rs` and `http.rs`, how one request
//! travels and what its answer means (`fault.rs`); the client itself and TLS are in `../http_client/`.
//!
//! A task leaves as a span when it ends. Its begin is in memory or, after a restart or when there were too many, in the
//! store; so none is lost. An event leaves as a log record or, where the receiver takes none (as Jaeger), as event of
//! its span. Nothing is retried here: the worker presents again from the last flush what did not arrive.

mod answer;
mod client;
mod complete_span;
mod config;
mod convert;
mod fault;
mod find;
mod grpc;
mod http;
mod open_tasks;
mod outbox;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use distlog_bridge::Origins;
use distlog_proto::RecordRef;
use tokio::runtime::Handle;

use super::http_client::{MAX_DELAY, NEEDS_A_PERSON};
use crate::processor::{Error, Processor, Token};
use crate::rpc::Signal;
use crate::self_telemetry::Metrics;
use crate::spare::Spare;
use crate::thread_pool::ThreadPool;
use answer::Failure;
use convert::Convert;
use outbox::Outbox;

pub use config::Config;
#[cfg(test)]
pub(crate) use config::{Events, Protocol};
#[cfg(test)]
pub(crate) use convert::MAX_REQUEST_ITEMS;
pub use fault::OpenError;
pub use find::{FindError, FindTask};

/// Log records that a thread encodes at once.
const PIECE_RECORDS: usize = 256;

/// Makes the processor; it connects when it has something to send.
///
/// `name` is the processor's, for log lines; `metrics` has its counters; `threads` help it to encode; `find` looks up
/// tasks in the store.
///
/// # Errors
/// If the configuration names no endpoint, header or certificate that could be used.
pub fn open(
    name: &str,
    config: &Config,
    metrics: &Metrics,
    threads: &Arc<ThreadPool>,
    runtime: &Handle,
    find: Box<dyn FindTask>,
) -> Result<Otlp, OpenError> {
    let counters = Arc::new(metrics.otlp(name));
    Ok(Otlp {
        outbox: Outbox::new(name, config, Arc::clone(&counters), runtime.clone())?,
        convert: Convert::new(config, find, counters),
        origins: Origins::default(),
        threads: Arc::clone(threads),
        spare: Spare::default(),
        name: name.to_owned(),
        endpoint: config.endpoint.to_string(),
    })
}

/// The processor. Made by [`open`].
pub struct Otlp {
    name: String,
    endpoint: String,
    origins: Origins,
    convert: Convert,
    outbox: Outbox,
    threads: Arc<ThreadPool>,
    spare: Spare,
}

impl Otlp {
    /// What was sent so far.
    #[cfg(test)]
    fn counters(&self) -> Arc<crate::self_telemetry::OtlpCounters> {
        Arc::clone(&self.convert.counters)
    }

    fn send_all(&mut self) -> Result<(), Failure> {
        self.convert.send(Signal::Traces, &mut self.outbox)?;
        self.convert.send(Signal::Logs, &mut self.outbox)?;
        self.outbox.wait_for_all()
    }

    /// Forgets what is not flushed, and says why.
    fn abandon(&mut self, failure: Failure) -> Error {
        self.outbox.abandon();
        self.convert.abandon();
        match failure {
            Failure::Retry { reason, after } => Error::Retry {
                reason: format!("{}: {reason}", self.endpoint),
                after: after.map(|after| after.min(MAX_DELAY)),
            },
            Failure::Refused { reason } => Error::Refused { reason },
            Failure::Unimplemented {
                signal: Signal::Logs,
                reason,
            } if self.convert.adapts() => {
                if self.convert.refuse_logs() {
                    tracing::info!(
                        processor = self.name,
                        "{reason}; it takes no log records, so events go to their spans from now on"
                    );
                }
                Error::Again
            }
            Failure::Unimplemented { signal, reason } => {
                let advice = match signal {
                    Signal::Logs => "it takes no log records: `events: auto` or `span` would do",
                    Signal::Traces => "is this the right endpoint and protocol?",
                };
                Error::Retry {
                    reason: format!("{reason}; {advice}"),
                    after: Some(NEEDS_A_PERSON),
                }
            }
        }
    }
}

impl Processor for Otlp {
    fn process(&mut self, records: &[RecordRef<'_>]) -> Result<(), Error> {
        let Otlp {
            origins,
            convert,
            outbox,
            threads,
            spare,
            ..
        } = self;
        let (mut origins, ways) = (origins.recent(), convert.ways());
        let mut logs = records.iter().filter(|record| ways.encodes(record));
        let result = if threads.is_empty() || logs.nth(2 * PIECE_RECORDS).is_none() {
            let mut records = records.iter();
            records.try_for_each(|record| convert.take(record, b"", &mut origins, outbox))
        } else {
            // Several threads encode log records; where each belongs is decided here, in order.
            let pieces: Vec<_> = records.chunks(PIECE_RECORDS).collect();
            let encode = |piece: &&[RecordRef<'_>]| {
                let mut logs = spare.get();
                ways.encode_logs(piece, &mut logs);
                logs
            };
            let mut left = pieces.iter();
            threads.in_order(&pieces, encode, |logs| {
                let records = left.next().into_iter().copied().flatten();
                for (record, (_, log)) in records.zip(logs.iter()) {
                    convert.take(record, log, &mut origins, outbox)?;
                }
                spare.put(logs);
                Ok(())
            })
        };
        result.map_err(|failure| self.abandon(failure))
    }

    fn flush(&mut self) -> Result<Token, Error> {
        self.send_all().map_err(|failure| self.abandon(failure))?;
        self.convert.settle();
        Ok(Token::default())
    }

    fn rejected(&mut self) -> u64 {
        self.outbox.rejected()
    }
}
