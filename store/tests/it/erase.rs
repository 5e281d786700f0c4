//! Deleted records are gone for readers at once, and then from the files.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use distlog_proto::TraceId;
use distlog_store::{BlockBuffer, Options, Reader, Removal, Selection, Store};
use distlog_testkit::store_double::{Double, Fault};

use crate::earlier_version::copy;
use crate::fixtures::*;

const SECRET: &[u8] = b"Jane Doe of 7 Mill Lane";
const SOON: Duration = Duration::from_secs(20);

/// Takes the batches of a trace, which become a mark.
fn removal(of: TraceId, before: u64) -> Removal {
    let change = move |batch: &distlog_store::Batch, bytes: &[u8]| {
        let mut has = false;
        find_traces(bytes, &mut |trace| has |= trace == of);
        has.then(|| (vec![0], u64::from(batch.count)))
    };
    Removal {
        before,
        change: Arc::new(change),
    }
}

/// As readers are to see it.
fn without(all: &[Got], of: TraceId) -> Vec<Got> {
    let mut all = all.to_vec();
    for got in &mut all {
        let mut has = false;
        find_traces(&got.bytes, &mut |trace| has |= trace == of);
        if has {
            got.bytes = vec![0];
        }
    }
    all
}

fn read_blocks(reader: &Reader) -> Vec<Got> {
    let mut buffer = BlockBuffer::default();
    let mut all = Vec::new();
    for block in reader.blocks().unwrap() {
        block.read(&Selection::ALL, &mut buffer).unwrap();
        all.extend(buffer.batches().map(|b| one(b.head, b.bytes)));
    }
    all
}

fn fill(store: &mut Store, batches: u64) -> Vec<Got> {
    let mut all = Vec::new();
    for n in 0..batches {
        let payload = [SECRET, &vec![n as u8; 100 + (n % 5) as usize * 300]].concat();
        let payload = if n % 7 == 3 {
            payload
        } else {
            vec![n as u8; 500]
        };
        let traces = [trace(if n % 7 == 3 { 3 } else { n })];
        all.push(append(
            store,
            producer((n % 2) as u8),
            3,
            &body(&traces, &payload),
        ));
        if n % 3 == 0 {
            store.commit().unwrap();
        }
    }
    store.commit().unwrap();
    all
}

/// Closes and seals all before a number.
fn seal(store: &mut Store, before: u64) {
    let eraser = store.eraser();
    eraser.seal_before(before, Duration::ZERO);
    store.maintain(1).unwrap();
    assert!(eraser.seal_before(before, SOON));
}

fn holds(dir: &Path, text: &[u8]) -> bool {
    fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => holds(&path, text),
            false => fs::read(path)
                .unwrap()
                .windows(text.len())
                .any(|part| part == text),
        }
    })
}

