//! Reads the blocks of sealed segments.

use std::io;

use super::columns::{self, Selection, SomeRecords, Unpack};
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
        let Some(header) = self.header(file, at)? else {
            return Ok(None);
        };
        if header.method != Method::Columns {
            return Ok(self.frames(&header, out).then_some(Selected::Frames));
        }
        // What is read of it has checksums of its own.
        let body = self.stored.get(BLOCK_HEADER..).unwrap_or_default();
        let start = out.len();
        let read = columns::select(
            body,
            header.raw as usize,
            wanted,
            &mut self.unpack,
            out,
            show,
        );
        let good = read.is_some();
        if !good {
            out.truncate(start);
        }
        Ok(good.then_some(Selected::Batches))
    }

    /// Reads a block as it is stored; its header, unless that is damaged.
    fn header(&mut self, file: &dyn StoreFile, at: &BlockAt) -> io::Result<Option<BlockHeader>> {
        if at.stored as usize > MAX_RAW {
            return Ok(None);
        }
        self.stored.resize(BLOCK_HEADER + at.stored as usize, 0);
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
