//! Writes a sealed segment: blocks of whole frames, compressed; the block table; the trace index with its filter; the
//! footer. It is written aside and renamed when all of it is durable.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::filter;
use super::format::{SEALED_MAGIC, SegmentHeader, padded, put};
use super::layer::{FileLayer, StoreFile};
use super::memory::MemoryIndex;
use super::options::{Options, TraceKey};
use super::packers::{Effort, Packed, Packers, RawBlock};
use super::replace::ASIDE;
use super::sealed::{
    BlockAt, BlockHeader, Footer, Method, PAGE, PAGE_HEAD, PER_PAGE, Sealed, TRACE_ENTRY, VERSION,
};
use super::summary::Summaries;

/// Ending of a sealed segment's name.
pub(super) const ENDING: &str = ".seal";

/// So much is written between two syncs, so that a sync of the open segment never waits for all of it.
const SYNC_EVERY: u64 = 8 << 20;

/// Marks a frame that could not be read and is in no block.
const LOST: u32 = u32::MAX;

/// The name of a sealed segment, which was written anew so many times.
pub(super) fn path(dir: &Path, id: u64, generation: u32) -> PathBuf {
    match generation {
        0 => dir.join(format!("{id:020}{ENDING}")),
        _ => dir.join(format!("{id:020}.{generation}{ENDING}")),
    }
}

/// The id and the generation in the name of a sealed segment.
pub(super) fn parse_name(name: &str) -> Option<(u64, u32)> {
    let name = name.strip_suffix(ENDING)?;
    match name.split_once('.') {
        Some((id, generation)) => Some((id.parse().ok()?, generation.parse().ok()?)),
        None => Some((name.parse().ok()?, 0)),
    }
}

/// A sealed segment being written.
pub(super) struct SealWriter<'a> {
    layer: &'a dyn FileLayer,
    dir: &'a Path,
    aside: PathBuf,
    file: Arc<dyn StoreFile>,
    path: PathBuf,
    header: SegmentHeader,
    generation: u32,
    /// It need not be made anew when there is time.
    final_form: bool,
    block_target: usize,
    packers: Packers,
    /// The block that is gathered, those that wait to be packed, and memory for the next ones.
    block: RawBlock,
    waiting: Vec<RawBlock>,
    spare: Vec<Vec<u8>>,
    offset: u64,
    synced: u64,
    table: Vec<BlockAt>,
    summaries: Summaries,
    /// For each frame the block that it went to.
    block_of: Vec<u32>,
    removed: u32,
    done: bool,
}

impl<'a> SealWriter<'a> {
    pub(super) fn new(
        layer: &'a dyn FileLayer,
        dir: &'a Path,
        (header, generation): (SegmentHeader, u32),
        options: &Options,
        effort: Effort,
    ) -> io::Result<Self> {
        let path = path(dir, header.id, generation);
        let mut aside = path.clone().into_os_string();
        aside.push(ASIDE);
        let aside = PathBuf::from(aside);
        let file = layer.create(&aside)?;
        let mut writer = Self {
            layer,
            dir,
            aside,
            file,
            path,
            header,
            generation,
            final_form: !options.compress || matches!(effort, Effort::Columns { .. }),
            block_target: options.block_target(),
            packers: Packers::new(options, effort),
            block: RawBlock::default(),
            waiting: Vec::new(),
            spare: Vec::new(),
            offset: 0,
            synced: 0,
            table: Vec::new(),
            summaries: Summaries::default(),
            block_of: Vec::new(),
            removed: 0,
            done: false,
        };
        writer.write(&header.encode(SEALED_MAGIC))?;
        Ok(writer)
    }

    /// Takes the next frame of the segment, header and padding included.
    pub(super) fn frame(&mut self, first: u64, bytes: &[u8]) -> io::Result<()> {
        if self.block.bytes.is_empty() {
            self.block = RawBlock {
                first,
                bytes: self.spare.pop().unwrap_or_default(),
            };
        }
        self.block.bytes.extend_from_slice(bytes);
        let number = self.table.len() + self.waiting.len();
        self.block_of.push(number as u32);
        if self.block.bytes.len() < self.block_target {
            return Ok(());
        }
        self.waiting.push(std::mem::take(&mut self.block));
        if self.waiting.len() >= self.packers.blocks() {
            self.blocks()?;
        }
        Ok(())
    }

    /// So many of the records are only marks.
    pub(super) fn removed(&mut self, records: u64) {
        self.removed = u32::try_from(records).unwrap_or(u32::MAX);
    }

    /// Leaves out a frame that cannot be read.
    pub(super) fn lost_frame(&mut self) {
        self.block_of.push(LOST);
    }

