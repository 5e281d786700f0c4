//! Walks over the frames of a raw segment file, at recovery: strictly where a torn write may be, past the damage where
//! everything was once durable.

use std::io;
use std::ops::Range;

use super::format::{
    FRAME_HEADER, FRAME_MAGIC, FrameHeader, SEGMENT_HEADER, SegmentHeader, body_is_good,
};
use super::layer::{StoreFile, read_full};

const CHUNK: usize = 512 << 10;

/// A medium that cannot give back what it took is damage like wrong bytes are; other errors may pass.
pub(super) fn is_damage(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
        || error.kind() == io::ErrorKind::UnexpectedEof
}

/// Reads a file front to back in large pieces.
pub(super) struct Window<'a> {
    file: &'a dyn StoreFile,
    buf: Vec<u8>,
    start: u64,
    size: u64,
}

impl<'a> Window<'a> {
    pub(super) fn new(file: &'a dyn StoreFile) -> io::Result<Self> {
        Ok(Self {
            file,
            buf: Vec::new(),
            start: 0,
            size: file.size()?,
        })
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The bytes at a place, or none if the file ends before their end.
    pub(super) fn get(&mut self, offset: u64, len: usize) -> io::Result<Option<&[u8]>> {
        let Some(end) = offset.checked_add(len as u64).filter(|e| *e <= self.size) else {
            return Ok(None);
        };
        if offset < self.start || end > self.start + self.buf.len() as u64 {
            // A bad sector further on must not hide what can be read here.
            if self.fill(offset, len.max(CHUNK)).is_err() {
                self.fill(offset, len)?;
            }
        }
        let at = (offset - self.start) as usize;
        Ok(self.buf.get(at..at + len))
    }

    fn fill(&mut self, offset: u64, len: usize) -> io::Result<()> {
        let len = (len as u64).min(self.size - offset) as usize;
        self.buf.resize(len, 0);
        self.start = offset;
        let read = read_full(self.file, &mut self.buf, offset);
        self.buf.truncate(*read.as_ref().unwrap_or(&0));
        read.map(|_| ())
    }

    /// The next place after `offset`, at a multiple of 8 and before `until`, where `magic` stands and `fits` agrees.
    pub(super) fn find(
        &mut self,
        offset: u64,
        until: u64,
        magic: [u8; 4],
        head: usize,
        fits: impl Fn(&[u8]) -> bool,
    ) -> io::Result<Option<u64>> {
        let mut at = (offset / 8 + 1) * 8;
        while at < until.min(self.size) {
            let len = (CHUNK as u64).min(self.size - at) as usize;
            let found = match self.get(at, len) {
                Ok(Some(bytes)) => bytes
                    .chunks(8)
                    .enumerate()
                    .filter(|(_, piece)| piece.starts_with(&magic))
                    .map(|(n, _)| at + n as u64 * 8)
                    .collect::<Vec<_>>(),
                Ok(None) => Vec::new(),
                Err(e) if is_damage(&e) => {
                    at += 4096;
                    continue;
                }
                Err(e) => return Err(e),
            };
            for place in found.into_iter().take_while(|place| *place < until) {
                if self.get(place, head)?.is_some_and(&fits) {
                    return Ok(Some(place));
                }
            }
            at += CHUNK as u64;
        }
        Ok(None)
    }
}

/// The head of a raw segment; if it is damaged, what its first frame tells of it.
pub(super) fn segment_header(
    window: &mut Window<'_>,
    id: u64,
    magic: [u8; 8],
) -> io::Result<Option<SegmentHeader>> {
    let header = window
        .get(0, SEGMENT_HEADER)?
        .and_then(|b| SegmentHeader::decode(b, magic));
    if header.is_some_and(|h| h.id == id) {
        return Ok(header);
    }
    let frame = window
        .get(SEGMENT_HEADER as u64, FRAME_HEADER)?
        .and_then(FrameHeader::decode);
    Ok(frame.map(|f| SegmentHeader {
        id,
        first: f.first,
        salt: f.salt,
    }))
}

/// Where a walk must be strict.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// From this offset on the first bad frame ends the walk; before it, damage is walked past.
    pub(super) strict_from: u64,
    /// The first record number that is not this segment's, if another follows.
    pub(super) limit: Option<u64>,
}

/// A walk over the frames of a raw segment.
pub(super) struct Walk<'a> {
    pub(super) window: Window<'a>,
    salt: u32,
    bounds: Bounds,
    /// Where the walk stands; at its end, where the good frames end.
    pub(super) offset: u64,
    /// The number of the next record.
    pub(super) expected: u64,
    /// Numbers of the records that are missing.
    pub(super) lost: Vec<Range<u64>>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(window: Window<'a>, header: SegmentHeader, bounds: Bounds) -> Self {
        Self {
            window,
            salt: header.salt,
            bounds,
            offset: SEGMENT_HEADER as u64,
            expected: header.first,
            lost: Vec::new(),
        }
    }

    /// The next good frame and its bytes.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, FrameHeader, &[u8])>> {
        let Some(header) = self.seek()? else {
            return Ok(None);
        };
        let at = self.offset;
        if header.first > self.expected {
            self.lost.push(self.expected..header.first);
        }
        self.expected = header.end();
        self.offset += header.total() as u64;
        let bytes = self.window.get(at, header.total())?.unwrap_or(&[]);
        Ok(Some((at, header, bytes)))
    }

    /// Moves `offset` to the next good frame.
    fn seek(&mut self) -> io::Result<Option<FrameHeader>> {
        loop {
            let strict = self.offset >= self.bounds.strict_from;
            let good = match self.check(self.offset) {
                Err(e) if !strict && is_damage(&e) => None,
                other => other?,
            };
            if let Some(header) = good
                && (header.first == self.expected || (!strict && header.first > self.expected))
            {
                if self.bounds.limit.is_some_and(|l| header.end() > l) {
                    return self.lost_end();
                }
                return Ok(Some(header));
            }
            if strict || self.bounds.limit.is_some_and(|l| self.expected >= l) {
                return Ok(None);
            }
            let salt = self.salt;
            let until = self.bounds.strict_from;
            let found =
                self.window
                    .find(self.offset, until, FRAME_MAGIC, FRAME_HEADER, |bytes| {
                        FrameHeader::decode(bytes).is_some_and(|h| h.salt == salt)
                    })?;
            match found {
                Some(offset) => {
                    self.offset = offset;
                }
                // The checkpoint is where a frame begins.
                None if until < self.window.size() => {
                    self.offset = until;
                }
                None => return self.lost_end(),
            }
        }
    }

    /// Nothing good is left of a segment; what should be there is missing.
    fn lost_end(&mut self) -> io::Result<Option<FrameHeader>> {
        if let Some(limit) = self.bounds.limit
            && limit > self.expected
        {
            self.lost.push(self.expected..limit);
            self.expected = limit;
        }
        Ok(None)
    }

    fn check(&mut self, offset: u64) -> io::Result<Option<FrameHeader>> {
        let salt = self.salt;
        let Some(header) = self
            .window
            .get(offset, FRAME_HEADER)?
            .and_then(FrameHeader::decode)
            .filter(|h| h.salt == salt)
        else {
            return Ok(None);
        };
        let good = self
            .window
            .get(offset, header.total())?
            .is_some_and(|frame| body_is_good(&header, frame));
        Ok(good.then_some(header))
    }
}
