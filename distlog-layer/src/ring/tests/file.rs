//! Reads a spool's file byte by byte, knowing nothing but its documented layout.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

pub(super) struct Entry {
    pub(super) tag: u32,
    pub(super) bytes: Vec<u8>,
}

/// The bytes of a file, read by another process: who closes a descriptor of a spool loses its lock.
pub(super) fn content(path: &Path) -> Vec<u8> {
    let mut cat = Command::new("cat")
        .arg(path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut bytes = Vec::new();
    cat.stdout.take().unwrap().read_to_end(&mut bytes).unwrap();
    assert!(cat.wait().unwrap().success());
    bytes
}

/// The records in it that are not acknowledged.
pub(super) fn entries(path: &Path) -> Vec<Entry> {
    let file = content(path);
    let word = |at: usize| u64::from_ne_bytes(*file[at..].first_chunk().unwrap());
    let (capacity, secret, acked) = (word(16), word(24), word(256));
    let (mut position, mut entries) = (acked, Vec::new());
    while position < acked + capacity {
        let at = 4096 + (position % capacity) as usize;
        if word(at) != position ^ secret {
            position += 16;
            continue;
        }
        let (tag, length) = ((word(at + 8) >> 32) as u32, word(at + 8) as u32 as usize);
        if tag != u32::MAX {
            let bytes = file[at + 16..][..length].to_vec();
            entries.push(Entry { tag, bytes });
        }
        position += 16 + length.next_multiple_of(16) as u64;
    }
    entries
}
