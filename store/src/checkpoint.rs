//! The checkpoint: up to where the open segment is known to be durable, where each producer stands there, and where the
//! store begins: only so is it known whether retention removed a segment or somebody else.

use std::path::{Path, PathBuf};

use super::error::FileError;
use super::format::{take, u32_at, u64_at};
use super::layer::FileLayer;
use super::producers::{Position, Producers};
use super::replace;
use distlog_proto::ProducerId;

const NAME: &str = "checkpoint";
const MAGIC: [u8; 8] = *b"DLCHKP02";
const HEAD: usize = 48;
/// Of older versions, which did not save where the store begins.
const MAGIC_1: [u8; 8] = *b"DLCHKP01";
const HEAD_1: usize = 40;
const ENTRY: usize = 32;

/// A checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Checkpoint {
    /// The number of the oldest record that is kept; 0 if it was not saved.
    pub(super) first: u64,
    /// The number of the next record.
    pub(super) next: u64,
    /// The open segment.
    pub(super) segment: u64,
    /// Where its durable frames end.
    pub(super) offset: u64,
    pub(super) producers: Vec<(ProducerId, Position)>,
}

impl Checkpoint {
    pub(super) fn new(
        (first, next): (u64, u64),
        segment: u64,
        offset: u64,
        producers: &Producers,
    ) -> Self {
        Self {
            first,
            next,
            segment,
            offset,
            producers: producers.durable().collect(),
        }
    }

    /// Its file.
    pub(super) fn path(dir: &Path) -> PathBuf {
        dir.join(NAME)
    }

    /// Of two, the later one: by its segment and the offset there, then by where the store begins. Record numbers would
    /// not do, as batches of holes have none.
    pub(super) fn order(&self) -> (u64, u64, u64) {
        (self.segment, self.offset, self.first)
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD + self.producers.len() * ENTRY + 4);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&self.next.to_le_bytes());
        out.extend_from_slice(&self.segment.to_le_bytes());
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&(self.producers.len() as u64).to_le_bytes());
        out.extend_from_slice(&self.first.to_le_bytes());
        for (producer, position) in &self.producers {
            out.extend_from_slice(&producer.to_bytes());
            out.extend_from_slice(&position.to.to_le_bytes());
            out.extend_from_slice(&position.seen.to_le_bytes());
        }
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, crc) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
        if crc32c::crc32c(body) != u32_at(crc, 0) {
            return None;
        }
        let (entries, first) = if body.starts_with(&MAGIC) {
            (body.get(HEAD..)?, u64_at(body, HEAD - 8))
        } else if body.starts_with(&MAGIC_1) {
            (body.get(HEAD_1..)?, 0)
        } else {
            return None;
        };
        if entries.len() as u64 != u64_at(body, 32).checked_mul(ENTRY as u64)? {
            return None;
        }
        Some(Self {
            first,
            next: u64_at(body, 8),
            segment: u64_at(body, 16),
            offset: u64_at(body, 24),
            producers: entries
                .chunks_exact(ENTRY)
                .map(|e| {
                    let position = Position {
                        to: u64_at(e, 16),
                        seen: u64_at(e, 24),
                    };
                    (ProducerId::from_bytes(take(e, 0)), position)
                })
                .collect(),
        })
    }

    pub(super) fn save(&self, layer: &dyn FileLayer, dir: &Path) -> Result<(), FileError> {
        replace::replace(layer, dir, NAME, &self.encode())
    }

    /// The saved checkpoint. Without a good one, recovery reads everything instead.
    pub(super) fn load(layer: &dyn FileLayer, dir: &Path) -> Result<Loaded, FileError> {
        Ok(match replace::read(layer, &dir.join(NAME))? {
            None => Loaded::None,
            Some(bytes) => Self::decode(&bytes).map_or(Loaded::Damaged, Loaded::Good),
        })
    }
}

/// What loading a checkpoint gave.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Loaded {
    None,
    Damaged,
    Good(Checkpoint),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_changed_byte_is_seen() {
        let mut producers = Producers::default();
        producers.forward(ProducerId::from_bytes([7; 16]), 99, 5);
        let checkpoint = Checkpoint::new((5, 12), 3, 4096, &producers);
        let bytes = checkpoint.encode();
        assert_eq!(Checkpoint::decode(&bytes), Some(checkpoint.clone()));
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert_eq!(Checkpoint::decode(&bad), None);
            assert_eq!(Checkpoint::decode(&bytes[..at]), None);
        }
        // As older versions wrote it.
        let mut old = [&MAGIC_1, &bytes[8..40], &bytes[48..bytes.len() - 4]].concat();
        old.extend_from_slice(&crc32c::crc32c(&old).to_le_bytes());
        let known = Checkpoint {
            first: 0,
            ..checkpoint
        };
        assert_eq!(Checkpoint::decode(&old), Some(known));
    }
}
