//! Lists the blocks of the store, or those that hold some traces.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use distlog_proto::TraceId;

use super::block::{Block, Frames, Place};
use crate::block_lists::BlockList;
use crate::damage::{Damage, What};
use crate::error::{FileError, ReadError};
use crate::layer::StoreFile;
use crate::live::Live;
use crate::options::FRAME_TARGET;
use crate::reader::Reader;
use crate::sealed::{self, Sealed};
use crate::show::ShowFn;
use crate::state::{Segment, Shared};
use crate::trace_index::{self, Found, Wanted};

impl Reader {
    /// All blocks, oldest first, as they are now.
    ///
    /// # Errors
    /// If the table of a sealed segment cannot be read.
    pub fn blocks(&self) -> Result<Vec<Block>, ReadError> {
        self.list(|listing, segment, end| match segment {
            Segment::Live(live) => {
                listing.add_frames(live, end);
                Ok(())
            }
            Segment::Sealed(sealed) => listing.add_blocks(sealed),
        })
    }

    /// The blocks in which records of some traces are, oldest first, as they are now: [`Block::read`] reads of them
    /// what is wanted, of other traces, too.
    ///
    /// # Errors
    /// If a file cannot be read for a reason that may pass.
    pub fn blocks_of(&self, traces: &[TraceId]) -> Result<Vec<Block>, ReadError> {
        let traces = traces.iter().map(|trace| Wanted::new(trace.to_bytes()));
        let traces: Vec<Wanted> = traces.collect();
        self.list(|listing, segment, end| match segment {
            Segment::Live(live) => {
                listing.add_frames_of(live, end, &traces);
                Ok(())
            }
            Segment::Sealed(sealed) => listing.add_blocks_of(sealed, &traces),
        })
    }

    /// Adds what is wanted of each segment, of which the end is given.
    fn list(
        &self,
        add: impl Fn(&mut Listing<'_>, &Segment, u64) -> io::Result<()>,
    ) -> Result<Vec<Block>, ReadError> {
        let shared = self.shared();
        'anew: loop {
            let mut listing = Listing {
                shared,
                shows: self.shows(),
                erased: shared.erased(),
                blocks: Vec::new(),
            };
            let (segments, end) = {
                let state = shared.state();
                (state.segments.clone(), state.end)
            };
            let ends = segments.iter().skip(1).map(Segment::first).chain([end]);
            for (segment, end) in segments.iter().zip(ends) {
                match (add(&mut listing, segment, end), segment) {
                    (Ok(()), _) => {}
                    (Err(e), Segment::Sealed(sealed)) if shared.is_gone(sealed, &e) => {}
                    (Err(e), Segment::Sealed(sealed)) if shared.is_replaced(sealed, &e) => {
                        continue 'anew;
                    }
                    (Err(e), _) => {
                        return Err(FileError::new("look up in", segment.path(), e).into());
                    }
                }
            }
            return Ok(listing.blocks);
        }
    }
}

/// Blocks that are being listed.
struct Listing<'s> {
    shared: &'s Arc<Shared>,
    shows: Option<&'s ShowFn>,
    /// How often records had been erased when it was begun.
    erased: u64,
    blocks: Vec<Block>,
}

impl Listing<'_> {
    fn add(&mut self, place: Place, numbers: Range<u64>) {
        self.blocks.push(Block {
            shared: Arc::clone(self.shared),
            place,
            numbers,
            erased: self.erased,
            shows: self.shows.cloned(),
        });
    }

    /// Adds neighbouring frames together, up to a quarter of a sealed block.
    fn add_frames(&mut self, live: &Arc<Live>, end: u64) {
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
            let first = frames[from].first;
            self.add(Place::Frames(Arc::clone(live), group), first..next);
            from = to;
        }
    }

    fn add_frames_of(&mut self, live: &Arc<Live>, end: u64, traces: &[Wanted]) {
        let memory = live.memory();
        let (mut found, mut of_one) = (BTreeSet::new(), Vec::new());
        for trace in traces {
            memory.frames_of(&trace.key, &mut of_one);
            found.extend(of_one.iter().copied());
        }
        let all = memory.frames();
        for at in found.into_iter().map(|at| at as usize) {
            let Some(frame) = all.get(at).filter(|frame| frame.first < end) else {
                continue;
            };
            let next = all.get(at + 1).map_or(end, |next| next.first);
            let frames = Frames {
                places: at..at + 1,
                full: false,
                known: None,
            };
            let numbers = frame.first..next.min(end);
            self.add(Place::Frames(Arc::clone(live), frames), numbers);
        }
    }

    fn add_blocks(&mut self, sealed: &Arc<Sealed>) -> io::Result<()> {
        let list = block_list(self.shared, sealed)?;
        for place in 0..list.table.len() {
            self.add_block(sealed, &list, place);
        }
        Ok(())
    }

    fn add_blocks_of(&mut self, sealed: &Arc<Sealed>, traces: &[Wanted]) -> io::Result<()> {
        let (mut list, mut blocks) = (None, BTreeSet::new());
        for trace in traces {
            if let Some(found) = places_of(self.shared, sealed, trace)? {
                list = Some(found.list);
                blocks.extend(found.blocks);
            }
        }
        if let Some(list) = list {
            for block in blocks {
                self.add_block(sealed, &list, block as usize);
            }
        }
        Ok(())
    }

    fn add_block(&mut self, sealed: &Arc<Sealed>, list: &Arc<BlockList>, place: usize) {
        if let Some(numbers) = list.numbers(place, sealed.footer.end) {
            let place = Place::Block(Arc::clone(sealed), Arc::clone(list), place);
            self.add(place, numbers);
        }
    }
}

/// Blocks of a sealed segment that may hold a trace.
pub(in super::super) struct Places {
    pub(in super::super) file: Arc<dyn StoreFile>,
    pub(in super::super) list: Arc<BlockList>,
    pub(in super::super) blocks: Vec<u32>,
}

/// Looks a trace up in a sealed segment; `None` if it is not there.
pub(in super::super) fn places_of(
    shared: &Shared,
    sealed: &Sealed,
    trace: &Wanted,
) -> io::Result<Option<Places>> {
    let found = trace_index::look_up(&*shared.layer, &shared.filter_room, sealed, trace)?;
    let Some((file, found)) = found else {
        return Ok(None);
    };
    let list = block_list(shared, sealed)?;
    let blocks = match found {
        Found::Blocks(blocks) => blocks,
        Found::Anywhere => {
            shared.note_damage(Damage {
                path: sealed.path.clone(),
                what: What::Index,
                lost: 0..0,
            });
            (0..sealed.footer.blocks).collect()
        }
    };
    Ok(Some(Places { file, list, blocks }))
}

fn block_list(shared: &Shared, sealed: &Sealed) -> io::Result<Arc<BlockList>> {
    if let Some(list) = shared.block_lists.get(sealed) {
        return Ok(list);
    }
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
