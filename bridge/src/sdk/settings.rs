//! [`Settings`]: what was set on the builder.

use std::path::PathBuf;
use std::time::Duration;

use distlog_client::Curve;

/// What was set on the builder.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) timeout: Duration,
    pub(super) heartbeat: Duration,
    pub(super) max_bytes: usize,
    /// The directory of spools.
    pub(super) spool: Option<PathBuf>,
    /// Encrypts, with these keys.
    pub(super) curve: Option<Curve>,
}
