//! One query on its way over the blocks of the store, the newest first.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use distlog_proto::wire::Parts;
use distlog_proto::wire::field::record;
use distlog_proto::{BatchRef, RecordRef, Severity};
use distlog_store::{BlockBuffer, BlockSummary, Selection, TextPart};
use tokio::sync::oneshot;

use super::pool::Job;
use super::{Filter, QueryError};
use crate::storage::Block;
pub use crate::storage::Place;

/// After so many records a thread looks whether it should go on.
const LOOK_EVERY: u32 = 64;
/// So many blocks that are not read are one turn.
const SKIPPED_AT_ONCE: usize = 32;

/// Takes the records of a query. Each thread has one of its own; they are merged in the end.
pub trait Collect: Send + 'static {
    /// Whether records that pass are what is looked for, and counted as found.
    const COUNTED: bool = true;

    /// Takes a record that passed the filter.
    fn take(&mut self, record: &RecordRef<'_>, place: Place);
    /// The parts of records that it looks at: the others may be missing in what it takes.
    fn parts(&self) -> Parts {
        Parts::ALL
    }
    /// Takes all records of a block that pass, if it needs no more of them than how many there are, by what is known
    /// of the block.
    fn take_counts(&mut self, block: &BlockSummary, filter: &Filter, numbers: &Range<u64>) -> bool {
        let _ = (block, filter, numbers);
        false
    }
    /// The field by whose text alone it groups records that end no task, if there is one.
    fn field(&self) -> Option<&str> {
        None
    }
    /// Takes so many records that have this text in that field, or no such field.
    fn take_texts(&mut self, text: Option<&str>, count: u64) {
        let _ = (text, count);
    }
    /// Takes what another one has.
    fn merge(&mut self, other: Self);
    /// Records that are older than this change nothing any more; in ns since the epoch.
    fn enough(&self) -> u64 {
        0
    }
}

/// Parts of records, by their numbers, and their times.
pub(super) fn parts_of(numbers: &[u32]) -> Parts {
    let mut parts = Parts::default();
    parts.add(record::TIME);
    numbers.iter().for_each(|number| parts.add(*number));
    parts
}

/// What a query found.
#[derive(Debug)]
pub struct Outcome<C> {
    /// What was collected.
    pub found: C,
    /// Records from this number on were looked at; 0: all that matter. More is where time was over.
    pub looked_from: u64,
}

/// How far a query is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Blocks that were read or skipped.
    pub blocks: u64,
    /// Blocks in all.
    pub of: u64,
    /// Records that matched.
    pub found: u64,
}

/// Counts how far one query is, or several that answer together.
#[derive(Debug, Default)]
pub struct Counters {
    blocks: AtomicU64,
    of: AtomicU64,
    found: AtomicU64,
}

impl Counters {
    /// How far they are.
    pub fn progress(&self) -> Progress {
        Progress {
            blocks: self.blocks.load(Ordering::Relaxed),
            of: self.of.load(Ordering::Relaxed),
            found: self.found.load(Ordering::Relaxed),
        }
    }

    /// So many more were found.
    pub(super) fn add_found(&self, found: u64) {
        self.found.fetch_add(found, Ordering::Relaxed);
    }

    fn add_blocks(&self, blocks: usize) {
        self.blocks.fetch_add(blocks as u64, Ordering::Relaxed);
    }
}

/// A query that runs. Dropping it cancels the query.
pub struct Running<C> {
    shared: Arc<Shared>,
    outcome: oneshot::Receiver<Result<Outcome<C>, QueryError>>,
}

/// What the query and who waits for it both see.
struct Shared {
    cancelled: AtomicBool,
    counters: Arc<Counters>,
}

impl<C> Running<C> {
    /// Waits for the end. May be called again after it was cancelled itself.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn outcome(&mut self) -> Result<Outcome<C>, QueryError> {
        (&mut self.outcome).await.unwrap_or(Err(QueryError::Failed))
    }
}

impl<C> Drop for Running<C> {
    fn drop(&mut self) {
        self.shared.cancelled.store(true, Ordering::Relaxed);
    }
}

/// A query.
pub struct Scan<C> {
    /// Oldest first.
    blocks: Vec<Block>,
    /// Of each block the newest time in it and all before it, as far as it is known.
    newest: Vec<u64>,
    filter: Filter,
    /// What is read of records, and the same with their times.
    parts: Parts,
    timed: Parts,
    /// No record that is less severe passes.
    severity: Severity,
    /// Parts of the texts of all that pass.
    texts: Vec<TextPart>,
    /// See [`Collect::field`].
    field: Option<String>,
    deadline: Instant,
    collectors: Vec<Mutex<Option<C>>>,
    /// See [`Collect::enough`].
    enough: AtomicU64,
    state: Mutex<State<C>>,
    shared: Arc<Shared>,
}

