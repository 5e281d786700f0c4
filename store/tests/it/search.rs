//! Blocks: together they are all that a reader sees, whatever form the segments have.

use std::fs;

use crate::fixtures::*;
use distlog_store::{Block, BlockBuffer, Reader, Selection, Store};

/// All batches of these blocks. Their numbers are within those that the block says.
fn read_blocks(blocks: &[Block]) -> Vec<Got> {
    let mut buffer = BlockBuffer::default();
    let mut all = Vec::new();
    for block in blocks {
        block.read(&Selection::ALL, &mut buffer).unwrap();
        let batches: Vec<Got> = buffer.batches().map(|b| one(b.head, b.bytes)).collect();
        let numbers = block.numbers();
        for batch in &batches {
            let end = batch.first + u64::from(batch.count);
            assert!(numbers.start <= batch.first && end <= numbers.end);
        }
        all.extend(batches);
    }
    all
}

fn blocks(reader: &Reader) -> Vec<Block> {
    let blocks = reader.blocks().unwrap();
    for pair in blocks.windows(2) {
        assert!(pair[0].numbers().end <= pair[1].numbers().start);
    }
    blocks
}

/// The blocks of the trace of batch `n` have that batch, and are few.
fn check_blocks_of(reader: &Reader, n: u64) {
    let of_trace = reader.blocks_of(&[trace(n)]).unwrap();
    let all = read_all(reader);
    let found = read_blocks(&of_trace);
    assert!(found.contains(&all[n as usize]));
    assert!(of_trace.len() <= 2 && found.len() <= all.len().max(100) / 2);
}

#[test]
fn blocks_are_all_that_is_stored_through_sealing() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), options(1 << 20)).unwrap();
    let reader = store.reader();
    assert!(blocks(&reader).is_empty());
    for n in 0..300 {
        let payload = vec![n as u8; 100 + (n % 7) as usize * 7_000];
        append(&mut store, producer(0), 3, &body(&[trace(n)], &payload));
        if n % 5 == 0 {
            store.commit().unwrap();
            assert_eq!(read_blocks(&blocks(&reader)), read_all(&reader));
            check_blocks_of(&reader, n);
        }
    }
    store.commit().unwrap();
    wait_sealed(&store);
    let snapshot = blocks(&reader);
    assert!(snapshot.len() > 10);
    let all = read_all(&reader);
    assert_eq!(read_blocks(&snapshot), all);
    for n in [0, 150, 299] {
        check_blocks_of(&reader, n);
    }

    // What comes later is in no block of before.
    append(&mut store, producer(0), 1, &body(&[], b"later"));
    store.commit().unwrap();
    assert_eq!(read_blocks(&snapshot), all);
    store.close().unwrap();
    let store = Store::open(dir.path(), options(1 << 20)).unwrap();
    let reader = store.reader();
    assert_eq!(read_blocks(&blocks(&reader)), read_all(&reader));
}

#[test]
fn what_retention_removed_reads_as_empty() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = options(1 << 20);
    settings.keep_size = Some(2 << 20);
    settings.compress = false;
    let mut store = Store::open(dir.path(), settings).unwrap();
    let reader = store.reader();
    let fill = |store: &mut Store| {
        for n in 0..100 {
            append(store, producer(0), 1, &body(&[trace(n)], &[7; 30_000]));
            store.commit().unwrap();
        }
        wait_sealed(store);
    };
    fill(&mut store);
    let snapshot = blocks(&reader);
    let before = read_blocks(&snapshot);
    let gone = store.maintain(2_000).unwrap();
    assert!(gone.records > 0);
    let kept = read_blocks(&snapshot);
    assert_eq!(kept, before[gone.records as usize..]);
    assert_eq!(kept, read_from(&reader, reader.first(), 1 << 16).0);
}

#[test]
fn a_damaged_block_is_left_out_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = options(1 << 20);
    settings.compress = false;
    let mut store = Store::open(dir.path(), settings).unwrap();
    let reader = store.reader();
    for n in 0..60 {
        append(&mut store, producer(0), 1, &body(&[trace(n)], &[7; 30_000]));
        store.commit().unwrap();
    }
    wait_sealed(&store);
    let all = read_blocks(&blocks(&reader));
    for (ending, at) in [("seal", 100_000), ("log", 40_000)] {
        let entries = fs::read_dir(dir.path().join("segments")).unwrap();
        let path = entries
            .map(|entry| entry.unwrap().path())
            .find(|path| path.extension().is_some_and(|known| known == ending))
            .unwrap();
        let mut bytes = fs::read(&path).unwrap();
        bytes[at] ^= 1;
        fs::write(&path, bytes).unwrap();
    }
    let left = read_blocks(&blocks(&reader));
    let lost = (all.len() - left.len()) as u64;
    // A block of a sealed segment, and one frame.
    assert!(lost > 2, "{lost}");
    assert!(left.iter().all(|batch| all.contains(batch)));
    assert_eq!(store.stats().damaged_records, lost);
    assert_eq!(read_blocks(&blocks(&reader)), left);
    assert_eq!(store.stats().damaged_records, lost);
}
