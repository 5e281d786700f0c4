//! Sealed segments: their layout and how they are read. Everything is found from the footer.

use std::io;
use std::path::PathBuf;

use super::filter::{self, Probe};
use super::format::{MAX_BODY, put, u32_at, u64_at};
use super::kept_filter::KeptFilter;
use super::layer::{StoreFile, read_full};
use super::options::BLOCK_TARGET;
use super::scan::is_damage;
use super::summary::{self, BlockSummary};

pub(super) const BLOCK_HEADER: usize = 32;
pub(super) const BLOCK_MAGIC: [u8; 4] = *b"DLbk";
pub(super) const TABLE_ENTRY: usize = 24;
pub(super) const PAGE: usize = 4096;
pub(super) const PAGE_HEAD: usize = 8;
pub(super) const TRACE_ENTRY: usize = 24;
pub(super) const PER_PAGE: usize = (PAGE - PAGE_HEAD) / TRACE_ENTRY;
pub(super) const FOOTER: usize = 128;
const FOOTER_MAGIC: [u8; 8] = *b"DLSEALft";

/// No block has more bytes before compression: one large frame after frames that were just too small.
pub(super) const MAX_RAW: usize = MAX_BODY + BLOCK_TARGET + 4096;

/// How the frames of a block are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// As they were.
    Rows = 0,
    /// As they were, compressed together.
    PackedRows = 1,
    /// Taken apart, see [`columns`](super::columns).
    Columns = 2,
}

/// The head of a block: frames of the raw segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockHeader {
    pub(super) stored: u32,
    pub(super) raw: u32,
    pub(super) first: u64,
    pub(super) crc: u32,
    pub(super) method: Method,
}

impl BlockHeader {
    pub(super) fn encode(&self) -> [u8; BLOCK_HEADER] {
        let mut b = [0; BLOCK_HEADER];
        put(&mut b, 0, &BLOCK_MAGIC);
        put(&mut b, 8, &self.stored.to_le_bytes());
        put(&mut b, 12, &self.raw.to_le_bytes());
        put(&mut b, 16, &self.first.to_le_bytes());
        put(&mut b, 24, &self.crc.to_le_bytes());
        put(&mut b, 28, &(self.method as u32).to_le_bytes());
        let crc = crc32c::crc32c(&b[8..]);
        put(&mut b, 4, &crc.to_le_bytes());
        b
    }

    pub(super) fn decode(b: &[u8]) -> Option<Self> {
        let b = b.get(..BLOCK_HEADER)?;
        if b[..4] != BLOCK_MAGIC || crc32c::crc32c(&b[8..]) != u32_at(b, 4) {
            return None;
        }
        let header = Self {
            stored: u32_at(b, 8),
            raw: u32_at(b, 12),
            first: u64_at(b, 16),
            crc: u32_at(b, 24),
            method: match u32_at(b, 28) {
                0 => Method::Rows,
                1 => Method::PackedRows,
                2 => Method::Columns,
                _ => return None,
            },
        };
        let sane = header.raw as usize <= MAX_RAW && header.stored as usize <= MAX_RAW;
        sane.then_some(header)
    }
}

/// A row of the block table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockAt {
    pub(super) offset: u64,
    pub(super) first: u64,
    pub(super) stored: u32,
    pub(super) raw: u32,
}

impl BlockAt {
    pub(super) fn encode(&self) -> [u8; TABLE_ENTRY] {
        let mut b = [0; TABLE_ENTRY];
        put(&mut b, 0, &self.offset.to_le_bytes());
        put(&mut b, 8, &self.first.to_le_bytes());
        put(&mut b, 16, &self.stored.to_le_bytes());
        put(&mut b, 20, &self.raw.to_le_bytes());
        b
    }

    fn decode(b: &[u8]) -> Self {
        Self {
            offset: u64_at(b, 0),
            first: u64_at(b, 8),
            stored: u32_at(b, 16),
            raw: u32_at(b, 20),
        }
    }
}

/// The last bytes of a sealed segment: what it holds and where its parts are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) id: u64,
    pub(super) first: u64,
    /// The number after its last record.
    pub(super) end: u64,
    /// When its newest record was received.
    pub(super) newest: u64,
    pub(super) table_at: u64,
    pub(super) blocks: u32,
    pub(super) table_crc: u32,
    pub(super) filter_at: u64,
    pub(super) filter_blocks: u32,
    pub(super) pages: u32,
    pub(super) pages_at: u64,
    pub(super) postings_at: u64,
    /// Of what is known of the blocks; 0 if that is not in the file.
    pub(super) summaries_at: u64,
    pub(super) summaries: u32,
    pub(super) summaries_crc: u32,
    /// The filters of the blocks' words.
    pub(super) words_at: u64,
    /// 0 in files without summaries.
    pub(super) version: u32,
    /// Its records that were deleted, for which marks stand.
    pub(super) removed: u32,
}

/// What is written now.
pub(super) const VERSION: u32 = 1;