    /// Writes the index and the footer, and gives the file its name. `end` is the number after the last record,
    /// `newest` the time when the newest one was received.
    pub(super) fn finish(
        mut self,
        index: &MemoryIndex,
        end: u64,
        newest: u64,
    ) -> io::Result<Sealed> {
        self.blocks()?;
        let mut footer = Footer {
            id: self.header.id,
            first: self.header.first,
            end,
            newest,
            removed: self.removed,
            ..Footer::default()
        };
        let table: Vec<u8> = self.table.iter().flat_map(BlockAt::encode).collect();
        footer.table_at = self.offset;
        footer.blocks = self.table.len() as u32;
        footer.table_crc = crc32c::crc32c(&table);
        self.write(&table)?;

        let traces = index.sorted_traces();
        let bloom = filter::build(&traces);
        footer.filter_at = self.offset;
        footer.filter_blocks = (bloom.len() / filter::BLOCK) as u32;
        self.write(&bloom)?;
        drop(bloom);

        let (pages, postings) = self.trace_pages(index, &traces);
        footer.pages_at = self.offset;
        footer.pages = (pages.len() / PAGE) as u32;
        self.write(&pages)?;
        footer.postings_at = self.offset;
        self.write(&postings)?;

        let (summaries, words) = self.summaries.encode()?;
        footer.version = if self.final_form { VERSION } else { 0 };
        footer.summaries_at = self.offset;
        footer.summaries = summaries.len() as u32;
        footer.summaries_crc = crc32c::crc32c(&summaries);
        self.write(&summaries)?;
        footer.words_at = self.offset;
        self.write(&words)?;
        self.write(&footer.encode())?;
        self.file.sync()?;

        self.layer.rename(&self.aside, &self.path)?;
        self.done = true;
        self.layer.sync_dir(self.dir)?;
        Ok(Sealed {
            path: std::mem::take(&mut self.path),
            generation: self.generation,
            footer,
            size: self.offset,
            filter: Default::default(),
        })
    }

    /// The sorted traces in pages, and their lists of blocks.
    fn trace_pages(&self, index: &MemoryIndex, traces: &[TraceKey]) -> (Vec<u8>, Vec<u8>) {
        let mut pages = vec![0; traces.len().div_ceil(PER_PAGE) * PAGE];
        let mut postings = Vec::new();
        let (mut frames, mut list) = (Vec::new(), Vec::<u32>::new());
        for (page, traces) in pages.chunks_exact_mut(PAGE).zip(traces.chunks(PER_PAGE)) {
            for (n, trace) in traces.iter().enumerate() {
                index.frames_of(trace, &mut frames);
                list.clear();
                list.extend(
                    frames
                        .iter()
                        .filter_map(|frame| self.block_of.get(*frame as usize))
                        .filter(|block| **block != LOST),
                );
                list.dedup();
                let at = PAGE_HEAD + n * TRACE_ENTRY;
                put(page, at, trace);
                put(page, at + 16, &((postings.len() / 4) as u32).to_le_bytes());
                put(page, at + 20, &(list.len() as u32).to_le_bytes());
                let start = postings.len();
                for block in &list {
                    postings.extend_from_slice(&block.to_le_bytes());
                }
                let crc = crc32c::crc32c(&postings[start..]);
                postings.extend_from_slice(&crc.to_le_bytes());
            }
            put(page, 0, &(traces.len() as u32).to_le_bytes());
            let crc = crc32c::crc32c(&page[PAGE_HEAD..]);
            put(page, 4, &crc.to_le_bytes());
        }
        (pages, postings)
    }

    /// Writes the blocks gathered so far.
    fn blocks(&mut self) -> io::Result<()> {
        if !self.block.bytes.is_empty() {
            self.waiting.push(std::mem::take(&mut self.block));
        }
        let packed = self.packers.pack(&self.waiting)?;
        let blocks = std::mem::take(&mut self.waiting);
        for (mut block, packed) in blocks.into_iter().zip(packed) {
            self.write_block(&block, packed)?;
            block.bytes.clear();
            self.spare.push(block.bytes);
        }
        Ok(())
    }

    fn write_block(&mut self, block: &RawBlock, packed: Packed) -> io::Result<()> {
        self.summaries.add(packed.index);
        let body = match packed.method {
            Method::Rows => &block.bytes,
            Method::PackedRows | Method::Columns => &packed.bytes,
        };
        let header = BlockHeader {
            stored: body.len() as u32,
            raw: block.bytes.len() as u32,
            first: block.first,
            crc: crc32c::crc32c(body),
            method: packed.method,
        };
        self.table.push(BlockAt {
            offset: self.offset,
            first: block.first,
            stored: header.stored,
            raw: header.raw,
        });
        let padding = padded(body.len()) - body.len();
        self.write(&header.encode())?;
        self.write(body)?;
        self.write(&[0; 8][..padding])
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.offset)?;
        self.offset += bytes.len() as u64;
        if self.offset - self.synced >= SYNC_EVERY {
            self.file.sync()?;
            self.synced = self.offset;
        }
        Ok(())
    }
}

impl Drop for SealWriter<'_> {
    fn drop(&mut self) {
        if !self.done {
            // Recovery removes it otherwise.
            let _ = self.layer.remove(&self.aside);
        }
    }
}
