//! Puts the frames of a columnar block together again, to the last byte.

use super::assemble::Assembly;
use super::block::Block;
use super::operations::{Plan, plan};
use super::stream::Unpack;
use crate::format::{BATCH_HEADER, BatchHeader, FRAME_HEADER, FrameHeader, padded, put};

/// Appends the frames of a block to `out`. `None` if it is not what [`encode`](super::encode) wrote for `raw` bytes;
/// then there may be anything behind what was in `out`.
pub(in super::super) fn decode(
    mut body: &[u8],
    raw: usize,
    unpack: &mut Unpack,
    out: &mut Vec<u8>,
) -> Option<()> {
    let mut block = Block::read(&mut body, raw, unpack)?;
    block.load_all(&mut body, unpack)?;
    let shapes = block.shapes.shapes.iter();
    let plans = shapes.map(|steps| plan(&block.shapes, steps, |_| true, |_| true));
    let plans = plans.collect::<Option<Vec<_>>>()?;
    let start = out.len();
    block.put_frames(&plans, out, raw)?;
    (out.len() - start == raw).then_some(())
}

impl Block {
    /// Appends the frames, which are `most` bytes at most.
    fn put_frames(&self, plans: &[Plan], out: &mut Vec<u8>, most: usize) -> Option<()> {
        let limit = out.len() + most;
        let mut assembly = Assembly::new(self, plans);
        let mut rows = self.rows.iter();
        let (mut number, mut raw, mut between) = (0, 0, 0);
        let heads = self.frames.iter().zip(&self.firsts).zip(&self.crcs);
        for ((batches, first), crc) in heads {
            let at = out.len();
            out.resize(at + FRAME_HEADER, 0);
            let mut records = 0u64;
            for _ in 0..*batches {
                let place = out.len();
                out.resize(place + BATCH_HEADER, 0);
                let header = self.header(number)?;
                match usize::try_from(*self.batches.head.get(number)?).ok()? {
                    0 => {
                        out.extend_from_slice(self.raw.get(raw)?);
                        raw += 1;
                    }
                    head => {
                        out.extend_from_slice(self.heads.get(head - 1)?);
                        assembly.batch(header.from);
                        let items = self.items(number)?;
                        for _ in 0..items {
                            match rows.next()?.checked_sub(1) {
                                Some(shape) => assembly.record(shape, out)?,
                                None => {
                                    out.extend_from_slice(self.between.get(between)?);
                                    between += 1;
                                }
                            }
                            if out.len() > limit {
                                return None;
                            }
                        }
                    }
                }
                let header = BatchHeader {
                    len: u32::try_from(out.len() - place - BATCH_HEADER).ok()?,
                    ..header
                };
                put(out, place, &header.encode());
                records += u64::from(header.count);
                number += 1;
            }
            let body = &out[at + FRAME_HEADER..];
            let header = FrameHeader {
                body: u32::try_from(body.len()).ok()?,
                batches: u32::try_from(*batches).ok()?,
                first: *first,
                records,
                body_crc: crc32c::crc32c(body),
                salt: self.salt,
            };
            if u64::from(header.body_crc) != *crc && !cfg!(feature = "fuzzing") {
                return None;
            }
            put(out, at, &header.encode());
            out.resize(at + padded(out.len() - at), 0);
        }
        Some(())
    }
}
