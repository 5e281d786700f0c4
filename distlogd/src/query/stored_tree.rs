//! Trees out of what is stored, however large: a tree holds places of records, and of the records themselves only some
//! MiB are in memory at once.

use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;

use distlog_proto::{RecordRef, SpanId, TaskId};

use crate::storage::{Storage, StorageError, TraceBatch, TraceReader};
use crate::tree::{Builder, Place, Source, StoredBatch, Tree, is_below};

/// Batches that are kept in memory, in bytes. What is shown next is mostly in one of them, or else read again.
const CACHE_BYTES: usize = 16 << 20;
/// A tree may take so much, in bytes; what the trace has more is another part. That is some 100 000 tasks, or a million
/// events.
const TREE_BYTES: usize = 40 << 20;

/// A tree, or a part of one, and where its records are.
pub struct StoredTree {
    pub tree: Tree,
    pub batches: TraceBatches,
    /// Position from which on the trace has more records.
    pub goes_on: Option<u64>,
}

/// Builds the tree of a task's trace, of the batches whose positions are in `from..end`.
///
/// # Errors
/// If the storage cannot be read.
pub fn stored_tree(
    storage: &dyn Storage,
    id: &TaskId,
    from: u64,
    end: u64,
) -> Result<StoredTree, StorageError> {
    let mut builder = Builder::new(id);
    let mut reader = storage.trace_reader(id.trace_id());
    let mut kept = Kept::default();
    let (mut goes_on, mut position) = (None, None);
    reader.each_batch(from..end, &mut |batch| {
        // Batches of one position stay together.
        if builder.weight() > TREE_BYTES && position != Some(batch.position) {
            goes_on = Some(batch.position);
            return false;
        }
        position = Some(batch.position);
        let number = kept.add(batch.first, batch.bytes);
        for (at, record) in (0..).zip(batch.parsed.records()) {
            // Batches were checked when they came in.
            if let Ok(record) = record {
                builder.add(Place { batch: number, at }, batch.received, &record);
            }
        }
        true
    })?;
    Ok(StoredTree {
        tree: builder.finish(),
        batches: TraceBatches { reader, kept },
        goes_on,
    })
}

/// Hands over the records of a task's trace, in the order in which they were stored: all for a bare trace id, else
/// those of the task and what is below it. Ends early if `take` gives false.
///
/// # Errors
/// If the storage cannot be read.
pub fn each_record(
    storage: &dyn Storage,
    id: &TaskId,
    mut take: impl FnMut(&RecordRef<'_>) -> bool,
) -> Result<(), StorageError> {
    let below = if id.path().is_empty() {
        None
    } else {
        Some(span_ids_below(storage, id)?)
    };
    each_batch(storage, id, |batch| {
        batch.parsed.records().flatten().all(|record| {
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
/// If the storage cannot be read.
pub fn span_ids_below(storage: &dyn Storage, id: &TaskId) -> Result<HashSet<SpanId>, StorageError> {
    let mut children: HashMap<SpanId, Vec<SpanId>> = HashMap::new();
    let mut new = vec![id.span_id()];
    each_batch(storage, id, |batch| {
        let records = batch.parsed.records().flatten();
        for task in records.filter_map(|record| record.task) {
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

/// Reads the batches that hold a trace.
fn each_batch(
    storage: &dyn Storage,
    id: &TaskId,
    mut take: impl FnMut(TraceBatch<'_>) -> bool,
) -> Result<(), StorageError> {
    storage.each_batch(id.trace_id(), 0..u64::MAX, &mut take)
}

/// The batches of a trace, in memory or read again.
pub struct TraceBatches {
    reader: Box<dyn TraceReader>,
    kept: Kept,
}

/// What is known of the batches of a trace.
#[derive(Default)]
struct Kept {
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

impl Kept {
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
}

impl TraceBatches {
    /// Reads a batch again, and with it those that stand beside it.
    fn read(&mut self, number: u32) -> Option<Rc<StoredBatch>> {
        let Kept { firsts, cache } = &mut self.kept;
        let first = *firsts.get(number as usize)?;
        let mut wanted = None;
        let read = self.reader.again(first, &mut |first, bytes| {
            let Ok(at) = firsts.binary_search(&first) else {
                return;
            };
            let at = at as u32;
            if !cache.batches.contains_key(&at) {
                cache.keep(at, StoredBatch::new(first, bytes.to_vec()));
            }
            if at == number {
                wanted = cache.batches.get(&at).cloned();
            }
        });
        read.ok()?;
        wanted
    }
}

impl Source for TraceBatches {
    fn batch(&mut self, number: u32) -> Option<Rc<StoredBatch>> {
        match self.kept.cache.batches.get(&number) {
            Some(bytes) => Some(Rc::clone(bytes)),
            None => self.read(number),
        }
    }
}
