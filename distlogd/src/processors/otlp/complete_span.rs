//! Spans that came by OTLP: begin, events and end stand in the store one behind the other. The log records of such a
//! span come apart from it, before or after.

use std::collections::HashMap;

use distlog_bridge::{OpenSpan, Origin};

use super::open_tasks::{Ids, Key};

/// So many spans are remembered of which a log record came first.
const MAX_EARLY: usize = 1 << 16;

/// A span from its begin on, until other records come or its begin is flushed.
pub(super) struct CompleteSpan {
    pub key: Key,
    /// Number in the store of its begin.
    pub number: u64,
    pub span: OpenSpan,
    pub origin: Origin,
}

/// Spans of which log records came before their begin, with how many. Only where log records are events of spans: they
/// are looked up in the store when the span comes.
#[derive(Debug, Default)]
pub(super) struct EarlyLogs {
    waiting: HashMap<Ids, Logs>,
    /// Those whose span was sent with them, and has perhaps not arrived.
    placed: Vec<Ids>,
}

#[derive(Debug, Default)]
struct Logs {
    count: u64,
    /// Number in the store of the last one: what is presented again is not counted twice.
    last: u64,
}

impl EarlyLogs {
    /// Notes a log record. Gives how many can no longer be placed, since too many wait.
    pub fn note(&mut self, key: Ids, number: u64) -> u64 {
        let mut forgotten = 0;
        if self.waiting.len() >= MAX_EARLY && !self.waiting.contains_key(&key) {
            forgotten = self.waiting.drain().map(|(_, logs)| logs.count).sum();
        }
        let logs = self.waiting.entry(key).or_default();
        if number > logs.last || number == 0 {
            (logs.count, logs.last) = (logs.count + 1, number);
        }
        forgotten
    }

    /// Whether there were any of this span, which is sent now.
    pub fn place(&mut self, key: &Ids) -> bool {
        let known = !self.waiting.is_empty() && self.waiting.contains_key(key);
        if known {
            self.placed.push(*key);
        }
        known
    }

    /// What was sent has arrived.
    pub fn settle(&mut self) {
        for key in self.placed.drain(..) {
            self.waiting.remove(&key);
        }
    }

    /// What was sent is presented and sent again.
    pub fn abandon(&mut self) {
        self.placed.clear();
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
        let mut early = EarlyLogs::default();
        let noted: u64 = (0..MAX_EARLY as u64)
            .map(|n| early.note(key(n), n + 1))
            .sum();
        let again = early.note(key(7), 8);
        assert_eq!((noted, again, early.note(key(7), 1 << 20)), (0, 0, 0));
        // What did not arrive is there for the next attempt.
        assert!(early.place(&key(3)));
        early.abandon();
        early.settle();
        assert!(early.place(&key(3)));
        early.settle();
        assert!(!early.place(&key(3)));
        assert_eq!(early.note(key(3), 4), 0);
        assert_eq!(early.note(key(1 << 20), 9), MAX_EARLY as u64 + 1);
        assert!(early.place(&key(1 << 20)) && !early.place(&key(7)));
    }
}
