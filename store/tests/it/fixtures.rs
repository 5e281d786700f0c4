//! What the tests of the store share: batches that say what they are, and reading all of a store.
#![allow(dead_code)]

use std::time::{Duration, Instant};

use distlog_proto::{ProducerId, TraceId};
use distlog_store::{
    Append, AppendOutcome, Batch, Batches, BlockBuffer, Options, Progress, Reader, Selection, Store,
};

/// The bytes of a test batch: a count, so many trace ids, a payload.
pub fn body(traces: &[TraceId], payload: &[u8]) -> Vec<u8> {
    let mut out = vec![traces.len() as u8];
    out.extend(traces.iter().flat_map(|trace| trace.to_bytes()));
    out.extend_from_slice(payload);
    out
}

pub fn find_traces(batch: &[u8], found: &mut dyn FnMut(TraceId)) {
    let Some((count, rest)) = batch.split_first() else {
        return;
    };
    for id in rest.chunks_exact(16).take(usize::from(*count)) {
        TraceId::from_bytes(id.try_into().unwrap()).map(&mut *found);
    }
}

pub fn options(segment_size: u64) -> Options {
    Options {
        segment_size,
        reserve: 0,
        index: find_traces,
        ..Options::default()
    }
}

pub fn trace(n: u64) -> TraceId {
    let mut id = [0xA5; 16];
    id[..8].copy_from_slice(&n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
    TraceId::from_bytes(id).unwrap()
}

pub fn producer(n: u8) -> ProducerId {
    ProducerId::from_bytes([n + 1; 16])
}

/// One read batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Got {
    pub producer: ProducerId,
    pub from: u64,
    pub to: u64,
    pub first: u64,
    pub count: u32,
    pub received: u64,
    pub bytes: Vec<u8>,
}

pub fn got(batches: &Batches) -> Vec<Got> {
    let batches = batches.iter();
    batches.map(|(batch, bytes)| one(batch, bytes)).collect()
}

pub fn one(batch: &Batch, bytes: &[u8]) -> Got {
    Got {
        producer: batch.producer,
        from: batch.from,
        to: batch.to,
        first: batch.first,
        count: batch.count,
        received: batch.received,
        bytes: bytes.to_vec(),
    }
}

/// Everything from a record number on, with what was skipped.
pub fn read_from(reader: &Reader, from: u64, max_bytes: usize) -> (Vec<Got>, Progress) {
    let mut cursor = reader.cursor(from);
    let mut out = Batches::new();
    let (mut all, mut total) = (Vec::new(), Progress::default());
    loop {
        let progress = cursor.next_batches(&mut out, max_bytes).unwrap();
        total.expired += progress.expired;
        total.damaged += progress.damaged;
        if out.is_empty() {
            assert_eq!(cursor.position(), reader.end());
            return (all, total);
        }
        all.extend(got(&out));
    }
}

pub fn read_all(reader: &Reader) -> Vec<Got> {
    let (all, progress) = read_from(reader, 1, 1 << 16);
    assert_eq!(progress.skipped(), 0);
    all
}

pub fn read_trace(reader: &Reader, trace: TraceId) -> Vec<Got> {
    let mut cursor = reader.trace(trace);
    let (mut out, mut all) = (Batches::new(), Vec::new());
    loop {
        cursor.next_batches(&mut out, 4096).unwrap();
        if out.is_empty() {
            return all;
        }
        all.extend(got(&out));
    }
}

/// The same by blocks, as queries look traces up.
pub fn read_trace_in_blocks(reader: &Reader, trace: TraceId) -> Vec<Got> {
    let mut buffer = BlockBuffer::default();
    let mut all = Vec::new();
    for block in reader.blocks_of(&[trace]).unwrap() {
        block.read(&Selection::ALL, &mut buffer).unwrap();
        all.extend(buffer.batches().map(|batch| one(batch.head, batch.bytes)));
    }
    all.retain(|got| {
        let mut has = false;
        find_traces(&got.bytes, &mut |found| has |= found == trace);
        has
    });
    all
}

/// Appends the next batch of a producer, and gives what a reader should get.
pub fn append(store: &mut Store, producer: ProducerId, count: u32, bytes: &[u8]) -> Got {
    append_of(store, producer, count, bytes, None)
}

/// The same with the traces of its records, where they are known.
pub fn append_of(
    store: &mut Store,
    producer: ProducerId,
    count: u32,
    bytes: &[u8],
    traces: Option<&[TraceId]>,
) -> Got {
    let from = store.position_of(&producer).unwrap_or(0);
    let batch = Append {
        producer,
        from,
        to: from + u64::from(count) * 10,
        count,
        received: 1_000 + from,
        ordered: true,
        bytes,
    };
    match store.append_from(&batch, None, traces).unwrap() {
        AppendOutcome::Taken { first } => Got {
            producer,
            from,
            to: batch.to,
            first,
            count,
            received: batch.received,
            bytes: bytes.to_vec(),
        },
        other => panic!("not taken: {other:?}"),
    }
}

/// Waits until every segment but the open one is sealed.
pub fn wait_sealed(store: &Store) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while store.stats().unsealed > 0 {
        assert!(
            Instant::now() < deadline,
            "never sealed: {:?}",
            store.stats()
        );
        std::thread::yield_now();
    }
}
