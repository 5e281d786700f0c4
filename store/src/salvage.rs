//! Rebuilds a sealed segment whose footer or table is damaged from those of its blocks that are good.

use std::io;
use std::ops::Range;
use std::path::Path;

use super::block_reader::BlockReader;
use super::format::{BatchesOf, FramesIn, SEALED_MAGIC, SEGMENT_HEADER, SegmentHeader};
use super::layer::FileLayer;
use super::memory::{FrameAt, MemoryIndex};
use super::options::Options;
use super::packers::ALONE;
use super::scan::Window;
use super::seal::{self, SealWriter};
use super::sealed::{BLOCK_HEADER, BLOCK_MAGIC, BlockAt, BlockHeader, Sealed};

/// A segment that was written anew.
pub(super) struct Salvaged {
    pub(super) sealed: Sealed,
    /// Numbers of the records between its first and its last that are lost.
    pub(super) lost: Vec<Range<u64>>,
}

/// Writes the segment anew; none if no block of it is good.
pub(super) fn salvage(
    layer: &dyn FileLayer,
    dir: &Path,
    (id, generation): (u64, u32),
    options: &Options,
) -> io::Result<Option<Salvaged>> {
    let file = layer.open(&seal::path(dir, id, generation))?;
    let mut window = Window::new(&*file)?;
    let known = window
        .get(0, SEGMENT_HEADER)?
        .and_then(|b| SegmentHeader::decode(b, SEALED_MAGIC));
    let mut reader = BlockReader::default();
    let mut memory = MemoryIndex::default();
    let mut writer = None;
    let (mut raw, mut end, mut newest) = (Vec::new(), 0, 0);
    let mut lost = Vec::new();
    let mut at = SEGMENT_HEADER as u64;
    loop {
        let header = window.get(at, BLOCK_HEADER)?.and_then(BlockHeader::decode);
        let Some(header) = header else {
            let size = window.size();
            let next = window.find(at, size, BLOCK_MAGIC, BLOCK_HEADER, |b| {
                BlockHeader::decode(b).is_some()
            })?;
            match next {
                Some(next) => at = next,
                None => break,
            }
            continue;
        };
        let place = BlockAt {
            offset: at,
            first: header.first,
            stored: header.stored,
            raw: header.raw,
        };
        at += (BLOCK_HEADER + header.stored as usize).next_multiple_of(8) as u64;
        raw.clear();
        if !reader.read(&*file, &place, &mut raw)? {
            continue;
        }
        for (frame, range) in FramesIn::new(&raw) {
            // Block heads inside of stored data are no blocks of this segment.
            if frame.first < end || known.is_some_and(|k| k.salt != frame.salt) {
                continue;
            }
            let first = known.map_or(frame.first, |known| known.first);
            let writer = match &mut writer {
                Some(writer) => writer,
                none => {
                    let header = known.unwrap_or(SegmentHeader {
                        id,
                        first: frame.first,
                        salt: frame.salt,
                    });
                    none.insert(SealWriter::new(
                        layer,
                        dir,
                        (header, generation),
                        options,
                        ALONE,
                    )?)
                }
            };
            let expected = if end > 0 { end } else { first };
            if frame.first > expected {
                lost.push(expected..frame.first);
            }
            memory.add_frame(FrameAt {
                offset: 0,
                first: frame.first,
                len: range.len() as u32,
            });
            let bytes = &raw[range];
            for (batch, _, body) in BatchesOf::new(&frame, bytes) {
                newest = newest.max(batch.received);
                (options.index)(&bytes[body], &mut |trace| {
                    memory.add_trace(trace.to_bytes())
                });
            }
            writer.frame(frame.first, bytes)?;
            end = frame.end();
        }
    }
    match writer {
        Some(writer) => {
            let sealed = writer.finish(&memory, end, newest)?;
            Ok(Some(Salvaged { sealed, lost }))
        }
        None => Ok(None),
    }
}
