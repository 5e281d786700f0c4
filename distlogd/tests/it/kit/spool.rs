//! Makes spools as a process leaves them that was killed.

use std::os::unix::fs::FileExt;
use std::path::Path;

use distlog_proto::wire::encode;
use distlog_proto::{ProducerId, Record, Source};
use distlog_spool::{SpoolDir, layout};

const SECRET: u64 = 0xfeed_face_dead_beef;
const CAPACITY: u64 = 1 << 20;

/// Leaves records in a spool; gives their offsets and the end of the last one.
pub fn leave(
    directory: &Path,
    source: &Source,
    records: &[Record],
    dropped: [u64; 5],
) -> (Vec<u64>, u64) {
    let mut about = Vec::new();
    encode::source(&mut about, source);
    let new = SpoolDir::open(directory)
        .unwrap()
        .create(source.producer, CAPACITY, SECRET, &about)
        .unwrap();
    let word = |at: u64, value: u64| new.file().write_all_at(&value.to_ne_bytes(), at).unwrap();
    let ring = layout::HEADER_LEN as u64;
    let (mut offsets, mut position) = (Vec::new(), 0);
    for record in records {
        let mut bytes = Vec::new();
        encode::record(&mut bytes, record, 0);
        new.file()
            .write_all_at(&bytes, ring + position + layout::ENTRY_HEADER)
            .unwrap();
        word(ring + position + 8, bytes.len() as u64);
        word(ring + position, position ^ SECRET);
        offsets.push(position);
        position += layout::entry_len(bytes.len());
    }
    for (at, count) in (layout::DROPPED_AT as u64..).step_by(8).zip(dropped) {
        word(at, count);
    }
    // Dropped, it lets go of the file and leaves it.
    drop(new.publish().unwrap());
    (offsets, position)
}

/// The file of a producer.
pub fn path(directory: &Path, producer: ProducerId) -> std::path::PathBuf {
    directory.join(format!("{}.spool", producer.to_string().replace('-', "")))
}
