//! [`Builder`]: what to say before the first export.

use std::path::PathBuf;
use std::time::Duration;

use distlog_client::{Curve, Endpoints};

use super::connect_error::ConnectError;
use super::export_worker;
use super::logs::LogExporter;
use super::settings::Settings;
use super::spans::SpanExporter;

/// Begins to build exporters.
pub fn builder() -> Builder {
    Builder {
        settings: Settings {
            timeout: Duration::from_secs(10),
            heartbeat: Duration::from_secs(5),
            max_bytes: 16 << 20,
            spool: None,
            curve: None,
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
    /// How long an export may take until the daemon has acknowledged it; 10 seconds if nothing else is said. Then it
    /// has failed, and the SDK drops the batch.
    pub fn timeout(mut self, timeout: Duration) -> Builder {
        self.settings.timeout = timeout;
        self
    }

    /// Interval of heartbeats to the daemon while nothing is exported; 5 seconds if nothing else is said.
    pub fn heartbeat(mut self, interval: Duration) -> Builder {
        self.settings.heartbeat = interval;
        self
    }

    /// Room for what is not acknowledged yet, in bytes; 16 MiB if nothing else is said. What does not fit fails at
    /// once; a single export always fits. With [`Builder::spool`] the file can grow to twice that and 1 MiB.
    pub fn max_bytes(mut self, bytes: usize) -> Builder {
        self.settings.max_bytes = bytes;
        self
    }

    /// Keeps exports in a file of this directory, so that what a program had exported when it is killed (also with
    /// `SIGKILL`) is not lost. The directory is created if need be, for this user alone; programs may share it, also
    /// with those that log with `distlog-layer`.
    ///
    /// `export` is then done as soon as the batch is in the file, daemon or not; the sending goes on in the background,
    /// without [`Builder::timeout`]. If the file cannot be written, that is logged to stderr, and exports are as
    /// without a spool until it can. Flush and shutdown wait for the daemon, within their time; what it has not
    /// acknowledged by then stays in the file. The next program with that directory sends what is left there, as does
    /// `distlogd --drain DIR`. All of it is in the daemon's store once.
    pub fn spool(mut self, directory: impl Into<PathBuf>) -> Builder {
        let directory = directory.into();
        // A program that becomes a daemon goes to another working directory.
        self.settings.spool = Some(std::path::absolute(&directory).unwrap_or(directory));
        self
    }

    /// Encrypts all that goes to the daemon, and shows each the other's key. Without it, the keys that
    /// `DISTLOG_CURVE_SERVER` (the daemon's public one) and `DISTLOG_CURVE_KEY` (the program's own) name, if they are
    /// set: paths of files, as `distlogd keys new` makes them.
    pub fn curve(mut self, curve: Curve) -> Builder {
        self.settings.curve = Some(curve);
        self
    }

    /// Makes the exporters, for the session receiver of a distlogd, `tcp://HOST:PORT` or `ipc://PATH`, or of one of
    /// several. The daemon need not be there yet. A program that has no use for one of the exporters drops it.
    ///
    /// Of several endpoints the first is the preferred one. When no daemon answers there, or it acknowledges nothing,
    /// the next one gets what is not acknowledged; when a preferred one is back, the session moves there.
    ///
    /// # Errors
    /// If an endpoint is none, the spool directory or the keys cannot be used, or the system gives no thread.
    pub fn connect(
        mut self,
        endpoints: impl Into<Endpoints>,
    ) -> Result<(SpanExporter, LogExporter), ConnectError> {
        if self.settings.curve.is_none() {
            self.settings.curve = Curve::from_env()?;
        }
        let [spans, logs] = export_worker::start(endpoints.into(), self.settings)?;
        Ok((SpanExporter::new(spans), LogExporter::new(logs)))
    }
}
