//! Reads the blocks of sealed segments.

use std::io;

use super::columns::{self, Selection, SomeRecords};
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
    unpack: Option<zstd::bulk::Decompressor<'static>>,
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
            Some(header) => self.unpack(&header, out),
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
            return Ok(self.unpack(&header, out)?.then_some(Selected::Frames));
        }
        // What is read of it has checksums of its own.
        let body = self.stored.get(BLOCK_HEADER..).unwrap_or_default();
        let start = out.len();
        let good = columns::select(body, header.raw as usize, wanted, out, show).is_some();
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

    fn unpack(&mut self, header: &BlockHeader, out: &mut Vec<u8>) -> io::Result<bool> {
        let body = self.stored.get(BLOCK_HEADER..).unwrap_or_default();
        if crc32c::crc32c(body) != header.crc {
            return Ok(false);
        }
        match header.method {
            Method::PackedRows => {}
            Method::Rows => {
                out.extend_from_slice(body);
                return Ok(true);
            }
            Method::Columns => {
                let start = out.len();
                let good = columns::decode(body, header.raw as usize, out).is_some();
                if !good {
                    out.truncate(start);
                }
                return Ok(good);
            }
        }
        let unpack = match &mut self.unpack {
            Some(unpack) => unpack,
            none => none.insert(zstd::bulk::Decompressor::new()?),
        };
        let start = out.len();
        out.resize(start + header.raw as usize, 0);
        let good = unpack
            .decompress_to_buffer(body, &mut out[start..])
            .is_ok_and(|n| n == header.raw as usize);
        if !good {
            out.truncate(start);
        }
        Ok(good)
    }
}
