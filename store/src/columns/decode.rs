//! Puts the frames of a columnar block together again.

use distlog_proto::wire::field::{batch, record, task};
use distlog_proto::wire::put::{raw_varint, varint_len};
use distlog_proto::{ProducerId, TaskId, TraceId};

use super::canonical::{BYTES, FIXED32, FIXED64, VARINT};
use super::shape::{ColumnKey, KEY, Message, NAME, ReadShapes, Step};
use super::stream::{Reader, Unpack};
use super::texts::Column;
use super::{decimals, hex, is_fraction, numbers};
use crate::format::{BATCH_HEADER, BatchHeader, FRAME_HEADER, FrameHeader, padded, put};

/// Appends the frames of a block to `out`. `None` if it is not what [`encode`](super::encode) wrote for `raw` bytes;
/// then there may be anything behind what was in `out`.
pub(in super::super) fn decode(body: &[u8], raw: usize, out: &mut Vec<u8>) -> Option<()> {
    let mut unpack = Unpack::new().ok()?;
    let block = Block::read(body, raw, &mut unpack)?;
    let start = out.len();
    block.put_frames(out, raw)?;
    (out.len() - start == raw).then_some(())
}

enum Values {
    Numbers(Vec<u64>),
    Texts(Column),
}

struct Batches {
    producers: Column,
    from: Vec<u64>,
    span: Vec<u64>,
    received: Vec<u64>,
    count: Vec<u64>,
    unordered: Vec<u64>,
    head: Vec<u64>,
    between: Vec<u64>,
}

struct Block {
    salt: u32,
    frames: Vec<u64>,
    firsts: Vec<u64>,
    crcs: Vec<u64>,
    batches: Batches,
    heads: Column,
    raw: Column,
    between: Column,
    shapes: Vec<Vec<Op>>,
    rows: Vec<u64>,
    columns: Vec<Values>,
}

/// A step of putting a record together.
enum Op {
    /// Bytes that are the same in all records of the shape.
    Bytes(Vec<u8>),
    Varint(Tag, u32),
    Fixed64(Tag, u32),
    Fixed32(Tag, u32),
    Text(Tag, u32),
    Open(Tag),
    Close,
    Offset(Tag, u32),
    Time(Tag, u32),
    Observed(Tag, u32),
    TraceId(Tag, u32),
    SpanId(Tag, u32),
    PathOfSpan,
    /// With the column of the path, if it has one.
    SpanOfPath(Option<u32>),
    ParentOfPath,
}

/// A tag as it is written.
type Tag = Vec<u8>;

fn tag_bytes(tag: u32) -> Tag {
    let mut bytes = Vec::new();
    raw_varint(&mut bytes, u64::from(tag));
    bytes
}

