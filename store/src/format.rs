//! The bytes of a segment: headers of segments, frames and batches. All numbers are little-endian.

use distlog_proto::ProducerId;
use std::ops::Range;

use super::options::{FRAME_TARGET, MAX_BATCH};

pub(super) const SEGMENT_HEADER: usize = 64;
pub(super) const FRAME_HEADER: usize = 40;
pub(super) const BATCH_HEADER: usize = 56;

/// No frame has a longer body: it is written at the latest after the batch that makes it reach its target.
pub(super) const MAX_BODY: usize = FRAME_TARGET + MAX_BATCH + BATCH_HEADER;

pub(super) const LOG_MAGIC: [u8; 8] = *b"DLSEGM01";
pub(super) const SEALED_MAGIC: [u8; 8] = *b"DLSEAL01";
pub(super) const FRAME_MAGIC: [u8; 4] = *b"DLfr";

/// A bit of a batch's flags: its producer's records come without ordering guarantees.
const UNORDERED: u32 = 1;

pub(super) fn put(buf: &mut [u8], at: usize, bytes: &[u8]) {
    buf[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Up to `N` bytes at a place, zeros where there are none.
pub(super) fn take<const N: usize>(buf: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    if let Some(part) = buf.get(at..at + N) {
        out.copy_from_slice(part);
    }
    out
}

pub(super) fn u32_at(buf: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(take(buf, at))
}

pub(super) fn u64_at(buf: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(take(buf, at))
}

/// Frames and blocks begin at multiples of 8.
pub(super) fn padded(len: usize) -> usize {
    len.next_multiple_of(8)
}

/// The head of a segment file, open or sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) id: u64,
    pub(super) first: u64,
    pub(super) salt: u32,
}

impl SegmentHeader {
    pub(super) fn encode(&self, magic: [u8; 8]) -> [u8; SEGMENT_HEADER] {
        let mut b = [0; SEGMENT_HEADER];
        put(&mut b, 0, &magic);
        put(&mut b, 8, &self.id.to_le_bytes());
        put(&mut b, 16, &self.first.to_le_bytes());
        put(&mut b, 24, &self.salt.to_le_bytes());
        let crc = crc32c::crc32c(&b[..60]);
        put(&mut b, 60, &crc.to_le_bytes());
        b
    }

    pub(super) fn decode(b: &[u8], magic: [u8; 8]) -> Option<Self> {
        if b.len() < SEGMENT_HEADER || b[..8] != magic || crc32c::crc32c(&b[..60]) != u32_at(b, 60)
        {
            return None;
        }
        Some(Self {
            id: u64_at(b, 8),
            first: u64_at(b, 16),
            salt: u32_at(b, 24),
        })
    }
}

/// The head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) body: u32,
    pub(super) batches: u32,
    pub(super) first: u64,
    pub(super) records: u64,
    pub(super) body_crc: u32,
    pub(super) salt: u32,
}

impl FrameHeader {
    pub(super) fn encode(&self) -> [u8; FRAME_HEADER] {
        let mut b = [0; FRAME_HEADER];
        put(&mut b, 0, &FRAME_MAGIC);
        put(&mut b, 8, &self.body.to_le_bytes());
        put(&mut b, 12, &self.batches.to_le_bytes());
        put(&mut b, 16, &self.first.to_le_bytes());
        put(&mut b, 24, &self.records.to_le_bytes());
        put(&mut b, 32, &self.body_crc.to_le_bytes());
        put(&mut b, 36, &self.salt.to_le_bytes());
        let crc = crc32c::crc32c(&b[8..]);
        put(&mut b, 4, &crc.to_le_bytes());
        b
    }

    pub(super) fn decode(b: &[u8]) -> Option<Self> {
        if b.len() < FRAME_HEADER
            || b[..4] != FRAME_MAGIC
            || crc32c::crc32c(&b[8..FRAME_HEADER]) != u32_at(b, 4)
        {
            return None;
        }
        let header = Self {
            body: u32_at(b, 8),
            batches: u32_at(b, 12),
            first: u64_at(b, 16),
            records: u64_at(b, 24),
            body_crc: u32_at(b, 32),
            salt: u32_at(b, 36),
        };
        let sane =
            header.body as usize <= MAX_BODY && header.first.checked_add(header.records).is_some();
        sane.then_some(header)
    }

    /// The number after the last record.
    pub(super) fn end(&self) -> u64 {
        self.first + self.records
    }

    /// The whole frame, padding included, in bytes.
    pub(super) fn total(&self) -> usize {
        padded(FRAME_HEADER + self.body as usize)
    }
}

/// The head of a batch in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BatchHeader {
    pub(super) producer: ProducerId,
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) received: u64,
    pub(super) count: u32,
    pub(super) len: u32,
    pub(super) ordered: bool,
}

impl BatchHeader {
    pub(super) fn encode(&self) -> [u8; BATCH_HEADER] {
        let mut b = [0; BATCH_HEADER];
        put(&mut b, 0, &self.producer.to_bytes());
        put(&mut b, 16, &self.from.to_le_bytes());
        put(&mut b, 24, &self.to.to_le_bytes());
        put(&mut b, 32, &self.received.to_le_bytes());
        put(&mut b, 40, &self.count.to_le_bytes());
        put(&mut b, 44, &self.len.to_le_bytes());
        let flags = if self.ordered { 0 } else { UNORDERED };
        put(&mut b, 48, &flags.to_le_bytes());
        b
    }

    fn decode(b: &[u8]) -> Self {
        Self {
            producer: ProducerId::from_bytes(take(b, 0)),
            from: u64_at(b, 16),
            to: u64_at(b, 24),
            received: u64_at(b, 32),
            count: u32_at(b, 40),
            len: u32_at(b, 44),
            ordered: u32_at(b, 48) & UNORDERED == 0,
        }
    }
}

/// Whether the body of a frame is what was written.
pub(super) fn body_is_good(header: &FrameHeader, frame: &[u8]) -> bool {
    frame
        .get(FRAME_HEADER..FRAME_HEADER + header.body as usize)
        .is_some_and(|body| crc32c::crc32c(body) == header.body_crc)
}

/// Walks over the batches of one frame (its bytes from the header on): the head of each, the number of its first
/// record, and where its bytes are in the frame.
pub(super) struct BatchesOf<'a> {
    frame: &'a [u8],
    at: usize,
    end: usize,
    number: u64,
}

impl<'a> BatchesOf<'a> {
    pub(super) fn new(header: &FrameHeader, frame: &'a [u8]) -> Self {
        Self {
            frame,
            at: FRAME_HEADER,
            end: (FRAME_HEADER + header.body as usize).min(frame.len()),
            number: header.first,
        }
    }
}

impl Iterator for BatchesOf<'_> {
    type Item = (BatchHeader, u64, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.at + BATCH_HEADER;
        if start > self.end {
            return None;
        }
        let header = BatchHeader::decode(&self.frame[self.at..start]);
        let stop = start
            .checked_add(header.len as usize)
            .filter(|stop| *stop <= self.end)?;
        let number = self.number;
        self.number += u64::from(header.count);
        self.at = stop;
        Some((header, number, start..stop))
    }
}

/// Walks over whole frames that stand one after the other: the head of each and where it is.
pub(super) struct FramesIn<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> FramesIn<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }
}

impl Iterator for FramesIn<'_> {
    type Item = (FrameHeader, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        let header = FrameHeader::decode(self.bytes.get(self.at..)?)?;
        let range = self.at..self.at + header.total();
        if range.end > self.bytes.len() {
            return None;
        }
        self.at = range.end;
        Some((header, range))
    }
}
