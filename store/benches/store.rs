//! How fast the store takes, gives and finds: `cargo bench -p distlog-store --bench store [-- MEGABYTES [DIRECTORY]]`.
//!
//! 64 KiB batches of 400 log-like records with 100 traces each, a commit each 5 ms, sealing beside it.

use std::time::{Duration, Instant};

use distlog_proto::{ProducerId, TraceId};
use distlog_store::{Append, Batches, Options, Store};

const BATCH: usize = 64 << 10;
const RECORDS: u32 = 400;
const TRACES: usize = 100;

fn find(batch: &[u8], found: &mut dyn FnMut(TraceId)) {
    for id in batch.chunks_exact(16).take(TRACES) {
        if let Ok(id) = id.try_into()
            && let Some(id) = TraceId::from_bytes(id)
        {
            found(id);
        }
    }
}

fn trace(n: u64) -> TraceId {
    let id = u128::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    TraceId::from_bytes(id.to_be_bytes()).expect("a number that is not zero")
}

fn main() {
    let mut args = std::env::args().skip(1).filter(|a| !a.starts_with("--"));
    let megabytes: u64 = args.next().and_then(|a| a.parse().ok()).unwrap_or(2048);
    let temp = match args.next() {
        Some(dir) => tempfile::tempdir_in(dir),
        None => tempfile::tempdir(),
    }
    .expect("a directory for the store");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{cores} cores");
    let options = Options {
        index: find,
        ..Options::default()
    };
    let mut store = Store::open(temp.path(), options).expect("an empty directory");
    let mut batch = Vec::with_capacity(BATCH);
    let batches = megabytes * (1 << 20) / BATCH as u64;
    let lines: Vec<u8> = (0..20_000u64)
        .flat_map(|n| {
            format!(
                "order {} of user {:x} took {} us; ",
                n * 7919 % 100_003,
                n.wrapping_mul(0x9E37_79B9),
                n * n % 8_191
            )
            .into_bytes()
        })
        .collect();

    let begun = Instant::now();
    let mut committed = begun;
    let (mut slowest, mut commits) = (Duration::ZERO, 0u64);
    for n in 0..batches {
        batch.clear();
        for k in 0..TRACES as u64 {
            batch.extend_from_slice(&trace(n * 30 + k + 1).to_bytes());
        }
        let at = (n as usize * 9973) % (lines.len() - BATCH);
        batch.extend_from_slice(&lines[at..at + BATCH - TRACES * 16]);
        let step = Instant::now();
        let from = n * u64::from(RECORDS);
        store
            .append(&Append {
                producer: ProducerId::from_bytes([1; 16]),
                from,
                to: from + u64::from(RECORDS),
                count: RECORDS,
                received: n,
                ordered: true,
                bytes: &batch,
            })
            .expect("room");
        if committed.elapsed() >= Duration::from_millis(5) {
            store.commit().expect("a sync");
            committed = Instant::now();
            commits += 1;
        }
        slowest = slowest.max(step.elapsed());
    }
    store.commit().expect("a sync");
    let took = begun.elapsed().as_secs_f64();
    let records = (batches * u64::from(RECORDS)) as f64;
    println!(
        "append+commit: {:.0} MB/s, {:.2} M records/s, {commits} commits, slowest step {slowest:?}",
        (batches * BATCH as u64) as f64 / took / 1e6,
        records / took / 1e6
    );

    let reader = store.reader();
    let begun = Instant::now();
    let (mut cursor, mut out, mut read) = (reader.cursor(1), Batches::new(), 0);
    loop {
        cursor.next_batches(&mut out, 1 << 20).expect("readable");
        if out.is_empty() {
            break;
        }
        read += out.records();
    }
    let took = begun.elapsed().as_secs_f64();
    assert_eq!(read as f64, records);
    println!("read: {:.2} M records/s", records / took / 1e6);

    while store.stats().unsealed > 0 {
        std::thread::yield_now();
    }
    let stats = store.stats();
    println!(
        "sealed: {} segments, {:.0} MB on disk",
        stats.segments,
        stats.bytes as f64 / 1e6
    );
    let (mut most, mut total, mut found) = (Duration::ZERO, Duration::ZERO, 0);
    const LOOK_UPS: u64 = 200;
    for n in 0..LOOK_UPS {
        let begun = Instant::now();
        let mut cursor = reader.trace(trace(n * batches * 30 / LOOK_UPS + 100));
        loop {
            cursor.next_batches(&mut out, 1 << 20).expect("readable");
            if out.is_empty() {
                break;
            }
            found += out.len();
        }
        let took = begun.elapsed();
        most = most.max(took);
        total += took;
    }
    println!(
        "look-up of a trace among {:.0} M records: {:?} on average, {most:?} at most, {found} batches found",
        records / 1e6,
        total / LOOK_UPS as u32
    );
}
