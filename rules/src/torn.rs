//! Ends of tasks are dropped only with their begins. Else the begin would be stored, and its task wait for its end
//! until it counts as lost.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use distlog_proto::{Kind, RecordRef, SpanId, TraceId};

/// Tasks that are remembered twice over, 8 bytes and some more each. The oldest are forgotten: their ends are stored.
const MAX_TASKS: usize = 1 << 18;

/// Tasks whose begin was dropped and whose end did not come yet.
#[derive(Debug, Default)]
pub(super) struct DroppedBegins(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    new: HashSet<u64>,
    old: HashSet<u64>,
}

impl DroppedBegins {
    /// Whether a record that is to be dropped may be. A begin is noted.
    pub(super) fn may_go(&self, record: &RecordRef<'_>) -> bool {
        let Some(task) = &record.task else {
            return true;
        };
        match record.kind {
            Kind::Event | Kind::Bind => true,
            Kind::Begin => {
                self.note(key(task.trace_id, task.span_id));
                true
            }
            Kind::End => self.take(key(task.trace_id, task.span_id)),
        }
    }

    fn note(&self, task: u64) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.new.insert(task);
        if known.new.len() >= MAX_TASKS {
            known.old = std::mem::take(&mut known.new);
        }
    }

    fn take(&self, task: u64) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.new.remove(&task) || known.old.remove(&task)
    }
}

/// Span ids are random or mixed; so a trace whose spans have small numbers is told from another one like it.
fn key(trace: TraceId, span: SpanId) -> u64 {
    let [a, b] = [0, 8].map(|at| {
        let mut half = [0; 8];
        half.copy_from_slice(&trace.to_bytes()[at..at + 8]);
        u64::from_be_bytes(half)
    });
    a.rotate_left(32) ^ b ^ span.get().wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_the_newest_are_known() {
        let dropped = DroppedBegins::default();
        for task in 0..3 * MAX_TASKS as u64 {
            dropped.note(task);
        }
        let known = dropped.0.lock().unwrap();
        assert!(known.new.len() + known.old.len() <= 2 * MAX_TASKS);
        drop(known);
        let last = 3 * MAX_TASKS as u64 - 1;
        assert!(dropped.take(last) && !dropped.take(last));
        assert!(!dropped.take(0));
    }
}
