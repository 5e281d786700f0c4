//! Looking up a trace: the batches that hold it, found through the indexes of the segments.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use distlog_proto::{BatchRef, TraceId};

use super::batch::Batch;
use super::batches::Batches;
use super::block_reader::{BlockReader, Selected};
use super::columns::{Rows, Selection, SomeRecords};
use super::error::{FileError, ReadError};
use super::format::{FrameHeader, FramesIn, body_is_good};
use super::layer::{StoreFile, read_full};
use super::live::Live;
use super::memory::FrameAt;
use super::options::TraceKey;
use super::removal::Removal;
use super::scan::is_damage;
use super::sealed::BlockAt;
use super::search::places_of;
use super::show::ShowFn;
use super::state::{Segment, Shared};
use super::trace_index::Wanted;

/// Places in a segment, each with the number behind its last record.
enum Hits {
    Live(Arc<Live>, VecDeque<(FrameAt, u64)>),
    Sealed(Arc<dyn StoreFile>, VecDeque<(BlockAt, u64)>),
}

/// Reads the batches that hold a trace, in order. Made by [`Reader::trace`](super::Reader::trace); sees what was
/// durable then.
pub struct TraceCursor {
    shared: Arc<Shared>,
    trace: Wanted,
    end: u64,
    /// Batches from this number on were not looked at.
    next: u64,
    segments: VecDeque<Segment>,
    hits: Option<Hits>,
    blocks: BlockReader,
    /// How often records had been erased when the files were opened.
    erased: u64,
    shows: Option<ShowFn>,
}

impl TraceCursor {
    pub(super) fn new(shared: Arc<Shared>, trace: TraceKey, shows: Option<ShowFn>) -> Self {
        let erased = shared.erased();
        let (segments, end) = {
            let state = shared.state();
            (state.segments.clone(), state.end)
        };
        Self {
            shared,
            trace: Wanted::new(trace),
            end,
            next: 0,
            erased,
            shows,
            segments,
            hits: None,
            blocks: BlockReader::default(),
        }
    }

