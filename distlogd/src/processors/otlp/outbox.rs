//! Requests in flight.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::answer::{Accepted, Failure};
use super::client::Client;
use super::config::Config;
use super::fault::OpenError;
use crate::rpc::Signal;
use crate::self_telemetry::{OtlpCounters, RateLimited};

/// Requests in flight at most, however small.
const MAX_REQUESTS: usize = 16;
/// How often what the endpoint says is reported.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

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
    counters: Arc<OtlpCounters>,
    /// Items that were rejected since this was asked for.
    rejected: u64,
    reports: RateLimited,
    handle: Handle,
}

impl Outbox {
    pub fn new(
        name: &str,
        config: &Config,
        counters: Arc<OtlpCounters>,
        handle: Handle,
    ) -> Result<Outbox, OpenError> {
        let client = {
            let _entered = handle.enter();
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
            reports: RateLimited::new(1, REPORT_INTERVAL),
            handle,
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

    /// Forgets what is in flight.
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
            Signal::Logs => &counters.log_records,
        };
        let items = done.items as u64;
        kind.inc_by(items.saturating_sub(accepted.rejected));
        counters.requests.inc();
        counters.bytes.inc_by(done.bytes as u64);
        let rejected = accepted.rejected.min(items);
        counters.rejected_items.inc_by(rejected);
        self.rejected += rejected;
        if accepted != Accepted::default() {
            self.tell(done.signal, items, &accepted);
        }
        Ok(())
    }

    fn tell(&mut self, signal: Signal, items: u64, accepted: &Accepted) {
        if self.reports.report(1).is_none() {
            return;
        }
        let (name, what, rejected, message) = (
            self.name.as_str(),
            signal.items(),
            accepted.rejected,
            accepted.message.as_str(),
        );
        if rejected > 0 {
            let so_far = self.counters.rejected_items.get();
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
