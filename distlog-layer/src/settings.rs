//! What was set on the builder: everything a producer is made from, also the next one after a fork.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use distlog_client::{Curve, Endpoints, FailoverTimeouts};
use distlog_proto::{Channel, Encoding, Environment, ExternalSpanState};
use tracing_core::Dispatch;
use tracing_core::span::Id;

use crate::levels::LevelState;
use crate::record::redact::Redaction;
use crate::record::sampling::IncomingSampled;

/// Asks the other layer for its span: see [`crate::Builder::external_spans`].
pub(crate) type ExternalSpanFn = fn(&Id, &Dispatch) -> ExternalSpanState;

/// What happens to a record for which the ring has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overflow {
    /// It is dropped and counted by its level. When there is room again, a record with the totals follows.
    #[default]
    Drop,
    /// The caller waits so long at most; then it is dropped and counted.
    Block(Duration),
}

/// See [`crate::Builder`], which explains each.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) service: String,
    pub(crate) host: String,
    pub(crate) resource: Vec<(String, String)>,
    pub(crate) environment: Environment,
    pub(crate) channel: Channel,
    pub(crate) encoding: Encoding,
    pub(crate) ring: usize,
    pub(crate) overflow: Overflow,
    pub(crate) heartbeat: Duration,
    pub(crate) flush_on_drop: Duration,
    /// What must not leave the process.
    pub(crate) redaction: Option<Arc<Redaction>>,
    /// Installs the handler of `SIGBUS` with a spool.
    pub(crate) sigbus_handler: bool,
    /// The directory of spools.
    pub(crate) spool: Option<PathBuf>,
    /// The part of all traces that is recorded, from 0 to 1; `None`: all.
    pub(crate) sample: Option<f64>,
    /// What callers' decisions are worth.
    pub(crate) incoming_sampled: IncomingSampled,
    /// Finds another layer's span, whose ids the task has.
    pub(crate) external_span: Option<ExternalSpanFn>,
    /// What is recorded, where a filter asks.
    pub(crate) levels: Arc<LevelState>,
    pub(crate) timeouts: FailoverTimeouts,
    pub(crate) destination: Destination,
    /// Encrypts, with these keys.
    pub(crate) curve: Option<Curve>,
}

/// Where the records go.
#[derive(Debug, Clone)]
pub(crate) enum Destination {
    /// To the push receiver of a daemon.
    Push(String),
    /// To the session receiver of one daemon or several.
    Session(Endpoints),
}

impl Destination {
    /// Its endpoints.
    pub(crate) fn endpoints(&self) -> Cow<'_, Endpoints> {
        match self {
            Destination::Push(endpoint) => Cow::Owned(Endpoints::from(endpoint)),
            Destination::Session(endpoints) => Cow::Borrowed(endpoints),
        }
    }
}
