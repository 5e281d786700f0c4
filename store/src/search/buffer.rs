//! What was read of a block.

use std::io;
use std::sync::Arc;

use distlog_proto::{BatchRef, ProducerId, RecordRef, Severity};

use crate::batch::Batch;
use crate::batches::Batches;
use crate::block_reader::{BlockReader, Selected};
use crate::columns::{Rows, Selection, SomeRecords};
use crate::format::BatchHeader;
use crate::layer::{FileLayer, StoreFile};
use crate::sealed::{BlockAt, Sealed};
use crate::show::ShowFn;

/// What [`Block::read`](super::Block::read) fills. Use one again and again: it keeps its memory.
#[derive(Default)]
pub struct BlockBuffer {
    pub(super) batches: Batches,
    blocks: BlockReader,
    /// Of batches that were not read as a whole which of its records are there, one after the other.
    places: Vec<u32>,
    /// Where those of each batch end; none where all were read as a whole.
    ends: Vec<usize>,
    /// Which batches the reader sees.
    pub(super) shows: Option<ShowFn>,
    /// A frame that may not be wanted.
    pub(super) scratch: Vec<u8>,
    /// The segment that was read last: neighbouring blocks are in the same file.
    open: Option<(Arc<Sealed>, Arc<dyn StoreFile>)>,
}

/// A batch of a block, with the records that were read.
#[derive(Debug, Clone, Copy)]
pub struct BlockBatch<'b> {
    /// What it is as a whole.
    pub head: &'b Batch,
    /// Its bytes, without the records that were not read.
    pub bytes: &'b [u8],
    places: Option<&'b [u32]>,
}

impl BlockBuffer {
    /// The file of a segment.
    pub(super) fn open(
        &mut self,
        layer: &dyn FileLayer,
        sealed: &Arc<Sealed>,
    ) -> io::Result<Arc<dyn StoreFile>> {
        if let Some((last, file)) = &self.open
            && Arc::ptr_eq(last, sealed)
        {
            return Ok(Arc::clone(file));
        }
        let file = layer.open(&sealed.path)?;
        self.open = Some((Arc::clone(sealed), Arc::clone(&file)));
        Ok(file)
    }

    /// The batches of the block that was read last.
    pub fn batches(&self) -> impl Iterator<Item = BlockBatch<'_>> {
        let mut start = 0;
        self.batches
            .iter()
            .enumerate()
            .map(move |(at, (head, bytes))| BlockBatch {
                head,
                bytes,
                places: self.ends.get(at).and_then(|end| {
                    let start = std::mem::replace(&mut start, *end);
                    self.places.get(start..*end)
                }),
            })
            .filter(|batch| self.shows.as_ref().is_none_or(|shows| shows(batch.bytes)))
    }

    /// Whether there is no batch.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Adds a batch of a producer that stands in no store, so that who reads blocks reads it, too. The number of each
    /// record is so much above `first` as `places` says. `received` counts where a record has no time, in ns since the
    /// epoch.
    pub fn push(
        &mut self,
        (producer, received): (ProducerId, u64),
        first: u64,
        bytes: &[u8],
        places: &[u32],
    ) {
        let start = self.batches.bytes.len();
        self.batches.bytes.extend_from_slice(bytes);
        let head = BatchHeader {
            producer,
            from: 0,
            to: 0,
            received,
            count: places.len() as u32,
            len: bytes.len() as u32,
            ordered: false,
        };
        self.batches.add(&head, first, start..start + bytes.len());
        self.places.extend_from_slice(places);
        self.ends.push(self.places.len());
    }

    /// Empties it. It keeps its memory.
    pub fn clear(&mut self) {
        self.batches.clear();
        self.places.clear();
        self.ends.clear();
        self.shows = None;
    }

    /// Closes the file: what was deleted may be in it.
    pub(super) fn close(&mut self) {
        self.open = None;
    }

    /// As [`BlockReader::count_texts`].
    pub(super) fn count_texts(
        &mut self,
        file: &dyn StoreFile,
        at: &BlockAt,
        wanted: (Severity, &str),
        see: &mut dyn FnMut(Option<&str>, u64),
    ) -> io::Result<bool> {
        self.blocks.count_texts(file, at, wanted, see)
    }

    /// Reads a block of a sealed segment: all of it, or what is wanted. `None` if it is damaged; what is here is to be
    /// cleared then.
    pub(super) fn read(
        &mut self,
        file: &dyn StoreFile,
        at: &BlockAt,
        wanted: Option<&Selection<'_>>,
    ) -> io::Result<Option<Selected>> {
        // Heads are added while bytes are.
        let mut bytes = std::mem::take(&mut self.batches.bytes);
        let read = match wanted {
            None => {
                let good = self.blocks.read(file, at, &mut bytes);
                good.map(|good| good.then_some(Selected::Frames))
            }
            Some(wanted) => {
                let mut add = |some: SomeRecords<'_>| {
                    self.batches.add(&some.header, some.first, some.range);
                    self.places.extend_from_slice(some.places);
                    self.ends.push(self.places.len());
                };
                self.blocks.select(file, at, wanted, &mut bytes, &mut add)
            }
        };
        self.batches.bytes = bytes;
        read
    }
}

impl<'b> BlockBatch<'b> {
    /// Its records that were read, with their numbers in the store, except some that are less severe or none of these
    /// rows; `parsed` is the batch itself.
    pub fn records<'a>(
        &self,
        parsed: &'a BatchRef<'a>,
        least: Severity,
        rows: Rows<'a>,
    ) -> impl Iterator<Item = RecordRef<'a>> + use<'a, 'b> {
        let (first, places) = (self.head.first, self.places);
        let place = move |at: usize| match places {
            Some(places) => places.get(at).copied().map(u64::from),
            None => Some(at as u64),
        };
        // What was selected was so by these.
        let (least, rows) = match places {
            Some(_) => (Severity::UNSET, Rows::All),
            None => (least, rows),
        };
        let records = parsed.records_from(least, move |bytes| rows.may_have(bytes));
        records.filter_map(move |(at, record)| {
            // Valid when it was stored.
            let mut record = record.ok()?;
            record.store_number = first + place(at)?;
            Some(record)
        })
    }
}
