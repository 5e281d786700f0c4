//! The parts of a columnar block: numbers of variable length, and runs of bytes that are compressed where that helps.

use std::io;

use distlog_proto::wire::put::raw_varint;

/// Text shrinks a fifth more at this level than at 1, at half the speed; level 6 gives another hundredth.
const LEVEL: i32 = 3;

/// Bytes of numbers have little that a higher level finds.
const PLANE_LEVEL: i32 = 1;

/// Shorter runs of bytes are stored as they are: the frame of zstd costs more than it saves.
const MIN_PACKED: usize = 48;

const RAW: u8 = 0;
const PACKED: u8 = 1;

/// Packs bytes. Use one again and again: it keeps its memory.
#[derive(Default)]
pub(in super::super) struct Pack {
    levels: Option<[zstd::bulk::Compressor<'static>; 2]>,
    packed: Vec<u8>,
}

impl Pack {
    /// What bytes of text, or of numbers, become.
    fn pack(&mut self, bytes: &[u8], plane: bool) -> io::Result<&[u8]> {
        let compressor = |level| -> io::Result<_> {
            let mut pack = zstd::bulk::Compressor::new(level)?;
            pack.include_contentsize(false)?;
            Ok(pack)
        };
        let levels = match &mut self.levels {
            Some(levels) => levels,
            none => none.insert([compressor(LEVEL)?, compressor(PLANE_LEVEL)?]),
        };
        self.packed.clear();
        self.packed
            .reserve(zstd::zstd_safe::compress_bound(bytes.len()));
        levels[usize::from(plane)].compress_to_buffer(bytes, &mut self.packed)?;
        Ok(&self.packed)
    }
}

/// Writes the parts of a block.
#[derive(Default)]
pub(in super::super) struct Writer {
    pub(in super::super) bytes: Vec<u8>,
    pub(in super::super) pack: Pack,
}

impl Writer {
    /// One that packs with this.
    pub(in super::super) fn with(pack: Pack) -> Writer {
        Writer {
            bytes: Vec::new(),
            pack,
        }
    }

    pub(in super::super) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub(in super::super) fn varint(&mut self, value: u64) {
        raw_varint(&mut self.bytes, value);
    }

    /// The CRC of some bytes, which are written elsewhere.
    pub(in super::super) fn checksum(&mut self, bytes: &[u8]) {
        let crc = crc32c::crc32c(bytes);
        self.bytes.extend_from_slice(&crc.to_le_bytes());
    }

    /// Bytes with their length in front.
    pub(in super::super) fn short(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    /// A run of bytes whose length the reader knows, compressed if that saves a thirty-second of it.
    pub(in super::super) fn run(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.put_run(bytes, false)
    }

    /// The same for bytes of numbers, in which little repeats but single bytes.
    pub(in super::super) fn plane(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.put_run(bytes, true)
    }

    fn put_run(&mut self, bytes: &[u8], plane: bool) -> io::Result<()> {
        if bytes.len() >= MIN_PACKED {
            let packed = self.pack.pack(bytes, plane)?;
            if packed.len() + bytes.len() / 32 < bytes.len() {
                self.bytes.push(PACKED);
                raw_varint(&mut self.bytes, packed.len() as u64);
                self.bytes.extend_from_slice(packed);
                return Ok(());
            }
        }
        self.byte(RAW);
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

/// Unpacks bytes. Use one again and again: it keeps its memory.
#[derive(Default)]
pub(in super::super) struct Unpack(Option<zstd::bulk::Decompressor<'static>>);

impl Unpack {
    /// Fills a buffer. `None` if the bytes are not what was packed of as many.
    pub(in super::super) fn fill(&mut self, packed: &[u8], out: &mut [u8]) -> Option<()> {
        let unpack = match &mut self.0 {
            Some(unpack) => unpack,
            none => none.insert(zstd::bulk::Decompressor::new().ok()?),
        };
        let unpacked = unpack.decompress_to_buffer(packed, out).ok()?;
        (unpacked == out.len()).then_some(())
    }
}

/// Reads the parts of a block. Everything gives `None` where the bytes are not what a writer wrote.
#[derive(Clone, Copy)]
pub(in super::super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(in super::super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    /// How many bytes are left.
    pub(in super::super) fn len(&self) -> usize {
        self.rest.len()
    }

    pub(in super::super) fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    pub(in super::super) fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// A number that counts something, at most `most`.
    pub(in super::super) fn count(&mut self, most: usize) -> Option<usize> {
        usize::try_from(self.varint()?).ok().filter(|n| *n <= most)
    }

    pub(in super::super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    pub(in super::super) fn checksum(&mut self) -> Option<u32> {
        let bytes = self.take(4)?;
        bytes.try_into().ok().map(u32::from_le_bytes)
    }

    pub(in super::super) fn short(&mut self) -> Option<&'a [u8]> {
        let len = self.count(self.rest.len())?;
        self.take(len)
    }

    /// Appends a run of `len` bytes to `out`.
    pub(in super::super) fn run(
        &mut self,
        len: usize,
        unpack: &mut Unpack,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        match self.byte()? {
            RAW => out.extend_from_slice(self.take(len)?),
            PACKED => {
                let packed = self.short()?;
                let start = out.len();
                out.resize(start + len, 0);
                unpack.fill(packed, &mut out[start..])?;
            }
            _ => return None,
        }
        Some(())
    }
}
