//! Writes the frames of a block in columns.

use std::io;

use hashbrown::HashMap;

use distlog_proto::wire::REMOVED;
use distlog_proto::wire::field::{batch, record, task};

use super::canonical::{BYTES, FIXED32, FIXED64, Scan, VARINT};
use super::heads::Heads;
use super::index::{BlockIndex, Row};
use super::shape::{ColumnKey, KEY, Message, NAME, NO_NAME, Shapes, Step, TooMany};
use super::stream::{Pack, Writer};
use super::task_ids::{Ids, TaskIds};
use super::text_list::Texts;
use super::texts::Encoded;
use super::{decimals, is_fraction, numbers};
use crate::format::{BatchesOf, FramesIn};

/// Batches that are no canonical protobuf, in a block, before it is stored in rows.
const MAX_ODD: usize = 8;

const RECORD: u32 = batch::RECORDS << 3 | BYTES;
const CALLSITES: u32 = batch::CALLSITES << 3 | BYTES;
const OFFSET: u32 = record::OFFSET << 3 | VARINT;
const CALLSITE: u32 = record::CALLSITE << 3 | VARINT;
const TIME: u32 = record::TIME << 3 | FIXED64;
const OBSERVED_TIME: u32 = record::OBSERVED_TIME << 3 | FIXED64;

/// The values of a column.
enum Values {
    Numbers(Vec<u64>),
    Texts(Texts),
}

/// Why a batch is not taken apart.
enum Odd {
    /// Its bytes are not what would be put together again.
    Bytes,
    TooMany,
}

impl From<TooMany> for Odd {
    fn from(_: TooMany) -> Odd {
        Odd::TooMany
    }
}

/// A block in columns.
pub(in super::super) struct Encoding {
    pub(in super::super) body: Vec<u8>,
    /// None if there are batches in it that were not taken apart.
    pub(in super::super) index: Option<BlockIndex>,
}

/// Encodes whole frames. `None` if they are better stored in rows.
///
/// # Errors
/// If the compressor fails.
pub(in super::super) fn encode(frames: &[u8], pack: &mut Pack) -> io::Result<Option<Encoding>> {
    let mut odd = Vec::new();
    loop {
        match Encoder::new().frames(frames, &odd) {
            Ok(encoder) => return encoder.finish(pack).map(Some),
            Err((_, Odd::TooMany)) => return Ok(None),
            Err((batch, Odd::Bytes)) if odd.len() < MAX_ODD => odd.push(batch),
            Err((_, Odd::Bytes)) => return Ok(None),
        }
    }
}

#[derive(Default)]
struct Batches {
    producers: Texts,
    from: Vec<u64>,
    span: Vec<u64>,
    received: Vec<u64>,
    count: Vec<u64>,
    unordered: Vec<u64>,
    /// 0 for a batch that is stored as it is, else the number of its head and 1.
    head: Vec<u64>,
    /// How many callsites stand between its records.
    between: Vec<u64>,
}

struct Encoder {
    shapes: Shapes,
    columns: Vec<Values>,
    /// For each record the number of its shape and 1, 0 for a callsite between records.
    rows: Vec<u64>,
    /// Callsites that stand between records, as fields of their batch.
    between: Texts,
    batches: Batches,
    /// Number of batches of each frame, of its first record, and its CRC.
    frames: Vec<u64>,
    firsts: Vec<u64>,
    crcs: Vec<u64>,
    salt: u32,
    heads: Heads,
    raw: Texts,
    task_ids: TaskIds,
    index: BlockIndex,
    /// Of the record that is taken apart.
    offset: u64,
    received: u64,
    service: usize,
    /// The callsites of its batch, by their ids.
    known: HashMap<u32, usize>,
    /// Its own, as its place among all.
    callsite: Option<usize>,
}

impl Encoder {
    fn new() -> Encoder {
        Encoder {
            shapes: Shapes::new(),
            columns: Vec::new(),
            rows: Vec::new(),
            between: Texts::default(),
            batches: Batches::default(),
            frames: Vec::new(),
            firsts: Vec::new(),
            crcs: Vec::new(),
            salt: 0,
            heads: Heads::default(),
            raw: Texts::default(),
            task_ids: TaskIds::default(),
            index: BlockIndex::default(),
            offset: 0,
            received: 0,
            service: 0,
            known: HashMap::new(),
            callsite: None,
        }
    }

