//! What every processor is made with.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::meters::Meters;
use crate::processor::Token;
use distlog_rules::Router;
use distlog_store::Reader;

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
    /// Where it gets counters that it has beside those of every worker.
    pub meters: &'a Meters,
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
