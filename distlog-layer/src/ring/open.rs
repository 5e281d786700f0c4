//! Making a ring, in memory or in a file; what of it concerns the file.

use std::io;
use std::sync::Arc;

use distlog_proto::ProducerId;
use distlog_spool::{SpoolDir, SpoolError, layout};

#[cfg(loom)]
use super::loom_map::Map;
#[cfg(not(loom))]
use super::map::Map;
use super::reader::Reader;
use super::spool::Spool;
use super::writer::Ring;

/// The smallest ring, in bytes: one page.
const MIN_CAPACITY: usize = if cfg!(loom) {
    64
} else {
    layout::MIN_CAPACITY as usize
};
/// The largest, so that an entry's length fits its word with room to spare.
const MAX_CAPACITY: usize = 1 << 40;

impl Ring {
    /// A ring in anonymous memory with room for `capacity` bytes (rounded up to a power of two), and its reader.
    ///
    /// # Errors
    /// If the system does not give the memory.
    pub(crate) fn anonymous(capacity: usize) -> io::Result<(Arc<Ring>, Reader)> {
        let capacity = round(capacity, MAX_CAPACITY);
        let map = Map::anonymous(capacity)?;
        Ok(join(Ring::new(map, capacity as u64, secret(), None)))
    }

    /// The same in a new file of `dir`, where the records of a killed process are found. `source` says who logs, as a
    /// field of a batch. `handle_sigbus`: the process survives when the file is cut off.
    ///
    /// # Errors
    /// If the file cannot be made, has no room on its disk, or cannot be mapped.
    pub(crate) fn spooled(
        dir: &SpoolDir,
        producer: ProducerId,
        capacity: usize,
        source: &[u8],
        handle_sigbus: bool,
    ) -> Result<(Arc<Ring>, Reader), SpoolError> {
        let capacity = round(capacity, layout::MAX_CAPACITY as usize);
        let secret = secret();
        let new = dir.create(producer, capacity as u64, secret, source)?;
        let map = Map::of_file(new.file(), capacity, handle_sigbus).map_err(|source| {
            SpoolError::File {
                action: "map a new spool in",
                path: dir.path().to_owned(),
                source,
            }
        })?;
        let spool = Spool::new(new.publish()?);
        Ok(join(Ring::new(map, capacity as u64, secret, Some(spool))))
    }

    /// Whether records survive this process.
    pub(crate) fn is_spooled(&self) -> bool {
        self.spool.is_some()
    }

    /// Writes a callsite into the file, if there is one. To be called once for each, before a record names it.
    ///
    /// # Errors
    /// If the file does not take it. Records that name it survive the process all the same, without what it says.
    pub(crate) fn keep_callsite(&self, id: u32, encoded: &[u8]) -> Result<(), SpoolError> {
        match &self.spool {
            Some(spool) => spool.keep_callsite(id, encoded),
            None => Ok(()),
        }
    }

    /// Looks after the file, and is to be called now and then. Returns what is wrong with it, each fault once: it was
    /// removed, or some of its memory was taken away, so that records may be lost or do not survive this process.
    ///
    /// Some seconds after a page of a file was written to, the system writes it out, and wants to be told when it is
    /// written to again. That costs as much as twenty log calls, and the one that comes to the page would pay. So the
    /// pages that come next are made ready here: four times what was written since the last call. Who writes faster
    /// than that is around the ring before its pages are written out.
    pub(crate) fn check_spool(&self) -> Option<SpoolError> {
        let spool = self.spool.as_ref()?;
        self.prepare();
        spool.check(self.is_hit())
    }

    /// Deletes the file, in which nothing is needed any more. The ring goes on without it.
    ///
    /// # Errors
    /// If it cannot be deleted: it then stays, and is found empty.
    pub(crate) fn remove_spool(&self) -> Result<(), SpoolError> {
        self.spool.as_ref().map_or(Ok(()), Spool::remove)
    }
}

fn round(capacity: usize, most: usize) -> usize {
    capacity.clamp(MIN_CAPACITY, most).next_power_of_two()
}

/// The highest bit is set: no position ever equals it.
fn secret() -> u64 {
    distlog_proto::random_u64() | 1 << 63
}

fn join(ring: Ring) -> (Arc<Ring>, Reader) {
    let ring = Arc::new(ring);
    let reader = Reader::new(Arc::clone(&ring));
    (ring, reader)
}