    /// Takes frames; `odd` are the numbers of the batches that are stored as they are.
    fn frames(mut self, bytes: &[u8], odd: &[usize]) -> Result<Encoder, (usize, Odd)> {
        let mut number = 0;
        for (frame, range) in FramesIn::new(bytes) {
            let frame_bytes = &bytes[range];
            self.frames.push(u64::from(frame.batches));
            self.firsts.push(frame.first);
            self.crcs.push(u64::from(frame.body_crc));
            self.salt = frame.salt;
            for (head, _, body) in BatchesOf::new(&frame, frame_bytes) {
                let batches = &mut self.batches;
                batches.producers.push(&head.producer.to_bytes());
                batches.from.push(head.from);
                batches.span.push(head.to.wrapping_sub(head.from));
                batches.received.push(head.received);
                batches.count.push(u64::from(head.count));
                batches.unordered.push(u64::from(!head.ordered));
                let body = &frame_bytes[body];
                if odd.contains(&number) {
                    self.batches.head.push(0);
                    self.batches.between.push(0);
                    self.raw.push(body);
                } else {
                    self.offset = head.from;
                    self.received = head.received;
                    self.batch(body, head.count).map_err(|odd| (number, odd))?;
                }
                number += 1;
            }
        }
        Ok(self)
    }

    fn batch(&mut self, bytes: &[u8], count: u32) -> Result<(), Odd> {
        let mut scan = Scan::new(bytes);
        let shared = loop {
            let left = scan.rest.len();
            match scan.tag() {
                None => break bytes.len(),
                Some(tag) if tag >> 3 == batch::RECORDS => break bytes.len() - left,
                Some(tag) => scan.skip(tag).ok_or(Odd::Bytes)?,
            }
        };
        let (shared, mut rest) = bytes.split_at(shared);
        let head = (self.heads).number(shared, &mut self.index, &mut self.shapes);
        self.batches.head.push(head + 1);
        self.known.clear();
        if let Some(head) = self.heads.list.get(head as usize) {
            self.service = head.service;
            for (id, place) in head.callsites.clone() {
                self.know(id, place)?;
            }
        }
        let (mut found, mut between) = (0, 0);
        while !rest.is_empty() {
            let mut scan = Scan::new(rest);
            match scan.tag().ok_or(Odd::Bytes)? {
                RECORD => {
                    self.record(scan.bytes().ok_or(Odd::Bytes)?)?;
                    found += 1;
                }
                // A batch names callsites as its records need them.
                CALLSITES => {
                    let bytes = scan.bytes().ok_or(Odd::Bytes)?;
                    let (id, place) =
                        (self.heads).callsite(bytes, &mut self.index, &mut self.shapes);
                    self.know(id, place)?;
                    self.between.push(&rest[..rest.len() - scan.rest.len()]);
                    self.rows.push(0);
                    between += 1;
                }
                _ => return Err(Odd::Bytes),
            }
            rest = scan.rest;
        }
        self.batches.between.push(between);
        if found != count {
            return Err(Odd::Bytes);
        }
        Ok(())
    }

    /// Notes a callsite of the batch. Readers may take either of two with one id.
    fn know(&mut self, id: u32, place: usize) -> Result<(), Odd> {
        match self.known.insert(id, place) {
            Some(other) if other != place => Err(Odd::Bytes),
            _ => Ok(()),
        }
    }

    fn record(&mut self, bytes: &[u8]) -> Result<(), Odd> {
        self.callsite = None;
        let mut row = Row::default();
        let node = self.message(Message::Record, bytes, 0, &mut row)?;
        let callsite = self
            .callsite
            .and_then(|place| self.heads.callsites.get(place));
        let severity = callsite.map(|c| c.severity).unwrap_or_default();
        // What was deleted is not counted.
        if *bytes != REMOVED {
            self.index
                .add_row(&row, self.service, severity, self.received);
        }
        let shape = self.shapes.shape(node);
        self.rows.push(u64::from(shape) + 1);
        self.offset = self.offset.wrapping_add(1);
        Ok(())
    }

