//! What a dead process left in a file of batches, whatever its bytes: it can be claimed, read from any place and
//! acknowledged, and its batches are those of its producer, without gaps.
#![no_main]

use std::path::PathBuf;
use std::sync::OnceLock;

use distlog_proto::BatchRef;
use distlog_spool::SpoolDir;
use libfuzzer_sys::fuzz_target;

/// Magic number, version and producer, which no mutation finds.
const HEADER: [(usize, &[u8]); 3] = [
    (0, &u64::from_be_bytes(*b"DISTLOGB").to_ne_bytes()),
    (8, &1_u64.to_ne_bytes()),
    (32, b"\x010123456789abcd\xff"),
];

fn directory() -> &'static PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let name = format!("distlog-fuzz-{}", std::process::id());
        std::env::temp_dir().join(name)
    })
}

fuzz_target!(|data: &[u8]| {
    let mut file = data.to_vec();
    for (at, bytes) in HEADER {
        if let Some(place) = file.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }
    let dir = SpoolDir::open(directory()).expect("a directory of its own");
    let path = dir.path().join("013031323334353637383961626364ff.batches");
    std::fs::write(&path, &file).expect("a file of its own");
    let claimed = dir.dead().expect("the directory").next();
    let Ok(mut dead) = claimed.expect("the file is nobody's") else {
        return;
    };
    let (acked, end) = (dead.acked(), dead.end());
    assert!(acked <= end && dead.lost_bytes() <= data.len() as u64);
    let mut at = acked;
    for batch in dead.batches(acked) {
        assert!(batch.from == at && batch.to > at);
        assert!(dead.is_boundary(batch.to));
        let parsed = BatchRef::parse(&batch.bytes).expect("a batch can be read");
        assert_eq!(parsed.source().producer, dead.producer());
        assert_eq!(parsed.records().count() as u64, batch.count);
        assert_eq!(
            dead.batches(at).next().map(|same| same.bytes),
            Some(batch.bytes)
        );
        at = batch.to;
    }
    assert_eq!(at, end);
    BatchRef::parse(dead.source()).expect("a source of its own");
    dead.set_acked(end).expect("it can be written");
    assert_eq!(dead.batches(end).count(), 0);
    dead.remove().expect("it can be removed");
});
