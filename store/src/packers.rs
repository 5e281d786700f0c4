//! Brings blocks into the form in which they are stored, several at a time.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, scope};

use super::columns::{self, BlockIndex, Pack, Unpack};
use super::options::Options;
use super::sealed::Method;

/// zstd's fastest ordinary level: log data shrinks to a sixth at several hundred MB/s.
const LEVEL: i32 = 1;

/// Blocks that wait for each thread, so that the slowest one is waited for less often.
const BLOCKS_EACH: usize = 2;

/// How much work a sealed segment is, the most first. One in columns is half as large as one in compressed rows, and
/// says what is in it, but costs four times as much to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    /// By so many threads.
    Columns {
        threads: usize,
    },
    PackedRows,
    Rows,
}

/// One thread is enough; all that others could do is to be done sooner.
pub(super) const ALONE: Effort = Effort::Columns { threads: 1 };

/// The frames of a block.
#[derive(Default)]
pub(super) struct RawBlock {
    /// The number of the first record.
    pub(super) first: u64,
    pub(super) bytes: Vec<u8>,
}

/// The shortest form of a block.
pub(super) struct Packed {
    pub(super) method: Method,
    /// Nothing where the frames themselves are stored.
    pub(super) bytes: Vec<u8>,
    /// What is known of it.
    pub(super) index: Option<BlockIndex>,
}

/// Packs the blocks of a segment. Blocks in columns take long, and each is made without the others: threads share them.
pub(super) struct Packers(Vec<Packer>);

impl Packers {
    pub(super) fn new(options: &Options, effort: Effort) -> Packers {
        let effort = if options.compress {
            effort
        } else {
            Effort::Rows
        };
        let threads = match effort {
            Effort::Columns { threads } => threads,
            Effort::PackedRows | Effort::Rows => 1,
        };
        Packers((0..threads).map(|_| Packer::new(effort)).collect())
    }

    /// How many blocks are best given at once.
    pub(super) fn blocks(&self) -> usize {
        match self.0.len() {
            0 | 1 => 1,
            threads => threads * BLOCKS_EACH,
        }
    }

    /// Packs blocks, in order.
    ///
    /// # Errors
    /// If a compressor fails.
    pub(super) fn pack(&mut self, blocks: &[RawBlock]) -> io::Result<Vec<Packed>> {
        let (next, packed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let work = |packer: &mut Packer| {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(block) = blocks.get(at) else { return };
                let result = packer.pack(&block.bytes);
                let mut packed = packed.lock().unwrap_or_else(PoisonError::into_inner);
                packed.push((at, result));
            }
        };
        let Some((own, others)) = self.0.split_first_mut() else {
            return Ok(Vec::new());
        };
        scope(|scope| {
            for packer in others.iter_mut().take(blocks.len().saturating_sub(1)) {
                let work = &work;
                // It has the priority of this thread. Without it the work takes longer.
                let _ = Builder::new()
                    .name("store-columns".into())
                    .spawn_scoped(scope, move || work(packer));
            }
            work(own);
        });
        let mut packed = packed.into_inner().unwrap_or_else(PoisonError::into_inner);
        packed.sort_unstable_by_key(|(at, _)| *at);
        packed.into_iter().map(|(_, packed)| packed).collect()
    }
}

/// What one thread packs with.
struct Packer {
    effort: Effort,
    rows: Option<zstd::bulk::Compressor<'static>>,
    columns: Pack,
    unpack: Unpack,
    frames: Vec<u8>,
}

impl Packer {
    fn new(effort: Effort) -> Packer {
        Packer {
            effort,
            rows: None,
            columns: Pack::default(),
            unpack: Unpack::default(),
            frames: Vec::new(),
        }
    }

    fn pack(&mut self, raw: &[u8]) -> io::Result<Packed> {
        if matches!(self.effort, Effort::Columns { .. })
            && let Some(columns) = columns::encode(raw, &mut self.columns)?
            && columns.body.len() < raw.len()
        {
            // Nothing is removed that cannot be read again.
            self.frames.clear();
            let unpack = &mut self.unpack;
            let read = columns::decode(&columns.body, raw.len(), unpack, &mut self.frames);
            if read.is_some() && self.frames == raw {
                return Ok(Packed {
                    method: Method::Columns,
                    bytes: columns.body,
                    index: columns.index,
                });
            }
        }
        let mut packed = Packed {
            method: Method::Rows,
            bytes: Vec::new(),
            index: None,
        };
        if self.effort == Effort::Rows {
            return Ok(packed);
        }
        let compressor = match &mut self.rows {
            Some(compressor) => compressor,
            none => none.insert(zstd::bulk::Compressor::new(LEVEL)?),
        };
        let bytes = compressor.compress(raw)?;
        if bytes.len() < raw.len() {
            packed.method = Method::PackedRows;
            packed.bytes = bytes;
        }
        Ok(packed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_keep_their_order_whoever_packs_them() {
        let options = Options::default();
        let columns = Effort::Columns { threads: 5 };
        for effort in [columns, Effort::PackedRows, Effort::Rows] {
            let mut packers = Packers::new(&options, effort);
            for count in [0, 1, 3, 40] {
                let blocks: Vec<RawBlock> = (0..count)
                    .map(|n| RawBlock {
                        first: n as u64,
                        bytes: vec![n as u8; 1000 + n],
                    })
                    .collect();
                let packed = packers.pack(&blocks).unwrap();
                assert_eq!(packed.len(), count);
                for (packed, block) in packed.iter().zip(&blocks) {
                    if effort == Effort::Rows {
                        assert!(packed.method == Method::Rows && packed.bytes.is_empty());
                        continue;
                    }
                    let mut frames = vec![0; block.bytes.len()];
                    Unpack::default().fill(&packed.bytes, &mut frames).unwrap();
                    assert!(packed.method == Method::PackedRows && frames == block.bytes);
                }
            }
        }
    }
}
