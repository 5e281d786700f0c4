//! A store of November 2026 is read: sealed segments, compressed and not, an open one, the checkpoint, a cursor. Its
//! files are in `fixtures/` and are never written anew; a change of the format adds a folder beside it.

use std::fs;
use std::path::Path;

use crate::fixtures::*;
use distlog_store::Store;

pub const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/2026-11");

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &target),
            false => _ = fs::copy(&path, target).unwrap(),
        }
    }
}

/// What was appended, by the number of the batch.
fn written(n: u64) -> Vec<u8> {
    body(&[trace(n), trace(n / 10)], &[n as u8; 300])
}

#[test]
fn all_of_it_is_read_found_and_continued() {
    let dir = tempfile::tempdir().unwrap();
    copy(Path::new(FIXTURE), dir.path());
    let mut store = Store::open(dir.path(), options(8_000)).unwrap();
    let stats = store.stats();
    assert!(stats.segments >= 4, "{stats:?}");
    assert_eq!((stats.damaged, stats.first, stats.end), (0, 1, 121));

    let all = read_all(&store.reader());
    assert_eq!(all.len(), 60);
    for (n, got) in (0..).zip(&all) {
        assert_eq!(got.producer, producer((n % 2) as u8));
        assert_eq!((got.first, got.count), (1 + 2 * n, 2));
        assert_eq!(got.bytes, written(n));
    }
    let of_trace_3 = read_trace(&store.reader(), trace(3));
    let numbers: Vec<u64> = of_trace_3.iter().map(|got| (got.first - 1) / 2).collect();
    assert_eq!(numbers, [3, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39]);

    let cursor = store
        .reader()
        .cursor_file("reader")
        .unwrap()
        .load()
        .unwrap()
        .unwrap();
    assert_eq!((cursor.next, &cursor.token[..]), (41, &b"token"[..]));
    assert_eq!(store.position_of(&producer(1)), Some(600));
    let next = append(&mut store, producer(1), 1, b"\0next");
    store.commit().unwrap();
    assert_eq!((next.first, next.from), (121, 600));
    assert_eq!(read_all(&store.reader()).len(), 61);
}
