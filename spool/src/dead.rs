//! The spool of a process that is gone.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use distlog_proto::ProducerId;

use crate::batches::LeftBatches;
use crate::error::SpoolError;
use crate::header::Header;
use crate::layout::{self, LEVELS};
use crate::lock::Locked;
use crate::snapshot::{DeadBatch, Snapshot};

/// No table is longer, in bytes. Whoever drains a file holds it in memory.
const MAX_TABLE: u64 = 256 * 1024 * 1024;

/// What a dead process left. As long as it lives, nobody else takes the file; dropped, the file stays for the next who
/// looks for it.
///
/// Everything is read once, when it is claimed: the rest of the methods read memory.
pub struct Dead {
    locked: Locked,
    path: PathBuf,
    source: Vec<u8>,
    epoch: u64,
    content: Content,
}

/// Which kind of file a spool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A ring, as `distlog-layer` has it.
    Ring,
    /// Whole batches, as exporters have them.
    Batches,
}

enum Content {
    Ring(Snapshot),
    Batches(LeftBatches),
}

impl Dead {
    /// Reads a file that was claimed.
    pub(crate) fn read(locked: Locked, path: PathBuf, kind: Kind) -> Result<Dead, SpoolError> {
        let (source, epoch, content) = match kind {
            Kind::Ring => {
                let snapshot = read_ring(locked.file(), &path)?;
                let source = snapshot.source().to_vec();
                (source, snapshot.header.epoch, Content::Ring(snapshot))
            }
            Kind::Batches => {
                let file = locked.file();
                let length = file
                    .metadata()
                    .map_err(|error| SpoolError::of("read", &path, 0, error))?
                    .len();
                let left = LeftBatches::read(&path, length, BufReader::new(file))?;
                let source = left.encoded_source();
                (source, left.header.epoch, Content::Batches(left))
            }
        };
        Ok(Dead {
            locked,
            path,
            source,
            epoch,
            content,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Who wrote it.
    pub fn producer(&self) -> ProducerId {
        match &self.content {
            Content::Ring(ring) => ring.header.producer,
            Content::Batches(left) => left.header.producer,
        }
    }

    /// The id that its process had: for messages, it may be another's by now.
    pub fn process_id(&self) -> u64 {
        match &self.content {
            Content::Ring(ring) => ring.process_id,
            Content::Batches(left) => left.source.process_id,
        }
    }

    /// The service that it was, likewise.
    pub fn service(&self) -> &str {
        match &self.content {
            Content::Ring(ring) => &ring.service,
            Content::Batches(left) => &left.source.service,
        }
    }

    /// The source, encoded as a field of a batch.
    pub fn source(&self) -> &[u8] {
        &self.source
    }

    /// The last epoch that was used in its name; 0: none.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The next one, noted in the file before it is told.
    ///
    /// # Errors
    /// If it cannot be noted, or there is none left.
    pub fn next_epoch(&mut self) -> Result<u64, SpoolError> {
        let epoch = self.epoch().checked_add(1).ok_or_else(|| {
            SpoolError::damaged(&self.path, "it has used up all epochs there are")
        })?;
        self.write(layout::EPOCH_AT, &[epoch])?;
        self.epoch = epoch;
        Ok(epoch)
    }

    /// The position before which everything is durable elsewhere: where the stream begins that is left.
    pub fn acked(&self) -> u64 {
        match &self.content {
            Content::Ring(ring) => ring.header.acked,
            Content::Batches(left) => left.header.acked,
        }
    }

    /// Where the stream ends: the `to` of the last batch.
    ///
    /// In a ring this is the end of the last record; or, if the dead one dropped records and could not say so, the
    /// end of the record that says it in its place, whose offset is the end of the last record in the ring. It stays
    /// the same however often the file is claimed, until that record is acknowledged.
    pub fn end(&self) -> u64 {
        match &self.content {
            Content::Ring(ring) => ring.end,
            Content::Batches(left) => left.end,
        }
    }

    /// Records that it dropped since it began, by level, ERROR first.
    pub fn dropped(&self) -> [u64; LEVELS] {
        match &self.content {
            Content::Ring(ring) => ring.all_dropped(),
            Content::Batches(left) => left.header.dropped,
        }
    }

    /// Bytes at the end of a file of batches that are no whole batch: its process died over them, or the file is
    /// damaged.
    pub fn lost_bytes(&self) -> u64 {
        match &self.content {
            Content::Ring(_) => 0,
            Content::Batches(left) => left.lost_bytes,
        }
    }

    /// The same for the user, if there are such bytes.
    pub fn lost(&self) -> Option<impl fmt::Display> {
        let lost = Some(self.lost_bytes()).filter(|bytes| *bytes > 0);
        lost.map(|bytes| {
            let path = self.path.display();
            format!("{path}: the last {bytes} bytes are no whole batch, and lost with the file")
        })
    }

    /// Whether a batch can begin or end at an offset.
    pub fn is_boundary(&self, offset: u64) -> bool {
        match &self.content {
            Content::Ring(_) => offset.is_multiple_of(layout::ENTRY_HEADER),
            Content::Batches(left) => left.is_boundary(offset),
        }
    }

    /// Its records with offsets of `from` and more, which lies anywhere between [`Dead::acked`] and [`Dead::end`], in
    /// the batches of the file, or of about 64 KiB from a ring. The first begins at `from`, each at the end of the one
    /// before, the last ends at [`Dead::end`]. Nothing comes if `from` is there already.
    ///
    /// To begin somewhere is cheap: one may as well ask for the next batch with the `to` of the last.
    pub fn batches(&self, from: u64) -> impl Iterator<Item = DeadBatch> {
        let (ring, left) = match &self.content {
            Content::Ring(ring) => (Some(ring.batches(from)), None),
            Content::Batches(left) => (None, Some(left.batches(from))),
        };
        let (ring, left) = (ring.into_iter().flatten(), left.into_iter().flatten());
        ring.chain(left)
    }

    /// Notes that everything before `to` is durable elsewhere. A position before [`Dead::acked`] changes nothing, one
    /// behind [`Dead::end`] means that.
    ///
    /// # Errors
    /// If it cannot be noted. The records then come again when the file is claimed the next time.
    pub fn set_acked(&mut self, to: u64) -> Result<(), SpoolError> {
        let mut to = to.min(self.end());
        if let Content::Ring(ring) = &self.content {
            to -= to % layout::ENTRY_HEADER;
            // First what was told, so that it is not told again when it is not in the stream that is left any more.
            let reported = ring.reported_at(to);
            if to > self.acked() && reported != ring.header.reported {
                self.write(layout::REPORTED_AT, &reported)?;
                if let Content::Ring(ring) = &mut self.content {
                    ring.header.reported = reported;
                }
            }
        }
        if to <= self.acked() {
            return Ok(());
        }
        self.write(layout::ACKED_AT, &[to])?;
        match &mut self.content {
            Content::Ring(ring) => ring.header.acked = to,
            Content::Batches(left) => left.header.acked = to,
        }
        Ok(())
    }

    /// Removes the file: everything in it is durable elsewhere.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn remove(self) -> Result<(), SpoolError> {
        self.locked
            .unlink(&self.path)
            .map_err(|error| SpoolError::of("remove", &self.path, 0, error))
    }

    fn write(&self, at: usize, words: &[u64]) -> Result<(), SpoolError> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        self.locked
            .file()
            .write_all_at(&bytes, at as u64)
            .map_err(|error| SpoolError::of("write", &self.path, bytes.len() as u64, error))
    }
}

/// Reads a ring and its table.
fn read_ring(mut file: &File, path: &Path) -> Result<Snapshot, SpoolError> {
    let fail = |error| SpoolError::of("read", path, 0, error);
    let metadata = file.metadata().map_err(fail)?;
    let length = metadata.len();
    let mut bytes = Vec::new();
    file.take(layout::HEADER_LEN as u64)
        .read_to_end(&mut bytes)
        .map_err(fail)?;
    // Before it costs memory.
    let header = Header::parse(path, &bytes, length)?;
    if length - layout::table_at(header.capacity) > MAX_TABLE {
        return Err(SpoolError::damaged(path, "its table has no end"));
    }
    let rest = usize::try_from(length - layout::HEADER_LEN as u64).unwrap_or(usize::MAX);
    bytes
        .try_reserve_exact(rest)
        .map_err(|_| fail(io::ErrorKind::OutOfMemory.into()))?;
    file.read_to_end(&mut bytes).map_err(fail)?;
    let modified = metadata.modified().ok();
    let modified = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let modified = modified.and_then(|time| u64::try_from(time.as_nanos()).ok());
    Snapshot::parse(path, bytes, modified.unwrap_or_default())
}

impl fmt::Debug for Dead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dead")
            .field("path", &self.path)
            .field("producer", &self.producer())
            .field("acked", &self.acked())
            .field("end", &self.end())
            .finish_non_exhaustive()
    }
}
