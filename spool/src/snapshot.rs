//! What the bytes of a dead process's file say: its records, in batches.

use std::borrow::Cow;
use std::iter::{Chain, Flatten, Peekable};
use std::option;
use std::path::Path;

use distlog_proto::wire::{self, RawBatch};
use distlog_proto::{BatchRef, Callsite};

use crate::error::SpoolError;
use crate::header::Header;
use crate::layout::{self, LEVELS, entry_len};
use crate::loss::{self, Loss, OWN};
use crate::table::Table;
use crate::walk::{Entry, Walk};

/// Between two marks in the ring lie about so many bytes.
const BETWEEN_MARKS: u64 = 64 * 1024;
/// As many field names a callsite gets that is missing in the table. More than a macro takes.
const PLACEHOLDER_NAMES: usize = 256;

/// Records that can be sent as one message: see [`crate::Dead::batches`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadBatch {
    /// Where it begins in the producer's stream.
    pub from: u64,
    /// Where it ends, and the next one begins.
    pub to: u64,
    /// The records, with source and callsites: a `RecordBatch`.
    pub bytes: Vec<u8>,
    /// How many records it has. 0 where only holes are left.
    pub count: u64,
}

/// A file that was read as a whole.
pub(crate) struct Snapshot {
    pub(crate) header: Header,
    pub(crate) process_id: u64,
    pub(crate) service: String,
    /// Where the stream ends, the record about losses included.
    pub(crate) end: u64,
    /// What the header says was reported, and what records in the ring tell beyond that.
    pub(crate) reported: [u64; LEVELS],
    /// The record about losses that nobody was told of.
    loss: Option<LossRecord>,
    bytes: Vec<u8>,
    table: Table,
    /// Positions where entries begin, so that batches can begin anywhere without a walk from the beginning.
    marks: Vec<u64>,
}

/// The last record, which the dead one could not write.
struct LossRecord {
    /// Where the ring's last entry ends.
    offset: u64,
    bytes: Vec<u8>,
}

impl Snapshot {
    /// Reads the bytes of the file at `path`. `time` stands in for that of the last drop where this is not known.
    pub(crate) fn parse(path: &Path, bytes: Vec<u8>, time: u64) -> Result<Snapshot, SpoolError> {
        let header = Header::parse(path, &bytes, bytes.len() as u64)?;
        let table_at = usize::try_from(layout::table_at(header.capacity)).unwrap_or(usize::MAX);
        let table = Table::parse(&bytes, table_at);
        let source = table
            .source
            .clone()
            .and_then(|range| bytes.get(range))
            .ok_or_else(|| SpoolError::damaged(path, "it does not say who wrote it"))?;
        let source = BatchRef::parse(source)
            .map_err(|_| SpoolError::damaged(path, "its source cannot be read"))?;
        let source = source.source();
        if source.producer != header.producer {
            return Err(SpoolError::damaged(
                path,
                "its source is not that of its producer",
            ));
        }
        let (process_id, service) = (source.process_id, source.service.to_owned());

        let (mut ring_end, mut reported, mut marks) = (header.acked, header.reported, Vec::new());
        for entry in Walk::new(&header, &bytes).into_iter().flatten() {
            if marks
                .last()
                .is_none_or(|mark| entry.position - mark >= BETWEEN_MARKS)
            {
                marks.push(entry.position);
            }
            if entry.tag == OWN {
                loss::add_told(&mut reported, entry.bytes);
            }
            ring_end = entry.end;
        }
        let loss = untold(&header, reported, time).map(|bytes| LossRecord {
            offset: ring_end,
            bytes,
        });
        let end = ring_end + loss.as_ref().map_or(0, |loss| entry_len(loss.bytes.len()));
        Ok(Snapshot {
            header,
            process_id,
            service,
            end,
            reported,
            loss,
            bytes,
            table,
            marks,
        })
    }

    /// The source, as a field of a batch.
    pub(crate) fn source(&self) -> &[u8] {
        let range = self.table.source.clone();
        range
            .and_then(|range| self.bytes.get(range))
            .unwrap_or_default()
    }