impl Block {
    /// Each column has its CRC, so that some can be read without the others.
    fn read(body: &[u8], most: usize, unpack: &mut Unpack) -> Option<Block> {
        let mut input = Reader::new(body);
        let crc = input.checksum()?;
        let head = input.short()?;
        if crc32c::crc32c(head) != crc {
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
        let len = head.count(most.saturating_mul(2).max(1 << 20))?;
        head.run(len, unpack, &mut shapes)?;
        let read = ReadShapes::take(&mut Reader::new(&shapes))?;
        let count = head.count(most)?;
        let rows = numbers_of(&mut head, count, unpack)?;
        let mut columns = Vec::with_capacity(read.columns.len());
        for key in &read.columns {
            let count = head.count(most)?;
            let len = head.count(body.len())?;
            let crc = head.checksum()?;
            let column = input.take(len)?;
            if crc32c::crc32c(column) != crc {
                return None;
            }
            let mut column = Reader::new(column);
            columns.push(Values::take(key, &mut column, count, most, unpack)?);
        }
        let shapes = read
            .shapes
            .iter()
            .map(|steps| ops(&read, steps))
            .collect::<Option<_>>()?;
        Some(Block {
            salt,
            frames,
            firsts,
            crcs,
            batches,
            heads,
            raw,
            between,
            shapes,
            rows,
            columns,
        })
    }

    fn put_frames(&self, out: &mut Vec<u8>, most: usize) -> Option<()> {
        let limit = out.len() + most;
        let mut next = vec![0usize; self.columns.len()];
        let mut rows = self.rows.iter();
        let (mut number, mut raw, mut between) = (0, 0, 0);
        let heads = self.frames.iter().zip(&self.firsts).zip(&self.crcs);
        for ((batches, first), crc) in heads {
            let at = out.len();
            out.resize(at + FRAME_HEADER, 0);
            let mut records = 0u64;
            for _ in 0..*batches {
                let place = out.len();
                out.resize(place + BATCH_HEADER, 0);
                let count = *self.batches.count.get(number)?;
                let from = *self.batches.from.get(number)?;
                match usize::try_from(*self.batches.head.get(number)?).ok()? {
                    0 => {
                        out.extend_from_slice(self.raw.get(raw)?);
                        raw += 1;
                    }
                    head => {
                        out.extend_from_slice(self.heads.get(head - 1)?);
                        let mut assembly = Assembly::new(self, &mut next, from);
                        let items = count.checked_add(*self.batches.between.get(number)?)?;
                        for _ in 0..items {
                            match rows.next()?.checked_sub(1) {
                                Some(shape) => assembly.record(shape, out)?,
                                None => {
                                    out.extend_from_slice(self.between.get(between)?);
                                    between += 1;
                                }
                            }
                            if out.len() > limit {
                                return None;
                            }
                        }
                    }
                }
                let header = BatchHeader {
                    producer: ProducerId::from_bytes(
                        self.batches.producers.get(number)?.try_into().ok()?,
                    ),
                    from,
                    to: from.wrapping_add(*self.batches.span.get(number)?),
                    received: *self.batches.received.get(number)?,
                    count: u32::try_from(count).ok()?,
                    len: u32::try_from(out.len() - place - BATCH_HEADER).ok()?,
                    ordered: *self.batches.unordered.get(number)? == 0,
                };
                put(out, place, &header.encode());
                records += count;
                number += 1;
            }
            let body = &out[at + FRAME_HEADER..];
            let header = FrameHeader {
                body: u32::try_from(body.len()).ok()?,
                batches: u32::try_from(*batches).ok()?,
                first: *first,
                records,
                body_crc: crc32c::crc32c(body),
                salt: self.salt,
            };
            if u64::from(header.body_crc) != *crc {
                return None;
            }
            put(out, at, &header.encode());
            out.resize(at + padded(out.len() - at), 0);
        }
        Some(())
    }
}

impl Values {
    fn take(
        key: &ColumnKey,
        input: &mut Reader<'_>,
        count: usize,
        most: usize,
        unpack: &mut Unpack,
    ) -> Option<Values> {
        if key.tag & 7 == BYTES {
            return Column::take(input, count, most, unpack).map(Values::Texts);
        }
        let mut values = Vec::new();
        if is_fraction(key) {
            decimals::take(input, count, unpack, &mut values)?;
        } else {
            numbers::take(input, count, unpack, &mut values)?;
        }
        Some(Values::Numbers(values))
    }
}

/// The steps of a shape as operations.
fn ops(read: &ReadShapes, steps: &[(Step, u32)]) -> Option<Vec<Op>> {
    let mut ops: Vec<Op> = Vec::new();
    let mut within = vec![Message::Record];
    for (at, (step, column)) in steps.iter().enumerate() {
        let message = *within.last()?;
        let op = match *step {
            Step::Open(tag) => {
                within.push(message.inner(tag >> 3)?);
                Op::Open(tag_bytes(tag))
            }
            Step::Close => {
                within.pop();
                Op::Close
            }
            Step::Key(key, _) => {
                let mut bytes = tag_bytes(KEY << 3);
                raw_varint(&mut bytes, u64::from(key));
                Op::Bytes(bytes)
            }
            Step::Name(name) => {
                let name = read.names.get(name as usize)?;
                let mut bytes = tag_bytes(NAME << 3 | BYTES);
                raw_varint(&mut bytes, name.len() as u64);
                bytes.extend_from_slice(name);
                Op::Bytes(bytes)
            }
            Step::PathOfSpan => Op::PathOfSpan,
            Step::SpanOfPath => {
                let path = steps[at..]
                    .iter()
                    .take_while(|(step, _)| !matches!(step, Step::Close | Step::Open(_)))
                    .find(|(step, _)| *step == Step::Value(task::PATH << 3 | BYTES));
                Op::SpanOfPath(path.map(|(_, column)| *column))
            }
            Step::ParentOfPath => Op::ParentOfPath,
            Step::Value(tag) => {
                let (column, bytes) = (*column, tag_bytes(tag));
                match (message, tag >> 3, tag & 7) {
                    (Message::Record, record::OFFSET, VARINT) => Op::Offset(bytes, column),
                    (Message::Record, record::TIME, FIXED64) => Op::Time(bytes, column),
                    (Message::Record, record::OBSERVED_TIME, FIXED64) => {
                        Op::Observed(bytes, column)
                    }
                    (Message::Task, task::TRACE_ID, BYTES) => Op::TraceId(bytes, column),
                    (Message::Task, task::SPAN_ID, FIXED64) => Op::SpanId(bytes, column),
                    (_, _, VARINT) => Op::Varint(bytes, column),
                    (_, _, FIXED64) => Op::Fixed64(bytes, column),
                    (_, _, FIXED32) => Op::Fixed32(bytes, column),
                    (_, _, BYTES) => Op::Text(bytes, column),
                    _ => return None,
                }
            }
        };
        match (ops.last_mut(), op) {
            (Some(Op::Bytes(before)), Op::Bytes(bytes)) => before.extend_from_slice(&bytes),
            (_, op) => ops.push(op),
        }
    }
    (within.len() == 1).then_some(ops)
}

/// Puts the records of a batch together.
struct Assembly<'b> {
    block: &'b Block,
    /// For each column the place of its next value.
    next: &'b mut [usize],
    offset: u64,
    time: u64,
    trace: &'b [u8],
    span: u64,
    task: Option<TaskId>,
    open: Vec<usize>,
}

