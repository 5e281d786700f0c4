//! The segment that is written: frames into it, the sync, the next one; and what a failure takes back.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::backlog::Full;
use super::super::directory::create_segment;
use super::super::error::{FileError, StoreError};
use super::super::format::{SEGMENT_HEADER, SegmentHeader};
use super::super::live::Live;
use super::super::options::{MAX_FRAMES, MAX_POSTINGS};
use super::super::state::Segment;
use super::super::stats::add;
use super::{Current, Store};

/// Free space is asked for after so many bytes were appended.
const ASK_FREE_EVERY: usize = 1 << 20;
/// A segment that is not full is long from a quarter of its size on.
const LONG_PART: u64 = 4;

impl Store {
    /// Writes on in a segment that recovery found.
    pub(super) fn go_on_in(&mut self, live: Arc<Live>) {
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
    pub(super) fn ask_free(&mut self, bytes: usize) -> Result<(), StoreError> {
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
    pub(super) fn or_rewind(
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

    pub(super) fn write_pending(&mut self) -> Result<(), StoreError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        if self.current.is_some() && !self.fits() {
            self.sync()?;
            self.retire();
            if self.shared.state().backlog.is_full() {
                self.sealer.wake();
                self.shared
                    .wait(Duration::from_secs(60), |s| !s.backlog.is_full());
            }
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
    pub(super) fn sync(&mut self) -> Result<(), StoreError> {
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

    /// Closes the segment if it has records that are to be erased: that is done in sealed ones.
    pub(super) fn close_if_asked(&mut self) {
        let asked = self.shared.close_before.load(Ordering::Relaxed);
        if asked == 0 || !self.pending.is_empty() || !self.written.is_empty() {
            return;
        }
        match &self.current {
            Some(current) if current.live.header.first >= asked.min(self.durable) => return,
            None if self.retiring.is_none() => return,
            _ => {}
        }
        self.close_segment();
    }

    /// Closes the segment if nothing came since this was called last, and it is not short: its records are found much
    /// faster, and take less room, once it is sealed.
    pub(super) fn close_if_idle(&mut self) {
        let before = std::mem::replace(&mut self.next_maintained, self.next);
        let is_idle = before == self.next && self.pending.is_empty() && self.written.is_empty();
        let is_long = match &self.current {
            Some(current) => current.offset >= self.shared.options.segment_size / LONG_PART,
            // It was closed, and there was no room for the next one.
            None => self.retiring.is_some(),
        };
        if is_idle && is_long {
            self.close_segment();
        }
    }

    /// Goes on in another segment. Where there is no room for one it stays.
    fn close_segment(&mut self) {
        let options = &self.shared.options;
        let needed = options.reserve.saturating_add(options.segment_size);
        let free = self.shared.layer.free_space(&self.shared.dir);
        // Where the file system does not tell, a write will.
        if free.map_or(true, |free| free >= needed) {
            self.retire();
            // What fails is tried again by the next one, or by who appends.
            let _ = self.begin_segment();
        }
    }

    /// Begins a segment at the durable end.
    pub(super) fn begin_segment(&mut self) -> Result<(), StoreError> {
        let options = &self.shared.options;
        self.need_free(options.reserve.saturating_add(options.segment_size))?;
        let header = SegmentHeader {
            id: self.next_id,
            first: self.durable,
            salt: distlog_proto::random_u64() as u32,
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
            Some(old) => (self.sealer).seal(&self.shared, Full::new(old, self.durable)),
            None => {}
        }
        Ok(())
    }
}
