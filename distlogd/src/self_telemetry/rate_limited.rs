//! Log lines that would come too often are counted and not written.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Lets a few log lines through in each window of time and counts the others.
#[derive(Debug)]
pub(crate) struct RateLimited {
    burst: u32,
    /// `None`: until [`over`](RateLimited::over).
    window: Option<Duration>,
    since: Option<Instant>,
    reported: u32,
    suppressed: u64,
}

impl RateLimited {
    /// At most `burst` lines in each `window`.
    pub(crate) fn new(burst: u32, window: Duration) -> RateLimited {
        RateLimited {
            burst,
            window: Some(window),
            since: None,
            reported: 0,
            suppressed: 0,
        }
    }

    /// One line for a fault, until it is [`over`](RateLimited::over).
    pub(crate) fn once() -> RateLimited {
        RateLimited {
            window: None,
            ..RateLimited::new(1, Duration::ZERO)
        }
    }

    /// Counts `n` events. If a line is to be written for them: how many events were suppressed before them.
    pub(crate) fn report(&mut self, n: u64) -> Option<u64> {
        let expired = |since: Instant| self.window.is_some_and(|window| since.elapsed() >= window);
        if self.since.is_none_or(expired) {
            (self.since, self.reported) = (Some(Instant::now()), 0);
        }
        if self.reported >= self.burst {
            self.suppressed += n;
            return None;
        }
        self.reported += 1;
        Some(std::mem::take(&mut self.suppressed))
    }

    /// The fault is over. Whether it had been reported.
    pub(crate) fn over(&mut self) -> bool {
        self.suppressed = 0;
        self.since.take().is_some()
    }
}

/// Reports each of many different things once.
#[derive(Debug)]
pub(crate) struct OncePerKey {
    /// What was reported, and whether it was seen since the last [`retain_seen`](OncePerKey::retain_seen).
    reported: HashMap<String, bool>,
    capacity: usize,
}

impl OncePerKey {
    /// Beyond `capacity` different things nothing more is reported.
    pub(crate) fn new(capacity: usize) -> OncePerKey {
        OncePerKey {
            reported: HashMap::new(),
            capacity,
        }
    }

    /// Whether a thing is to be reported: it was not before.
    pub(crate) fn report(&mut self, key: String) -> bool {
        if let Some(seen) = self.reported.get_mut(&key) {
            *seen = true;
            return false;
        }
        self.reported.len() < self.capacity && self.reported.insert(key, true).is_none()
    }

    /// Forgets what was not seen since this was called last: it is reported again. Gives how many are left.
    pub(crate) fn retain_seen(&mut self) -> usize {
        self.reported.retain(|_, seen| std::mem::take(seen));
        self.reported.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_reported_and_the_rest_counted() {
        let mut limited = RateLimited::new(2, Duration::from_secs(3600));
        assert_eq!(
            [(); 4].map(|()| limited.report(5)),
            [Some(0), Some(0), None, None]
        );
        limited.since = Instant::now().checked_sub(Duration::from_secs(3601));
        assert_eq!(limited.report(1), Some(10));
        assert_eq!(limited.report(1), Some(0));
    }

    #[test]
    fn a_trouble_is_reported_once_until_it_is_over() {
        let mut limited = RateLimited::once();
        assert!(!limited.over());
        assert_eq!([(); 3].map(|()| limited.report(1)), [Some(0), None, None]);
        assert!(limited.over() && !limited.over());
        assert_eq!(limited.report(1), Some(0));
    }

    #[test]
    fn each_thing_is_reported_once_while_it_lasts() {
        let mut once = OncePerKey::new(2);
        assert!(once.report("a".into()) && !once.report("a".into()) && once.report("b".into()));
        assert!(!once.report("c".into()), "more than the capacity");
        assert_eq!(once.retain_seen(), 2);
        assert!(!once.report("b".into()));
        assert_eq!(once.retain_seen(), 1);
        assert!(once.report("a".into()));
    }
}
