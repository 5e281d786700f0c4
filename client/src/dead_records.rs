//! [`DeadRecords`]: the unacknowledged records of a dead process.

use std::borrow::Cow;

use distlog_proto::session::Dropped;
use distlog_spool::{Dead, DeadBatch, SpoolError};

use crate::unacked::{EncodedBatch, Offsets, UnackedRecords};

/// The spool of a dead process.
pub(crate) struct DeadRecords {
    dead: Dead,
    position: u64,
    /// The batch at the position, once it was asked for; `None` in it: there is none.
    next: Option<Option<DeadBatch>>,
    /// The file cannot be written.
    pub(crate) error: Option<SpoolError>,
}

impl DeadRecords {
    /// Begins at what is not acknowledged.
    pub(crate) fn new(dead: Dead) -> DeadRecords {
        DeadRecords {
            position: dead.acked(),
            dead,
            next: None,
            error: None,
        }
    }

    /// Removes the file.
    pub(crate) fn remove(self) -> Result<(), SpoolError> {
        self.dead.remove()
    }

    fn move_to(&mut self, to: u64) {
        self.position = to;
        self.next = None;
    }
}

impl UnackedRecords for DeadRecords {
    fn source(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.dead.source())
    }

    fn next_epoch(&mut self) -> Option<u64> {
        match self.dead.next_epoch() {
            Ok(epoch) => Some(epoch),
            Err(error) => {
                self.error = Some(error);
                None
            }
        }
    }

    fn offsets(&self) -> Offsets {
        Offsets {
            acked: self.dead.acked(),
            position: self.position,
            head: self.dead.end(),
            // After a power failure the end of the file may be missing, and a daemon can have more than the file.
            limit: u64::MAX,
        }
    }

    fn dropped(&self) -> Dropped {
        self.dead.dropped()
    }

    fn next_batch(&mut self) -> Option<EncodedBatch<'_>> {
        let (dead, position) = (&self.dead, self.position);
        let next = self
            .next
            .get_or_insert_with(|| dead.batches(position).next());
        next.as_ref().map(|batch| EncodedBatch {
            to: batch.to,
            bytes: &batch.bytes,
        })
    }

    fn sent(&mut self, to: u64) {
        self.move_to(to);
    }

    fn seek(&mut self, to: u64) -> bool {
        let found = self.dead.is_boundary(to) && to >= self.dead.acked();
        if found {
            self.move_to(to);
        }
        found
    }

    fn ack(&mut self, to: u64) -> bool {
        let found = self.dead.is_boundary(to);
        if found && let Err(error) = self.dead.set_acked(to) {
            self.error = Some(error);
        }
        found
    }
}
