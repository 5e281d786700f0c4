//! [`Sessions`]: with which daemons, and how.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use distlog_client::internal_log::{Reporter, log};
use distlog_client::{
    Contexts, Dealers, DrainConfig, EndpointError, Endpoints, FailoverTimeouts, SessionClient,
    SessionConfig, SpoolDrain, Transport,
};
use distlog_proto::ProducerId;
use distlog_spool::SpoolDir;

use super::settings::Settings;
use super::shared::Shared;

/// Longest pause between two attempts: an export does not wait long.
const MAX_BACKOFF: Duration = Duration::from_secs(2);

/// Opens sessions with the daemons.
pub(super) struct Sessions {
    endpoints: Endpoints,
    dial: Dealers,
    heartbeat: Duration,
    timeouts: FailoverTimeouts,
    /// With a spool nobody waits for an export and gets its error.
    reporter: Option<Arc<Reporter>>,
}

impl Sessions {
    pub(super) fn new(endpoints: Endpoints, settings: &Settings) -> Sessions {
        Sessions {
            dial: Dealers {
                contexts: Contexts::new(endpoints.len()),
                curve: settings.curve.clone(),
            },
            endpoints,
            heartbeat: settings.heartbeat,
            timeouts: FailoverTimeouts {
                max_backoff: MAX_BACKOFF,
                ..FailoverTimeouts::default()
            },
            reporter: settings.spool.is_some().then(Arc::default),
        }
    }

    /// Begins a session for the records of a producer.
    ///
    /// # Errors
    /// If an endpoint is none, or the system gives no socket.
    pub(super) fn open(
        &self,
        producer: ProducerId,
        is_lazy: bool,
    ) -> Result<SessionClient, EndpointError> {
        SessionClient::open(SessionConfig {
            producer,
            endpoints: self.endpoints.clone(),
            dial: self.dial.clone(),
            heartbeat: self.heartbeat,
            timeouts: self.timeouts,
            is_lazy,
            reporter: self.reporter.clone(),
            // What is recorded is for the SDK to say.
            levels: None,
        })
    }

    /// Sends what dead processes left, as soon as the exporters are connected. `None` if the system gives no thread:
    /// all else works without, and the next process will do its work.
    pub(super) fn drain(self, dir: SpoolDir, shared: Arc<Shared>) -> Option<SpoolDrain> {
        let drain = SpoolDrain::start(DrainConfig {
            dir,
            timeouts: self.timeouts,
            is_connected: Box::new(move || shared.is_connected.load(Ordering::Relaxed)),
            open: Box::new(move |producer| {
                let client = self.open(producer, false).ok()?;
                Some(Box::new(client) as Box<dyn Transport>)
            }),
        });
        drain
            .inspect_err(|error| log(format_args!("cannot look for spools: {error}")))
            .ok()
    }
}
