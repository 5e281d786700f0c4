//! The store as a log: what goes in comes out, over segments, restarts, sealing and retention.

use std::time::{Duration, Instant};

use crate::fixtures::*;
use distlog_store::{Append, AppendOutcome, Batches, OpenError, Options, Store, StoreError};
use distlog_testkit::eventually;

/// Appends `n` batches with a commit after every third.
fn fill(store: &mut Store, n: u64, payload: usize) -> Vec<Got> {
    let mut all = Vec::new();
    for i in 0..n {
        let bytes = body(&[trace(i % 7), trace(i)], &vec![i as u8; payload]);
        let producer = producer((i % 3) as u8);
        all.push(append(store, producer, 1 + (i % 5) as u32, &bytes));
        if i % 3 == 2 {
            store.commit().unwrap();
        }
    }
    store.commit().unwrap();
    all
}

#[test]
fn round_trip_and_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), options(1 << 20)).unwrap();
    let reader = store.reader();
    assert_eq!((reader.first(), reader.end()), (1, 1));
    let all = fill(&mut store, 50, 100);
    let mut next = 1;
    for got in &all {
        assert_eq!(got.first, next);
        next += u64::from(got.count);
    }
    assert_eq!(reader.end(), next);
    assert_eq!(read_all(&reader), all);
    // From inside of a batch on, that batch comes whole.
    for (n, from) in all.iter().enumerate() {
        for number in from.first..from.first + u64::from(from.count) {
            assert_eq!(read_from(&reader, number, 1).0, all[n..]);
        }
    }
    store.close().unwrap();
    let store = Store::open(dir.path(), options(1 << 20)).unwrap();
    assert_eq!(read_all(&store.reader()), all);
    assert_eq!(
        store.position_of(&producer(0)),
        Some(
            all.iter()
                .rev()
                .find(|g| g.producer == producer(0))
                .unwrap()
                .to
        )
    );
}

#[test]
fn nothing_is_seen_before_the_commit() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), options(64 << 20)).unwrap();
    let reader = store.reader();
    // More than a frame, so that something is written.
    for _ in 0..10 {
        append(&mut store, producer(0), 1, &body(&[trace(1)], &[7; 60_000]));
    }
    assert_eq!(reader.end(), 1);
    assert!(read_all(&reader).is_empty());
    assert!(read_trace(&reader, trace(1)).is_empty());
    assert!(!reader.wait(1, Duration::ZERO));
    store.commit().unwrap();
    assert!(reader.wait(1, Duration::ZERO));
    assert_eq!(read_all(&reader).len(), 10);
    assert_eq!(read_trace(&reader, trace(1)).len(), 10);
}

#[test]
fn replays_gaps_and_the_unordered() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), options(1 << 20)).unwrap();
    let batch = |from, to, ordered| Append {
        producer: producer(0),
        from,
        to,
        count: 1,
        received: 5,
        ordered,
        bytes: b"\0",
    };
    let mut take = |b: Append<'_>| store.append(&b).unwrap();
    assert_eq!(
        take(batch(100, 200, true)),
        AppendOutcome::Taken { first: 1 }
    );
    assert_eq!(
        take(batch(100, 200, true)),
        AppendOutcome::Replay { position: 200 }
    );
    assert_eq!(
        take(batch(0, 150, true)),
        AppendOutcome::Replay { position: 200 }
    );
    assert_eq!(
        take(batch(150, 250, true)),
        AppendOutcome::Gap { position: 200 }
    );
    assert_eq!(
        take(batch(201, 250, true)),
        AppendOutcome::Gap { position: 200 }
    );
    assert_eq!(
        take(batch(200, 250, true)),
        AppendOutcome::Taken { first: 2 }
    );
    assert_eq!(
        take(batch(10, 20, false)),
        AppendOutcome::Taken { first: 3 }
    );
    assert_eq!(
        take(batch(500, 501, false)),
        AppendOutcome::Taken { first: 4 }
    );
    assert_eq!(store.position_of(&producer(0)), Some(501));
    store.advance(producer(0), 600, 6);
    assert!(matches!(
        store.append(&batch(600, 600, true)),
        Err(StoreError::BadRange { .. })
    ));
    assert_eq!(
        store.append(&batch(600, 700, true)).unwrap(),
        AppendOutcome::Taken { first: 5 }
    );
    store.commit().unwrap();
    assert_eq!((store.stats().replays, store.stats().gaps), (2, 2));
    drop(store);
    let store = Store::open(dir.path(), options(1 << 20)).unwrap();
    assert_eq!(store.position_of(&producer(0)), Some(700));
    assert_eq!(store.position_of(&producer(1)), None);
}

