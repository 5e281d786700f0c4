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
/// Once the daemon shuts down, a store that takes nothing is tried so many times more, without waiting.
const LAST_TRIES: u32 = 3;

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
    thread: Option<JoinHandle<u64>>,
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
        Writer {
            queue,
            thread: Some(thread),
        },
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
    /// Stores what waits, makes it durable and closes the store. Returns how many records could not be stored.
    pub fn close(mut self) -> u64 {
        self.end()
    }

    fn end(&mut self) -> u64 {
        self.queue.lock().closed = true;
        self.queue.filled.notify_all();
        self.queue.drained.notify_all();
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(lost)) => lost,
            Some(Err(_)) => {
                tracing::error!("the thread that writes the store has panicked");
                0
            }
            None => 0,
        }
    }
}

impl Drop for Writer {
    /// As [`Writer::close`]: a daemon that did not start lets go of its store.
    fn drop(&mut self) {
        self.end();
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
    /// How often a store that takes nothing is tried yet, once the daemon shuts down.
    last_tries: u32,
    /// Records given up.
    lost: u64,
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
            last_tries: LAST_TRIES,
            lost: 0,
        }
    }

    /// Returns how many records could not be stored.
    fn run(mut self, queue: &Queue) -> u64 {
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
        if let Err(error) = self.store.close() {
            tracing::error!("{error}");
            self.lost += records(&self.unsynced);
        }
        if self.lost > 0 {
            tracing::error!(
                "{} records could not be stored before the daemon had to stop",
                self.lost
            );
        }
        self.lost
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
                self.lost += u64::from(batch.count);
                return;
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
        if !self.unsynced.is_empty() && std::mem::take(&mut self.troubled) {
            tracing::info!("the store takes records again");
        }
        self.unsynced.clear();
        self.unsynced_bytes = 0;
        self.due = None;
    }

    /// After a failed write: appends again what is not durable, until that succeeds. False when the daemon shuts down
    /// first; what could not be appended again is lost then.
    fn recover(&mut self, error: &StoreError, queue: &Queue) -> bool {
        if !std::mem::replace(&mut self.troubled, true) {
            tracing::error!("{error}");
        }
        let unsynced = std::mem::take(&mut self.unsynced);
        // A part may have become durable before the failure.
        let stored = |store: &Store, batch: &Batch| {
            store.position_of(&batch.producer.to_bytes()) >= Some(batch.to)
        };
        loop {
            if !queue.is_closed() {
                std::thread::sleep(RETRY);
            } else if self.last_tries == 0 {
                let (kept, lost): (Vec<Batch>, Vec<Batch>) = unsynced
                    .into_iter()
                    .partition(|batch| stored(&self.store, batch));
                self.unsynced = kept;
                self.lost += records(&lost);
                return false;
            } else {
                self.last_tries -= 1;
            }
            if let Err(error) = self.store.maintain(now()) {
                tracing::debug!("{error}");
            }
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

fn records(batches: &[Batch]) -> u64 {
    batches.iter().map(|batch| u64::from(batch.count)).sum()
}

/// Now, in ns since the epoch.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Options;

    fn batch(from: u64) -> Batch {
        Batch {
            producer: ProducerId::from_bytes([1; 16]),
            from,
            to: from + 2,
            count: 2,
            ordered: false,
            bytes: vec![0; 100],
        }
    }

    #[test]
    fn what_waits_is_stored_before_the_store_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(
            folder.path(),
            Options {
                reserve: 0,
                ..Options::default()
            },
        )
        .unwrap();
        let reader = store.reader();
        let (intake, writer) = start(store, Duration::from_secs(3600)).unwrap();
        (0..10).for_each(|n| intake.submit(batch(n * 2)).unwrap());
        assert_eq!(writer.close(), 0);
        assert_eq!(reader.end() - reader.first(), 20);
        assert!(intake.submit(batch(20)).is_err());
    }

    #[test]
    fn a_store_that_takes_nothing_does_not_keep_the_daemon_from_stopping() {
        let folder = tempfile::tempdir().unwrap();
        let full = Options {
            reserve: u64::MAX,
            ..Options::default()
        };
        let store = Store::open(folder.path(), full).unwrap();
        let reader = store.reader();
        let (intake, writer) = start(store, Duration::ZERO).unwrap();
        (0..10).for_each(|n| intake.submit(batch(n * 2)).unwrap());
        assert_eq!(writer.close(), 20, "all that was given up is counted");
        assert!(reader.is_closed());
        assert_eq!(reader.end(), reader.first());
    }
}
