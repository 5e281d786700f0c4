//! Searching: a snapshot of the blocks that the store is made of, read in any order and by many threads at once.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use distlog_proto::{BatchRef, RecordRef, Severity, TraceId};

use super::batch::Batch;
use super::batches::Batches;
use super::block_lists::BlockList;
use super::block_reader::{BlockReader, Selected};
use super::columns::{Rows, Selection, SomeRecords};
use super::cursor::Cursor;
use super::damage::{Damage, What};
use super::error::{FileError, ReadError};
use super::format::{FrameHeader, FramesIn, body_is_good};
use super::layer::read_full;
use super::memory::FrameAt;
use super::options::{FRAME_TARGET, TraceKey};
use super::reader::Reader;
use super::removal::Removal;
use super::scan::is_damage;
use super::sealed::{self, BlockAt, Found, Sealed};
use super::state::{Live, Segment, Shared};
use super::summary::BlockSummary;
use super::words::hash;

/// A piece of the store: a block of a sealed segment, or neighbouring frames of one that is not sealed. Cheap to clone.
#[derive(Clone)]
pub struct Block {
    shared: Arc<Shared>,
    place: Place,
    numbers: Range<u64>,
    /// How often records had been erased when it was listed.
    erased: u64,
}

#[derive(Clone)]
enum Place {
    Frames(Arc<Live>, Frames),
    Block(Arc<Sealed>, Arc<BlockList>, usize),
}

/// Neighbouring frames.
#[derive(Clone)]
struct Frames {
    places: Range<usize>,
    /// More were too much: these stay together.
    full: bool,
    known: Option<Arc<BlockSummary>>,
}

/// What [`Block::read`] fills. Use one again and again: it keeps its memory.
#[derive(Default)]
pub struct BlockBuffer {
    batches: Batches,
    blocks: BlockReader,
    /// Of batches that were not read as a whole which of its records are there, one after the other.
    places: Vec<u32>,
    /// Where those of each batch end; none where all were read as a whole.
    ends: Vec<usize>,
}

/// A batch of a block, with the records that were read.
#[derive(Debug, Clone, Copy)]
pub struct BlockBatch<'b> {
    /// What it is as a whole.
    pub head: &'b Batch,
    /// Its bytes, without the records that were not read.
    pub bytes: &'b [u8],
    places: Option<&'b [u32]>,
}

impl BlockBuffer {
    /// The batches of the block that was read last.
    pub fn batches(&self) -> impl Iterator<Item = BlockBatch<'_>> {
        let mut start = 0;
        self.batches
            .iter()
            .enumerate()
            .map(move |(at, (head, bytes))| BlockBatch {
                head,
                bytes,
                places: self.ends.get(at).and_then(|end| {
                    let start = std::mem::replace(&mut start, *end);
                    self.places.get(start..*end)
                }),
            })
    }

    fn clear(&mut self) {
        self.batches.clear();
        self.places.clear();
        self.ends.clear();
    }
}

impl<'b> BlockBatch<'b> {
    /// Its records that were read, with their numbers in the store, except some that are less severe or none of these
    /// rows; `parsed` is the batch itself.
    pub fn records<'a>(
        &self,
        parsed: &'a BatchRef<'a>,
        least: Severity,
        rows: Rows<'a>,
    ) -> impl Iterator<Item = RecordRef<'a>> + use<'a, 'b> {
        let (first, places) = (self.head.first, self.places);
        let place = move |at: usize| match places {
            Some(places) => places.get(at).copied().map(u64::from),
            None => Some(at as u64),
        };
        // What was selected was so by these.
        let (least, rows) = match places {
            Some(_) => (Severity::UNSET, Rows::All),
            None => (least, rows),
        };
        let records = parsed.records_from(least, move |bytes| rows.may_have(bytes));
        records.filter_map(move |(at, record)| {
            // Valid when it was stored.
            let mut record = record.ok()?;
            record.store_number = first + place(at)?;
            Some(record)
        })
    }
}

impl Reader {
    /// All blocks, oldest first, as they are now.
    ///
    /// # Errors
    /// If the table of a sealed segment cannot be read.
    pub fn blocks(&self) -> Result<Vec<Block>, ReadError> {
        loop {
            if let Some(blocks) = self.try_blocks()? {
                return Ok(blocks);
            }
        }
    }