struct State<C> {
    /// The blocks from this one on were taken.
    next: usize,
    /// The blocks before this one were not looked at when time was over.
    from: usize,
    in_work: usize,
    /// A block was read.
    begun: bool,
    error: Option<QueryError>,
    answer: Option<oneshot::Sender<Result<Outcome<C>, QueryError>>>,
}

/// How the work on a block ended.
enum End {
    Done,
    /// It needed not be read.
    Skipped,
    /// Nobody waits.
    Left,
    Failed(QueryError),
}

/// Held while a thread works on a block, so that a panic fails the query.
struct Work<'s, C: Collect> {
    scan: &'s Scan<C>,
    block: usize,
    end: End,
}

impl<C: Collect> Scan<C> {
    /// A query with a collector for each thread of the pool.
    pub fn new(
        blocks: Vec<Block>,
        filter: Filter,
        collectors: Vec<C>,
        deadline: Instant,
        counters: Arc<Counters>,
    ) -> (Arc<Scan<C>>, Running<C>) {
        let mut newest = 0;
        counters
            .of
            .fetch_add(blocks.len() as u64, Ordering::Relaxed);
        let shared = Arc::new(Shared {
            cancelled: AtomicBool::new(false),
            counters,
        });
        let (answer, outcome) = oneshot::channel();
        let mut parts = filter.parts();
        let field = collectors.first().and_then(Collect::field);
        let field = field.map(str::to_owned);
        if let Some(collector) = collectors.first() {
            parts.add_all(&collector.parts());
        }
        let mut timed = parts.clone();
        timed.add(record::TIME);
        let scan = Scan {
            parts,
            timed,
            severity: filter.least_severity(),
            texts: filter.texts(),
            field,
            newest: blocks
                .iter()
                .map(|block| {
                    newest = block.newest_time().max(newest);
                    newest
                })
                .collect(),
            filter,
            deadline,
            collectors: collectors
                .into_iter()
                .map(|c| Mutex::new(Some(c)))
                .collect(),
            enough: AtomicU64::new(0),
            state: Mutex::new(State {
                next: blocks.len(),
                from: 0,
                in_work: 0,
                begun: false,
                error: None,
                answer: Some(answer),
            }),
            blocks,
            shared: Arc::clone(&shared),
        };
        (Arc::new(scan), Running { shared, outcome })
    }