#[test]
fn they_are_gone_at_once_and_then_from_the_files() {
    for compress in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            compress,
            ..options(20_000)
        };
        let mut store = Store::open(dir.path(), options.clone()).unwrap();
        let all = fill(&mut store, 200);
        let (reader, eraser) = (store.reader(), store.eraser());
        assert!(!read_trace(&reader, trace(3)).is_empty());
        let removal = removal(trace(3), reader.end());
        reader.leave_out(vec![removal.clone()]);
        let left = without(&all, trace(3));
        let check = |store: &Store, left: &[Got]| {
            let reader = store.reader();
            assert_eq!(read_all(&reader), left);
            assert_eq!(read_blocks(&reader), left);
            assert_eq!(read_trace(&reader, trace(3)), []);
            assert_eq!(read_trace(&reader, trace(4)).len(), 1);
            assert_eq!(read_trace_in_blocks(&reader, trace(3)), []);
            assert_eq!(read_trace_in_blocks(&reader, trace(4)).len(), 1);
            assert_eq!(store.stats().damaged, 0);
        };
        let total = reader.end() - reader.first();
        assert_eq!(reader.stats().kept(), total);
        check(&store, &left);
        assert!(
            reader
                .blocks()
                .unwrap()
                .iter()
                .all(|block| !block.is_whole())
        );

        // Who is in the midst of reading goes on, and sees nothing of it either.
        let (mut cursor, mut early) = (reader.cursor(1), distlog_store::Batches::new());
        cursor.next_batches(&mut early, 1).unwrap();
        let mut seen = got(&early);
        let mut traced = reader.trace(trace(4));
        let blocks = reader.blocks().unwrap();

        seal(&mut store, removal.before);
        let mut removed = 0;
        eraser.erase(&removal, |count| removed += count).unwrap();
        assert_eq!(
            removed,
            3 * all.iter().zip(&left).filter(|(a, b)| a != b).count() as u64
        );
        assert!(!holds(dir.path(), SECRET));
        assert_eq!(store.stats().kept(), total - removed);
        check(&store, &left);
        reader.leave_out(Vec::new());
        check(&store, &left);
        assert!(
            reader
                .blocks()
                .unwrap()
                .iter()
                .all(|block| block.is_whole())
        );

        while !early.is_empty() {
            cursor.next_batches(&mut early, 4000).unwrap();
            seen.extend(got(&early));
        }
        assert_eq!(seen, left);
        traced.next_batches(&mut early, 4000).unwrap();
        assert_eq!(got(&early), read_trace(&reader, trace(4)));
        let mut buffer = BlockBuffer::default();
        let mut seen = Vec::new();
        for block in &blocks {
            assert!(!block.is_whole());
            block.read(&Selection::ALL, &mut buffer).unwrap();
            seen.extend(buffer.batches().map(|b| one(b.head, b.bytes)));
        }
        assert_eq!(seen, left);

        // Once more there is nothing to do.
        let rewritten = store.stats().rewritten;
        eraser
            .erase(&removal, |_| panic!("nothing is left"))
            .unwrap();
        assert!(compress || store.stats().rewritten == rewritten);
        let more = append(&mut store, producer(0), 1, &body(&[trace(3)], SECRET));
        assert_eq!(more.from, all[198].to);
        store.close().unwrap();
        let store = Store::open(dir.path(), options).unwrap();
        let left = [left, vec![more]].concat();
        assert_eq!(read_all(&store.reader()), left);
        let stats = store.stats();
        assert_eq!(
            (stats.removed, stats.kept()),
            (removed, total - removed + 1)
        );
    }
}

#[test]
fn look_ups_stay_right_while_segments_are_written_anew_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        keep_size: Some(60_000),
        compress: false,
        ..options(20_000)
    };
    let mut store = Store::open(dir.path(), options).unwrap();
    let (reader, eraser) = (store.reader(), store.eraser());
    let mut all = fill(&mut store, 100);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                // These are never deleted.
                for n in (1..100).step_by(2) {
                    let before = read_trace(&reader, trace(n));
                    let after = read_trace_in_blocks(&reader, trace(n));
                    let (first, again) = (reader.first(), read_trace(&reader, trace(n)));
                    let mut kept = before.iter().filter(|got| got.first >= first);
                    assert!(kept.all(|got| after.contains(got)), "trace {n}");
                    let first = reader.first();
                    let mut kept = after.iter().filter(|got| got.first >= first);
                    assert!(kept.all(|got| again.contains(got)), "trace {n}");
                }
            }
        });
        for round in 0..40 {
            let gone = trace(round * 2);
            let removal = removal(gone, reader.end());
            reader.leave_out(vec![removal.clone()]);
            assert_eq!(read_trace_in_blocks(&reader, gone), []);
            seal(&mut store, removal.before);
            eraser.erase(&removal, |_| {}).unwrap();
            reader.leave_out(Vec::new());
            all = without(&all, gone);
            all.extend(fill(&mut store, 20));
            store.maintain(1).unwrap();
            all.retain(|got| got.first >= reader.first());
            for n in 0..100 {
                let mut expected = all.clone();
                expected.retain(|got| {
                    let mut has = false;
                    find_traces(&got.bytes, &mut |found| has |= found == trace(n));
                    has
                });
                assert_eq!(read_trace_in_blocks(&reader, trace(n)), expected);
                assert_eq!(read_trace(&reader, trace(n)), expected);
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!(store.stats().damaged, 0);
}

#[test]
fn the_list_of_what_is_deleted_lasts() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options(20_000)).unwrap();
    let eraser = store.eraser();
    assert_eq!(eraser.list().unwrap(), b"");
    eraser.save(b"[1]").unwrap();
    drop((store, eraser));
    let store = Store::open(dir.path(), options(20_000)).unwrap();
    assert_eq!(store.eraser().list().unwrap(), b"[1]");
    store.eraser().save(b"").unwrap();
    store.eraser().save(b"").unwrap();
    assert_eq!(store.eraser().list().unwrap(), b"");
    assert!(!dir.path().join("deletions").exists());
}

