//! Which spans have come lately: clients repeat a request whose answer they did not hear.

use distlog_proto::{SpanId, TraceId};
use hashbrown::HashSet;

/// So many spans are remembered in each of two generations: some minutes of most programs, 10 MiB at most.
const GENERATION: usize = 1 << 17;

/// A span.
pub(super) type Key = (TraceId, SpanId);

/// The spans that came last. When the newer generation is full the older one is forgotten.
#[derive(Debug, Default)]
pub(super) struct Seen {
    newer: HashSet<Key>,
    older: HashSet<Key>,
}

impl Seen {
    /// Notes a span; false if it had come before.
    pub(super) fn note(&mut self, key: Key) -> bool {
        if self.newer.len() >= GENERATION {
            self.older = std::mem::take(&mut self.newer);
            self.newer.reserve(GENERATION);
        }
        self.newer.insert(key) && !self.older.contains(&key)
    }

    /// Forgets spans that were not stored after all.
    pub(super) fn forget(&mut self, keys: &[Key]) {
        for key in keys {
            self.newer.remove(key);
            self.older.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u64) -> Key {
        let id = u128::from(n) + 1;
        let trace_id = TraceId::from_bytes(id.to_be_bytes()).unwrap();
        (trace_id, SpanId::new(n + 1).unwrap())
    }

    #[test]
    fn a_span_is_new_once_and_the_memory_is_bounded() {
        let mut seen = Seen::default();
        assert!(seen.note(key(0)) && !seen.note(key(0)));
        seen.forget(&[key(0)]);
        assert!(seen.note(key(0)));
        (1..=3 * GENERATION as u64).for_each(|n| assert!(seen.note(key(n))));
        assert!(seen.newer.len() + seen.older.len() <= 2 * GENERATION);
        assert!(!seen.note(key(2 * GENERATION as u64 + 1)));
        assert!(seen.note(key(0)), "long ago");
    }
}