#[test]
fn holes_only_move_the_producer() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), options(1 << 20)).unwrap();
    let batch = Append {
        producer: producer(0),
        from: 0,
        to: 64,
        count: 0,
        received: 5,
        ordered: true,
        bytes: b"",
    };
    store.append(&batch).unwrap();
    assert_eq!(store.commit().unwrap(), 1);
    drop(store);
    let mut store = Store::open(dir.path(), options(1 << 20)).unwrap();
    assert_eq!(store.position_of(&producer(0)), Some(64));
    let got = append(&mut store, producer(0), 2, b"\0x");
    store.commit().unwrap();
    assert_eq!(read_all(&store.reader()), [got]);
}

#[test]
fn rotation_sealing_and_reopening_change_nothing() {
    for compress in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            compress,
            ..options(8 << 10)
        };
        let mut store = Store::open(dir.path(), options.clone()).unwrap();
        let mut all = Vec::new();
        for _ in 0..4 {
            all.extend(fill(&mut store, 60, 300));
            assert_eq!(read_all(&store.reader()), all);
            wait_sealed(&store);
            assert!(store.stats().segments > 3, "{:?}", store.stats());
            assert_eq!(read_all(&store.reader()), all);
            assert_eq!(read_from(&store.reader(), 1, usize::MAX).0, all);
            drop(store);
            store = Store::open(dir.path(), options.clone()).unwrap();
            let stats = store.stats();
            assert_eq!((stats.damaged, stats.seal_errors), (0, 0));
        }
        assert_eq!(read_all(&store.reader()), all);
    }
}

#[test]
fn compression_makes_it_smaller() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), options(64 << 10)).unwrap();
    let all = fill(&mut store, 300, 1000);
    wait_sealed(&store);
    let kept = store.stats().bytes - (64 << 10);
    let raw: usize = all.iter().map(|g| g.bytes.len()).sum();
    assert!(kept * 3 < raw as u64, "{kept} of {raw}");
}

#[test]
fn a_batch_larger_than_a_segment_and_one_too_large() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), options(8 << 10)).unwrap();
    let mut all = fill(&mut store, 3, 10);
    all.push(append(
        &mut store,
        producer(0),
        3,
        &body(&[trace(9)], &vec![1; 700_000]),
    ));
    all.extend(fill(&mut store, 3, 10));
    let large = vec![0; distlog_store::MAX_BATCH + 1];
    let batch = Append {
        producer: producer(9),
        from: 0,
        to: 1,
        count: 1,
        received: 0,
        ordered: true,
        bytes: &large,
    };
    assert!(matches!(
        store.append(&batch),
        Err(StoreError::TooLarge { .. })
    ));
    assert_eq!(read_all(&store.reader()), all);
    wait_sealed(&store);
    drop(store);
    let store = Store::open(dir.path(), options(8 << 10)).unwrap();
    assert_eq!(read_all(&store.reader()), all);
}

#[test]
fn two_openers() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options(1 << 20)).unwrap();
    let Err(e) = Store::open(dir.path(), options(1 << 20)) else {
        panic!("opened twice");
    };
    let text = e.to_string();
    assert!(matches!(e, OpenError::Locked { pid: Some(pid), .. } if pid == std::process::id()));
    assert!(text.contains(&dir.path().display().to_string()), "{text}");
    assert!(text.contains(&std::process::id().to_string()), "{text}");
    drop(store);
    Store::open(dir.path(), options(1 << 20)).unwrap();
}

#[test]
fn an_unusable_path_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let Err(e) = Store::open(file.join("store"), options(1 << 20)) else {
        panic!("opened");
    };
    assert!(e.to_string().contains("file/store"), "{e}");
}

#[test]
fn retention_by_size_and_the_exact_count_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        keep_size: Some(40 << 10),
        compress: false,
        ..options(8 << 10)
    };
    let mut store = Store::open(dir.path(), options.clone()).unwrap();
    let reader = store.reader();
    let all = fill(&mut store, 200, 300);
    wait_sealed(&store);
    // One cursor is inside of the first segment, one has not begun.
    let mut begun = reader.cursor(1);
    let mut out = Batches::new();
    begun.next_batches(&mut out, 1).unwrap();
    let mut read_before = got(&out);
    let expired = store.maintain(0).unwrap();
    assert!(expired.segments > 0);
    assert_eq!(reader.first(), 1 + expired.records);
    assert!(store.stats().bytes <= 40 << 10);

    let (rest, progress) = read_from(&reader, 1, 1 << 16);
    assert_eq!(progress.expired, expired.records);
    assert_eq!(progress.damaged, 0);
    assert_eq!(rest, all[all.len() - rest.len()..]);
    assert_eq!(rest[0].first, reader.first());

    let mut skipped = 0;
    loop {
        skipped += begun.next_batches(&mut out, 1).unwrap().expired;
        if out.is_empty() {
            break;
        }
        read_before.extend(got(&out));
    }
    let read: u64 = read_before.iter().map(|g| u64::from(g.count)).sum();
    assert!(skipped > 0);
    assert_eq!(read + skipped, reader.end() - 1);

    drop(store);
    let store = Store::open(dir.path(), options).unwrap();
    assert_eq!(read_from(&store.reader(), 1, 1 << 16).0, rest);
    assert_eq!(
        store.position_of(&producer(0)),
        all.iter()
            .rev()
            .find(|g| g.producer == producer(0))
            .map(|g| g.to)
    );
}

