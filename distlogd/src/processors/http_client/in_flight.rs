//! Requests in flight.

use std::future::Future;

use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinSet};

/// Requests in flight at most, however small.
const MAX_REQUESTS: usize = 16;

/// Requests that run in the background, a bounded number of bytes at a time.
pub(crate) struct InFlight<T> {
    requests: JoinSet<(usize, T)>,
    bytes: usize,
    limit: usize,
    handle: Handle,
}

impl<T: Send + 'static> InFlight<T> {
    /// With up to `limit` bytes in flight, or one request that is larger.
    pub(crate) fn new(limit: usize, handle: Handle) -> InFlight<T> {
        InFlight {
            requests: JoinSet::new(),
            bytes: 0,
            limit,
            handle,
        }
    }

    /// Whether a request of so many bytes has to wait until another is through.
    pub(crate) fn is_full(&self, bytes: usize) -> bool {
        !self.requests.is_empty()
            && (self.bytes + bytes > self.limit || self.requests.len() >= MAX_REQUESTS)
    }

    /// Begins a request of so many bytes.
    pub(crate) fn begin(&mut self, bytes: usize, send: impl Future<Output = T> + Send + 'static) {
        self.bytes += bytes;
        let send = async move { (bytes, send.await) };
        self.requests.spawn_on(send, &self.handle);
    }

    /// A request that is through, if there is one.
    ///
    /// # Errors
    /// If sending it panicked.
    pub(crate) fn try_next(&mut self) -> Option<Result<T, JoinError>> {
        let done = self.requests.try_join_next()?;
        Some(self.done(done))
    }

    /// Waits until a request is through; `None` if there is none in flight.
    ///
    /// # Errors
    /// If sending it panicked.
    pub(crate) fn next(&mut self) -> Option<Result<T, JoinError>> {
        let done = self.handle.block_on(self.requests.join_next())?;
        Some(self.done(done))
    }

    fn done(&mut self, done: Result<(usize, T), JoinError>) -> Result<T, JoinError> {
        let (bytes, outcome) = done?;
        self.bytes = self.bytes.saturating_sub(bytes);
        Ok(outcome)
    }

    /// Aborts them; a receiver may have taken some all the same.
    #[cfg(feature = "otlp-export")]
    pub(crate) fn abort(&mut self) {
        self.requests = JoinSet::new();
        self.bytes = 0;
    }
}