impl<'b> Assembly<'b> {
    fn new(block: &'b Block, next: &'b mut [usize], from: u64) -> Assembly<'b> {
        Assembly {
            block,
            next,
            offset: from,
            time: 0,
            trace: &[],
            span: 0,
            task: None,
            open: Vec::new(),
        }
    }

    #[inline]
    fn number(&mut self, column: u32) -> Option<u64> {
        let next = self.next.get_mut(column as usize)?;
        let at = std::mem::replace(next, *next + 1);
        match self.block.columns.get(column as usize)? {
            Values::Numbers(values) => values.get(at).copied(),
            Values::Texts(_) => None,
        }
    }

    #[inline]
    fn text(&mut self, column: u32) -> Option<&'b [u8]> {
        let text = self.peek(column)?;
        *self.next.get_mut(column as usize)? += 1;
        Some(text)
    }

    fn peek(&self, column: u32) -> Option<&'b [u8]> {
        let at = *self.next.get(column as usize)?;
        match self.block.columns.get(column as usize)? {
            Values::Texts(texts) => texts.get(at),
            Values::Numbers(_) => None,
        }
    }

    /// Appends a record, as a field of its batch.
    fn record(&mut self, shape: u64, out: &mut Vec<u8>) -> Option<()> {
        let block = self.block;
        let ops = block.shapes.get(usize::try_from(shape).ok()?)?;
        self.time = 0;
        self.open.clear();
        raw_varint(out, u64::from(batch::RECORDS << 3 | BYTES));
        self.begin(out);
        for op in ops {
            match op {
                Op::Bytes(bytes) => out.extend_from_slice(bytes),
                Op::Varint(tag, column) => {
                    let value = self.number(*column)?;
                    out.extend_from_slice(tag);
                    raw_varint(out, value);
                }
                Op::Fixed64(tag, column) => {
                    let value = self.number(*column)?;
                    put_word(out, tag, value);
                }
                Op::Fixed32(tag, column) => {
                    let value = u32::try_from(self.number(*column)?).ok()?;
                    out.extend_from_slice(tag);
                    out.extend_from_slice(&value.to_le_bytes());
                }
                Op::Text(tag, column) => {
                    let text = self.text(*column)?;
                    put_text(out, tag, text);
                }
                Op::Open(tag) => {
                    out.extend_from_slice(tag);
                    self.begin(out);
                }
                Op::Close => self.end(out)?,
                Op::Offset(tag, column) => {
                    self.offset = self.offset.wrapping_add(self.number(*column)?);
                    out.extend_from_slice(tag);
                    raw_varint(out, self.offset);
                }
                Op::Time(tag, column) => {
                    self.time = self.number(*column)?;
                    put_word(out, tag, self.time);
                }
                Op::Observed(tag, column) => {
                    let value = self.time.wrapping_add(self.number(*column)?);
                    put_word(out, tag, value);
                }
                Op::TraceId(tag, column) => {
                    self.trace = self.text(*column)?;
                    put_text(out, tag, self.trace);
                }
                Op::SpanId(tag, column) => {
                    self.span = self.number(*column)?;
                    put_word(out, tag, self.span);
                }
                Op::PathOfSpan => {
                    out.extend_from_slice(&[(task::PATH << 3 | BYTES) as u8, 17, b'~']);
                    out.extend_from_slice(&hex(self.span));
                }
                Op::SpanOfPath(path) => {
                    self.work_out(*path)?;
                    self.span = self.task.as_ref()?.span_id().get();
                    put_word(out, &[(task::SPAN_ID << 3 | FIXED64) as u8], self.span);
                }
                Op::ParentOfPath => {
                    let parent = self.task.as_ref()?.parent_span_id()?.get();
                    put_word(out, &[(task::PARENT_SPAN_ID << 3 | FIXED64) as u8], parent);
                }
            }
        }
        self.end(out)?;
        self.offset = self.offset.wrapping_add(1);
        Some(())
    }

    /// A message with its length in front begins.
    fn begin(&mut self, out: &mut Vec<u8>) {
        self.open.push(out.len());
        out.push(0);
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Option<()> {
        let at = self.open.pop()?;
        let len = out.len() - at - 1;
        if len < 0x80 {
            out[at] = len as u8;
            return Some(());
        }
        let more = varint_len(len as u64) - 1;
        let end = out.len();
        out.resize(end + more, 0);
        out.copy_within(at + 1..end, at + 1 + more);
        let mut rest = len;
        for byte in &mut out[at..=at + more] {
            *byte = rest as u8 | 0x80;
            rest >>= 7;
        }
        out[at + more] &= 0x7f;
        Some(())
    }

    /// Works out the ids of the task whose path comes next.
    fn work_out(&mut self, path: Option<u32>) -> Option<()> {
        let path = match path {
            Some(column) => std::str::from_utf8(self.peek(column)?).ok()?,
            None => "",
        };
        let trace = TraceId::from_bytes(self.trace.try_into().ok()?)?;
        let known = |task: &TaskId| task.trace_id() == trace && task.path() == path;
        if !self.task.as_ref().is_some_and(known) {
            self.task = Some(TaskId::from_parts(trace, path).ok()?);
        }
        Some(())
    }
}

#[inline]
fn put_word(out: &mut Vec<u8>, tag: &[u8], value: u64) {
    out.extend_from_slice(tag);
    out.extend_from_slice(&value.to_le_bytes());
}

#[inline]
fn put_text(out: &mut Vec<u8>, tag: &[u8], text: &[u8]) {
    out.extend_from_slice(tag);
    raw_varint(out, text.len() as u64);
    out.extend_from_slice(text);
}
