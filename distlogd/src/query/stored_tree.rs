//! Trees out of the store, however large: a tree holds places of records, and of the records themselves only some MiB
//! are in memory at once.

use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;

use distlog_proto::{BatchRef, RecordRef, SpanId, TaskId};

use crate::tree::{Builder, Place, Source, StoredBatch, Tree, is_below};
use distlog_store::{Consumer, ReadError, Reader};

/// Read at once, in bytes.
const READ_BYTES: usize = 1 << 20;
/// Batches that are kept in memory, in bytes. What is shown next is mostly in one of them, or else read again.
const CACHE_BYTES: usize = 16 << 20;
/// A tree may take so much, in bytes; what the trace has more is another part. That is some 100 000 tasks, or a million
/// events.
const TREE_BYTES: usize = 40 << 20;

/// A tree, or a part of one, and where its records are.
pub struct StoredTree {
    pub tree: Tree,
    pub batches: TraceBatches,
    /// Number in the store from which on the trace has more records.
    pub goes_on: Option<u64>,
}

/// Builds the tree of a task's trace, of the batches whose numbers are in `from..end`.
///
/// # Errors
/// If the store cannot be read.
pub fn stored_tree(
    reader: &Reader,
    id: &TaskId,
    from: u64,
    end: u64,
) -> Result<StoredTree, ReadError> {
    let mut builder = Builder::new(id);
    let mut kept = TraceBatches::new(reader);
    let mut goes_on = None;
    each_batch(reader, id, |first, received, bytes, batch| {
        if first < from || first >= end {
            return true;
        }
        if builder.weight() > TREE_BYTES {
            goes_on = Some(first);
            return false;
        }
        let number = kept.add(first, bytes);
        for (at, record) in batch.placed_records() {
            // Batches were checked when they came in.
            if let (Ok(record), Ok(at)) = (record, u32::try_from(at)) {
                builder.add(Place { batch: number, at }, received, &record);
            }
        }
        true
    })?;
    Ok(StoredTree {
        tree: builder.finish(),
        batches: kept,
        goes_on,
    })
}

/// Hands over the records of a task's trace, in the order in which they were stored: all for a bare trace id, else
/// those of the task and what is below it. Ends early if `take` gives false.
///
/// # Errors
/// If the store cannot be read.
pub fn each_record(
    reader: &Reader,
    id: &TaskId,
    mut take: impl FnMut(&RecordRef<'_>) -> bool,
) -> Result<(), ReadError> {
    let below = if id.path().is_empty() {
        None
    } else {
        Some(span_ids_below(reader, id)?)
    };
    each_batch(reader, id, |_, _, _, batch| {
        batch.records().flatten().all(|record| {
            let wanted = record.task.is_some_and(|task| {
                task.trace_id == id.trace_id()
                    && below
                        .as_ref()
                        .is_none_or(|below| below.contains(&task.span_id))
            });
            !wanted || take(&record)
        })
    })
}

/// The span ids of a task and all below it: their paths tell, or their parents.
///
/// # Errors
/// If the store cannot be read.
pub fn span_ids_below(reader: &Reader, id: &TaskId) -> Result<HashSet<SpanId>, ReadError> {
    let mut children: HashMap<SpanId, Vec<SpanId>> = HashMap::new();
    let mut new = vec![id.span_id()];
    each_batch(reader, id, |_, _, _, batch| {
        for task in batch.records().flatten().filter_map(|record| record.task) {
            if task.trace_id != id.trace_id() {
                continue;
            }
            if is_below(task.path, id.path()) {
                new.push(task.span_id);
            } else if let Some(parent) = task.parent_span_id {
                let known = children.entry(parent).or_default();
                if known.last() != Some(&task.span_id) {
                    known.push(task.span_id);
                }
            }
        }
        true
    })?;
    let mut below = HashSet::new();
    while let Some(span_id) = new.pop() {
        if below.insert(span_id) {
            new.extend(children.remove(&span_id).unwrap_or_default());
        }
    }
    Ok(below)
}

/// Reads the batches that hold a trace: number in the store of the first record, when it came in, bytes.
fn each_batch(
    reader: &Reader,
    id: &TaskId,
    mut take: impl FnMut(u64, u64, &[u8], &BatchRef<'_>) -> bool,
) -> Result<(), ReadError> {
    reader
        .trace(id.trace_id())
        .for_each(READ_BYTES, |head, bytes, batch| {
            take(head.first, head.received, bytes, batch)
        })
}

/// The batches of a trace, in memory or read again.
pub struct TraceBatches {
    consumer: Consumer,
    /// Of each the number of its first record.
    firsts: Vec<u64>,
    cache: Cache,
}

/// Batches in memory, by their number.
#[derive(Default)]
struct Cache {
    batches: HashMap<u32, Rc<StoredBatch>>,
    /// Those of `batches`, oldest first.
    order: VecDeque<u32>,
    bytes: usize,
}

impl Cache {
    /// Adds a batch; the oldest go when there are too many bytes.
    fn keep(&mut self, number: u32, batch: StoredBatch) {
        self.bytes += batch.weight();
        self.batches.insert(number, Rc::new(batch));
        self.order.push_back(number);
        while self.bytes > CACHE_BYTES && self.order.len() > 1 {
            let oldest = self.order.pop_front().and_then(|n| self.batches.remove(&n));
            self.bytes -= oldest.map_or(0, |batch| batch.weight());
        }
    }
}

impl TraceBatches {
    fn new(reader: &Reader) -> TraceBatches {
        TraceBatches {
            consumer: reader.consumer_from(reader.first()),
            firsts: Vec::new(),
            cache: Cache::default(),
        }
    }

    /// Notes the next batch, and keeps it while there is room. Gives its number.
    fn add(&mut self, first: u64, bytes: &[u8]) -> u32 {
        let number = self.firsts.len() as u32;
        self.firsts.push(first);
        if self.cache.bytes + bytes.len() <= CACHE_BYTES {
            let batch = StoredBatch::new(first, bytes.to_vec());
            self.cache.keep(number, batch);
        }
        number
    }

    /// Reads a batch again, and with it those that stand beside it.
    fn read(&mut self, number: u32) -> Option<Rc<StoredBatch>> {
        let first = *self.firsts.get(number as usize)?;
        self.consumer.seek(first);
        let chunk = self.consumer.read(READ_BYTES).ok()?;
        let mut wanted = None;
        for (head, bytes) in chunk.encoded_batches() {
            let Ok(at) = self.firsts.binary_search(&head.first) else {
                continue;
            };
            let at = at as u32;
            if !self.cache.batches.contains_key(&at) {
                let batch = StoredBatch::new(head.first, bytes.to_vec());
                self.cache.keep(at, batch);
            }
            if at == number {
                wanted = self.cache.batches.get(&at).cloned();
            }
        }
        wanted
    }
}

impl Source for TraceBatches {
    fn batch(&mut self, number: u32) -> Option<Rc<StoredBatch>> {
        match self.cache.batches.get(&number) {
            Some(bytes) => Some(Rc::clone(bytes)),
            None => self.read(number),
        }
    }
}
