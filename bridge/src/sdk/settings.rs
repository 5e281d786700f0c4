//! [`Settings`]: what was set on the builder.

use std::path::PathBuf;
use std::time::Duration;

/// What was set on the builder.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) timeout: Duration,
    pub(super) heartbeat: Duration,
    pub(super) max_bytes: usize,
    /// The directory of spools.
    pub(super) spool: Option<PathBuf>,
}