    /// `None` if a segment was written anew meanwhile.
    fn try_blocks(&self) -> Result<Option<Vec<Block>>, ReadError> {
        let shared = self.shared();
        let erased = shared.erased();
        let (segments, end) = {
            let state = shared.state();
            (state.segments.clone(), state.end)
        };
        let ends = segments.iter().skip(1).map(Segment::first).chain([end]);
        let mut blocks = Vec::new();
        for (segment, end) in segments.iter().zip(ends) {
            match segment {
                Segment::Live(live) => add_frames(shared, live, (end, erased), &mut blocks),
                Segment::Sealed(sealed) => match add_blocks(shared, sealed, erased, &mut blocks) {
                    Ok(()) => {}
                    Err(e) if is_gone(shared, sealed, &e) => {}
                    Err(e) if is_replaced(shared, sealed, &e) => return Ok(None),
                    Err(e) => {
                        let action = "read the block table of";
                        return Err(FileError::new(action, &sealed.path, e).into());
                    }
                },
            }
        }
        Ok(Some(blocks))
    }
}

impl Reader {
    /// The blocks in which records of a trace are, oldest first, as they are now: [`Block::read`] reads of them what is
    /// wanted, of other traces, too.
    ///
    /// # Errors
    /// If a file cannot be read for a reason that may pass.
    pub fn blocks_of(&self, trace: TraceId) -> Result<Vec<Block>, ReadError> {
        loop {
            if let Some(blocks) = self.try_blocks_of(&trace.to_bytes())? {
                return Ok(blocks);
            }
        }
    }

    /// `None` if a segment was written anew meanwhile.
    fn try_blocks_of(&self, trace: &TraceKey) -> Result<Option<Vec<Block>>, ReadError> {
        let shared = self.shared();
        let erased = shared.erased();
        let (segments, end) = {
            let state = shared.state();
            (state.segments.clone(), state.end)
        };
        let mut blocks = Vec::new();
        for segment in &segments {
            let sealed = match segment {
                Segment::Sealed(sealed) => sealed,
                Segment::Live(live) => {
                    add_frames_of(shared, live, trace, (end, erased), &mut blocks);
                    continue;
                }
            };
            match add_blocks_of(shared, sealed, trace, erased, &mut blocks) {
                Ok(()) => {}
                Err(e) if is_gone(shared, sealed, &e) => {}
                Err(e) if is_replaced(shared, sealed, &e) => return Ok(None),
                Err(e) => return Err(FileError::new("look up in", &sealed.path, e).into()),
            }
        }
        Ok(Some(blocks))
    }
}

fn add_frames_of(
    shared: &Arc<Shared>,
    live: &Arc<Live>,
    trace: &TraceKey,
    (end, erased): (u64, u64),
    blocks: &mut Vec<Block>,
) {
    let memory = live.memory();
    let mut found = Vec::new();
    memory.frames_of(trace, &mut found);
    let all = memory.frames();
    for at in found {
        let at = at as usize;
        let Some(frame) = all.get(at).filter(|frame| frame.first < end) else {
            continue;
        };
        let next = all.get(at + 1).map_or(end, |next| next.first);
        let frames = Frames {
            places: at..at + 1,
            full: false,
            known: None,
        };
        blocks.push(Block {
            shared: Arc::clone(shared),
            place: Place::Frames(Arc::clone(live), frames),
            numbers: frame.first..next,
            erased,
        });
    }
}

fn add_blocks_of(
    shared: &Arc<Shared>,
    sealed: &Arc<Sealed>,
    trace: &TraceKey,
    erased: u64,
    blocks: &mut Vec<Block>,
) -> io::Result<()> {
    let file = shared.layer.open(&sealed.path)?;
    match sealed::look_up(&*file, &sealed.footer, trace)? {
        Found::Blocks(places) if places.is_empty() => {}
        Found::Blocks(places) => {
            let mut all = Vec::new();
            add_blocks(shared, sealed, erased, &mut all)?;
            let found = places.iter().filter_map(|at| all.get(*at as usize));
            blocks.extend(found.cloned());
        }
        Found::Anywhere => {
            shared.note_damage(Damage {
                path: sealed.path.clone(),
                what: What::Index,
                lost: 0..0,
            });
            add_blocks(shared, sealed, erased, blocks)?;
        }
    }
    Ok(())
}

/// Lists neighbouring frames together, up to a quarter of a sealed block.
fn add_frames(
    shared: &Arc<Shared>,
    live: &Arc<Live>,
    (end, erased): (u64, u64),
    blocks: &mut Vec<Block>,
) {
    let memory = live.memory();
    let durable = memory.frames().partition_point(|frame| frame.first < end);
    let frames = &memory.frames()[..durable];
    let mut from = 0;
    while from < frames.len() {
        let mut bytes = 0;
        let more = frames[from..].iter().take_while(|frame| {
            bytes += frame.len as usize;
            bytes <= FRAME_TARGET
        });
        let to = from + more.count().max(1);
        let next = frames.get(to).map_or(end, |next| next.first);
        let group = Frames {
            places: from..to,
            full: to < frames.len(),
            known: live.known(from),
        };
        blocks.push(Block {
            shared: Arc::clone(shared),
            place: Place::Frames(Arc::clone(live), group),
            numbers: frames[from].first..next,
            erased,
        });
        from = to;
    }
}