    /// Takes a message apart; gives the node at its end.
    fn message<'a>(
        &mut self,
        message: Message,
        bytes: &'a [u8],
        mut node: u32,
        row: &mut Row<'a>,
    ) -> Result<u32, Odd> {
        let mut scan = Scan::new(bytes);
        let mut name = NO_NAME;
        let mut ids = Ids::default();
        if message == Message::Task {
            ids = self.task_ids.of(bytes);
        }
        while !scan.rest.is_empty() {
            let tag = scan.tag().ok_or(Odd::Bytes)?;
            let number = tag >> 3;
            if message.is_named() && number <= NAME {
                (node, name) = self.named(message, tag, &mut scan, node)?;
                continue;
            }
            if tag & 7 == BYTES
                && let Some(inner) = message.inner(number)
            {
                let content = scan.bytes().ok_or(Odd::Bytes)?;
                (node, _) = self.shapes.step(node, Step::Open(tag), || None)?;
                node = self.message(inner, content, node, row)?;
                (node, _) = self.shapes.step(node, Step::Close, || None)?;
                continue;
            }
            let derived = match (message, number, tag & 7) {
                (Message::Task, task::SPAN_ID, FIXED64) if ids.span => Some(Step::SpanOfPath),
                (Message::Task, task::PARENT_SPAN_ID, FIXED64) if ids.parent => {
                    Some(Step::ParentOfPath)
                }
                (Message::Task, task::PATH, BYTES) if ids.path => Some(Step::PathOfSpan),
                _ => None,
            };
            if let Some(step) = derived {
                scan.skip(tag).ok_or(Odd::Bytes)?;
                (node, _) = self.shapes.step(node, step, || None)?;
                continue;
            }
            let key = || Some(ColumnKey { message, tag, name });
            let (next, column) = self.shapes.step(node, Step::Value(tag), key)?;
            node = next;
            self.value(message, tag, column, &mut scan, row)?;
        }
        Ok(node)
    }

    /// Takes the name of a field, or its number.
    fn named(
        &mut self,
        message: Message,
        tag: u32,
        scan: &mut Scan<'_>,
        node: u32,
    ) -> Result<(u32, u32), Odd> {
        let step = match (tag >> 3, tag & 7) {
            (KEY, VARINT) => {
                let key =
                    u32::try_from(scan.varint().ok_or(Odd::Bytes)?).map_err(|_| Odd::Bytes)?;
                let callsite = match message {
                    Message::Field => {
                        let place = self.callsite;
                        place.and_then(|place| self.heads.callsites.get(place))
                    }
                    _ => None,
                };
                let place = (key as usize).wrapping_sub(1);
                let name = callsite
                    .and_then(|callsite| callsite.names.get(place))
                    .copied();
                Step::Key(key, name.unwrap_or(NO_NAME))
            }
            (NAME, BYTES) => {
                let name = scan.bytes().ok_or(Odd::Bytes)?;
                if let Some(next) = self.shapes.follow_name(node, name) {
                    return Ok((next, self.shapes.name_of(next)));
                }
                Step::Name(self.shapes.name(name))
            }
            _ => return Err(Odd::Bytes),
        };
        let (next, _) = self.shapes.step(node, step, || None)?;
        Ok((next, self.shapes.name_of(next)))
    }

    fn value<'a>(
        &mut self,
        message: Message,
        tag: u32,
        column: u32,
        scan: &mut Scan<'a>,
        row: &mut Row<'a>,
    ) -> Result<(), Odd> {
        let column = column as usize;
        if column == self.columns.len() {
            self.columns.push(match tag & 7 {
                BYTES => Values::Texts(Texts::default()),
                _ => Values::Numbers(Vec::new()),
            });
        }
        let number = match tag & 7 {
            VARINT => scan.varint(),
            FIXED64 => scan.fixed64(),
            FIXED32 => scan.fixed32().map(u64::from),
            BYTES => {
                let text = scan.bytes().ok_or(Odd::Bytes)?;
                if message == Message::Record {
                    row.text(tag >> 3, text);
                }
                return match self.columns.get_mut(column) {
                    Some(Values::Texts(texts)) => {
                        texts.push(text);
                        Ok(())
                    }
                    _ => Err(Odd::Bytes),
                };
            }
            _ => None,
        };
        let number = number.ok_or(Odd::Bytes)?;
        let number = if message == Message::Record {
            // As `decode.rs` puts them together: of these types only.
            if tag == TIME || (tag & 7 == VARINT && tag >> 3 != record::TIME) {
                row.number(tag >> 3, number);
            }
            match tag {
                OFFSET => {
                    let expected = std::mem::replace(&mut self.offset, number);
                    number.wrapping_sub(expected)
                }
                CALLSITE => {
                    let id = u32::try_from(number).unwrap_or_default();
                    self.callsite = self.known.get(&id).copied();
                    // Readers find one that comes later, too, and its severity.
                    if self.callsite.is_none() && id != 0 {
                        return Err(Odd::Bytes);
                    }
                    number
                }
                OBSERVED_TIME => number.wrapping_sub(row.time),
                _ => number,
            }
        } else {
            number
        };
        match self.columns.get_mut(column) {
            Some(Values::Numbers(numbers)) => numbers.push(number),
            _ => return Err(Odd::Bytes),
        }
        Ok(())
    }

    fn finish(mut self, pack: &mut Pack) -> io::Result<Encoding> {
        let mut body = Writer::with(std::mem::take(pack));
        let mut ends = Vec::new();
        for (key, values) in self.shapes.columns.iter().zip(&self.columns) {
            match values {
                Values::Numbers(values) if is_fraction(key) => decimals::put(values, &mut body)?,
                Values::Numbers(values) => {
                    self.index.add_numbers(key, values);
                    numbers::put(values, &mut body)?;
                }
                Values::Texts(texts) => {
                    let encoded = Encoded::of(texts);
                    self.index.add_texts(key, texts, &encoded);
                    encoded.put(&mut body)?;
                }
            }
            ends.push(body.bytes.len());
        }
        let batches = &self.batches;
        let mut head = Writer::with(std::mem::take(&mut body.pack));
        head.varint(u64::from(self.salt));
        head.varint(self.frames.len() as u64);
        numbers::put(&self.frames, &mut head)?;
        numbers::put(&self.firsts, &mut head)?;
        numbers::put(&self.crcs, &mut head)?;
        head.varint(batches.from.len() as u64);
        Encoded::of(&batches.producers).put(&mut head)?;
        for column in [
            &batches.from,
            &batches.span,
            &batches.received,
            &batches.count,
            &batches.unordered,
            &batches.head,
            &batches.between,
        ] {
            numbers::put(column, &mut head)?;
        }
        head.varint(self.heads.list.len() as u64);
        Encoded::of(&self.heads.bytes).put(&mut head)?;
        for texts in [&self.raw, &self.between] {
            head.varint(texts.len() as u64);
            Encoded::of(texts).put(&mut head)?;
        }
        let mut shapes = Writer::default();
        self.shapes.put(&mut shapes);
        head.varint(shapes.bytes.len() as u64);
        head.run(&shapes.bytes)?;
        head.varint(self.rows.len() as u64);
        numbers::put(&self.rows, &mut head)?;
        let mut before = 0;
        for (end, values) in ends.into_iter().zip(&self.columns) {
            let count = match values {
                Values::Numbers(values) => values.len(),
                Values::Texts(texts) => texts.len(),
            };
            let column = body.bytes.get(std::mem::replace(&mut before, end)..end);
            let column = column.unwrap_or_default();
            head.varint(count as u64);
            head.varint(column.len() as u64);
            head.checksum(column);
        }
        *pack = head.pack;
        let mut out = Writer::default();
        out.checksum(&head.bytes);
        out.short(&head.bytes);
        out.bytes.extend_from_slice(&body.bytes);
        Ok(Encoding {
            body: out.bytes,
            index: (self.raw.len() == 0).then_some(self.index),
        })
    }
}
