//! The way into the store: a bounded queue, and the one thread that appends and commits.
//!
//! Doors [`submit`](Intake::submit) batches and wait while the queue is full: a slow disk makes senders wait, not memory
//! grow. The thread appends what comes and commits when `sync` has passed or a frame is full.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use distlog_proto::ProducerId;

use crate::store::{Append, AppendOutcome, Store, StoreError};

/// Batches that wait may take so much memory, in bytes.
const QUEUE_BYTES: usize = 64 << 20;
/// Commit at the latest when so much was appended, in bytes.
const COMMIT_BYTES: usize = 256 << 10;
/// How often retention and the store's other chores are looked after.
const MAINTAIN_EVERY: Duration = Duration::from_secs(5);
/// How long to wait before a batch that could not be stored is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// Records of one producer, on their way into the store.
#[derive(Debug)]
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
    /// A `distlog.v1.RecordBatch`.
    pub bytes: Vec<u8>,
}

/// The daemon takes nothing more.
#[derive(Debug, thiserror::Error)]
#[error("the daemon is shutting down and takes nothing more")]
pub struct Closed;

/// Where doors put batches.
#[derive(Debug, Clone)]
pub struct Intake {
    queue: Arc<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    drained: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Batch>,
    bytes: usize,
    closed: bool,
}

/// The thread that writes.
#[derive(Debug)]
pub struct Writer {
    queue: Arc<Queue>,
    thread: JoinHandle<()>,
}

/// Starts the thread that writes. `sync` is how long an appended record may wait to become durable.
///
/// # Errors
/// If the system gives no thread.
pub fn start(store: Store, sync: Duration) -> std::io::Result<(Intake, Writer)> {
    let queue = Arc::new(Queue::default());
    let own = Arc::clone(&queue);
    let thread = std::thread::Builder::new()
        .name("store".into())
        .spawn(move || Appender::new(store, sync).run(&own))?;
    Ok((
        Intake {
            queue: Arc::clone(&queue),
        },
        Writer { queue, thread },
    ))
}

impl Intake {
    /// Puts a batch into the queue; waits while that is full.
    ///
    /// # Errors
    /// If the daemon shuts down.
    pub fn submit(&self, batch: Batch) -> Result<(), Closed> {
        let mut state = self.queue.lock();
        while state.bytes >= QUEUE_BYTES && !state.closed {
            state = self
                .queue
                .drained
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed {
            return Err(Closed);
        }
        state.bytes += batch.bytes.len();
        state.waiting.push_back(batch);
        drop(state);
        self.queue.filled.notify_one();
        Ok(())
    }
}

impl Writer {
    /// Stores what waits, makes it durable and closes the store.
    pub fn close(self) {
        self.queue.lock().closed = true;
        self.queue.filled.notify_all();
        self.queue.drained.notify_all();
        if self.thread.join().is_err() {
            tracing::error!("the thread that writes the store has panicked");
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes all that waits; waits for something until `deadline`. False once it is closed and empty.
    fn take(&self, into: &mut VecDeque<Batch>, deadline: Instant) -> bool {
        let mut state = self.lock();
        while state.waiting.is_empty() && !state.closed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            state = self
                .filled
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        std::mem::swap(&mut state.waiting, into);
        state.bytes = 0;
        let open = !state.closed || !into.is_empty();
        drop(state);
        self.drained.notify_all();
        open
    }

    fn is_closed(&self) -> bool {
        self.lock().closed
    }
}

struct Appender {
    store: Store,
    sync: Duration,
    /// Appended, but not yet durable: after a failed write they are appended again.
    unsynced: Vec<Batch>,
    unsynced_bytes: usize,
    due: Option<Instant>,
    maintain_at: Instant,
    /// Whether the last attempt failed, so that a trouble is told once.
    troubled: bool,
}

impl Appender {
    fn new(store: Store, sync: Duration) -> Appender {
        Appender {
            store,
            sync,
            unsynced: Vec::new(),
            unsynced_bytes: 0,
            due: None,
            maintain_at: Instant::now() + MAINTAIN_EVERY,
            troubled: false,
        }
    }

    fn run(mut self, queue: &Queue) {
        let mut taken = VecDeque::new();
        loop {
            let deadline = self.due.unwrap_or(self.maintain_at).min(self.maintain_at);
            let open = queue.take(&mut taken, deadline);
            while let Some(batch) = taken.pop_front() {
                self.append(batch, queue);
                if self.unsynced_bytes >= COMMIT_BYTES
                    || self.due.is_some_and(|due| due <= Instant::now())
                {
                    self.commit(queue);
                }
            }
            if !open || self.due.is_some_and(|due| due <= Instant::now()) {
                self.commit(queue);
            }
            if self.maintain_at <= Instant::now() {
                self.maintain_at = Instant::now() + MAINTAIN_EVERY;
                if let Err(error) = self.store.maintain(now()) {
                    tracing::warn!("{error}");
                }
            }
            if !open {
                break;
            }
        }
        if !self.unsynced.is_empty() {
            let lost: u64 = self
                .unsynced
                .iter()
                .map(|batch| u64::from(batch.count))
                .sum();
            tracing::error!("{lost} records could not be stored before the daemon had to stop");
        }
        if let Err(error) = self.store.close() {
            tracing::error!("{error}");
        }
    }

    fn append(&mut self, batch: Batch, queue: &Queue) {
        while let Err(error) = self.try_append(&batch) {
            if matches!(
                error,
                StoreError::TooLarge { .. } | StoreError::BadRange { .. }
            ) {
                tracing::error!(records = batch.count, "a batch was dropped: {error}");
                return;
            }
            if !self.recover(&error, queue) {
                break;
            }
        }
        self.unsynced_bytes += batch.bytes.len();
        self.unsynced.push(batch);
        self.due.get_or_insert_with(|| Instant::now() + self.sync);
    }

    fn try_append(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let outcome = self.store.append(&Append {
            producer: batch.producer.to_bytes(),
            from: batch.from,
            to: batch.to,
            count: batch.count,
            received: now(),
            ordered: batch.ordered,
            bytes: &batch.bytes,
        })?;
        if let AppendOutcome::Gap { stands_at } = outcome {
            tracing::warn!(producer = %batch.producer, from = batch.from, stands_at, "a batch with a gap before it was refused");
        }
        Ok(())
    }

    fn commit(&mut self, queue: &Queue) {
        while let Err(error) = self.store.commit() {
            if !self.recover(&error, queue) {
                return;
            }
        }
        if std::mem::take(&mut self.troubled) {
            tracing::info!("the store takes records again");
        }
        self.unsynced.clear();
        self.unsynced_bytes = 0;
        self.due = None;
    }

    /// After a failed write: appends again what is not durable, until that succeeds. False when the daemon shuts down.
    fn recover(&mut self, error: &StoreError, queue: &Queue) -> bool {
        if !std::mem::replace(&mut self.troubled, true) {
            tracing::error!("{error}");
        }
        let unsynced = std::mem::take(&mut self.unsynced);
        loop {
            if queue.is_closed() {
                self.unsynced = unsynced;
                return false;
            }
            std::thread::sleep(RETRY);
            if let Err(error) = self.store.maintain(now()) {
                tracing::debug!("{error}");
            }
            // A part may have become durable before the failure.
            let stored = |store: &Store, batch: &Batch| {
                store.position_of(&batch.producer.to_bytes()) >= Some(batch.to)
            };
            if unsynced
                .iter()
                .all(|batch| stored(&self.store, batch) || self.try_append(batch).is_ok())
            {
                self.unsynced = unsynced;
                return true;
            }
        }
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
