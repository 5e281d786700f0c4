//! The store's single writer: append, commit, retention. How frames get into segments is in `segment.rs`.

mod segment;

use distlog_proto::{ProducerId, TraceId};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::age_clock::{AgeClock, ClockJump, Reading};
use super::append::{Append, AppendOutcome, Upstream};
use super::checkpoint::Checkpoint;
use super::cursor_file::CURSORS;
use super::damage::Report;
use super::directory::{remove_aside, take_lock};
use super::erase::Eraser;
use super::error::{FileError, OpenError, StoreError};
use super::layer::{FileLayer, Lock, OsFiles};
use super::live::Live;
use super::options::{FRAME_TARGET, MAX_BATCH, Options};
use super::pending::{Pending, Written};
use super::producers::Producers;
use super::reader::Reader;
use super::recover::recover;
use super::retention::{Expired, Retention, expire, seal_again};
use super::sealer::Sealer;
use super::state::Shared;
use super::stats::{Stats, add};

const SEGMENTS: &str = "segments";

/// `maintain` saves a checkpoint when the last one is older than this, in ns.
const CHECKPOINT_EVERY: u64 = 60_000_000_000;

/// A store, open for writing. One thread owns it; any number read by [`Store::reader`].
pub struct Store {
    shared: Arc<Shared>,
    sealer: Sealer,
    producers: Producers,
    /// The segment that is written; none after a failure, until the next could be begun.
    current: Option<Current>,
    /// The segment written before, until the next is begun.
    retiring: Option<Arc<Live>>,
    pending: Pending,
    written: Written,
    /// How many of the producers' steps are in written frames.
    written_steps: usize,
    /// The number of the next record.
    next: u64,
    /// The number after the last durable record.
    durable: u64,
    next_id: u64,
    /// `next` when the store was maintained last.
    next_maintained: u64,
    low: bool,
    unasked: usize,
    checkpoint_due: bool,
    checkpoint_at: u64,
    clock: AgeClock,
    _lock: Lock,
}

struct Current {
    live: Arc<Live>,
    /// Where the written frames end.
    offset: u64,
    /// The number after the last written record.
    end: u64,
}

