//! A process with a spool is killed; every record whose log call returned is in its file, with all that it needs.
//!
//! Its program is its own: a child runs it again and is killed.
#![cfg(unix)]
#![allow(missing_docs)]

use std::mem::ManuallyDrop;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use distlog_layer::{builder, task};
use distlog_proto::{BatchRef, Kind, Record, Value};
use distlog_spool::{Dead, SpoolDir};
use memmap2::MmapRaw;
use tracing::info;
use tracing_subscriber::prelude::*;

const FOLDER: &str = "DISTLOG_TEST_FOLDER";
const THREADS: usize = 2;
/// Nothing here takes as long on any machine.
const LONG: Duration = Duration::from_secs(60);

/// Words in a file that outlive whoever writes them: per thread the number of the record that it is about to log, then
/// the number of the last one whose call returned.
fn witness(path: &Path) -> &'static [AtomicU64] {
    let file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .unwrap();
    file.set_len(THREADS as u64 * 16).unwrap();
    let map = ManuallyDrop::new(MmapRaw::map_raw(&file).unwrap());
    // SAFETY: the map is page-aligned, has so many words, is never unmapped and is accessed by these atomics alone.
    unsafe { std::slice::from_raw_parts(map.as_mut_ptr().cast(), THREADS * 2) }
}

/// An address where nobody is.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("tcp://{}", listener.local_addr().unwrap())
}

/// The program that is killed. It never ends by itself.
fn program(folder: &Path) {
    let (entered, returned) = witness(&folder.join("witness")).split_at(THREADS);
    let (layer, _guard) = builder()
        .service("shop")
        .ring_bytes(1 << 22)
        .spool(folder.join("spool"))
        .connect(nobody().as_str())
        .unwrap();
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::set_global_default(subscriber).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                let job = task!("job of {thread}");
                let _entered = job.enter();
                // Not to fill the ring: that is another story.
                for number in 1..=5000u64 {
                    entered[thread].store(number, Ordering::SeqCst);
                    match number % 2 {
                        0 => info!(thread, number, "counted"),
                        _ => info!(thread, number, text = "x".repeat(thread * 70), "another"),
                    }
                    returned[thread].store(number, Ordering::SeqCst);
                }
                loop {
                    std::thread::park();
                }
            });
        }
    });
}

fn start(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "what_was_logged_outlives_kill_9", "--nocapture"])
        .env(FOLDER, folder)
        .spawn()
        .unwrap()
}

fn records(dead: &Dead) -> Vec<Record> {
    let mut next = dead.acked();
    let mut records = Vec::new();
    for batch in dead.batches(next) {
        assert_eq!(batch.from, next, "without gaps");
        next = batch.to;
        let parsed = BatchRef::parse(&batch.bytes).unwrap();
        records.extend(parsed.records().map(|record| record.unwrap().to_record()));
    }
    assert_eq!(next, dead.end());
    records
}

fn number(record: &Record, name: &str) -> u64 {
    match record.fields.get(name) {
        Some(Value::I64(number)) => *number as u64,
        other => panic!("{name} is {other:?}"),
    }
}

#[test]
fn what_was_logged_outlives_kill_9() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return program(Path::new(&folder));
    }
    for round in 0..8 {
        let folder = tempfile::tempdir().unwrap();
        let words = witness(&folder.path().join("witness"));
        let (entered, returned) = words.split_at(THREADS);
        let mut child = start(folder.path());
        let deadline = Instant::now() + LONG;
        let all = || -> u64 { returned.iter().map(|n| n.load(Ordering::SeqCst)).sum() };
        while all() < round * 300 {
            assert!(Instant::now() < deadline);
            assert!(child.try_wait().unwrap().is_none(), "it logs on");
            std::thread::yield_now();
        }
        let dir = SpoolDir::open(folder.path().join("spool")).unwrap();
        if round > 0 {
            assert_eq!(dir.dead().unwrap().count(), 0, "it is alive");
        }
        child.kill().unwrap();
        child.wait().unwrap();

        let dead: Vec<_> = dir.dead().unwrap().map(Result::unwrap).collect();
        if dead.is_empty() {
            assert_eq!(all(), 0);
            continue;
        }
        assert_eq!(dead.len(), 1);
        let dead = &dead[0];
        assert_eq!(dead.service(), "shop");
        assert_eq!(dead.process_id(), u64::from(child.id()));
        assert_eq!(dead.dropped(), [0; 5]);
        let records = records(dead);
        assert!(
            records
                .windows(2)
                .all(|pair| pair[0].offset < pair[1].offset)
        );
        for thread in 0..THREADS {
            let name = format!("job of {thread}");
            let begin = records
                .iter()
                .find(|record| record.kind == Kind::Begin && record.message == name);
            let numbers: Vec<u64> = records
                .iter()
                .filter(|r| r.kind == Kind::Event && number(r, "thread") == thread as u64)
                .map(|record| {
                    assert_eq!(
                        record.callsite.target, "spool_killed",
                        "its callsite is known"
                    );
                    assert_eq!(record.source.producer, dead.producer());
                    assert_eq!(record.task, begin.unwrap().task, "and its task");
                    let number = number(record, "number");
                    let text = ["counted", "another"][number as usize % 2];
                    assert_eq!(record.message, text);
                    number
                })
                .collect();
            let [returned, entered] = [returned, entered].map(|n| n[thread].load(Ordering::SeqCst));
            let last = numbers.len() as u64;
            assert_eq!(numbers, (1..=last).collect::<Vec<_>>());
            assert!(
                (returned..=entered).contains(&last),
                "{returned} returned, {entered} were entered, {last} are there"
            );
        }
    }
}
