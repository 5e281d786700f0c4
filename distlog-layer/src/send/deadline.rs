//! Until when somebody waits.

use std::time::{Duration, Instant};

/// A time that nobody lives to see, and that clocks can count to.
const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The time `bound` from now; one that no clock reaches is as good as never, and no reason to panic.
pub(crate) fn after(bound: Duration) -> Instant {
    Instant::now() + bound.min(NEVER)
}
