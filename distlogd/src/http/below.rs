//! Which records belong to a task or stand below it, told as they come.
//!
//! A path tells where its task stands, but for spans that only OpenTelemetry knows, and for tasks so deep that their
//! path starts anew: there the parent tells, if it was seen.

use std::collections::{HashSet, VecDeque};

use distlog_proto::wire::TaskRef;
use distlog_proto::{SpanId, TaskId};

use crate::tree::is_below;

/// So many tasks below are remembered: their children may come at any time.
const MAX_KNOWN: usize = 10_000;

/// A task that is followed, and the newest tasks that were seen below it.
#[derive(Debug)]
pub(super) struct Below {
    task: TaskId,
    known: HashSet<SpanId>,
    order: VecDeque<SpanId>,
}

impl Below {
    pub(super) fn new(task: TaskId) -> Below {
        Below {
            task,
            known: HashSet::new(),
            order: VecDeque::new(),
        }
    }

    /// Whether a record's task is the one that is followed, or stands below it.
    pub(super) fn takes(&mut self, task: &TaskRef<'_>) -> bool {
        if task.trace_id != self.task.trace_id() {
            return false;
        }
        if self.task.path().is_empty() {
            return true;
        }
        let known = |id: SpanId| id == self.task.span_id() || self.known.contains(&id);
        let below = known(task.span_id)
            || task.parent_span_id.is_some_and(known)
            || is_below(task.path, self.task.path());
        if below && self.known.insert(task.span_id) {
            self.order.push_back(task.span_id);
            if self.order.len() > MAX_KNOWN
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
            }
        }
        below
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use distlog_proto::wire::BatchWriter;
    use distlog_proto::{BatchRef, Record, Task};

    use super::*;

    fn takes(below: &mut Below, task: Task) -> bool {
        let mut writer = BatchWriter::new();
        writer.push(&Record {
            task: Some(task),
            ..Record::default()
        });
        let bytes = writer.finish();
        let batch = BatchRef::parse(&bytes).unwrap();
        let record = batch.records().next().unwrap().unwrap();
        below.takes(&record.task.unwrap())
    }

    fn top() -> TaskId {
        "e252a11f-d33d-483d-ba08-bc8f642b2f10".parse().unwrap()
    }

    #[test]
    fn what_stands_a_thousand_deep_is_below() {
        let first = top().child(NonZeroU64::MIN);
        let mut below = Below::new(first.clone());
        assert!(!takes(&mut below, Task::from(&top())));
        let other = top().child(NonZeroU64::new(2).unwrap());
        let mut task = first;
        for _ in 0..1000 {
            assert!(takes(&mut below, Task::from(&task)), "{task}");
            assert!(!takes(&mut below, Task::from(&other)));
            task = task.child(NonZeroU64::MIN);
        }
        assert!(task.path().starts_with('~'));
    }

    #[test]
    fn a_span_of_opentelemetry_has_what_is_below_it() {
        let span = |id: u64, parent: Option<u64>| Task {
            span_id: SpanId::new(id).unwrap(),
            parent_span_id: parent.map(|id| SpanId::new(id).unwrap()),
            path: String::new(),
            ..Task::from(&top())
        };
        let mut below = Below::new(TaskId::anchor(top().trace_id(), span(7, None).span_id));
        assert!(!takes(&mut below, span(1, None)));
        assert!(takes(&mut below, span(7, Some(1))));
        assert!(takes(&mut below, span(8, Some(7))));
        assert!(takes(&mut below, span(9, Some(8))));
        assert!(!takes(&mut below, span(2, Some(1))));
    }

    #[test]
    fn only_so_many_are_remembered() {
        let first = top().child(NonZeroU64::MIN);
        let mut below = Below::new(first.clone());
        for n in 1..=2 * MAX_KNOWN as u64 {
            let task = first.child(NonZeroU64::new(n).unwrap());
            assert!(takes(&mut below, Task::from(&task)));
        }
        assert_eq!(
            (below.known.len(), below.order.len()),
            (MAX_KNOWN, MAX_KNOWN)
        );
    }
}
