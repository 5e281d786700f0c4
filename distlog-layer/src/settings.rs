//! What the builder was told; everything a producer is made from, also the next one after a fork.

use std::path::PathBuf;
use std::time::Duration;

use distlog_proto::{Channel, Encoding, Environment};

use crate::addresses::Addresses;
use crate::beside::ExternalSpanFn;

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
    /// The directory of spools.
    pub(crate) spool: Option<PathBuf>,
    /// Another layer's spans, whose ids the tasks have.
    pub(crate) beside: Option<ExternalSpanFn>,
    pub(crate) patience: Patience,
    pub(crate) door: Door,
}

/// Where the records go.
#[derive(Debug, Clone)]
pub(crate) enum Door {
    /// To the push door of a daemon.
    Push(String),
    /// To the session door of one daemon or several.
    Session(Addresses),
}

impl Door {
    /// How many addresses it has.
    pub(crate) fn addresses(&self) -> usize {
        match self {
            Door::Push(_) => 1,
            Door::Session(addresses) => addresses.count(),
        }
    }
}

/// After how long what is done about daemons that are not as they should be.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Nobody is there, or does not welcome us: the next one is tried.
    pub absent: Duration,
    /// There was something to take and nothing was taken: the next one is tried.
    pub stuck: Duration,
    /// Between two looks whether a preferred one is back.
    pub probe: Duration,
    /// Between two looks for what dead processes left in the spool's directory.
    pub scan: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            absent: Duration::from_secs(2),
            stuck: Duration::from_secs(10),
            probe: Duration::from_secs(10),
            scan: Duration::from_secs(10),
        }
    }
}
