//! What the tracker knows of open tasks.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use distlog_proto::{ProducerId, RecordRef, SpanId, Task, TraceId};

use crate::tree::is_python;

/// Names a task.
pub(super) type Key = (TraceId, SpanId);

/// An open task.
#[derive(Debug, Clone)]
pub(super) struct Open {
    /// Number in the store of its begin.
    pub number: u64,
    pub producer: ProducerId,
    /// Whether it may have no end.
    pub python: bool,
    /// Time of its begin, in ns since the epoch.
    pub begun: u64,
    /// Time of its last record, in ns since the epoch.
    pub last: u64,
    /// When we saw its last record.
    pub touched: Instant,
    parent_span_id: Option<SpanId>,
    /// Whether its end was said; it stays until that came through the stream, so that a crash cannot swallow it.
    told: bool,
}

impl Open {
    pub fn new(number: u64, begin: &RecordRef<'_>) -> Open {
        Open {
            number,
            producer: begin.source.producer,
            python: is_python(begin),
            begun: begin.time,
            last: begin.time,
            touched: Instant::now(),
            parent_span_id: begin.task.and_then(|task| task.parent_span_id),
            told: false,
        }
    }

    /// The task as far as it is known without its begin.
    pub fn task(&self, trace_id: TraceId, span_id: SpanId) -> Option<Task> {
        let id = distlog_proto::TaskId::anchor(trace_id, span_id);
        Some(Task {
            parent_span_id: self.parent_span_id,
            ..Task::from(&id)
        })
    }
}

/// The open tasks, up to a limit.
#[derive(Debug)]
pub(super) struct OpenTasks {
    limit: usize,
    tasks: HashMap<Key, Open>,
    numbers: BTreeSet<(u64, Key)>,
}

impl OpenTasks {
    pub fn new(limit: usize) -> OpenTasks {
        OpenTasks {
            limit,
            tasks: HashMap::new(),
            numbers: BTreeSet::new(),
        }
    }

    /// Follows a task. True if the one that began first was given up for it, since there were too many.
    pub fn insert(&mut self, key: Key, open: Open) -> bool {
        let mut given_up = false;
        if self.tasks.len() >= self.limit
            && !self.tasks.contains_key(&key)
            && let Some((_, oldest)) = self.numbers.first().copied()
        {
            self.remove(&oldest);
            given_up = true;
        }
        let number = open.number;
        // A begin that comes twice is the same task.
        if let Entry::Vacant(vacant) = self.tasks.entry(key) {
            vacant.insert(open);
            self.numbers.insert((number, key));
        }
        given_up
    }

    pub fn remove(&mut self, key: &Key) {
        if let Some(open) = self.tasks.remove(key) {
            self.numbers.remove(&(open.number, *key));
        }
    }

    /// Notes a record of a task: its time, in ns since the epoch, and when we saw it.
    pub fn heard(&mut self, key: &Key, time: u64, now: Instant) {
        if let Some(open) = self.tasks.get_mut(key) {
            open.last = open.last.max(time);
            open.touched = now;
        }
    }

    /// Those for whose end `why` gives a reason and that were not told yet, oldest first, at most `limit`; from now on they
    /// count as told.
    pub fn tell<W>(
        &mut self,
        limit: usize,
        mut why: impl FnMut(&Open) -> Option<W>,
    ) -> Vec<(Key, Open, W)> {
        let mut taken: Vec<(Key, Open, W)> = self
            .tasks
            .iter_mut()
            .filter(|(_, open)| !open.told)
            .filter_map(|(key, open)| {
                let why = why(open)?;
                open.told = true;
                Some((*key, open.clone(), why))
            })
            .take(limit)
            .collect();
        taken.sort_by_key(|(_, open, _)| open.number);
        taken
    }

    /// Number in the store of the oldest begin.
    pub fn oldest(&self) -> Option<u64> {
        self.numbers.first().map(|(number, _)| *number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(number: u64) -> Open {
        Open {
            number,
            producer: ProducerId::from_bytes([1; 16]),
            python: false,
            begun: number,
            last: number,
            touched: Instant::now(),
            parent_span_id: None,
            told: false,
        }
    }

    fn key(n: u8) -> Key {
        let trace_id = TraceId::from_bytes([n; 16]).unwrap();
        (trace_id, SpanId::new(n.into()).unwrap())
    }

    #[test]
    fn beyond_the_limit_the_oldest_is_given_up_and_that_is_said() {
        let mut tasks = OpenTasks::new(2);
        assert!(!tasks.insert(key(1), open(10)));
        assert!(!tasks.insert(key(2), open(20)));
        assert!(!tasks.insert(key(2), open(21)), "it is known already");
        assert!(tasks.insert(key(3), open(30)));
        assert_eq!(tasks.oldest(), Some(20));
    }

    #[test]
    fn each_is_told_once_and_the_rest_later() {
        let mut tasks = OpenTasks::new(10);
        (1..=5u8).for_each(|n| _ = tasks.insert(key(n), open(n.into())));
        let told = tasks.tell(3, |open| (open.number != 2).then_some("why"));
        assert_eq!(told.len(), 3);
        let more = tasks.tell(3, |open| (open.number != 2).then_some("why"));
        assert_eq!(more.len(), 1);
        let numbers: BTreeSet<u64> = told.iter().chain(&more).map(|t| t.1.number).collect();
        assert_eq!(numbers, BTreeSet::from([1, 3, 4, 5]));
        assert_eq!(
            tasks.oldest(),
            Some(1),
            "told ones stay until their end came"
        );
    }
}
