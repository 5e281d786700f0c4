//! A columnar block as it is read: what its records share and, of their columns, those that are asked for.

use std::ops::Range;

use distlog_proto::ProducerId;

use super::body::{Body, HEAD};
use super::canonical::BYTES;
use super::shape::{ColumnKey, ReadShapes};
use super::stream::{Reader, Unpack};
use super::texts::{Column, WantedValues};
use super::{decimals, is_fraction, is_sound, numbers};
use crate::format::BatchHeader;

/// What the batches of a block are: of each its values, in order.
pub(super) struct Batches {
    pub(super) producers: Column,
    pub(super) from: Vec<u64>,
    pub(super) span: Vec<u64>,
    pub(super) received: Vec<u64>,
    pub(super) count: Vec<u64>,
    pub(super) unordered: Vec<u64>,
    pub(super) head: Vec<u64>,
    pub(super) between: Vec<u64>,
}

/// See `encode.rs` for what each is.
pub(super) struct Block {
    pub(super) salt: u32,
    pub(super) frames: Vec<u64>,
    pub(super) firsts: Vec<u64>,
    pub(super) crcs: Vec<u64>,
    pub(super) batches: Batches,
    pub(super) heads: Column,
    pub(super) raw: Column,
    pub(super) between: Column,
    pub(super) shapes: ReadShapes,
    pub(super) rows: Vec<u64>,
    pub(super) columns: Vec<Values>,
    stored: Vec<Stored>,
    most: usize,
}

/// The values of a column.
pub(super) enum Values {
    /// Nobody asked for them.
    Unread,
    Numbers(Vec<u64>),
    Texts(Column),
}

/// A column that was not read yet. It has a CRC of its own, so that it can be read without the others.
struct Stored {
    /// Where it is in the block.
    range: Range<usize>,
    count: usize,
    crc: u32,
}