fn add_blocks(
    shared: &Arc<Shared>,
    sealed: &Arc<Sealed>,
    erased: u64,
    blocks: &mut Vec<Block>,
) -> io::Result<()> {
    let list = match shared.block_lists.get(sealed) {
        Some(list) => list,
        None => load_list(shared, sealed)?,
    };
    let ends = list.table.iter().skip(1).map(|next| next.first);
    let ends = ends.chain([sealed.footer.end]);
    for (place, (at, end)) in list.table.iter().zip(ends).enumerate() {
        blocks.push(Block {
            shared: Arc::clone(shared),
            place: Place::Block(Arc::clone(sealed), Arc::clone(&list), place),
            numbers: at.first..end,
            erased,
        });
    }
    Ok(())
}

fn load_list(shared: &Shared, sealed: &Sealed) -> io::Result<Arc<BlockList>> {
    let file = shared.layer.open(&sealed.path)?;
    let table = sealed::table(&*file, &sealed.footer)?.unwrap_or_else(|| {
        shared.note_lost(&sealed.path, sealed.footer.first..sealed.footer.end);
        Vec::new()
    });
    let summaries = sealed::summaries(&*file, &sealed.footer)?;
    let list = Arc::new(BlockList { table, summaries });
    let oldest = shared.state().segments.front().map_or(0, Segment::id);
    shared.block_lists.keep(sealed, &list, oldest);
    Ok(list)
}

/// Whether retention was quicker.
fn is_gone(shared: &Shared, sealed: &Sealed, error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound && shared.state().place(sealed.footer.id).is_none()
}

/// Whether it was written anew.
pub(super) fn is_replaced(shared: &Shared, sealed: &Sealed, error: &io::Error) -> bool {
    let state = shared.state();
    let now = state
        .place(sealed.footer.id)
        .and_then(|at| state.segments.get(at));
    error.kind() == io::ErrorKind::NotFound && now.is_some_and(|now| now.path() != sealed.path)
}

impl Block {
    /// The numbers of its records.
    pub fn numbers(&self) -> Range<u64> {
        self.numbers.clone()
    }

    /// What is known of it without reading it.
    pub fn summary(&self) -> Option<&BlockSummary> {
        match &self.place {
            Place::Frames(_, frames) => frames.known.as_deref(),
            Place::Block(_, list, place) => list.summaries.get(*place)?.as_ref(),
        }
    }

    /// Whether what is known of it is true of all its records. Else some of them are deleted, and are not read.
    pub fn is_whole(&self) -> bool {
        !self.is_left_out(&self.shared.removals()) && self.erased == self.shared.erased()
    }

    /// Whether some of its records may be deleted.
    fn is_left_out(&self, removals: &[Removal]) -> bool {
        let left_out = |removal: &Removal| self.numbers.start < removal.before;
        removals.iter().any(left_out)
    }

