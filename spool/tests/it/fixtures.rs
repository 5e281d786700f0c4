//! A second writer of spool files, made from the description alone: it shares no code and no constants with the crate.

#![allow(dead_code)] // Each test file uses a part.

use std::path::{Path, PathBuf};

use distlog_proto::wire::encode;
use distlog_proto::{BatchRef, Callsite, ProducerId, Record, Source};
use distlog_spool::{Dead, DeadBatch, SpoolDir, SpoolError};

pub const SECRET: u64 = 0xfeed_face_dead_beef;

pub fn producer() -> ProducerId {
    ProducerId::from_bytes(*b"\x010123456789abcd\xff")
}

pub fn name(ending: &str) -> String {
    format!("013031323334353637383961626364ff.{ending}")
}

/// The source as a field of a batch.
pub fn source() -> Vec<u8> {
    let source = Source {
        producer: producer(),
        process_id: 4711,
        service: "shop".into(),
        ..Source::default()
    };
    let mut out = Vec::new();
    encode::source(&mut out, &source);
    out
}

/// A callsite as a field of a batch. Its line is its number.
pub fn callsite(id: u32) -> Vec<u8> {
    let callsite = Callsite {
        line: id,
        ..Callsite::default()
    };
    let mut out = Vec::new();
    encode::callsite(&mut out, id, &callsite, ["a", "b"]);
    out
}

/// A record without its offset.
pub fn record(tag: u32, message: &str) -> Vec<u8> {
    let record = Record {
        message: message.into(),
        ..Record::default()
    };
    let mut out = Vec::new();
    encode::record(&mut out, &record, tag);
    out
}

/// A file in the making.
#[derive(Clone)]
pub struct Image {
    ring: Vec<u8>,
    header: Vec<u8>,
    table: Vec<u8>,
    pub head: u64,
    pub tail: u64,
}

impl Image {
    pub fn new(capacity: usize) -> Image {
        let mut image = Image {
            ring: vec![0; capacity],
            header: vec![0; 4096],
            table: Vec::new(),
            head: 0,
            tail: 0,
        };
        image.header[..8].copy_from_slice(&u64::from_be_bytes(*b"DISTLOGS").to_ne_bytes());
        image.set(8, 1);
        image.set(16, capacity as u64);
        image.set(24, SECRET);
        image.header[32..48].copy_from_slice(&producer().to_bytes());
        image.keep(1, 0, &source());
        image
    }

    /// Sets a word of the header.
    pub fn set(&mut self, at: usize, value: u64) {
        self.header[at..at + 8].copy_from_slice(&value.to_ne_bytes());
    }

    /// Appends to the table.
    pub fn keep(&mut self, kind: u32, id: u32, bytes: &[u8]) {
        let mut checked = kind.to_ne_bytes().to_vec();
        checked.extend(id.to_ne_bytes());
        checked.extend(bytes);
        self.table.extend((bytes.len() as u32).to_ne_bytes());
        self.table.extend(crc32c(&checked).to_ne_bytes());
        self.table.extend(checked);
        while !self.table.len().is_multiple_of(8) {
            self.table.push(0);
        }
    }

    pub fn keep_callsite(&mut self, id: u32) {
        self.keep(2, id, &callsite(id));
    }

    /// Reserves and copies as a thread does, and commits unless that was killed before; its offset, or `None` if there
    /// is no room.
    pub fn push(&mut self, tag: u32, record: &[u8], is_committed: bool) -> Option<u64> {
        let capacity = self.ring.len() as u64;
        let need = 16 + record.len().div_ceil(16) as u64 * 16;
        let room = capacity - self.head % capacity;
        let padding = if room < need { room } else { 0 };
        if self.head + padding + need - self.tail > capacity {
            return None;
        }
        if padding > 0 {
            self.entry(self.head, u32::MAX, padding as u32 - 16, &[], true);
        }
        let offset = self.head + padding;
        self.entry(offset, tag, record.len() as u32, record, is_committed);
        self.head = offset + need;
        Some(offset)
    }

    fn entry(&mut self, position: u64, tag: u32, length: u32, record: &[u8], is_committed: bool) {
        let at = position as usize % self.ring.len();
        let second = u64::from(tag) << 32 | u64::from(length);
        self.ring[at + 8..at + 16].copy_from_slice(&second.to_ne_bytes());
        self.ring[at + 16..at + 16 + record.len()].copy_from_slice(record);
        if is_committed {
            self.ring[at..at + 8].copy_from_slice(&(position ^ SECRET).to_ne_bytes());
        }
    }

    /// Frees what is acknowledged.
    pub fn ack(&mut self, to: u64) {
        self.tail = to;
        self.set(256, to);
    }

    pub fn bytes(&self) -> Vec<u8> {
        [&self.header[..], &self.ring, &self.table].concat()
    }

    /// As a dead process left it.
    pub fn leave(&self, directory: &Path) -> PathBuf {
        let path = directory.join(name("spool"));
        std::fs::write(&path, self.bytes()).unwrap();
        // As programs make them, whatever the umask of the test.
        let own = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&path, own).unwrap();
        path
    }
}

/// CRC32C (RFC 3720, B.4), bit by bit.
pub fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            if crc & 1 == 1 {
                crc >> 1 ^ 0x82f6_3b78
            } else {
                crc >> 1
            }
        })
    })
}

/// What is claimed in a directory.
pub fn dead(directory: &Path) -> Vec<Result<Dead, SpoolError>> {
    SpoolDir::open(directory).unwrap().dead().unwrap().collect()
}

/// The only one that there must be.
pub fn only(directory: &Path) -> Dead {
    let mut all = dead(directory);
    assert_eq!(all.len(), 1);
    all.pop().unwrap().unwrap()
}

/// Offset, line of the callsite, and message of each record; checks that the batches are contiguous.
pub fn records(batches: &[DeadBatch], from: u64, end: u64) -> Vec<(u64, u32, String)> {
    let mut read = Vec::new();
    let mut at = from;
    for batch in batches {
        assert_eq!(batch.from, at);
        assert!(batch.to > batch.from);
        at = batch.to;
        let parsed = BatchRef::parse(&batch.bytes).unwrap();
        assert_eq!(parsed.source().producer, producer());
        let before = read.len();
        for record in parsed.records() {
            let record = record.unwrap();
            assert!((batch.from..batch.to).contains(&record.offset));
            read.push((
                record.offset,
                record.callsite.line,
                record.message.to_owned(),
            ));
        }
        assert_eq!(batch.count as usize, read.len() - before);
    }
    assert_eq!(at, end.max(from));
    read
}
