//! What the tracker knows of open tasks.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use distlog_proto::{ProducerId, RecordRef, SpanId, Task, TraceId};

use crate::tree::is_python;

/// At most so many are followed, about 200 bytes each; beyond that those that began first are given up.
const MAX_OPEN: usize = 1 << 20;

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

/// All open tasks.
#[derive(Debug, Default)]
pub(super) struct OpenTasks {
    tasks: HashMap<Key, Open>,
    numbers: BTreeSet<(u64, Key)>,
}

impl OpenTasks {
    pub fn insert(&mut self, key: Key, open: Open) {
        if self.tasks.len() >= MAX_OPEN
            && !self.tasks.contains_key(&key)
            && let Some((_, oldest)) = self.numbers.first().copied()
        {
            self.remove(&oldest);
        }
        let number = open.number;
        // A begin that comes twice is the same task.
        if let Entry::Vacant(vacant) = self.tasks.entry(key) {
            vacant.insert(open);
            self.numbers.insert((number, key));
        }
    }

    pub fn remove(&mut self, key: &Key) {
        if let Some(open) = self.tasks.remove(key) {
            self.numbers.remove(&(open.number, *key));
        }
    }

    /// Notes a record of a task.
    pub fn heard(&mut self, key: &Key, time: u64) {
        if let Some(open) = self.tasks.get_mut(key) {
            open.last = open.last.max(time);
            open.touched = Instant::now();
        }
    }

    /// Those that are over and were not told yet, oldest first, at most `limit`; from now on they count as told.
    pub fn tell_if(
        &mut self,
        limit: usize,
        mut over: impl FnMut(&Open) -> bool,
    ) -> Vec<(Key, Open)> {
        let mut taken: Vec<(Key, Open)> = self
            .tasks
            .iter_mut()
            .filter(|(_, open)| !open.told && over(open))
            .take(limit)
            .map(|(key, open)| {
                open.told = true;
                (*key, open.clone())
            })
            .collect();
        taken.sort_by_key(|(_, open)| open.number);
        taken
    }

    /// Number in the store of the oldest begin.
    pub fn oldest(&self) -> Option<u64> {
        self.numbers.first().map(|(number, _)| *number)
    }
}
