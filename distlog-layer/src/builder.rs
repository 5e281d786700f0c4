//! [`Builder`]: what to say before the first record.

use std::sync::Arc;
use std::time::Duration;

use distlog_proto::{Encoding, Stream, System};

use crate::guard::Guard;
use crate::layer::DistlogLayer;
use crate::producer::{ConnectError, Producer};
use crate::settings::{Overflow, Settings};

/// The smallest ring, in bytes: records of 8 KiB fit.
const MIN_RING: usize = 64 * 1024;

/// Begins to build a layer.
///
/// ```
/// # use tracing_subscriber::prelude::*;
/// let (layer, guard) = distlog_layer::builder()
///     .service("shop")
///     .resource("deployment.environment.name", "staging")
///     .connect_push("tcp://127.0.0.1:5010")?;
/// let subscriber = tracing_subscriber::registry().with(layer);
/// # drop(subscriber);
/// # let _ = guard.close(std::time::Duration::ZERO);
/// # Ok::<(), distlog_layer::ConnectError>(())
/// ```
pub fn builder() -> Builder {
    Builder {
        settings: Settings {
            service: String::new(),
            host: host(),
            resource: Vec::new(),
            system: System::default(),
            stream: Stream::default(),
            encoding: Encoding::default(),
            ring: 16 * 1024 * 1024,
            overflow: Overflow::default(),
            heartbeat: Duration::from_secs(5),
            flush_on_drop: Duration::from_secs(3),
            address: String::new(),
        },
    }
}

/// See [`builder`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is connected"]
pub struct Builder {
    settings: Settings,
}

impl Builder {
    /// The name of the service (`service.name`).
    pub fn service(mut self, name: impl Into<String>) -> Builder {
        self.settings.service = name.into();
        self
    }

    /// A further attribute of the OpenTelemetry resource; the last one of a name counts.
    pub fn resource(mut self, key: impl Into<String>, value: impl Into<String>) -> Builder {
        self.settings.resource.push((key.into(), value.into()));
        self
    }

    /// The host's name. Without it, the one that the system knows.
    pub fn host(mut self, name: impl Into<String>) -> Builder {
        self.settings.host = name.into();
        self
    }

    /// The system that the program belongs to: test (as long as nothing else is said), staging or production.
    pub fn system(mut self, system: System) -> Builder {
        self.settings.system = system;
        self
    }

    /// What the records are about: logging (as long as nothing else is said) or performance.
    pub fn stream(mut self, stream: Stream) -> Builder {
        self.settings.stream = stream;
        self
    }

    /// How records are written on the wire. [`Encoding::Batch`], if nothing else is said, is by far the fastest; the
    /// others are what daemons of the Python package read.
    pub fn encoding(mut self, encoding: Encoding) -> Builder {
        self.settings.encoding = encoding;
        self
    }

    /// Memory for records that are not sent yet, in bytes; rounded up to a power of two, at least 64 KiB. If nothing
    /// else is said, 16 MiB. A record has at most an eighth of it, and 256 KiB at most.
    pub fn ring_bytes(mut self, bytes: usize) -> Builder {
        self.settings.ring = bytes.max(MIN_RING);
        self
    }

    /// What happens to a record when the ring is full.
    pub fn overflow(mut self, overflow: Overflow) -> Builder {
        self.settings.overflow = overflow;
        self
    }

    /// After how long a silence the daemon is told that the process lives; 5 seconds if nothing else is said. The daemon
    /// takes the open tasks of a process for lost when it was silent for `lost_after`, a minute by default.
    pub fn heartbeat(mut self, interval: Duration) -> Builder {
        self.settings.heartbeat = interval;
        self
    }

    /// How long dropping the [`Guard`] may take; 3 seconds if nothing else is said.
    pub fn flush_on_drop(mut self, bound: Duration) -> Builder {
        self.settings.flush_on_drop = bound;
        self
    }

    /// Connects to the push door of a distlogd, `tcp://HOST:PORT` or `ipc://PATH`: fire and forget, at most once.
    ///
    /// The daemon need not be there yet. Until it is, records wait in the ring.
    ///
    /// # Errors
    /// If the address is none, or the system gives no memory, socket or thread.
    pub fn connect_push(
        mut self,
        address: impl Into<String>,
    ) -> Result<(DistlogLayer, Guard), ConnectError> {
        self.settings.address = address.into();
        let bound = self.settings.flush_on_drop;
        let producer = Arc::new(Producer::start(Arc::new(self.settings))?);
        Ok((
            DistlogLayer::new(Arc::clone(&producer)),
            Guard::new(producer, bound),
        ))
    }
}

#[cfg(target_os = "linux")]
fn host() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

#[cfg(not(target_os = "linux"))]
fn host() -> String {
    std::env::var("HOSTNAME")
        .or_else(|_| std::env::var("COMPUTERNAME"))
        .unwrap_or_default()
}
