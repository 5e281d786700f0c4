//! [`SessionConfig`].

use std::sync::Arc;
use std::time::Duration;

use distlog_proto::ProducerId;

use crate::endpoints::Endpoints;
use crate::internal_log::Reporter;
use crate::levels_sink::LevelsSink;
use crate::socket::Dealers;
use crate::timeouts::FailoverTimeouts;

/// What a session needs to know.
pub struct SessionConfig<D = Dealers> {
    /// Whose records are sent.
    pub producer: ProducerId,
    /// Where the daemons are.
    pub endpoints: Endpoints,
    /// Connects to them.
    pub dial: D,
    /// Interval of pings while nothing else is sent.
    pub heartbeat: Duration,
    /// When to go to the next daemon.
    pub timeouts: FailoverTimeouts,
    /// Connects only when there are records.
    pub is_lazy: bool,
    /// Gets what a user must know.
    pub reporter: Option<Arc<Reporter>>,
    /// Applies the levels that the daemon says; `None`: the records are of a program that cannot, or not any more.
    pub levels: Option<Arc<dyn LevelsSink>>,
}