/// Names of the sealed segments.
fn sealed(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir.join("segments")).unwrap();
    let mut names: Vec<String> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".seal"))
        .collect();
    names.sort();
    names
}

#[test]
fn of_two_generations_the_newest_that_is_whole_counts() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        compress: false,
        ..options(20_000)
    };
    let mut store = Store::open(dir.path(), options.clone()).unwrap();
    let all = fill(&mut store, 60);
    let eraser = store.eraser();
    let removal = removal(trace(3), store.reader().end());
    seal(&mut store, removal.before);
    let old = sealed(dir.path());
    let saved = tempfile::tempdir().unwrap();
    copy(&dir.path().join("segments"), saved.path());
    eraser.erase(&removal, |_| {}).unwrap();
    store.close().unwrap();
    let new = sealed(dir.path());
    assert_eq!(new.len(), old.len());
    let rewritten: Vec<&String> = new.iter().filter(|name| !old.contains(name)).collect();
    assert!(rewritten.iter().all(|name| name.ends_with(".1.seal")) && !rewritten.is_empty());

    // A crash came before the old ones were removed.
    let segments = dir.path().join("segments");
    for name in &old {
        fs::copy(saved.path().join(name), segments.join(name)).unwrap();
    }
    let store = Store::open(dir.path(), options.clone()).unwrap();
    assert_eq!(read_all(&store.reader()), without(&all, trace(3)));
    assert_eq!(
        (sealed(dir.path()), store.stats().damaged),
        (new.clone(), 0)
    );
    drop(store);

    // The new one is not whole, and the old one is still there.
    for name in &old {
        fs::copy(saved.path().join(name), segments.join(name)).unwrap();
    }
    for name in &rewritten {
        let bytes = fs::read(segments.join(name)).unwrap();
        fs::write(segments.join(name), &bytes[..bytes.len() / 2]).unwrap();
    }
    let mut store = Store::open(dir.path(), options.clone()).unwrap();
    assert_eq!(read_all(&store.reader()), all);
    assert_eq!((sealed(dir.path()), store.stats().damaged), (old, 0));

    // And is written anew another time.
    let eraser = store.eraser();
    seal(&mut store, removal.before);
    eraser.erase(&removal, |_| {}).unwrap();
    assert_eq!(read_all(&store.reader()), without(&all, trace(3)));
    assert!(!holds(dir.path(), SECRET));
}

/// Whether a file of the double has these bytes.
fn disk_holds(disk: &Double, text: &[u8]) -> bool {
    use distlog_store::FileLayer;
    disk.files().iter().any(|path| {
        let file = disk.open(path).unwrap();
        let mut bytes = vec![0; file.size().unwrap() as usize];
        file.read_at(&mut bytes, 0).unwrap();
        bytes.windows(text.len()).any(|part| part == text)
    })
}