impl Block {
    /// Reads what all records share. `most` is the length of the frames that are in it.
    pub(super) fn read(body: &mut dyn Body, most: usize, unpack: &mut Unpack) -> Option<Block> {
        let len = body.len();
        let first = body.get(0..HEAD.min(len))?;
        let mut input = Reader::new(first);
        let crc = input.checksum()?;
        let head_len = input.count(len)?;
        let start = first.len() - input.len();
        let mut at = start.checked_add(head_len)?;
        let head = body.get(start..at)?;
        if !is_sound(head, crc) {
            return None;
        }
        let mut head = Reader::new(head);
        let salt = u32::try_from(head.varint()?).ok()?;
        let frames = head.count(most)?;
        let numbers_of = |head: &mut Reader<'_>, count, unpack: &mut Unpack| {
            let mut out = Vec::new();
            numbers::take(head, count, unpack, &mut out).map(|()| out)
        };
        let count = frames;
        let frames = numbers_of(&mut head, count, unpack)?;
        let firsts = numbers_of(&mut head, count, unpack)?;
        let crcs = numbers_of(&mut head, count, unpack)?;
        let count = head.count(most)?;
        let producers = Column::take(&mut head, count, most, unpack)?;
        let batches = Batches {
            producers,
            from: numbers_of(&mut head, count, unpack)?,
            span: numbers_of(&mut head, count, unpack)?,
            received: numbers_of(&mut head, count, unpack)?,
            count: numbers_of(&mut head, count, unpack)?,
            unordered: numbers_of(&mut head, count, unpack)?,
            head: numbers_of(&mut head, count, unpack)?,
            between: numbers_of(&mut head, count, unpack)?,
        };
        let heads = head.count(count)?;
        let heads = Column::take(&mut head, heads, most, unpack)?;
        let raw = head.count(count)?;
        let raw = Column::take(&mut head, raw, most, unpack)?;
        let between = head.count(most)?;
        let between = Column::take(&mut head, between, most, unpack)?;
        let mut shapes = Vec::new();
        let shapes_len = head.count(most.saturating_mul(2).max(1 << 20))?;
        head.run(shapes_len, unpack, &mut shapes)?;
        let shapes = ReadShapes::take(&mut Reader::new(&shapes))?;
        let count = head.count(most)?;
        let rows = numbers_of(&mut head, count, unpack)?;
        let mut stored = Vec::with_capacity(shapes.columns.len());
        for _ in &shapes.columns {
            let count = head.count(most)?;
            let end = at.checked_add(head.count(len)?).filter(|end| *end <= len)?;
            stored.push(Stored {
                crc: head.checksum()?,
                range: std::mem::replace(&mut at, end)..end,
                count,
            });
        }
        Some(Block {
            salt,
            frames,
            firsts,
            crcs,
            batches,
            heads,
            raw,
            between,
            columns: shapes.columns.iter().map(|_| Values::Unread).collect(),
            shapes,
            rows,
            stored,
            most,
        })
    }

    /// Reads a column, if it was not before.
    pub(super) fn load(
        &mut self,
        column: usize,
        body: &mut dyn Body,
        unpack: &mut Unpack,
    ) -> Option<()> {
        self.load_some(column, None, body, unpack)
    }

    /// Reads a column, if it was not before, of which only the values in some rows are wanted.
    pub(super) fn load_some(
        &mut self,
        column: usize,
        rows: Option<&[bool]>,
        body: &mut dyn Body,
        unpack: &mut Unpack,
    ) -> Option<()> {
        if matches!(self.columns.get(column)?, Values::Unread) {
            let key = self.shapes.columns.get(column)?;
            let (bytes, count, most) = self.stored(column, body)?;
            let wanted = || rows.and_then(|rows| self.values_in(column, rows));
            let values = Values::take(key, bytes, (count, &wanted), most, unpack)?;
            *self.columns.get_mut(column)? = values;
        }
        Some(())
    }

    /// The bytes of a column, how many values it has, and the length of the frames that are in the block.
    pub(super) fn stored<'b>(
        &self,
        column: usize,
        body: &'b mut dyn Body,
    ) -> Option<(&'b [u8], usize, usize)> {
        let stored = self.stored.get(column)?;
        let bytes = body.get(stored.range.clone())?;
        is_sound(bytes, stored.crc).then_some((bytes, stored.count, self.most))
    }

    /// Reads all columns.
    pub(super) fn load_all(&mut self, body: &mut dyn Body, unpack: &mut Unpack) -> Option<()> {
        (0..self.columns.len()).try_for_each(|column| self.load(column, body, unpack))
    }

    /// The header of a batch, but for its length.
    pub(super) fn header(&self, number: usize) -> Option<BatchHeader> {
        let batches = &self.batches;
        let from = *batches.from.get(number)?;
        Some(BatchHeader {
            producer: ProducerId::from_bytes(batches.producers.get(number)?.try_into().ok()?),
            from,
            to: from.wrapping_add(*batches.span.get(number)?),
            received: *batches.received.get(number)?,
            count: u32::try_from(*batches.count.get(number)?).ok()?,
            len: 0,
            ordered: *batches.unordered.get(number)? == 0,
        })
    }

    /// How many records a batch has, and callsites between them.
    pub(super) fn items(&self, number: usize) -> Option<u64> {
        let count = *self.batches.count.get(number)?;
        count.checked_add(*self.batches.between.get(number)?)
    }

    /// The values of a column of numbers that was read.
    pub(super) fn numbers(&self, column: usize) -> Option<&[u64]> {
        match self.columns.get(column)? {
            Values::Numbers(values) => Some(values),
            Values::Unread | Values::Texts(_) => None,
        }
    }
}

impl Values {
    fn take(
        key: &ColumnKey,
        bytes: &[u8],
        (count, wanted): (usize, WantedValues<'_>),
        most: usize,
        unpack: &mut Unpack,
    ) -> Option<Values> {
        let mut input = Reader::new(bytes);
        if key.tag & 7 == BYTES {
            return Column::take_some(&mut input, count, most, wanted, unpack).map(Values::Texts);
        }
        let mut values = Vec::new();
        if is_fraction(key) {
            decimals::take(&mut input, count, unpack, &mut values)?;
        } else {
            numbers::take(&mut input, count, unpack, &mut values)?;
        }
        Some(Values::Numbers(values))
    }
}