#[test]
fn retention_by_age() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        keep_age: Some(Duration::from_nanos(500)),
        ..options(4 << 10)
    };
    let mut store = Store::open(dir.path(), options).unwrap();
    fill(&mut store, 100, 300);
    wait_sealed(&store);
    assert_eq!(store.maintain(1_400).unwrap().segments, 0);
    let before = store.stats().segments;
    let expired = store.maintain(2_000).unwrap();
    assert!(
        expired.segments > 0 && expired.segments < before,
        "{expired:?}"
    );
    // The open segment stays however old it is.
    store.maintain(u64::MAX).unwrap();
    assert_eq!(store.stats().segments, 1);
}

#[test]
fn a_segment_that_nothing_is_added_to_is_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), options(64 << 10)).unwrap();
    let sealed = |store: &Store| {
        wait_sealed(store);
        store.stats().segments - 1
    };
    let add = |store: &mut Store, batches| {
        for _ in 0..batches {
            append(store, producer(0), 1, &[7; 1000]);
        }
        store.commit().unwrap();
        // The first time after something came.
        store.maintain(0).unwrap();
    };
    add(&mut store, 12);
    assert_eq!(sealed(&store), 0);
    // A short one waits for more.
    store.maintain(0).unwrap();
    assert_eq!(sealed(&store), 0);
    add(&mut store, 12);
    assert_eq!(sealed(&store), 0);
    store.maintain(0).unwrap();
    assert_eq!(sealed(&store), 1);
    store.maintain(0).unwrap();
    assert_eq!(sealed(&store), 1);
    add(&mut store, 1);
    let (all, _) = read_from(&store.reader(), 1, 1 << 20);
    assert_eq!(all.len(), 25);
    drop(store);
    let store = Store::open(dir.path(), options(64 << 10)).unwrap();
    assert_eq!(read_from(&store.reader(), 1, 1 << 20).0, all);
}

#[test]
fn numbers_go_on_when_everything_expired() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        keep_size: Some(0),
        ..options(4 << 10)
    };
    let mut store = Store::open(dir.path(), options.clone()).unwrap();
    fill(&mut store, 100, 300);
    let end = store.reader().end();
    store.maintain(0).unwrap();
    store.close().unwrap();
    for entry in std::fs::read_dir(dir.path().join("segments")).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let mut store = Store::open(dir.path(), options).unwrap();
    assert_eq!(store.reader().end(), end);
    assert_eq!(append(&mut store, producer(0), 1, b"\0").first, end);
    store.commit().unwrap();
    assert_eq!(read_from(&store.reader(), end, 1).0.len(), 1);
}

#[test]
fn waiting_is_ended_by_a_commit_and_by_closing() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), options(1 << 20)).unwrap();
    let wait = |beyond| {
        let reader = store.reader();
        std::thread::spawn(move || reader.wait(beyond, Duration::from_secs(60)))
    };
    let (one, two) = (wait(1), wait(2));
    let begun = Instant::now();
    append(&mut store, producer(0), 1, b"\0");
    store.commit().unwrap();
    assert!(one.join().unwrap());
    let reader = store.reader();
    assert!(!reader.is_closed());
    drop(store);
    assert!(!two.join().unwrap());
    assert!(reader.is_closed());
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert_eq!(read_all(&reader).len(), 1);
}

