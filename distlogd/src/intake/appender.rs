//! The thread that appends to the store and commits.
//!
//! What was taken but is not yet durable stays here: after a failed write it is taken again, in the same order, until
//! that succeeds. Only a successful commit lets callbacks go.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::queue::{Item, Queue, Room};
use super::{Batch, Stored, SyncPolicy};
use crate::self_telemetry::RateLimited;
use distlog_proto::ProducerId;
use distlog_store::{Append, AppendOutcome, Reader, Store, StoreError};

/// A commit is due when so many bytes were appended: a quarter of the credit of sessions.
const MAX_UNCOMMITTED_BYTES: usize = 16 << 20;
/// A longer commit was an exception, and no estimate for the next.
const MAX_COMMIT_ESTIMATE: Duration = Duration::from_secs(1);
/// How often retention and other maintenance run.
const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(5);
/// The wait before a failed write is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// Attempts at a failing store once the daemon shuts down, without waiting.
const MAX_LAST_TRIES: u32 = 3;

pub(super) struct Appender<'q> {
    store: Store,
    /// Tells how far the store is durable.
    reader: Reader,
    queue: &'q Queue,
    sync: SyncPolicy,
    /// Taken, in order, but not yet durable.
    unsynced: Vec<Taken>,
    unsynced_bytes: usize,
    due: Option<Instant>,
    /// When the oldest of them was taken.
    since: Option<Instant>,
    /// How long the last commit took, and when it ended.
    last_commit: Duration,
    committed: Instant,
    maintain_at: Instant,
    /// A failing store is reported once.
    failure: RateLimited,
    /// Attempts that are left once the daemon shuts down.
    last_tries: u32,
    /// Records given up.
    lost: u64,
}

/// Something that was given to the store.
struct Taken {
    item: Item,
    became: Became,
}

/// What the store said to it.
#[derive(Clone, Copy)]
enum Became {
    /// Records with numbers up to `end` are durable: so is it.
    DurableAt { end: u64 },
    /// It needs no records of its own to be durable.
    Settled,
    /// Not taken.
    Gap,
}

