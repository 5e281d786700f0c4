//! Requests that are under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinSet;

use super::answer::{Accepted, Failure};
use super::client::Client;
use super::config::Config;
use super::fault::OpenError;
use crate::meters::Meters;
use crate::rpc::Signal;

/// So many requests are under way at the same time at most, however small.
const MAX_REQUESTS: usize = 16;
/// What receivers say is told this often at most.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// What was sent so far, in the metrics. What is sent again after a failure counts again.
#[derive(Debug)]
pub struct Counters {
    /// Spans that the receiver took.
    pub spans: Arc<AtomicU64>,
    /// Log records that the receiver took.
    pub logs: Arc<AtomicU64>,
    /// Requests that the receiver took.
    pub requests: Arc<AtomicU64>,
    /// Bytes of these requests, before compression.
    pub bytes: Arc<AtomicU64>,
    /// Spans and log records in them that the receiver nevertheless did not take (partial success).
    pub rejected: Arc<AtomicU64>,
    /// Events that were to be events of a span, but have none that is still open.
    pub unplaced_events: Arc<AtomicU64>,
    /// Ends of tasks that had been exported before, such as the real end of a lost task.
    pub repeated_ends: Arc<AtomicU64>,
    /// Tasks that were not in memory at their end and were looked up in the store.
    pub looked_up: Arc<AtomicU64>,
}

impl Counters {
    pub(super) fn new(meters: &Meters) -> Counters {
        Counters {
            spans: meters.counter("otlp_spans", "Spans that the receiver took"),
            logs: meters.counter("otlp_log_records", "Log records that the receiver took"),
            requests: meters.counter("otlp_requests", "Requests that the receiver took"),
            bytes: meters.counter(
                "otlp_bytes",
                "Bytes of the requests that the receiver took, before compression",
            ),
            rejected: meters.counter(
                "otlp_rejected_items",
                "Spans and log records that the receiver rejected in requests that it took otherwise",
            ),
            unplaced_events: meters.counter(
                "otlp_unplaced_events",
                "Events that left with no span, as theirs had ended",
            ),
            repeated_ends: meters.counter(
                "otlp_repeated_ends",
                "Ends of tasks whose span had left before",
            ),
            looked_up: meters.counter(
                "otlp_looked_up",
                "Tasks whose begin was looked up in the store when they ended",
            ),
        }
    }

    pub(super) fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Ordering::Relaxed);
    }
}

struct Done {
    signal: Signal,
    items: usize,
    bytes: usize,
    result: Result<Accepted, Failure>,
}

/// Sends requests in the background, a bounded number of bytes at a time.
pub(super) struct Outbox {
    name: String,
    requests: JoinSet<Done>,
    client: Arc<Client>,
    in_flight: usize,
    limit: usize,
    counters: Arc<Counters>,
    /// Items that were rejected since this was asked for.
    rejected: u64,
    told: Option<Instant>,
    handle: Handle,
    /// Has one thread, so that requests go on while the worker converts records. There until this is dropped.
    runtime: Option<Runtime>,
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.abandon();
        if let Some(runtime) = self.runtime.take() {
            // Does not wait, as for a name server that does not answer.
            runtime.shutdown_background();
        }
    }
}

impl Outbox {
    pub fn new(name: &str, config: &Config, counters: Arc<Counters>) -> Result<Outbox, OpenError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name(format!("otlp {name}"))
            .enable_all()
            .build()?;
        let client = {
            let _entered = runtime.enter();
            Arc::new(Client::new(config)?)
        };
        Ok(Outbox {
            name: name.to_owned(),
            requests: JoinSet::new(),
            client,
            in_flight: 0,
            limit: config.in_flight,
            counters,
            rejected: 0,
            told: None,
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }

    /// Sends a request; waits only while too much is under way.
    ///
    /// # Errors
    /// If an earlier one failed.
    pub fn submit(
        &mut self,
        signal: Signal,
        items: usize,
        request: Vec<u8>,
    ) -> Result<(), Failure> {
        let bytes = request.len();
        while let Some(done) = self.requests.try_join_next() {
            self.settle(done)?;
        }
        while self.in_flight > 0
            && (self.in_flight + bytes > self.limit || self.requests.len() >= MAX_REQUESTS)
        {
            self.wait_for_one()?;
        }
        self.in_flight += bytes;
        let client = Arc::clone(&self.client);
        let send = async move {
            Done {
                signal,
                items,
                bytes,
                result: client.send(signal, Bytes::from(request)).await,
            }
        };
        self.requests.spawn_on(send, &self.handle);
        Ok(())
    }

    /// Waits until the receiver has taken all.
    ///
    /// # Errors
    /// If it does not take one.
    pub fn wait_for_all(&mut self) -> Result<(), Failure> {
        while !self.requests.is_empty() {
            self.wait_for_one()?;
        }
        Ok(())
    }

    /// Forgets what is under way.
    pub fn abandon(&mut self) {
        // Aborts them; a receiver may have taken some all the same, and gets them again.
        self.requests = JoinSet::new();
        self.in_flight = 0;
        self.rejected = 0;
    }

    /// How many spans and log records were rejected since this was asked last: each is one record, a span its end.
    pub fn rejected(&mut self) -> u64 {
        std::mem::take(&mut self.rejected)
    }

    fn wait_for_one(&mut self) -> Result<(), Failure> {
        match self.handle.block_on(self.requests.join_next()) {
            Some(done) => self.settle(done),
            None => Ok(()),
        }
    }

    fn settle(&mut self, done: Result<Done, tokio::task::JoinError>) -> Result<(), Failure> {
        let done = done.map_err(|error| Failure::Retry {
            reason: format!("sending broke off: {error}"),
            after: None,
        })?;
        self.in_flight = self.in_flight.saturating_sub(done.bytes);
        let accepted = done.result?;
        let counters = &self.counters;
        let kind = match done.signal {
            Signal::Traces => &counters.spans,
            Signal::Logs => &counters.logs,
        };
        let items = done.items as u64;
        Counters::add(kind, items.saturating_sub(accepted.rejected));
        Counters::add(&counters.requests, 1);
        Counters::add(&counters.bytes, done.bytes as u64);
        let rejected = accepted.rejected.min(items);
        Counters::add(&counters.rejected, rejected);
        self.rejected += rejected;
        if accepted != Accepted::default() {
            self.tell(done.signal, items, &accepted);
        }
        Ok(())
    }

    fn tell(&mut self, signal: Signal, items: u64, accepted: &Accepted) {
        if self.told.is_some_and(|told| told.elapsed() < TOLD_EVERY) {
            return;
        }
        self.told = Some(Instant::now());
        let (name, what, rejected, message) = (
            self.name.as_str(),
            signal.items(),
            accepted.rejected,
            accepted.message.as_str(),
        );
        if rejected > 0 {
            let so_far = self.counters.rejected.load(Ordering::Relaxed);
            tracing::warn!(
                processor = name,
                "the receiver rejected {rejected} of {items} {what} ({so_far} so far): {message}"
            );
        } else {
            tracing::warn!(
                processor = name,
                "the receiver took {items} {what}, and says: {message}"
            );
        }
    }
}