#[test]
fn readers_beside_writing_sealing_and_retention() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        keep_size: Some(256 << 10),
        ..options(16 << 10)
    };
    let mut store = Store::open(dir.path(), options).unwrap();
    let readers: Vec<_> = (0..3)
        .map(|n| {
            let reader = store.reader();
            std::thread::spawn(move || {
                let mut cursor = reader.cursor(1);
                let mut out = Batches::new();
                let (mut next, mut read, mut skipped) = (1, 0, 0);
                loop {
                    let progress = cursor.next_batches(&mut out, 1 << (10 + n)).unwrap();
                    assert_eq!(progress.damaged, 0);
                    skipped += progress.expired;
                    next += progress.expired;
                    for (batch, bytes) in out.iter() {
                        assert_eq!(batch.first, next);
                        assert_eq!(bytes[17..25], batch.from.to_be_bytes());
                        next = batch.end();
                        read += u64::from(batch.count);
                    }
                    if let Some((batch, bytes)) = out.iter().next() {
                        let mut id = [0; 16];
                        id.copy_from_slice(&bytes[1..17]);
                        let found =
                            read_trace(&reader, distlog_proto::TraceId::from_bytes(id).unwrap());
                        // It may have expired meanwhile, and then the reader is behind the first.
                        assert!(
                            found.iter().any(|g| g.first == batch.first)
                                || reader.first() > batch.first
                        );
                    }
                    if out.is_empty() && !reader.wait(next, Duration::from_secs(20)) {
                        assert!(reader.is_closed());
                        return (read, skipped);
                    }
                }
            })
        })
        .collect();
    for i in 0..4000u64 {
        let from = store.position_of(&producer(0)).unwrap_or(0);
        let mut payload = from.to_be_bytes().to_vec();
        payload.extend([i as u8; 200]);
        append(&mut store, producer(0), 2, &body(&[trace(i)], &payload));
        if i % 4 == 0 {
            store.commit().unwrap();
        }
        if i % 64 == 0 {
            store.maintain(0).unwrap();
        }
    }
    store.commit().unwrap();
    let end = store.reader().end();
    store.close().unwrap();
    for reader in readers {
        let (read, skipped) = reader.join().unwrap();
        assert_eq!(read + skipped, end - 1);
    }
}

/// Else the next start would have to read all that came since.
#[test]
fn a_checkpoint_is_saved_also_when_the_clock_was_set_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), options(1 << 20)).unwrap();
    let saved = || std::fs::read(dir.path().join("checkpoint")).unwrap_or_default();
    let year = 365 * 24 * 3600 * 1_000_000_000;
    for now in [3 * year, 2 * year] {
        let before = saved();
        append(&mut store, producer(0), 1, b"\0");
        store.commit().unwrap();
        store.maintain(now).unwrap();
        eventually("a checkpoint is saved", || {
            if saved() == before { Err(now) } else { Ok(()) }
        });
    }
}

#[test]
fn old_producers_are_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), options(1 << 20)).unwrap();
    append(&mut store, producer(0), 1, b"\0");
    append(&mut store, producer(1), 1, b"\0");
    store.commit().unwrap();
    let kept = distlog_store::PRODUCER_KEPT.as_nanos() as u64;
    store.touch(&producer(1), kept);
    store.maintain(kept + 5_000).unwrap();
    assert_eq!(store.position_of(&producer(0)), None);
    assert_eq!(store.position_of(&producer(1)), Some(10));
    assert_eq!(store.stats().producers, 1);
}

#[test]
fn cursor_files() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options(1 << 20)).unwrap();
    let reader = store.reader();
    let file = reader.cursor_file("../jaeger eu").unwrap();
    assert_eq!(file.path().parent().unwrap(), dir.path().join("cursors"));
    assert_eq!(file.load().unwrap(), None);
    file.save(7, b"").unwrap();
    file.save(42, b"token").unwrap();
    let saved = reader
        .cursor_file("../jaeger eu")
        .unwrap()
        .load()
        .unwrap()
        .unwrap();
    assert_eq!(
        (saved.next, saved.token.as_slice()),
        (42, b"token".as_slice())
    );
    assert!(reader.cursor_file("").is_err());
    assert!(reader.cursor_file(&"x".repeat(300)).is_err());
    let good = std::fs::read(file.path()).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        std::fs::write(file.path(), &bad).unwrap();
        let text = file.load().unwrap_err().to_string();
        assert!(text.contains("jaeger"), "{text}");
        std::fs::write(file.path(), &good[..at]).unwrap();
        assert!(file.load().is_err());
    }
}

#[test]
fn what_is_stored_is_for_this_user_alone() {
    use std::os::unix::fs::PermissionsExt;

    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("store");
    let mut store = Store::open(&dir, options(8 << 10)).unwrap();
    fill(&mut store, 60, 300);
    wait_sealed(&store);
    store
        .reader()
        .cursor_file("a")
        .unwrap()
        .save(1, b"")
        .unwrap();
    store.close().unwrap();
    let mut to_look = vec![dir];
    let mut files = 0;
    while let Some(path) = to_look.pop() {
        let metadata = std::fs::metadata(&path).unwrap();
        let expected = if metadata.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(metadata.permissions().mode() & 0o777, expected, "{path:?}");
        if metadata.is_dir() {
            to_look.extend(
                std::fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else {
            files += 1;
        }
    }
    assert!(files > 4);
}
