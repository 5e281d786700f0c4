//! A slice of time of a database: what a block is there.

use std::ops::Range;
use std::sync::Arc;

use distlog_proto::{Record, Severity};
use distlog_store::{BlockBuffer, Selection};

use super::StorageError;
use super::database::{Ask, Database};
use super::encoder::Encoder;
use crate::access::Services;

/// Read at once, in bytes: then it is looked at, and whether somebody still wants it.
const PART_BYTES: usize = 1 << 20;

/// A slice of time of a database.
#[derive(Clone)]
pub struct Slice {
    pub(super) database: Arc<dyn Database>,
    pub(super) times: Range<u64>,
    pub(super) narrow: Arc<Narrow>,
}

/// What is asked of each slice.
pub(super) struct Narrow {
    /// None: of all.
    pub(super) services: Vec<String>,
    /// Only what these stored is seen.
    pub(super) only: Option<Services>,
    pub(super) severity: Severity,
    pub(super) words: Vec<String>,
}

impl Narrow {
    /// Whether a record is seen.
    pub(super) fn sees(&self, record: &Record) -> bool {
        self.only
            .as_ref()
            .is_none_or(|only| only.have(&record.source.service, &record.source.process_name))
    }
}

impl Slice {
    /// The positions of its records, which are times.
    pub(super) fn positions(&self) -> Range<u64> {
        self.times.clone()
    }

    /// The newest time that a record in it has; none if there is no limit.
    pub(super) fn newest_time(&self) -> u64 {
        match self.times.end {
            u64::MAX => u64::MAX,
            end => end.saturating_sub(1),
        }
    }

    /// See [`Block::read`](super::Block::read).
    pub(super) fn read(
        &self,
        wanted: &Selection<'_>,
        buffer: &mut BlockBuffer,
        take: &mut dyn FnMut(&BlockBuffer) -> bool,
    ) -> Result<(), StorageError> {
        let ask = Ask {
            times: self.times.clone(),
            services: &self.narrow.services,
            severity: self.narrow.severity.max(wanted.severity),
            rows: wanted.rows,
            words: &self.narrow.words,
        };
        let mut encoder = Encoder::default();
        let mut more = true;
        self.database.records(&ask, &mut |record| {
            if self.narrow.sees(&record) {
                encoder.push(&record);
            }
            if encoder.bytes() >= PART_BYTES {
                more = hand_over(&mut encoder, buffer, take);
            }
            more
        })?;
        if more {
            hand_over(&mut encoder, buffer, take);
        }
        Ok(())
    }
}

fn hand_over(
    encoder: &mut Encoder,
    buffer: &mut BlockBuffer,
    take: &mut dyn FnMut(&BlockBuffer) -> bool,
) -> bool {
    buffer.clear();
    for batch in encoder.take() {
        let head = (batch.producer, batch.received);
        buffer.push(head, batch.first, &batch.bytes, &batch.places);
    }
    take(buffer)
}
