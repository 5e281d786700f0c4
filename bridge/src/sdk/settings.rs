//! [`Settings`]: what the builder was told.

use std::time::Duration;

/// What the builder was told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) timeout: Duration,
    pub(super) heartbeat: Duration,
    pub(super) max_bytes: usize,
}