    /// Hands over the batches that hold the trace, in order, until `take` gives false.
    ///
    /// # Errors
    /// As [`TraceCursor::next_batches`].
    pub fn for_each(
        mut self,
        max_bytes: usize,
        mut take: impl FnMut(&Batch, &[u8], &BatchRef<'_>) -> bool,
    ) -> Result<(), ReadError> {
        let mut batches = Batches::new();
        loop {
            self.next_batches(&mut batches, max_bytes)?;
            let mut all = batches
                .iter()
                .map(|(head, bytes)| match BatchRef::parse(bytes) {
                    Ok(parsed) => take(head, bytes, &parsed),
                    // Cannot be: all were validated before they were stored.
                    Err(_) => true,
                });
            if !all.all(|more| more) || batches.is_empty() {
                return Ok(());
            }
        }
    }

    /// Fills `out` with the next batches that hold the trace, until they have about `max_bytes`; empty when there are
    /// no more. A batch may hold other traces, too, and of their records marks as of deleted ones: each record keeps
    /// its place.
    ///
    /// # Errors
    /// If a file cannot be read. What retention removed meanwhile, and what is damaged, is left out.
    pub fn next_batches(&mut self, out: &mut Batches, max_bytes: usize) -> Result<(), ReadError> {
        out.clear();
        while out.bytes.len() < max_bytes.max(1) {
            let removals = self.shared.removals();
            if self.erased != self.shared.erased() {
                // The files at hand may have what is in none any more.
                self.look_anew();
            }
            if self.hits.is_none() {
                let Some(segment) = self.segments.front() else {
                    return Ok(());
                };
                match self.look_up(segment) {
                    Ok(Some(hits)) => self.hits = Some(hits),
                    Ok(None) => {
                        self.segments.pop_front();
                        continue;
                    }
                    // Gone by retention, or written anew. A raw segment's open file does not mind.
                    Err(e) if e.kind() == io::ErrorKind::NotFound => {
                        let missing = segment.path().to_owned();
                        self.look_anew();
                        if self
                            .segments
                            .front()
                            .is_some_and(|now| now.path() == missing)
                        {
                            self.segments.pop_front();
                        }
                        continue;
                    }
                    Err(e) => return Err(FileError::new("look up in", segment.path(), e).into()),
                }
            }
            let more = self.read_hit(out, &removals).map_err(|e| {
                let path = self
                    .segments
                    .front()
                    .map_or(&*self.shared.dir, Segment::path);
                FileError::new("read", path, e)
            })?;
            if !more {
                self.hits = None;
                self.segments.pop_front();
            }
        }
        Ok(())
    }

    /// Goes on in the segments that there are now.
    fn look_anew(&mut self) {
        self.erased = self.shared.erased();
        let state = self.shared.state();
        let ends = state.segments.iter().skip(1).map(Segment::first);
        let with_ends = state.segments.iter().zip(ends.chain([u64::MAX]));
        let left =
            with_ends.filter(|(segment, end)| *end > self.next && segment.first() < self.end);
        self.segments = left.map(|(segment, _)| segment.clone()).collect();
        self.hits = None;
    }

    /// Where the trace is in a segment, if it is there.
    fn look_up(&self, segment: &Segment) -> io::Result<Option<Hits>> {
        Ok(match segment {
            Segment::Live(live) => {
                let memory = live.memory();
                let mut frames = Vec::new();
                memory.frames_of(&self.trace.key, &mut frames);
                let all = memory.frames();
                let hits = frames
                    .into_iter()
                    .filter_map(|n| {
                        let next = all.get(n as usize + 1).map_or(self.end, |next| next.first);
                        Some((*all.get(n as usize)?, next))
                    })
                    .filter(|(frame, _)| frame.first < self.end)
                    .collect();
                Some(Hits::Live(Arc::clone(live), hits))
            }
            Segment::Sealed(sealed) => {
                let found = places_of(&self.shared, sealed, &self.trace)?;
                found.map(|found| {
                    let block = |place| {
                        let place = place as usize;
                        let numbers = found.list.numbers(place, sealed.footer.end)?;
                        Some((*found.list.table.get(place)?, numbers.end))
                    };
                    let blocks = found.blocks.into_iter().filter_map(block);
                    Hits::Sealed(found.file, blocks.collect())
                })
            }
        })
    }

    /// Reads the next frame or block that has the trace; false if there is none left in the segment.
    fn read_hit(&mut self, out: &mut Batches, removals: &[Removal]) -> io::Result<bool> {
        let start = out.bytes.len();
        let listed = out.len();
        let mut some = Vec::new();
        let (read, numbers) = match &mut self.hits {
            None => return Ok(false),
            Some(Hits::Live(live, hits)) => {
                let Some((at, end)) = hits.front().copied() else {
                    return Ok(false);
                };
                out.bytes.resize(start + at.len as usize, 0);
                let read = read_full(&*live.file, &mut out.bytes[start..], at.offset);
                match read {
                    Err(e) if is_damage(&e) => {}
                    Err(e) => {
                        out.bytes.truncate(start);
                        return Err(e);
                    }
                    Ok(_) => {}
                }
                hits.pop_front();
                let frame = &out.bytes[start..];
                let good =
                    FrameHeader::decode(frame).is_some_and(|header| body_is_good(&header, frame));
                (good.then_some(Selected::Frames), at.first..end)
            }
            Some(Hits::Sealed(file, hits)) => {
                let Some((block, end)) = hits.front().copied() else {
                    return Ok(false);
                };
                // To tell which of its records are deleted, all of each must be known.
                let whole = removals.iter().any(|removal| block.first < removal.before);
                let read = if whole {
                    let good = self.blocks.read(&**file, &block, &mut out.bytes)?;
                    good.then_some(Selected::Frames)
                } else {
                    let traces = TraceId::from_bytes(self.trace.key);
                    let wanted = Selection {
                        rows: Rows::OfTraces(traces.as_slice()),
                        marked: true,
                        ..Selection::ALL
                    };
                    let mut add = |batch: SomeRecords<'_>| {
                        some.push((batch.header, batch.first, batch.range))
                    };
                    self.blocks
                        .select(&**file, &block, &wanted, &mut out.bytes, &mut add)?
                };
                hits.pop_front();
                (read, block.first..end)
            }
        };
        let Some(read) = read else {
            if let Some(segment) = self.segments.front() {
                self.shared.note_lost(segment.path(), numbers);
            }
            out.bytes.truncate(start);
            return Ok(true);
        };
        let (trace, index) = (self.trace.key, self.shared.options.index);
        let left = self.next..self.end;
        let shows = self.shows.as_ref();
        let wanted = |batch: &Batch, bytes: &[u8]| {
            let mut has = false;
            if left.contains(&batch.first) {
                index(bytes, &mut |found| has |= found.to_bytes() == trace);
            }
            has && shows.is_none_or(|shows| shows(bytes))
        };
        let mut behind = 0;
        match read {
            Selected::Frames => {
                let frames: Vec<_> = FramesIn::new(&out.bytes[start..]).collect();
                for (frame, range) in frames {
                    out.add_frame(&frame, start + range.start, removals, wanted);
                    behind = behind.max(frame.end());
                }
            }
            Selected::Batches => {
                for (head, first, range) in some {
                    behind = behind.max(first + u64::from(head.count));
                    out.add_if(&head, first, range, wanted);
                }
            }
        }
        self.next = self.next.max(behind);
        out.compact(start, listed);
        Ok(true)
    }
}