    /// Whether a record in it may have all of these words in the texts that [`any_text`](crate::any_text) shows. They
    /// are given as [`lowercase`](crate::lowercase) makes them. Reads 64 bytes for each; true where nothing is known.
    ///
    /// # Errors
    /// As [`Block::read`].
    pub fn may_hold<'w>(
        &self,
        words: impl IntoIterator<Item = &'w str>,
    ) -> Result<bool, ReadError> {
        let (Some(summary), Place::Block(sealed, ..)) = (self.summary(), &self.place) else {
            return Ok(true);
        };
        let ask = || -> io::Result<bool> {
            let mut file = None;
            for word in words {
                let file = match &mut file {
                    Some(file) => file,
                    none => none.insert(self.shared.layer.open(&sealed.path)?),
                };
                if !sealed::may_hold_word(&**file, &sealed.footer, summary, hash(word))? {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        match ask() {
            Err(e) if is_gone(&self.shared, sealed, &e) => Ok(false),
            Err(e) if is_replaced(&self.shared, sealed, &e) => Ok(true),
            other => other.map_err(|e| FileError::new("read", &sealed.path, e).into()),
        }
    }

    /// Reads what is wanted of it. One that retention removed meanwhile is empty. What is damaged is left out, counted
    /// and told.
    ///
    /// # Errors
    /// If a file cannot be read for a reason that may pass.
    pub fn read(&self, wanted: &Selection<'_>, buffer: &mut BlockBuffer) -> Result<(), ReadError> {
        buffer.clear();
        // In this order: see `Shared::removals`.
        let removals = self.shared.removals();
        if self.erased != self.shared.erased() {
            return self.read_anew(buffer);
        }
        match &self.place {
            Place::Frames(live, frames) => {
                let batches = &mut buffer.batches;
                self.read_frames(live, frames.places.clone(), &removals, batches)
                    .map_err(|e| FileError::new("read", &live.path, e))?;
                // Whoever asks next need not read them if he only counts.
                if frames.full
                    && frames.known.is_none()
                    && let Some(summary) = BlockSummary::of(batches)
                {
                    live.learn(frames.places.start, summary);
                }
                Ok(())
            }
            Place::Block(sealed, list, place) => {
                let Some(at) = list.table.get(*place) else {
                    return Ok(());
                };
                let read = if self.is_left_out(&removals) {
                    self.read_whole(sealed, at, &removals, buffer)
                } else {
                    self.read_block(sealed, at, wanted, buffer)
                };
                match read {
                    Err(e) if is_gone(&self.shared, sealed, &e) => Ok(()),
                    Err(e) if is_replaced(&self.shared, sealed, &e) => self.read_anew(buffer),
                    other => other.map_err(|e| FileError::new("read", &sealed.path, e).into()),
                }
            }
        }
    }

    /// Reads its records from where they stand now.
    fn read_anew(&self, buffer: &mut BlockBuffer) -> Result<(), ReadError> {
        let mut cursor = Cursor::new(Arc::clone(&self.shared), self.numbers.start);
        let mut batches = Batches::new();
        while cursor.position() < self.numbers.end {
            cursor.next_batches(&mut batches, FRAME_TARGET)?;
            if batches.is_empty() {
                break;
            }
            buffer.batches.append(&batches, &self.numbers);
        }
        Ok(())
    }

    /// Reads all of its records, except those that are deleted: to tell these, all of each must be known.
    fn read_whole(
        &self,
        sealed: &Sealed,
        at: &BlockAt,
        removals: &[Removal],
        buffer: &mut BlockBuffer,
    ) -> io::Result<()> {
        let file = self.shared.layer.open(&sealed.path)?;
        let out = &mut buffer.batches;
        if !buffer.blocks.read(&*file, at, &mut out.bytes)? {
            self.shared.note_lost(&sealed.path, self.numbers());
            return Ok(());
        }
        let frames: Vec<_> = FramesIn::new(&out.bytes).collect();
        for (frame, range) in frames {
            out.add_frame(&frame, range.start, removals, |_, _| true);
        }
        Ok(())
    }

    fn read_block(
        &self,
        sealed: &Sealed,
        at: &BlockAt,
        wanted: &Selection<'_>,
        buffer: &mut BlockBuffer,
    ) -> io::Result<()> {
        let file = self.shared.layer.open(&sealed.path)?;
        let out = &mut buffer.batches;
        let mut bytes = std::mem::take(&mut out.bytes);
        let (places, ends) = (&mut buffer.places, &mut buffer.ends);
        let mut add = |some: SomeRecords<'_>| {
            out.add(&some.header, some.first, some.range);
            places.extend_from_slice(some.places);
            ends.push(places.len());
        };
        let read = (buffer.blocks).select(&*file, at, wanted, &mut bytes, &mut add);
        buffer.batches.bytes = bytes;
        match read? {
            Some(Selected::Batches) => {}
            Some(Selected::Frames) => {
                let out = &mut buffer.batches;
                let frames: Vec<_> = FramesIn::new(&out.bytes).collect();
                for (frame, range) in frames {
                    out.add_frame(&frame, range.start, &[], |_, _| true);
                }
            }
            None => {
                buffer.clear();
                self.shared.note_lost(&sealed.path, self.numbers());
            }
        }
        Ok(())
    }

    fn read_frames(
        &self,
        live: &Live,
        places: Range<usize>,
        removals: &[Removal],
        out: &mut Batches,
    ) -> io::Result<()> {
        let frames: Vec<FrameAt> = live
            .memory()
            .frames()
            .get(places)
            .unwrap_or_default()
            .to_vec();
        for (place, frame) in frames.iter().enumerate() {
            let start = out.bytes.len();
            out.bytes.resize(start + frame.len as usize, 0);
            match read_full(&*live.file, &mut out.bytes[start..], frame.offset) {
                Err(e) if !is_damage(&e) => return Err(e),
                _ => {}
            }
            let bytes = &out.bytes[start..];
            let header = FrameHeader::decode(bytes)
                .filter(|header| header.salt == live.header.salt && body_is_good(header, bytes));
            match header {
                Some(header) => out.add_frame(&header, start, removals, |_, _| true),
                None => {
                    out.bytes.truncate(start);
                    let next = frames.get(place + 1);
                    let end = next.map_or(self.numbers.end, |next| next.first);
                    self.shared.note_lost(&live.path, frame.first..end);
                }
            }
        }
        Ok(())
    }
}
