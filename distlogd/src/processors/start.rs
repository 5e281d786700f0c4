//! What every processor is made with.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::levels::LevelTable;
use crate::processor::Token;
use crate::self_telemetry::{Metrics, Progress};
use crate::shutdown::Shutdown;
use crate::thread_pool::ThreadPool;
use distlog_rules::{Outgoing, Router};
use distlog_store::Reader;
use tokio::runtime::Handle;

/// What a processor is made with.
pub struct Start<'a> {
    /// Its name in the configuration.
    pub name: &'a str,
    /// What it said at its last flush, also before a restart.
    pub token: Option<&'a Token>,
    /// The store, for what happened before.
    pub reader: &'a Reader,
    /// What is routed to it.
    pub router: &'a Router,
    /// Has counters of its own for it.
    pub metrics: &'a Metrics,
    /// What is changed in what it gets.
    pub outgoing: &'a Outgoing,
    /// How far its worker is, and what the status shows of it.
    pub progress: &'a Arc<Progress>,
    /// What running programs record.
    pub levels: &'a Arc<LevelTable>,
    /// Help it to convert records.
    pub threads: &'a Arc<ThreadPool>,
    /// The daemon's tokio runtime.
    pub runtime: &'a Handle,
    /// Tells when the daemon stops.
    pub shutdown: &'a Shutdown,
}

/// Where in the store a new processor begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StartAt {
    /// At the oldest record.
    Start,
    /// At what comes from now on.
    #[default]
    End,
}