impl Store {
    /// Opens the store in a directory, which is created if it is not there, and recovers what was durable.
    ///
    /// # Errors
    /// If another has it open, or the file system does not let us.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        Self::open_on(Arc::new(OsFiles), path, options)
    }

    /// Opens a store on another file layer than that of the operating system.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_on(
        layer: Arc<dyn FileLayer>,
        path: impl AsRef<Path>,
        options: Options,
    ) -> Result<Self, OpenError> {
        let dir = path.as_ref();
        let segments_dir = dir.join(SEGMENTS);
        let cursors_dir = dir.join(CURSORS);
        for dir in [&segments_dir, &cursors_dir] {
            layer
                .create_dir(dir)
                .map_err(|e| FileError::new("create", dir, e))?;
        }
        let lock = take_lock(&*layer, dir)?;
        layer
            .sync_dir(dir)
            .map_err(|e| FileError::new("sync", dir, e))?;
        if let Some(above) = dir.parent().filter(|above| !above.as_os_str().is_empty()) {
            // The directory itself must last, too; where we may not look into the one above, it was there before us.
            let _ = layer.sync_dir(above);
        }
        remove_aside(&*layer, &cursors_dir)?;
        let found = recover(&*layer, dir, &segments_dir, &options)?;
        let clock = AgeClock::begin(Reading::load(&*layer, dir)?);

        let next = found.state.end;
        let kept = next - found.state.first() - found.damage.lost_within(found.state.first()..next);
        if !found.damages.is_empty() {
            tracing::warn!(
                "the store {} is damaged: {}; {kept} records are kept",
                dir.display(),
                Report(&found.damages)
            );
        }
        let shared = Shared::new(
            layer,
            dir,
            segments_dir,
            options,
            found.state,
            (found.counters, found.damage),
        );
        let shared = Arc::new(shared);
        let sealer = Sealer::start(&shared, found.saved)
            .map_err(|e| FileError::new("start the sealing thread of", dir, e))?;
        for full in found.unsealed {
            sealer.seal(&shared, full);
        }
        let mut store = Self {
            shared,
            sealer,
            producers: found.producers,
            current: None,
            retiring: None,
            pending: Pending::new(),
            written: Written::default(),
            written_steps: 0,
            next,
            durable: next,
            next_id: found.next_id,
            next_maintained: 0,
            low: true,
            unasked: 0,
            checkpoint_due: false,
            checkpoint_at: 0,
            clock,
            _lock: lock,
        };
        match found.open {
            Some(live) => store.go_on_in(live),
            None => match store.begin_segment() {
                // It can be read; writing waits for room.
                Ok(()) | Err(StoreError::NoSpace { .. }) => {}
                Err(StoreError::File(e)) => return Err(e.into()),
                Err(_) => {}
            },
        }
        store.count_producers();
        Ok(store)
    }

    /// A reader of this store.
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.shared))
    }

    /// Takes deleted records out of its files, from any thread.
    pub fn eraser(&self) -> Eraser {
        Eraser::new(Arc::clone(&self.shared))
    }

    /// Changes how much is kept, from any thread.
    pub fn retention(&self) -> Retention {
        Retention(Arc::clone(&self.shared))
    }

    /// What the store has and has done.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Now, in ns since the epoch, by a clock that no change of the system's time makes jump: what ages are judged by.
    pub fn now(&self) -> u64 {
        self.clock.now()
    }

    /// Whether the system's time was set since this was asked last.
    pub fn clock_jump(&mut self) -> Option<ClockJump> {
        let jump = self.clock.jump();
        if jump.is_some() {
            // Else a crash would make it look like time that passed while the store was closed.
            self.save_clock();
        }
        jump
    }

    /// Where a producer stands: the offset after the last one taken of it, durable or not. None if it is not known.
    pub fn position_of(&self, producer: &ProducerId) -> Option<u64> {
        self.producers.get(producer).map(|position| position.to)
    }

    /// Lets a producer position at least at an offset, because it says that all before is durable elsewhere. `now` is
    /// in ns since the epoch. Not durable before the producer's next batch; it will say it again.
    pub fn advance(&mut self, producer: ProducerId, to: u64, now: u64) {
        self.producers.forward(producer, to, now);
    }

    /// Notes contact with a producer (ns since the epoch), so that its position is kept.
    pub fn touch(&mut self, producer: &ProducerId, now: u64) {
        self.producers.touch(producer, now);
    }

    /// Takes a batch. It is durable, and readers see it, after the next [`commit`](Self::commit) that succeeds.
    ///
    /// # Errors
    /// See [`StoreError`]: after `NoSpace` and `File`, what was appended since the last commit may be forgotten.
    pub fn append(&mut self, batch: &Append<'_>) -> Result<AppendOutcome, StoreError> {
        self.append_from(batch, None, None)
    }

    /// Takes a batch; one that was read from a stream, if it stands where the store is in that. `traces`: all that
    /// [`Options::index`] would find in it, where they are known already; one may stand several times.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn append_from(
        &mut self,
        batch: &Append<'_>,
        upstream: Option<Upstream>,
        traces: Option<&[TraceId]>,
    ) -> Result<AppendOutcome, StoreError> {
        let span = batch.to.saturating_sub(batch.from);
        if span == 0 || u64::from(batch.count) > span {
            return Err(StoreError::BadRange {
                from: batch.from,
                to: batch.to,
                count: batch.count,
            });
        }
        if batch.bytes.len() > MAX_BATCH {
            return Err(StoreError::TooLarge {
                bytes: batch.bytes.len(),
                limit: MAX_BATCH,
            });
        }
        if let Some(known) = self.known(batch, upstream) {
            return Ok(known);
        }
        self.ask_free(batch.bytes.len())?;
        if self.current.is_none() {
            self.begin_segment()?;
        }
        let first = self.next;
        match traces {
            Some(traces) => traces
                .iter()
                .for_each(|trace| self.pending.add_trace(*trace)),
            None => {
                let index = self.shared.options.index;
                index(batch.bytes, &mut |trace| self.pending.add_trace(trace));
            }
        }
        self.pending.add(batch);
        self.producers
            .advance(batch.producer, batch.to, batch.received);
        if let Some(Upstream { stream, from, to }) = upstream {
            // In the same frame: after a crash there are both or neither.
            let place = Append {
                producer: stream,
                from,
                to,
                count: 0,
                ordered: true,
                bytes: &[],
                ..*batch
            };
            self.pending.add(&place);
            self.producers.advance(stream, to, batch.received);
        }
        self.next += u64::from(batch.count);
        if self.pending.len() >= FRAME_TARGET {
            self.or_rewind(Self::write_pending)?;
        }
        Ok(AppendOutcome::Taken { first })
    }

    /// What becomes of a batch that is not taken: it is there already, or something before it is missing.
    fn known(&mut self, batch: &Append<'_>, upstream: Option<Upstream>) -> Option<AppendOutcome> {
        let (producer, from, to) = match upstream {
            Some(Upstream { stream, from, to }) => (stream, from, to),
            None if batch.ordered => (batch.producer, batch.from, batch.to),
            None => return None,
        };
        let position = self.position_of(&producer)?;
        if to <= position {
            add(&self.shared.counters.replays, 1);
            self.producers.touch(&producer, batch.received);
            return Some(AppendOutcome::Replay { position });
        }
        if from != position {
            add(&self.shared.counters.gaps, 1);
            return Some(AppendOutcome::Gap { position });
        }
        None
    }

    /// Makes everything appended durable, and then visible to readers. Gives the number after the last durable record.
    ///
    /// # Errors
    /// Everything appended since the last successful commit is forgotten then, unless it went into a segment that was
    /// completed: [`position_of`](Self::position_of) tells. The store goes on working.
    pub fn commit(&mut self) -> Result<u64, StoreError> {
        self.or_rewind(|store| {
            store.write_pending()?;
            store.sync()
        })?;
        if self.checkpoint_due
            && let Some(checkpoint) = self.checkpoint()
        {
            self.sealer.checkpoint(checkpoint);
            self.checkpoint_due = false;
        }
        self.close_if_asked();
        self.count_producers();
        Ok(self.durable)
    }

    /// What is to be done now and then (each few seconds): retention, forgetting old producers, sealing what could not
    /// be sealed before and what nothing was added to since the last time, a checkpoint. `now` is in ns since the
    /// epoch, of [`now`](Self::now).
    ///
    /// # Errors
    /// If a file could not be removed or the checkpoint not be saved; what was appended is not affected.
    pub fn maintain(&mut self, now: u64) -> Result<Expired, FileError> {
        // Size goes on to count where ages do not.
        let for_ages = if self.clock.is_sure() { now } else { 0 };
        self.producers.expire(for_ages);
        self.count_producers();
        self.close_if_asked();
        self.shared.discard_again();
        seal_again(&self.shared, &self.sealer);
        // What is to be kept, what is to be deleted and the disk's room change without a segment.
        self.sealer.wake();
        // Also where the clock was set back.
        if now.abs_diff(self.checkpoint_at) >= CHECKPOINT_EVERY {
            self.checkpoint_at = now;
            if let Some(checkpoint) = self.checkpoint() {
                self.sealer.checkpoint(checkpoint);
            }
            self.save_clock();
        }
        let expired = expire(&self.shared, &self.sealer, || self.checkpoint(), for_ages);
        // After that, as it takes the room of two until it is sealed.
        self.close_if_idle();
        expired
    }

    /// Commits, saves a checkpoint and closes the store. Dropping it closes it, too, without a commit.
    ///
    /// # Errors
    /// If the commit or the checkpoint failed. The store is closed nevertheless.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.commit()?;
        if let Some(checkpoint) = self.checkpoint() {
            self.sealer.checkpoint_now(&self.shared, &checkpoint)?;
        }
        if self.clock.is_sure() {
            let shared = &self.shared;
            self.clock.read().save(&*shared.layer, &shared.dir)?;
        }
        Ok(())
    }

    /// Has the clock saved, unless it is doubted: then the next start must doubt it, too.
    fn save_clock(&self) {
        if self.clock.is_sure() {
            self.sealer.save_clock(self.clock.read());
        }
    }

    /// A checkpoint of what is durable.
    fn checkpoint(&self) -> Option<Checkpoint> {
        let live = &self.current.as_ref()?.live;
        let offset = live.durable.load(Ordering::Relaxed);
        let first = self.shared.state().first();
        Some(Checkpoint::new(
            (first, self.durable),
            live.header.id,
            offset,
            &self.producers,
        ))
    }

    fn count_producers(&self) {
        let producers = &self.shared.counters.producers;
        producers.store(self.producers.len() as u64, Ordering::Relaxed);
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.sealer.stop(&self.shared);
        self.shared.update(|state| state.closed = true);
    }
}
