//! Requests in flight.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::task::JoinError;

use super::answer::{Accepted, Failure};
use super::client::Client;
use super::config::Config;
use super::fault::OpenError;
use crate::processors::http_client::InFlight;
use crate::rpc::Signal;
use crate::self_telemetry::{OtlpCounters, RateLimited};

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
    requests: InFlight<Done>,
    client: Arc<Client>,
    counters: Arc<OtlpCounters>,
    /// Items that were rejected since this was asked for.
    rejected: u64,
    reports: RateLimited,
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
            requests: InFlight::new(config.in_flight, handle),
            client,
            counters,
            rejected: 0,
            reports: RateLimited::new(1, REPORT_INTERVAL),
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
        while let Some(done) = self.requests.try_next() {
            self.settle(done)?;
        }
        while self.requests.is_full(bytes)
            && let Some(done) = self.requests.next()
        {
            self.settle(done)?;
        }
        let client = Arc::clone(&self.client);
        let send = async move {
            Done {
                signal,
                items,
                bytes,
                result: client.send(signal, Bytes::from(request)).await,
            }
        };
        self.requests.begin(bytes, send);
        Ok(())
    }

    /// Waits until the receiver has taken all.
    ///
    /// # Errors
    /// If it does not take one.
    pub fn wait_for_all(&mut self) -> Result<(), Failure> {
        while let Some(done) = self.requests.next() {
            self.settle(done)?;
        }
        Ok(())
    }

    /// Forgets what is in flight.
    pub fn abandon(&mut self) {
        // A receiver may have taken some all the same, and gets them again.
        self.requests.abort();
        self.rejected = 0;
    }

    /// How many spans and log records were rejected since this was asked last: each is one record, a span its end.
    pub fn rejected(&mut self) -> u64 {
        std::mem::take(&mut self.rejected)
    }

    fn settle(&mut self, done: Result<Done, JoinError>) -> Result<(), Failure> {
        let done = done.map_err(|error| Failure::Retry {
            reason: format!("sending broke off: {error}"),
            after: None,
        })?;
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
