//! The store's single writer: append, commit, retention.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::append::{Append, AppendOutcome};
use super::checkpoint::Checkpoint;
use super::cursor_file::CURSORS;
use super::directory::{create_segment, remove_aside, take_lock};
use super::error::{FileError, OpenError, StoreError};
use super::format::{SEGMENT_HEADER, SegmentHeader};
use super::layer::{FileLayer, Lock, OsFiles};
use super::options::{
    FRAME_TARGET, MAX_BACKLOG, MAX_BATCH, MAX_FRAMES, MAX_POSTINGS, Options, ProducerId,
};
use super::pending::{Pending, Written};
use super::producers::Producers;
use super::reader::Reader;
use super::recover::recover;
use super::retention::{Expired, expire, seal_again};
use super::sealer::Sealer;
use super::state::{Live, Segment, Shared};
use super::stats::{Stats, add};

const SEGMENTS: &str = "segments";

/// Free space is asked for after so many bytes were appended.
const ASK_FREE_EVERY: usize = 1 << 20;

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
    low: bool,
    unasked: usize,
    checkpoint_due: bool,
    checkpoint_at: u64,
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

        let next = found.state.end;
        let shared = Shared::new(
            layer,
            dir,
            segments_dir,
            options,
            found.state,
            found.counters,
        );
        let shared = Arc::new(shared);
        let sealer = Sealer::start(&shared, found.saved)
            .map_err(|e| FileError::new("start the sealing thread of", dir, e))?;
        for (live, end) in found.unsealed {
            sealer.seal(&shared, live, end);
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
            low: true,
            unasked: 0,
            checkpoint_due: false,
            checkpoint_at: 0,
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

    /// What the store has and has done.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Where a producer stands: the offset after the last one taken of it, durable or not. None if it is not known.
    pub fn position_of(&self, producer: &ProducerId) -> Option<u64> {
        self.producers.get(producer).map(|stand| stand.to)
    }

    /// Lets a producer stand at least at an offset, because it says that all before is durable elsewhere. `now` is in ns
    /// since the epoch. Not durable before the producer's next batch; it will say it again.
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
        if batch.ordered
            && let Some(stands_at) = self.position_of(&batch.producer)
        {
            if batch.to <= stands_at {
                add(&self.shared.counters.replays, 1);
                self.producers.touch(&batch.producer, batch.received);
                return Ok(AppendOutcome::Replay { stands_at });
            }
            if batch.from != stands_at {
                add(&self.shared.counters.gaps, 1);
                return Ok(AppendOutcome::Gap { stands_at });
            }
        }
        self.ask_free(batch.bytes.len())?;
        if self.current.is_none() {
            self.begin_segment()?;
        }
        let first = self.next;
        self.pending.add(batch, self.shared.options.index);
        self.producers
            .advance(batch.producer, batch.to, batch.received);
        self.next += u64::from(batch.count);
        if self.pending.len() >= FRAME_TARGET {
            self.or_rewind(Self::write_pending)?;
        }
        Ok(AppendOutcome::Taken { first })
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
        self.count_producers();
        Ok(self.durable)
    }

    /// What is to be done now and then (each few seconds): retention, forgetting old producers, sealing what could not be
    /// sealed before, a checkpoint. `now` is in ns since the epoch.
    ///
    /// # Errors
    /// If a file could not be removed or the checkpoint not be saved; what was appended is not affected.
    pub fn maintain(&mut self, now: u64) -> Result<Expired, FileError> {
        self.producers.expire(now);
        self.count_producers();
        seal_again(&self.shared, &self.sealer);
        if now.saturating_sub(self.checkpoint_at) >= CHECKPOINT_EVERY {
            self.checkpoint_at = now;
            if let Some(checkpoint) = self.checkpoint() {
                self.sealer.checkpoint(checkpoint);
            }
        }
        expire(&self.shared, &self.sealer, || self.checkpoint(), now)
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
        Ok(())
    }

    /// Writes on in a segment that recovery found.
    fn go_on_in(&mut self, live: Arc<Live>) {
        // If there is no room to allocate, a write will say so.
        if live.file.allocate(self.shared.options.segment_size).is_ok() {
            let size = live.size.load(Ordering::Relaxed);
            live.size.store(
                size.max(self.shared.options.segment_size),
                Ordering::Relaxed,
            );
        }
        self.current = Some(Current {
            offset: live.durable.load(Ordering::Relaxed),
            end: self.durable,
            live,
        });
    }

    /// Refuses when less than the reserve is free.
    fn ask_free(&mut self, bytes: usize) -> Result<(), StoreError> {
        self.unasked += bytes;
        if !self.low && self.unasked < ASK_FREE_EVERY {
            return Ok(());
        }
        self.unasked = 0;
        let result = self.need_free(self.shared.options.reserve);
        self.low = result.is_err();
        result
    }

    fn need_free(&self, needed: u64) -> Result<(), StoreError> {
        // Where the file system does not tell, a write will.
        let free = self.shared.layer.free_space(&self.shared.dir);
        match free {
            Ok(free) if free < needed => Err(self.no_space(free, needed)),
            _ => Ok(()),
        }
    }

    fn no_space(&self, free: u64, needed: u64) -> StoreError {
        add(&self.shared.counters.no_space, 1);
        StoreError::NoSpace {
            path: self.shared.dir.clone(),
            free,
            needed,
        }
    }

    /// An error of a file operation, said as what it means.
    fn failure(&self, error: FileError) -> StoreError {
        match error.source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                let free = self.shared.layer.free_space(&self.shared.dir).unwrap_or(0);
                let options = &self.shared.options;
                self.no_space(free, options.reserve + options.segment_size)
            }
            _ => {
                add(&self.shared.counters.write_errors, 1);
                StoreError::File(error)
            }
        }
    }

    /// Does something; if it fails, forgets everything that is not durable.
    fn or_rewind(
        &mut self,
        action: impl FnOnce(&mut Self) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let result = action(self);
        if result.is_err() {
            if !self.written.is_empty() {
                self.retire();
            }
            self.pending.clear();
            self.written.clear();
            self.producers.rewind();
            self.written_steps = 0;
            self.next = self.durable;
            if self.current.is_none() {
                // At once, so that what a failed sync left in the old file is surely not taken for durable at the next
                // start. If it cannot be begun now, the next append tries again.
                let _ = self.begin_segment();
            }
        }
        result
    }

    /// Never again writes to the current segment.
    fn retire(&mut self) {
        if let Some(current) = self.current.take() {
            self.retiring = Some(current.live);
        }
    }

    fn write_pending(&mut self) -> Result<(), StoreError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        if self.current.is_some() && !self.fits() {
            self.sync()?;
            self.retire();
            self.shared
                .wait(Duration::from_secs(60), |s| s.backlog < MAX_BACKLOG);
        }
        if self.current.is_none() {
            self.begin_segment()?;
        }
        let Some(current) = &mut self.current else {
            return Ok(());
        };
        let live = Arc::clone(&current.live);
        let bytes = self.pending.finish(current.end, live.header.salt);
        let len = bytes.len() as u64;
        let result = live.file.write_all_at(bytes, current.offset);
        self.written
            .note(&self.pending, current.end, current.offset);
        if let Err(e) = result {
            self.retire();
            return Err(self.failure(FileError::new("write", &live.path, e)));
        }
        current.offset += len;
        current.end = self.next;
        live.size.fetch_max(current.offset, Ordering::Relaxed);
        self.written_steps = self.producers.steps();
        self.pending.clear();
        Ok(())
    }

    /// Whether the pending frame has room in the current segment.
    fn fits(&self) -> bool {
        let Some(current) = &self.current else {
            return false;
        };
        if current.offset == SEGMENT_HEADER as u64 {
            return true;
        }
        let end = current.offset + self.pending.len() as u64;
        let memory = current.live.memory();
        let postings = memory.postings() + self.written.traces() + self.pending.traces();
        let frames = memory.frames().len() + self.written.frames();
        end <= self.shared.options.segment_size && postings < MAX_POSTINGS && frames < MAX_FRAMES
    }

    /// Makes what is written durable, and then visible.
    fn sync(&mut self) -> Result<(), StoreError> {
        let Some(current) = self.current.as_ref().filter(|_| !self.written.is_empty()) else {
            return Ok(());
        };
        let (live, offset, end) = (Arc::clone(&current.live), current.offset, current.end);
        if let Err(e) = live.file.sync() {
            self.retire();
            return Err(self.failure(FileError::new("sync", &live.path, e)));
        }
        {
            let mut memory = live.memory_mut();
            for (frame, traces) in self.written.entries() {
                memory.add_frame(frame);
                for trace in traces {
                    memory.add_trace(*trace);
                }
            }
        }
        live.newest
            .fetch_max(self.written.newest, Ordering::Relaxed);
        let counters = &self.shared.counters;
        add(&counters.syncs, 1);
        add(&counters.records, self.written.records);
        add(&counters.batches, self.written.batches);
        add(&counters.batch_bytes, self.written.batch_bytes);
        self.written.clear();
        self.producers.settle(self.written_steps);
        self.written_steps = 0;
        self.durable = end;
        self.shared.update(|state| {
            state.end = end;
            // Under the lock, so that whoever reads this far finds it also where the state says that the store ends.
            live.durable.store(offset, Ordering::Release);
        });
        Ok(())
    }

    /// Begins a segment at the durable end.
    fn begin_segment(&mut self) -> Result<(), StoreError> {
        let options = &self.shared.options;
        self.need_free(options.reserve.saturating_add(options.segment_size))?;
        let header = SegmentHeader {
            id: self.next_id,
            first: self.durable,
            salt: RandomState::new().build_hasher().finish() as u32,
        };
        // The id is used up even if this fails: nothing is ever written to a file of a failed attempt.
        self.next_id += 1;
        let live = Arc::new(create_segment(&self.shared, header).map_err(|e| self.failure(e))?);
        self.current = Some(Current {
            live: Arc::clone(&live),
            offset: SEGMENT_HEADER as u64,
            end: self.durable,
        });
        self.checkpoint_due = true;
        let retired = self.retiring.take();
        let is_empty = retired
            .as_ref()
            .is_some_and(|old| old.memory().frames().is_empty());
        self.shared.update(|state| {
            if is_empty {
                state.segments.pop_back();
            }
            state.segments.push_back(Segment::Live(live));
        });
        match retired {
            // It never held anything; recovery removes it if this does not.
            Some(old) if is_empty => drop(self.shared.layer.remove(&old.path)),
            Some(old) => self.sealer.seal(&self.shared, old, self.durable),
            None => {}
        }
        Ok(())
    }

    /// A checkpoint of what is durable.
    fn checkpoint(&self) -> Option<Checkpoint> {
        let live = &self.current.as_ref()?.live;
        let offset = live.durable.load(Ordering::Relaxed);
        Some(Checkpoint::new(
            self.durable,
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