    /// See [`crate::Dead::dropped`].
    pub(crate) fn all_dropped(&self) -> [u64; LEVELS] {
        std::array::from_fn(|level| self.reported[level].max(self.header.dropped[level]))
    }

    /// What has been told of when everything before `to` is acknowledged.
    pub(crate) fn reported_at(&self, to: u64) -> [u64; LEVELS] {
        match &self.loss {
            Some(loss) if to > loss.offset => self.all_dropped(),
            _ => self.reported,
        }
    }

    /// See [`crate::Dead::batches`].
    pub(crate) fn batches(&self, from: u64) -> Batches<'_> {
        let from = from.max(self.header.acked);
        let mark = self.marks.partition_point(|mark| *mark <= from);
        let mark = mark.checked_sub(1).and_then(|at| self.marks.get(at));
        let walk = Walk::new(&self.header, &self.bytes).map(|walk| match mark {
            Some(&mark) => walk.starting_at(mark),
            None => walk,
        });
        let loss = self.loss.as_ref().map(|loss| Entry {
            position: loss.offset,
            tag: OWN,
            bytes: &loss.bytes,
            end: self.end,
        });
        Batches {
            snapshot: self,
            entries: walk.into_iter().flatten().chain(loss).peekable(),
            start: from,
            from,
            batch: RawBatch::new(self.source().to_vec()),
        }
    }

    /// A callsite as a field of a batch: that of the table, or one that lets its records be read all the same.
    fn callsite(&self, id: u32) -> Cow<'_, [u8]> {
        let known = self.table.callsites.get(&id).cloned();
        match known.and_then(|range| self.bytes.get(range)) {
            Some(encoded) => Cow::Borrowed(encoded),
            None if id == OWN => Cow::Owned(loss::own_callsite()),
            None => Cow::Owned(placeholder(id)),
        }
    }
}

type Entries<'a> = Chain<Flatten<option::IntoIter<Walk<'a>>>, option::IntoIter<Entry<'a>>>;

/// See [`crate::Dead::batches`].
pub(crate) struct Batches<'a> {
    snapshot: &'a Snapshot,
    entries: Peekable<Entries<'a>>,
    /// Records before it are not wanted.
    start: u64,
    from: u64,
    batch: RawBatch,
}

impl Iterator for Batches<'_> {
    type Item = DeadBatch;

    fn next(&mut self) -> Option<DeadBatch> {
        let from = self.from;
        if from >= self.snapshot.end {
            return None;
        }
        let mut to = from;
        while let Some(entry) = self.entries.peek() {
            if entry.position >= self.start && !entry.is_padding() {
                let callsite = |id| Some(self.snapshot.callsite(id));
                if self
                    .batch
                    .take(entry.position, entry.tag, entry.bytes, callsite)
                    .is_none()
                {
                    break;
                }
            }
            to = entry.end;
            self.entries.next();
        }
        self.from = to;
        let batch = DeadBatch {
            from,
            to,
            bytes: self.batch.bytes().to_vec(),
            count: self.batch.records(),
        };
        self.batch.clear();
        Some(batch)
    }
}

/// The record about what was dropped and not told of.
fn untold(header: &Header, reported: [u64; LEVELS], time: u64) -> Option<Vec<u8>> {
    let last = match header.lost_last.max(header.lost_first) {
        0 => time,
        last => last,
    };
    let loss = Loss {
        dropped: header.dropped,
        reported,
        first: header.lost_first,
        last,
    };
    (loss.untold() > 0).then(|| {
        let mut record = Vec::new();
        loss.put(&mut record, last);
        record
    })
}

/// Stands in for a callsite that is not in the table. Records name their fields by number, so it names many.
fn placeholder(id: u32) -> Vec<u8> {
    let callsite = Callsite {
        target: "unknown".to_owned(),
        ..Callsite::default()
    };
    let names: Vec<String> = (1..=PLACEHOLDER_NAMES)
        .map(|n| format!("field_{n}"))
        .collect();
    let mut out = Vec::new();
    wire::encode::callsite(&mut out, id, &callsite, names.iter().map(String::as_str));
    out
}
