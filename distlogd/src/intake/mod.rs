//! The way into the store: a bounded queue, and the one thread that appends and commits.
//!
//! Receivers without credit [`submit`](Intake::submit) and wait while the queue is full: a slow disk makes senders
//! wait, and memory does not grow. Batches of sessions are bounded by the sessions' credit and never wait
//! ([`submit_credited`](Intake::submit_credited)). The thread appends batches and commits when that is due
//! ([`SyncPolicy`]) or much was appended; only then it reports each batch as durable.
//!
//! Read `queue.rs`, then `appender.rs` (the thread) and `sync_policy.rs` (when it syncs). `rules.rs` is what happens to
//! records before: they are dropped, sampled, changed.

mod appender;
mod queue;
mod rules;
mod sync_policy;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use distlog_proto::wire::trace_ids;
use distlog_proto::{ProducerId, TraceId};

use crate::supervisor::Supervisor;
use appender::Appender;
use distlog_store::{Store, Upstream};
use queue::{Item, Queue};
pub(crate) use rules::CurrentRules;
pub use sync_policy::SyncPolicy;

/// Called with the outcome of a batch, from the thread that writes, which it must not block.
pub type Done = Box<dyn FnOnce(Stored) + Send>;

/// Records of one producer, on their way into the store.
pub struct Batch {
    /// Who sent them.
    pub producer: ProducerId,
    /// Offset of the first record.
    pub from: u64,
    /// The offset after the last record.
    pub to: u64,
    /// How many records.
    pub count: u32,
    /// Whether the batches of this producer come in order and without gaps.
    pub ordered: bool,
    /// Where it stood in a stream that it was read from; that, and not its offsets, decides whether it is taken then.
    pub upstream: Option<Upstream>,
    /// A `distlog.v1.RecordBatch`.
    pub bytes: Vec<u8>,
    /// The traces of its records, as [`trace_ids`] finds them in `bytes`; one may stand several times. `None`: nobody
    /// has read them yet. Whoever changes `bytes` sets it to `None`.
    pub traces: Option<Vec<TraceId>>,
    /// Called after the commit that made it durable. Never, if the daemon stops before that.
    pub done: Option<Done>,
}

impl Batch {
    /// Records of a producer whose batches may come in any order and with gaps. Nobody waits for it.
    pub fn new(producer: ProducerId, offsets: Range<u64>, count: u32, bytes: Vec<u8>) -> Batch {
        Batch {
            producer,
            from: offsets.start,
            to: offsets.end,
            count,
            ordered: false,
            upstream: None,
            bytes,
            traces: None,
            done: None,
        }
    }

    /// Bytes of memory that it holds while it waits.
    fn memory(&self) -> usize {
        let traces = self.traces.as_ref().map_or(0, Vec::capacity);
        self.bytes.len() + traces * size_of::<TraceId>()
    }

    /// Finds the traces of its records, unless whoever checked it did. This runs on a receiver's thread: there are
    /// several of them, and one that writes.
    pub(crate) fn find_traces(&mut self) {
        self.traces.get_or_insert_with(|| {
            let mut traces = Vec::new();
            trace_ids(&self.bytes, &mut |trace| note_trace(&mut traces, trace));
            traces
        });
    }
}

