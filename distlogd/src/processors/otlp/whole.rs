//! Spans that came by OTLP: begin, events and end stand in the store one behind the other. The log records of such a span come
//! apart from it, before or after.

use std::collections::HashMap;

use distlog_bridge::{OpenSpan, Origin};

use super::open_tasks::Key;

/// So many spans are remembered of which a log record came first.
const MAX_EARLY: usize = 1 << 16;

/// A span from its begin on, until other records come or its begin is flushed.
pub(super) struct Whole {
    pub key: Key,
    /// Number in the store of its begin.
    pub number: u64,
    pub span: OpenSpan,
    pub origin: Origin,
}

/// Spans of which log records came before their begin, with how many. Only where log records are events of spans: they are
/// looked up in the store when the span comes.
#[derive(Debug, Default)]
pub(super) struct Early(HashMap<Key, u64>);

impl Early {
    /// Notes a log record. Gives how many can no longer be placed, since too many wait.
    pub fn note(&mut self, key: Key) -> u64 {
        let mut forgotten = 0;
        if self.0.len() >= MAX_EARLY && !self.0.contains_key(&key) {
            forgotten = self.0.drain().map(|(_, count)| count).sum();
        }
        *self.0.entry(key).or_default() += 1;
        forgotten
    }

    /// Whether there were any of this span, which has come now.
    pub fn take(&mut self, key: &Key) -> bool {
        !self.0.is_empty() && self.0.remove(key).is_some()
    }
}

#[cfg(test)]
mod tests {
    use distlog_proto::{SpanId, TraceId};

    use super::*;

    #[test]
    fn what_is_forgotten_is_counted() {
        let trace_id = TraceId::from_bytes([1; 16]).unwrap();
        let key = |n: u64| (trace_id, SpanId::new(n + 1).unwrap());
        let mut early = Early::default();
        let noted: u64 = (0..MAX_EARLY as u64).map(|n| early.note(key(n))).sum();
        assert_eq!((noted, early.note(key(7))), (0, 0));
        assert!(early.take(&key(3)) && !early.take(&key(3)));
        assert_eq!(early.note(key(3)), 0);
        assert_eq!(early.note(key(1 << 20)), MAX_EARLY as u64 + 1);
        assert!(early.take(&key(1 << 20)) && !early.take(&key(7)));
    }
}