impl Footer {
    pub(super) fn encode(&self) -> [u8; FOOTER] {
        let mut b = [0; FOOTER];
        put(&mut b, 0, &FOOTER_MAGIC);
        for (n, value) in [
            self.id,
            self.first,
            self.end,
            self.newest,
            self.table_at,
            u64::from(self.blocks) | u64::from(self.table_crc) << 32,
            self.filter_at,
            u64::from(self.filter_blocks) | u64::from(self.pages) << 32,
            self.pages_at,
            self.postings_at,
            self.summaries_at,
            u64::from(self.summaries) | u64::from(self.summaries_crc) << 32,
            self.words_at,
            u64::from(self.version) | u64::from(self.removed) << 32,
        ]
        .into_iter()
        .enumerate()
        {
            put(&mut b, 8 + n * 8, &value.to_le_bytes());
        }
        let crc = crc32c::crc32c(&b[..FOOTER - 4]);
        put(&mut b, FOOTER - 4, &crc.to_le_bytes());
        b
    }

    fn decode(b: &[u8; FOOTER]) -> Option<Self> {
        if b[..8] != FOOTER_MAGIC || crc32c::crc32c(&b[..FOOTER - 4]) != u32_at(b, FOOTER - 4) {
            return None;
        }
        Some(Self {
            id: u64_at(b, 8),
            first: u64_at(b, 16),
            end: u64_at(b, 24),
            newest: u64_at(b, 32),
            table_at: u64_at(b, 40),
            blocks: u32_at(b, 48),
            table_crc: u32_at(b, 52),
            filter_at: u64_at(b, 56),
            filter_blocks: u32_at(b, 64),
            pages: u32_at(b, 68),
            pages_at: u64_at(b, 72),
            postings_at: u64_at(b, 80),
            summaries_at: u64_at(b, 88),
            summaries: u32_at(b, 96),
            summaries_crc: u32_at(b, 100),
            words_at: u64_at(b, 104),
            version: u32_at(b, 112),
            removed: u32_at(b, 116),
        })
    }

    /// The footer of a file, none if it is damaged.
    pub(super) fn load(file: &dyn StoreFile, id: u64) -> io::Result<Option<Self>> {
        let size = file.size()?;
        let Some(at) = size.checked_sub(FOOTER as u64) else {
            return Ok(None);
        };
        let mut b = [0; FOOTER];
        match exactly(file, &mut b, at) {
            Err(e) if is_damage(&e) => Ok(None),
            Err(e) => Err(e),
            Ok(()) => Ok(Self::decode(&b).filter(|f| {
                let parts = [
                    f.table_at,
                    f.filter_at,
                    f.pages_at,
                    f.postings_at,
                    f.summaries_at,
                    f.words_at,
                ];
                f.id == id && f.first <= f.end && parts.iter().all(|part| *part <= size)
            })),
        }
    }
}

/// A sealed segment: what is kept of it in memory. The file is opened when it is read.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) path: PathBuf,
    /// How often it was written anew.
    pub(super) generation: u32,
    pub(super) footer: Footer,
    pub(super) size: u64,
    /// Of its traces.
    pub(super) filter: KeptFilter,
}

/// Fills a buffer, or fails.
pub(super) fn exactly(file: &dyn StoreFile, buf: &mut [u8], offset: u64) -> io::Result<()> {
    if read_full(file, buf, offset)? == buf.len() {
        Ok(())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// The block table; none if it is damaged.
pub(super) fn table(file: &dyn StoreFile, footer: &Footer) -> io::Result<Option<Vec<BlockAt>>> {
    let mut bytes = vec![0; footer.blocks as usize * TABLE_ENTRY];
    match exactly(file, &mut bytes, footer.table_at) {
        Err(e) if is_damage(&e) => return Ok(None),
        other => other?,
    }
    if crc32c::crc32c(&bytes) != footer.table_crc {
        return Ok(None);
    }
    Ok(Some(
        bytes
            .chunks_exact(TABLE_ENTRY)
            .map(BlockAt::decode)
            .collect(),
    ))
}

/// What is known of the blocks without reading them; nothing where the file does not say it, or the part is damaged.
pub(super) fn summaries(file: &dyn StoreFile, f: &Footer) -> io::Result<Vec<Option<BlockSummary>>> {
    let blocks = f.blocks as usize;
    if f.summaries_at == 0 || f.summaries as usize > MAX_RAW {
        return Ok(vec![None; blocks]);
    }
    let mut bytes = vec![0; f.summaries as usize];
    match exactly(file, &mut bytes, f.summaries_at) {
        Err(e) if is_damage(&e) => return Ok(vec![None; blocks]),
        other => other?,
    }
    let good = crc32c::crc32c(&bytes) == f.summaries_crc;
    let read = good.then(|| summary::decode(&bytes, blocks)).flatten();
    Ok(read.unwrap_or_else(|| vec![None; blocks]))
}

/// Whether a block may hold a word, of which the hash is given; true where the filter is damaged.
pub(super) fn may_hold_word(
    file: &dyn StoreFile,
    f: &Footer,
    block: &BlockSummary,
    word: u64,
) -> io::Result<bool> {
    let probe = Probe::of_word(word);
    let mut bytes = [0; filter::BLOCK];
    let at = f.words_at + block.filter_block(&probe) * filter::BLOCK as u64;
    match exactly(file, &mut bytes, at) {
        Err(e) if is_damage(&e) => Ok(true),
        Err(e) => Err(e),
        Ok(()) => Ok(probe.may_be_in(&bytes)),
    }
}
