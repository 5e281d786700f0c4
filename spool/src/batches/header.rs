//! What stands in front of the batches, as bytes.

use std::path::Path;

use distlog_proto::ProducerId;

use crate::error::SpoolError;
use crate::header::{levels, put, word};
use crate::layout::{self, LEVELS};

/// The first word: `DISTLOGB`.
const MAGIC: u64 = u64::from_be_bytes(*b"DISTLOGB");
const VERSION: u64 = 1;
/// Bytes in front of the first frame.
pub(super) const HEADER_LEN: usize = 512;

/// Its fields stand where those of a ring's file do, so that whoever drains one writes them in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) producer: ProducerId,
    pub(crate) epoch: u64,
    pub(crate) acked: u64,
    pub(crate) dropped: [u64; LEVELS],
}

impl Header {
    /// Of a new file.
    pub(super) fn new(producer: ProducerId) -> Header {
        Header {
            producer,
            epoch: 0,
            acked: 0,
            dropped: [0; LEVELS],
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_LEN);
        put(&mut out, layout::MAGIC_AT, &[MAGIC]);
        put(&mut out, layout::VERSION_AT, &[VERSION]);
        out.resize(layout::PRODUCER_AT, 0);
        out.extend_from_slice(&self.producer.to_bytes());
        put(&mut out, layout::EPOCH_AT, &[self.epoch]);
        put(&mut out, layout::ACKED_AT, &[self.acked]);
        put(&mut out, layout::DROPPED_AT, &self.dropped);
        out.resize(HEADER_LEN, 0);
        out
    }

    /// Reads the beginning of the file at `path` with `length` bytes.
    pub(super) fn parse(path: &Path, bytes: &[u8], length: u64) -> Result<Header, SpoolError> {
        let not_a_spool = || SpoolError::NotASpool {
            path: path.to_owned(),
        };
        if word(bytes, layout::MAGIC_AT) != Some(MAGIC) {
            return Err(not_a_spool());
        }
        let version = word(bytes, layout::VERSION_AT).ok_or_else(not_a_spool)?;
        if version != VERSION {
            return Err(SpoolError::OldFormat {
                path: path.to_owned(),
                found: version,
                known: VERSION,
            });
        }
        Header::read(bytes).ok_or_else(|| SpoolError::Truncated {
            path: path.to_owned(),
            length,
            expected: HEADER_LEN as u64,
        })
    }

    fn read(bytes: &[u8]) -> Option<Header> {
        bytes.get(..HEADER_LEN)?;
        let producer = bytes.get(layout::PRODUCER_AT..layout::PRODUCER_AT + 16)?;
        Some(Header {
            producer: ProducerId::from_bytes(producer.try_into().ok()?),
            epoch: word(bytes, layout::EPOCH_AT)?,
            acked: word(bytes, layout::ACKED_AT)?,
            dropped: levels(bytes, layout::DROPPED_AT)?,
        })
    }
}