#[test]
fn a_crash_or_a_failure_at_each_step_loses_nothing_else() {
    for fault in [Fault::Power, Fault::Io, Fault::NoSpace] {
        let mut failures = 0;
        for step in 1..60 {
            let disk = Double::new(step);
            let options = Options {
                compress: false,
                ..options(6_000)
            };
            let open =
                || Store::open_on(Arc::new(disk.clone()), "/store", options.clone()).unwrap();
            let mut store = open();
            let all = fill(&mut store, 40);
            let removal = removal(trace(3), store.reader().end());
            let left = without(&all, trace(3));
            store.reader().leave_out(vec![removal.clone()]);
            seal(&mut store, removal.before);
            disk.fail_in(step, fault);
            let failed = store.eraser().erase(&removal, |_| {}).is_err();
            disk.heal();
            if disk.is_off() {
                drop(store);
                disk.restart();
                store = open();
                store.reader().leave_out(vec![removal.clone()]);
            }
            assert_eq!(read_all(&store.reader()), left, "{fault:?} at step {step}");
            seal(&mut store, removal.before);
            store.eraser().erase(&removal, |_| {}).unwrap();
            store.reader().leave_out(Vec::new());
            assert_eq!(read_all(&store.reader()), left, "{fault:?} at step {step}");
            assert!(!disk_holds(&disk, SECRET), "{fault:?} at step {step}");
            assert_eq!(store.stats().damaged, 0);
            disk.power_off();
            drop(store);
            disk.restart();
            let store = open();
            assert_eq!(read_all(&store.reader()), left, "{fault:?} at step {step}");
            assert!(!disk_holds(&disk, SECRET), "{fault:?} at step {step}");
            failures += u32::from(failed);
        }
        assert!(failures > 20, "{fault:?} was met {failures} times");
    }
}

#[test]
fn a_reader_that_sees_some_batches_sees_no_others_whatever_it_reads_with() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), options(64 << 10)).unwrap();
    let all = fill(&mut store, 700);
    let reader = store.reader();
    let is_seen = |bytes: &[u8]| bytes.last().is_some_and(|last| last % 3 == 1);
    let limited = reader.showing(Arc::new(move |bytes| is_seen(bytes)));
    let check = |all: &[Got]| {
        let seen: Vec<Got> = all
            .iter()
            .filter(|got| is_seen(&got.bytes))
            .cloned()
            .collect();
        assert!(!seen.is_empty() && seen.len() < all.len() / 2);
        assert_eq!(read_all(&limited), seen);
        assert_eq!(read_blocks(&limited), seen);
        for n in [1, 2, 3, 400, 699] {
            let of_trace: Vec<Got> = read_trace(&reader, trace(n));
            let seen: Vec<Got> = of_trace
                .into_iter()
                .filter(|got| is_seen(&got.bytes))
                .collect();
            assert_eq!(read_trace(&limited, trace(n)), seen, "{n}");
            assert_eq!(read_trace_in_blocks(&limited, trace(n)), seen, "{n}");
        }
        // What is known of blocks is known of all of it.
        let blocks = limited.blocks().unwrap();
        assert!(!blocks.iter().any(|block| block.is_whole()));
        assert!(
            limited
                .clone()
                .blocks_of(&[trace(4)])
                .unwrap()
                .iter()
                .all(|b| !b.is_whole())
        );
    };
    check(&all);
    let end = reader.end();
    let listed = limited.blocks().unwrap();
    seal(&mut store, end);
    check(&all);
    let removal = removal(trace(3), end);
    store.eraser().erase(&removal, |_| {}).unwrap();
    check(&without(&all, trace(3)));
    // Blocks that were listed before are read from where their records stand now.
    let mut buffer = BlockBuffer::default();
    for block in listed {
        block.read(&Selection::ALL, &mut buffer).unwrap();
        assert!(buffer.batches().all(|batch| is_seen(batch.bytes)));
    }
}
