//! The time: the processor's counter, which costs a tenth of asking the system, tied to the system's clock.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use fastant::{Anchor, Instant};

/// Turns instants into wall-clock time.
pub(crate) struct Clock {
    anchor: Anchor,
    /// What the system's clock has moved against the anchor since, in nanoseconds.
    correction: AtomicI64,
}

impl Clock {
    pub(crate) fn new() -> Clock {
        let clock = Clock {
            anchor: Anchor::new(),
            correction: AtomicI64::new(0),
        };
        clock.adjust();
        clock
    }

    /// Nanoseconds since the Unix epoch.
    pub(crate) fn unix_nanos(&self, instant: Instant) -> u64 {
        instant
            .as_unix_nanos(&self.anchor)
            .saturating_add_signed(self.correction.load(Ordering::Relaxed))
    }

    /// Follows the system's clock (NTP, an administrator). Called about once a second by the sender.
    pub(crate) fn adjust(&self) {
        let Ok(system) = SystemTime::now().duration_since(UNIX_EPOCH) else {
            return;
        };
        let ours = Instant::now().as_unix_nanos(&self.anchor);
        self.correction.store(
            (system.as_nanos() as u64).wrapping_sub(ours) as i64,
            Ordering::Relaxed,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_system() {
        let clock = Clock::new();
        let before = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_nanos() as i128;
        let ours = i128::from(clock.unix_nanos(Instant::now()));
        assert!((ours - before).abs() < 50_000_000, "{ours} is not {before}");
    }
}