impl<'q> Appender<'q> {
    pub(super) fn new(store: Store, sync: SyncPolicy, queue: &'q Queue) -> Appender<'q> {
        Appender {
            reader: store.reader(),
            store,
            queue,
            sync,
            unsynced: Vec::new(),
            unsynced_bytes: 0,
            due: None,
            since: None,
            last_commit: Duration::ZERO,
            committed: Instant::now(),
            maintain_at: Instant::now() + MAINTENANCE_INTERVAL,
            failure: RateLimited::once(),
            last_tries: MAX_LAST_TRIES,
            lost: 0,
        }
    }

    /// Returns how many records could not be stored.
    pub(super) fn run(mut self) -> u64 {
        let mut waiting = VecDeque::new();
        loop {
            let deadline = self.due.unwrap_or(self.maintain_at).min(self.maintain_at);
            let open = self.queue.take(&mut waiting, deadline);
            while let Some(item) = waiting.pop_front() {
                self.take(item);
                // Where nothing is to wait, what came together still shares a sync.
                let due =
                    self.sync != SyncPolicy::Always && self.is_due() && self.is_worth_a_commit();
                if due || self.unsynced_bytes >= MAX_UNCOMMITTED_BYTES {
                    self.commit();
                }
            }
            if !open || self.is_due() {
                self.commit();
            }
            if self.maintain_at <= Instant::now() {
                self.maintain_at = Instant::now() + MAINTENANCE_INTERVAL;
                self.report_clock_jump();
                if let Err(error) = self.store.maintain(self.store.now()) {
                    tracing::warn!("{error}");
                }
            }
            if !open {
                break;
            }
        }
        if let Err(error) = self.store.close() {
            tracing::error!("{error}");
        }
        if self.lost > 0 {
            tracing::error!(
                "{} records could not be stored before the daemon had to stop",
                self.lost
            );
        }
        self.lost
    }

    /// Reports that the system's clock was set. Ages and timers use other clocks.
    fn report_clock_jump(&mut self) {
        if let Some(jump) = self.store.clock_jump() {
            let way = if jump.forward { "forward" } else { "back" };
            tracing::warn!(
                "the system's clock was set {way} by {} s; ages are judged and timers run as if it was not",
                jump.by.as_secs()
            );
        }
    }

    /// When what is taken now is to be durable.
    fn due_from(&self, now: Instant) -> Instant {
        match self.sync {
            SyncPolicy::Adaptive => now.max(self.committed + self.last_commit),
            SyncPolicy::Every(interval) => now + interval,
            SyncPolicy::Always => now,
        }
    }

    fn is_due(&self) -> bool {
        self.due.is_some_and(|due| due <= Instant::now())
    }

    /// Where more waits already: whether appending took as long as a commit does. Else a slow disk would spend its time
    /// on syncs of a few records each, and what clients may have on the way would wait for them.
    fn is_worth_a_commit(&self) -> bool {
        self.since
            .is_some_and(|since| since.elapsed() >= self.last_commit)
    }

    fn take(&mut self, item: Item) {
        let mut taken = Taken {
            item,
            became: Became::Settled,
        };
        loop {
            match self.offer(&mut taken) {
                Ok(()) => break,
                Err(error @ (StoreError::TooLarge { .. } | StoreError::BadRange { .. })) => {
                    tracing::error!("a batch was dropped: {error}");
                    return self.refuse(taken.item);
                }
                Err(error) => {
                    if !self.recover(&error) {
                        return self.give_up(taken.item);
                    }
                }
            }
        }
        self.unsynced_bytes += taken.batch().map_or(0, |batch| batch.bytes.len());
        self.unsynced.push(taken);
        let now = Instant::now();
        self.since.get_or_insert(now);
        let due = self.due_from(now);
        self.due.get_or_insert(due);
    }

    /// Gives something to the store.
    fn offer(&mut self, taken: &mut Taken) -> Result<(), StoreError> {
        if let Item::ResumeOffset {
            producer, acked, ..
        } = &taken.item
        {
            let now = self.store.now();
            self.store.advance(*producer, *acked, now);
        }
        let Some(batch) = taken.batch() else {
            return Ok(());
        };
        let append = Append {
            producer: batch.producer,
            from: batch.from,
            to: batch.to,
            count: batch.count,
            received: self.store.now(),
            ordered: batch.ordered,
            bytes: &batch.bytes,
        };
        let outcome = (self.store).append_from(&append, batch.upstream, batch.traces.as_deref())?;
        taken.became = match outcome {
            AppendOutcome::Taken { first } if batch.count > 0 => Became::DurableAt {
                end: first + u64::from(batch.count),
            },
            AppendOutcome::Taken { .. } | AppendOutcome::Replay { .. } => Became::Settled,
            AppendOutcome::Gap { position } => {
                let (producer, from) = (batch.producer, batch.from);
                tracing::debug!(%producer, from, position, "a batch with a gap before it was not taken");
                Became::Gap
            }
        };
        Ok(())
    }

    fn commit(&mut self) {
        let begun = Instant::now();
        while let Err(error) = self.store.commit() {
            if !self.recover(&error) {
                return;
            }
        }
        if !self.unsynced.is_empty() && self.failure.over() {
            tracing::info!("the store takes records again");
        }
        self.committed = Instant::now();
        self.last_commit = (self.committed - begun).min(MAX_COMMIT_ESTIMATE);
        self.unsynced_bytes = 0;
        (self.due, self.since) = (None, None);
        let mut room = Room::default();
        for taken in std::mem::take(&mut self.unsynced) {
            room.add(&taken.item);
            self.answer(taken);
        }
        self.queue.release(room);
    }

    /// Says what became of something, now that all is durable.
    fn answer(&self, taken: Taken) {
        let became = taken.became;
        match taken.item {
            Item::Batch(batch) | Item::Bounded(batch) => {
                let Some(done) = batch.done else { return };
                done(match became {
                    Became::Gap => {
                        let upstream = batch.upstream.map(|upstream| upstream.stream);
                        Stored::Gap {
                            resume_offset: self.position(&upstream.unwrap_or(batch.producer)),
                        }
                    }
                    Became::DurableAt { .. } | Became::Settled => Stored::Durable,
                });
            }
            Item::ResumeOffset {
                producer, answer, ..
            } => answer(self.position(&producer)),
            Item::After(then) => then(),
        }
    }

    fn position(&self, producer: &ProducerId) -> u64 {
        self.store.position_of(producer).unwrap_or(0)
    }

    /// It can never be stored.
    fn refuse(&self, item: Item) {
        self.queue.release(Room::from(&item));
        if let Item::Batch(batch) | Item::Bounded(batch) = item
            && let Some(done) = batch.done
        {
            done(Stored::Refused);
        }
    }

    /// The daemon stops before it could be stored.
    fn give_up(&mut self, item: Item) {
        self.lost += item.batch().map_or(0, |batch| u64::from(batch.count));
        self.queue.release(Room::from(&item));
    }

    /// After a failed write: takes again what is not durable, until that succeeds. False when the daemon shuts down
    /// first; what could not be taken again is lost then, and its senders do not hear of it.
    fn recover(&mut self, error: &StoreError) -> bool {
        if self.failure.report(1).is_some() {
            tracing::error!("{error}");
        }
        let mut unsynced = std::mem::take(&mut self.unsynced);
        loop {
            // The store refuses for want of room without forgetting what it took: that is not to be offered again. If
            // it cannot be made durable, it is forgotten now.
            let _ = self.store.commit();
            if !self.queue.wait_closed(RETRY_INTERVAL) {
                // Time has passed.
            } else if self.last_tries == 0 {
                for taken in unsynced {
                    // A part may have become durable before the failure.
                    if self.is_durable(&taken) {
                        self.queue.release(Room::from(&taken.item));
                        self.answer(taken);
                    } else {
                        self.give_up(taken.item);
                    }
                }
                return false;
            } else {
                self.last_tries -= 1;
            }
            if let Err(error) = self.store.maintain(self.store.now()) {
                tracing::debug!("{error}");
            }
            if unsynced
                .iter_mut()
                .all(|taken| self.is_durable(taken) || self.offer(taken).is_ok())
            {
                self.unsynced = unsynced;
                return true;
            }
        }
    }

    /// Whether its records are durable. They were numbered in this order each time, so a number that is durable is
    /// surely its own.
    fn is_durable(&self, taken: &Taken) -> bool {
        matches!(taken.became, Became::DurableAt { end } if end <= self.reader.end())
    }
}

impl Taken {
    fn batch(&self) -> Option<&Batch> {
        self.item.batch()
    }
}

impl Item {
    fn batch(&self) -> Option<&Batch> {
        match self {
            Item::Batch(batch) | Item::Bounded(batch) => Some(batch),
            Item::ResumeOffset { .. } | Item::After(_) => None,
        }
    }
}
