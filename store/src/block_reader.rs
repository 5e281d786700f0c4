//! Reads the blocks of sealed segments.

use std::io;
use std::ops::Range;

use distlog_proto::Severity;
use distlog_proto::wire::Parts;

use super::columns::{self, Body, HEAD, Rows, Selection, SomeRecords, Unpack};
use super::layer::StoreFile;
use super::scan::is_damage;
use super::sealed::{BLOCK_HEADER, BlockAt, BlockHeader, MAX_RAW, Method, exactly};

/// What was read of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Selected {
    /// All of its frames.
    Frames,
    /// Batches with the wanted records.
    Batches,
}

/// Reads blocks, with buffers that are used again.
#[derive(Default)]
pub(super) struct BlockReader {
    stored: Vec<u8>,
    unpack: Unpack,
}

impl BlockReader {
    /// Appends the frames of a block to `out`; false if the block is damaged (`out` is as before then).
    pub(super) fn read(
        &mut self,
        file: &dyn StoreFile,
        at: &BlockAt,
        out: &mut Vec<u8>,
    ) -> io::Result<bool> {
        match self.header(file, at)? {
            Some(header) => Ok(self.frames(&header, out)),
            None => Ok(false),
        }
    }

    /// Appends what is wanted of a block to `out`: batches, which are shown, or all of its frames. `None` if the block
    /// is damaged (`out` is as before then, but may have been shown something).
    pub(super) fn select(
        &mut self,
        file: &dyn StoreFile,
        at: &BlockAt,
        wanted: &Selection<'_>,
        out: &mut Vec<u8>,
        show: &mut dyn FnMut(SomeRecords<'_>),
    ) -> io::Result<Option<Selected>> {
        let stored = at.stored as usize;
        // Of what is read as a whole, or nearly, the parts are not read one by one.
        let whole = *wanted.parts == Parts::ALL
            && wanted.severity == Severity::UNSET
            && wanted.rows == Rows::All;
        let first = if whole { stored } else { HEAD.min(stored) };
        let Some(header) = self.first(file, at, first)? else {
            return Ok(None);
        };
        if header.method != Method::Columns {
            return Ok(match self.header(file, at)? {
                Some(header) if self.frames(&header, out) => Some(Selected::Frames),
                _ => None,
            });
        }
        let mut body = Stored::new(file, at, &mut self.stored, first);
        // What is read of it has checksums of its own.
        let (start, raw) = (out.len(), header.raw as usize);
        let good = columns::select(&mut body, raw, wanted, &mut self.unpack, out, show).is_some();
        if !good {
            out.truncate(start);
        }
        match body.error {
            Some(error) if !is_damage(&error) => Err(error),
            _ => Ok(good.then_some(Selected::Batches)),
        }
    }

    /// Counts the records of a block that are at least so severe by the text of a field, as [`columns::count_texts`]
    /// does; false where its columns do not tell, it has none, or it is damaged. Nothing was shown then.
    pub(super) fn count_texts(
        &mut self,
        file: &dyn StoreFile,
        at: &BlockAt,
        wanted: (Severity, &str),
        see: &mut dyn FnMut(Option<&str>, u64),
    ) -> io::Result<bool> {
        let first = HEAD.min(at.stored as usize);
        let header = self.first(file, at, first)?;
        let Some(header) = header.filter(|header| header.method == Method::Columns) else {
            return Ok(false);
        };
        let mut body = Stored::new(file, at, &mut self.stored, first);
        let raw = header.raw as usize;
        let told = columns::count_texts(&mut body, raw, wanted, &mut self.unpack, see);
        match body.error {
            Some(error) if !is_damage(&error) => Err(error),
            _ => Ok(told.unwrap_or(false)),
        }
    }

    /// Reads a block as it is stored; its header, unless that is damaged.
    fn header(&mut self, file: &dyn StoreFile, at: &BlockAt) -> io::Result<Option<BlockHeader>> {
        self.first(file, at, at.stored as usize)
    }

    /// Reads the header of a block and the first bytes behind it; gives the header unless that is damaged.
    fn first(
        &mut self,
        file: &dyn StoreFile,
        at: &BlockAt,
        bytes: usize,
    ) -> io::Result<Option<BlockHeader>> {
        if at.stored as usize > MAX_RAW {
            return Ok(None);
        }
        self.stored.resize(BLOCK_HEADER + bytes, 0);
        match exactly(file, &mut self.stored, at.offset) {
            Err(e) if is_damage(&e) => return Ok(None),
            other => other?,
        }
        let header = BlockHeader::decode(&self.stored);
        Ok(header.filter(|header| header.stored == at.stored))
    }

    /// Appends the frames of the block that was read.
    fn frames(&mut self, header: &BlockHeader, out: &mut Vec<u8>) -> bool {
        let body = self.stored.get(BLOCK_HEADER..).unwrap_or_default();
        if crc32c::crc32c(body) != header.crc {
            return false;
        }
        let (start, raw) = (out.len(), header.raw as usize);
        let unpack = &mut self.unpack;
        let good = match header.method {
            Method::Rows => {
                out.extend_from_slice(body);
                Some(())
            }
            Method::PackedRows => {
                out.resize(start + raw, 0);
                unpack.fill(body, &mut out[start..])
            }
            Method::Columns => columns::decode(body, raw, unpack, out),
        };
        if good.is_none() {
            out.truncate(start);
        }
        good.is_some()
    }
}

/// The bytes of a block in a file.
struct Stored<'f> {
    file: &'f dyn StoreFile,
    /// Where they begin in the file, and how many there are.
    offset: u64,
    len: usize,
    /// Those that were read last, behind some others.
    bytes: &'f mut Vec<u8>,
    range: Range<usize>,
    skip: usize,
    error: Option<io::Error>,
}

impl<'f> Stored<'f> {
    /// A block of which the header and the `first` bytes behind it are in `bytes`.
    fn new(
        file: &'f dyn StoreFile,
        at: &BlockAt,
        bytes: &'f mut Vec<u8>,
        first: usize,
    ) -> Stored<'f> {
        Stored {
            file,
            offset: at.offset + BLOCK_HEADER as u64,
            len: at.stored as usize,
            bytes,
            range: 0..first,
            skip: BLOCK_HEADER,
            error: None,
        }
    }
}

impl Body for Stored<'_> {
    fn len(&self) -> usize {
        self.len
    }

    fn get(&mut self, range: Range<usize>) -> Option<&[u8]> {
        if range.start > range.end || range.end > self.len {
            return None;
        }
        if range.start < self.range.start || range.end > self.range.end {
            self.bytes.resize(range.len(), 0);
            (self.range, self.skip) = (range.clone(), 0);
            let at = self.offset + range.start as u64;
            if let Err(error) = exactly(self.file, self.bytes, at) {
                self.range = 0..0;
                self.error = Some(error);
                return None;
            }
        }
        let start = self.skip + range.start - self.range.start;
        self.bytes.get(start..start + range.len())
    }
}
