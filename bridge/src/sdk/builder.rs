//! [`Builder`]: what to say before the first export.

use std::time::Duration;

use super::courier;
use super::logs::LogExporter;
use super::socket::Address;
use super::spans::SpanExporter;

/// The exporters cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Not the address of a session door.
    #[error(
        "`{address}` is no address of distlogd's session door: {reason}; expected tcp://HOST:PORT or ipc://PATH"
    )]
    Address {
        /// As it was given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The system gives no thread, or no pipe to wake it.
    #[error("cannot start the exporters' thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// Begins to build exporters.
pub fn builder() -> Builder {
    Builder {
        settings: Settings {
            timeout: Duration::from_secs(10),
            heartbeat: Duration::from_secs(5),
            max_bytes: 16 << 20,
        },
    }
}

/// See [`builder`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is connected"]
pub struct Builder {
    settings: Settings,
}

/// What the builder was told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) timeout: Duration,
    pub(super) heartbeat: Duration,
    pub(super) max_bytes: usize,
}

impl Builder {
    /// How long an export may take until the daemon has acknowledged it; 10 seconds if nothing else is said. Then it
    /// has failed, and the SDK drops the batch.
    pub fn timeout(mut self, timeout: Duration) -> Builder {
        self.settings.timeout = timeout;
        self
    }

    /// After how long a silence the daemon is told that the program lives; 5 seconds if nothing else is said.
    pub fn heartbeat(mut self, interval: Duration) -> Builder {
        self.settings.heartbeat = interval;
        self
    }

    /// Memory for what is not acknowledged yet, in bytes; 16 MiB if nothing else is said. What does not fit fails at
    /// once; a single batch always fits.
    pub fn max_bytes(mut self, bytes: usize) -> Builder {
        self.settings.max_bytes = bytes;
        self
    }

    /// Makes the exporters, for the session door at `tcp://HOST:PORT` or `ipc://PATH`. The daemon need not be there
    /// yet. A program that has no use for one of them drops it.
    ///
    /// # Errors
    /// If the address is none, or the system gives no thread.
    pub fn connect(
        self,
        address: impl Into<String>,
    ) -> Result<(SpanExporter, LogExporter), ConnectError> {
        let address = Address::new(address.into())?;
        let [spans, logs] = courier::start(address, self.settings)?;
        Ok((SpanExporter::new(spans), LogExporter::new(logs)))
    }
}
