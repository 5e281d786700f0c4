//! Tasks that have begun and not yet ended, as far as memory is meant for them.

use std::collections::{HashMap, VecDeque};

use distlog_bridge::{OpenSpan, Origin};
use distlog_proto::{RecordRef, SpanId, TraceId};

/// Bytes that all of them may have, about. The oldest is forgotten when there are more: the store knows it.
const MAX_BYTES: usize = 32 << 20;

/// A node of the tree.
pub(super) type Ids = (TraceId, SpanId);

/// A task: its node and, of a span that came by OTLP, its run ([`RecordRef::run`]), since two of them may share the
/// node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub ids: Ids,
    pub run: u64,
}

impl Key {
    /// The task that a record is of; none without a span.
    pub fn of(record: &RecordRef<'_>) -> Option<Key> {
        let task = record.task.as_ref()?;
        Some(Key {
            ids: (task.trace_id, task.span_id),
            run: record.run(),
        })
    }

    /// Whether a record of `other` may be one of this task: a log record names only the node.
    pub fn takes(&self, other: &Key) -> bool {
        self.ids == other.ids && (self.run == other.run || other.run == 0)
    }
}

/// A task that has begun.
pub(super) struct OpenTask {
    pub span: OpenSpan,
    pub origin: Origin,
    /// Number in the store of the last record that it knows: what is presented again is not taken twice.
    last: u64,
    /// Number in the store of its end. It stays here until that is known to have arrived.
    pub ended: Option<u64>,
    /// Tells it from an earlier one with the same key.
    id: u64,
    bytes: usize,
}

impl OpenTask {
    /// Whether this record is still to be taken, which it then is. Records outside of a store have no number.
    pub fn takes(&mut self, number: u64) -> bool {
        let new = self.ended.is_none() && (number == 0 || number > self.last);
        self.last = self.last.max(number);
        new
    }
}

/// The tasks that are remembered: a bounded number, in bounded memory.
pub(super) struct OpenTasks {
    tasks: HashMap<Key, OpenTask>,
    /// The newest run of each node that has one.
    runs: HashMap<Ids, u64>,
    /// In the order in which they came; those that are gone are skipped.
    order: VecDeque<(Key, u64)>,
    /// Those that have ended since the last flush.
    ended: VecDeque<Key>,
    limit: usize,
    bytes: usize,
    next_id: u64,
}

impl OpenTasks {
    pub fn new(limit: usize) -> OpenTasks {
        OpenTasks {
            tasks: HashMap::new(),
            runs: HashMap::new(),
            order: VecDeque::new(),
            ended: VecDeque::new(),
            limit: limit.max(1),
            bytes: 0,
            next_id: 0,
        }
    }

    pub fn get(&mut self, key: &Key) -> Option<&mut OpenTask> {
        let key = self.known(key);
        self.tasks.get_mut(&key)
    }

    /// The key by which a task is known: who names only the node means the task there, or of several the newest.
    fn known(&self, key: &Key) -> Key {
        match self.runs.get(&key.ids) {
            Some(run) if key.run == 0 && !self.tasks.contains_key(key) => Key { run: *run, ..*key },
            _ => *key,
        }
    }

    /// Remembers a task; it must not be there.
    pub fn insert(
        &mut self,
        key: Key,
        number: u64,
        span: OpenSpan,
        origin: Origin,
    ) -> Option<&mut OpenTask> {
        let id = self.next_id;
        self.next_id += 1;
        let bytes = size_of::<OpenTask>() + span.bytes();
        self.bytes += bytes;
        if key.run != 0 {
            self.runs.insert(key.ids, key.run);
        }
        self.order.push_back((key, id));
        self.tasks.insert(
            key,
            OpenTask {
                span,
                origin,
                last: number,
                ended: None,
                id,
                bytes,
            },
        );
        while self.tasks.len() > self.limit || self.bytes > MAX_BYTES {
            // The ended ones are only needed if they have to be sent again.
            match self.ended.pop_front().or_else(|| self.oldest(&key)) {
                Some(old) => self.remove(&old),
                None => break,
            }
        }
        self.compact();
        self.tasks.get_mut(&key)
    }

    /// Counts what an event added.
    pub fn grew(&mut self, key: &Key, bytes: usize) {
        let key = self.known(key);
        if let Some(task) = self.tasks.get_mut(&key) {
            task.bytes += bytes;
            self.bytes += bytes;
        }
    }

    /// Notes that a task has ended.
    pub fn end(&mut self, key: &Key, number: u64) {
        let key = self.known(key);
        if let Some(task) = self.tasks.get_mut(&key) {
            task.ended = Some(number);
            self.ended.push_back(key);
        }
    }

    /// What has ended has arrived.
    pub fn settle(&mut self) {
        while let Some(key) = self.ended.pop_front() {
            self.remove(&key);
        }
    }

    /// Forgets all: the store knows them.
    pub fn clear(&mut self) {
        self.tasks.clear();
        self.runs.clear();
        self.order.clear();
        self.ended.clear();
        self.bytes = 0;
    }

    fn oldest(&mut self, but: &Key) -> Option<Key> {
        while let Some((key, id)) = self.order.pop_front() {
            if key != *but && self.tasks.get(&key).is_some_and(|task| task.id == id) {
                return Some(key);
            }
        }
        None
    }

    fn remove(&mut self, key: &Key) {
        if let Some(task) = self.tasks.remove(key) {
            self.bytes -= task.bytes;
            if self.runs.get(&key.ids) == Some(&key.run) {
                self.runs.remove(&key.ids);
            }
        }
    }

    /// Keeps the order from growing with tasks that are gone.
    fn compact(&mut self) {
        if self.order.len() > 2 * self.tasks.len() + 64 {
            self.order
                .retain(|(key, id)| self.tasks.get(key).is_some_and(|task| task.id == *id));
        }
    }
}