/// Adds a trace, unless it was the last one: records of one task mostly come together.
pub(crate) fn note_trace(traces: &mut Vec<TraceId>, trace: TraceId) {
    if traces.last() != Some(&trace) {
        traces.push(trace);
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("producer", &self.producer)
            .field("offsets", &(self.from..self.to))
            .field("count", &self.count)
            .field("ordered", &self.ordered)
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// It is durable, now or since it came the first time.
    Durable,
    /// It does not begin at the position of its producer or its stream: it was not taken.
    Gap {
        /// The offset at which that resumes.
        resume_offset: u64,
    },
    /// It can never be stored: it is too large, or its offsets contradict its records.
    Refused,
}

/// The daemon takes nothing more.
#[derive(Debug, thiserror::Error)]
#[error("the daemon is shutting down and takes nothing more")]
pub struct Closed;

/// Where receivers put batches.
#[derive(Debug, Clone)]
pub struct Intake {
    queue: Arc<Queue>,
    /// What is done to batches first.
    rules: CurrentRules,
}

/// The thread that writes.
#[derive(Debug)]
pub struct Writer {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<u64>>,
}

/// Starts the thread that writes. `sync`: when what it appended is made durable.
///
/// # Errors
/// If the system gives no thread.
pub fn start(
    store: Store,
    sync: SyncPolicy,
    supervisor: &Supervisor,
) -> std::io::Result<(Intake, Writer)> {
    let queue = Arc::new(Queue::default());
    let own = Arc::clone(&queue);
    let watched = supervisor.watch("the thread that writes the store");
    let thread = std::thread::Builder::new()
        .name("store".into())
        .spawn(move || {
            let _watched = watched;
            // However the thread ends, nobody is to wait for it.
            let _closing = Closing(Arc::clone(&own));
            Appender::new(store, sync, &own).run()
        })?;
    Ok((
        Intake {
            queue: Arc::clone(&queue),
            rules: CurrentRules::default(),
        },
        Writer {
            queue,
            thread: Some(thread),
        },
    ))
}

impl Intake {
    /// The same way into the store, for batches that rules are applied to.
    #[must_use]
    pub fn with_rules(&self, rules: CurrentRules) -> Intake {
        Intake {
            queue: Arc::clone(&self.queue),
            rules,
        }
    }

    /// Puts a batch into the queue; waits while that is full.
    ///
    /// # Errors
    /// If the daemon shuts down.
    pub fn submit(&self, batch: Batch) -> Result<(), Closed> {
        match self.ready(batch)? {
            Some(batch) => self.queue.push_when_room(batch),
            None => Ok(()),
        }
    }

    /// Puts a batch of a session into the queue. It never waits: whoever calls it bounds by credit what is on the way.
    ///
    /// # Errors
    /// If the daemon shuts down.
    pub fn submit_credited(&self, batch: Batch) -> Result<(), Closed> {
        match self.ready(batch)? {
            Some(batch) => self.queue.push(Item::Batch(batch)),
            None => Ok(()),
        }
    }

    /// The batch as it is stored; `None` where [`Intake::ruled`] leaves nothing.
    fn ready(&self, batch: Batch) -> Result<Option<Batch>, Closed> {
        let mut batch = self.ruled(batch)?;
        batch.iter_mut().for_each(Batch::find_traces);
        Ok(batch)
    }

    /// The batch after the rules; `None` if nothing of it is to be stored, not even where its producer stands.
    fn ruled(&self, mut batch: Batch) -> Result<Option<Batch>, Closed> {
        let Some(rules) = self.rules.get() else {
            return Ok(Some(batch));
        };
        let had_records = batch.count > 0;
        rules.apply(&mut batch);
        if batch.count > 0 || !had_records || batch.ordered || batch.upstream.is_some() {
            return Ok(Some(batch));
        }
        if let Some(done) = batch.done {
            self.after(Box::new(move || done(Stored::Durable)))?;
        }
        Ok(None)
    }

    /// How much memory is taken by what did not wait for room, and is not yet durable, in bytes.
    pub fn credited(&self) -> usize {
        self.queue.credited()
    }

    /// How much memory is taken by all that is not yet durable, in bytes.
    pub fn bytes(&self) -> usize {
        self.queue.bytes()
    }

    /// The offset at which a producer resumes. It reports that all before `acked` is durable, here or at another
    /// daemon. `answer` is called once everything submitted before is durable.
    ///
    /// # Errors
    /// If the daemon shuts down.
    pub fn resume_offset(
        &self,
        producer: ProducerId,
        acked: u64,
        answer: Box<dyn FnOnce(u64) + Send>,
    ) -> Result<(), Closed> {
        self.queue.push(Item::ResumeOffset {
            producer,
            acked,
            answer,
        })
    }

    /// `then` is called once everything submitted before is durable and readers see it.
    ///
    /// # Errors
    /// If the daemon shuts down.
    pub fn after(&self, then: Box<dyn FnOnce() + Send>) -> Result<(), Closed> {
        self.queue.push(Item::After(then))
    }
}

impl Writer {
    /// Stores what waits, makes it durable and closes the store. Returns how many records could not be stored.
    pub fn close(mut self) -> u64 {
        self.end()
    }

    fn end(&mut self) -> u64 {
        self.queue.close();
        // The supervisor hears of a panic.
        self.thread
            .take()
            .and_then(|thread| thread.join().ok())
            .unwrap_or_default()
    }
}

impl Drop for Writer {
    /// As [`Writer::close`]: a daemon that did not start lets go of its store.
    fn drop(&mut self) {
        self.end();
    }
}

/// Closes the queue when the thread ends. Only after a panic there is something left in it.
struct Closing(Arc<Queue>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// Now, in ns since the epoch.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
        })
}