    fn state(&self) -> MutexGuard<'_, State<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_cancelled(&self) -> bool {
        self.shared.cancelled.load(Ordering::Relaxed)
    }

    /// Takes the next block that may hold something.
    fn next(&self) -> Option<Work<'_, C>> {
        let mut state = self.state();
        while state.next > 0 {
            let block = state.next - 1;
            // One block is read whatever the time, so that each page gets on.
            if self.is_cancelled() || (state.begun && Instant::now() >= self.deadline) {
                state.from = state.from.max(state.next);
                state.next = 0;
            } else if self.newest[block] < self.enough.load(Ordering::Relaxed) {
                self.shared.counters.add_blocks(state.next);
                state.next = 0;
            } else if self.may_pass(&self.blocks[block]) {
                state.next = block;
                state.in_work += 1;
                state.begun = true;
                let end = End::Failed(QueryError::Failed);
                return Some(Work {
                    scan: self,
                    block,
                    end,
                });
            } else {
                state.next = block;
                self.shared.counters.add_blocks(1);
            }
        }
        self.finish(&mut state);
        None
    }

    fn may_pass(&self, block: &Block) -> bool {
        let (wanted, has) = (&self.filter.window.numbers, block.positions());
        has.start < wanted.end
            && wanted.start < has.end
            && block
                .summary()
                .is_none_or(|summary| self.filter.may_pass(summary))
    }

    /// Looks at all records of a block.
    fn work(&self, block: usize, thread: usize, buffer: &mut BlockBuffer) -> End {
        let block = &self.blocks[block];
        match block.may_hold(self.filter.words(), buffer) {
            Ok(true) => {}
            Ok(false) => return End::Skipped,
            Err(error) => return End::Failed(error.into()),
        }
        let Some(collector) = self.collectors.get(thread) else {
            return End::Failed(QueryError::Failed);
        };
        let mut collector = collector.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(collector) = collector.as_mut() else {
            return End::Left;
        };
        if block.is_whole()
            && let Some(summary) = block.summary()
            && collector.take_counts(summary, &self.filter, &block.positions())
        {
            return End::Skipped;
        }
        match self.count_texts(block, buffer, collector) {
            Ok(true) => return End::Done,
            Ok(false) => {}
            Err(error) => return End::Failed(error),
        }
        let source = |head: &[u8]| {
            self.filter.service.is_none()
                || BatchRef::parse(head).is_ok_and(|head| self.filter.takes_source(head.source()))
        };
        // Where the times of all pass and nobody else looks at them, one of them will do.
        let any_time = match block.summary() {
            Some(known) if !self.parts.has(record::TIME) && self.filter.takes_times_of(known) => {
                Some(*known.times.start())
            }
            _ => None,
        };
        let wanted = Selection {
            severity: self.severity,
            rows: self.filter.rows(),
            texts: &self.texts,
            parts: match any_time {
                Some(_) => &self.parts,
                None => &self.timed,
            },
            source: &source,
            marked: false,
        };
        let mut end = End::Done;
        let read = block.read(&wanted, buffer, |part| {
            end = self.look_at(part, block.grace(), any_time, collector);
            matches!(end, End::Done)
        });
        match read {
            Err(error) if matches!(end, End::Done) => End::Failed(error.into()),
            _ => end,
        }
    }

    /// Takes all records of a block that pass by the text of a field, if that is all that the collector needs.
    fn count_texts(
        &self,
        block: &Block,
        buffer: &mut BlockBuffer,
        collector: &mut C,
    ) -> Result<bool, QueryError> {
        let (Some(field), Some(summary)) = (&self.field, block.summary()) else {
            return Ok(false);
        };
        // How long tasks took stands elsewhere.
        if summary.ended() > 0 || !self.filter.is_of_severity(summary, &block.positions()) {
            return Ok(false);
        }
        let mut found = 0;
        let mut see = |text: Option<&str>, count| {
            found += count;
            collector.take_texts(text, count);
        };
        let told = block.count_texts(self.severity, field, buffer, &mut see)?;
        if C::COUNTED {
            self.shared.counters.add_found(found);
        }
        Ok(told)
    }

    /// Looks at all records that were read. `any_time` is the time of all, where nobody looks at it.
    fn look_at(
        &self,
        part: &BlockBuffer,
        grace: Duration,
        any_time: Option<u64>,
        collector: &mut C,
    ) -> End {
        // A block that was begun is read to its end, so that it is known what is left.
        let too_late = self.deadline + grace;
        let (mut looked, mut found) = (0_u32, 0);
        let enough = self.enough.load(Ordering::Relaxed);
        for stored in part.batches() {
            if !self.filter.may_pass_in(stored.bytes) {
                continue;
            }
            // Valid when it was stored.
            let Ok(batch) = BatchRef::parse(stored.bytes) else {
                continue;
            };
            if !self.filter.takes_source(batch.source()) {
                continue;
            }
            for record in stored.records(&batch, self.severity, self.filter.rows()) {
                looked += 1;
                if looked.is_multiple_of(LOOK_EVERY) {
                    if self.is_cancelled() {
                        return End::Left;
                    }
                    if Instant::now() >= too_late {
                        return End::Failed(QueryError::Slow);
                    }
                }
                let time = any_time.unwrap_or_else(|| record.time_or(stored.head.received));
                let place = Place {
                    time,
                    number: record.store_number,
                };
                if time >= enough && self.filter.takes_place(place) && self.filter.takes(&record) {
                    found += 1;
                    collector.take(&record, place);
                }
            }
        }
        if C::COUNTED {
            self.shared.counters.add_found(found);
        }
        self.enough.fetch_max(collector.enough(), Ordering::Relaxed);
        End::Done
    }

    /// Answers, if nothing is in work any more.
    fn finish(&self, state: &mut State<C>) {
        if state.in_work > 0 || state.next > 0 {
            return;
        }
        let Some(answer) = state.answer.take() else {
            return;
        };
        let collectors = self.collectors.iter().filter_map(|collector| {
            let mut collector = collector.lock().unwrap_or_else(PoisonError::into_inner);
            collector.take()
        });
        let found = collectors.reduce(|mut all, other| {
            all.merge(other);
            all
        });
        let looked_from = match state.from {
            0 => 0,
            from => self
                .blocks
                .get(from)
                .map_or(u64::MAX, |b| b.positions().start),
        };
        let outcome = match (state.error.take(), found) {
            (Some(error), _) => Err(error),
            (None, None) => Err(QueryError::Failed),
            (None, Some(found)) => Ok(Outcome { found, looked_from }),
        };
        // Nobody may wait any more.
        let _ = answer.send(outcome);
    }
}

impl<C: Collect> Drop for Work<'_, C> {
    fn drop(&mut self) {
        let mut state = self.scan.state();
        match std::mem::replace(&mut self.end, End::Done) {
            End::Done | End::Skipped => {}
            End::Left => state.next = 0,
            End::Failed(error) => {
                state.error.get_or_insert(error);
                state.next = 0;
            }
        }
        self.scan.shared.counters.add_blocks(1);
        state.in_work -= 1;
        self.scan.finish(&mut state);
    }
}

impl<C: Collect> Job for Scan<C> {
    fn step(&self, thread: usize, buffer: &mut BlockBuffer) -> bool {
        for _ in 0..SKIPPED_AT_ONCE {
            let Some(mut work) = self.next() else {
                return false;
            };
            work.end = self.work(work.block, thread, buffer);
            if !matches!(work.end, End::Skipped) {
                break;
            }
        }
        true
    }

    fn is_wanted(&self) -> bool {
        !self.is_cancelled()
    }
}
