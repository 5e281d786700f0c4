//! What a crash, a failing disk and damage leave of the store.

#[path = "it/fixtures.rs"]
mod fixtures;

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use distlog_proto::TraceId;
use distlog_store::{AppendOutcome, Batch, Batches, Options, Removal, Store, StoreError};
use distlog_testkit::store_double::{Double, Fault};
use fixtures::*;
use proptest::prelude::*;

const DIR: &str = "/store";

fn open(disk: &Double, options: &Options) -> Store {
    Store::open_on(Arc::new(disk.clone()), DIR, options.clone()).unwrap()
}

#[derive(Debug, Clone)]
enum Action {
    Append {
        producer: u8,
        count: u32,
        len: usize,
    },
    Commit,
    Maintain,
    Fail {
        steps: u64,
        fault: Fault,
    },
    PowerOff {
        steps: u64,
    },
    Kill,
    Close,
    /// Deletes a trace, and erases what was deleted so far.
    Erase {
        of: u64,
    },
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let fault = prop_oneof![Just(Fault::Io), Just(Fault::NoSpace)];
    let action = prop_oneof![
        12 => (0..4u8, 0..6u32, 0..900usize).prop_map(|(producer, count, len)| Action::Append { producer, count, len }),
        6 => Just(Action::Commit),
        1 => Just(Action::Maintain),
        2 => (1..12u64, fault).prop_map(|(steps, fault)| Action::Fail { steps, fault }),
        2 => (1..40u64).prop_map(|steps| Action::PowerOff { steps }),
        1 => Just(Action::Kill),
        1 => Just(Action::Close),
        2 => (0..5u64).prop_map(|of| Action::Erase { of }),
    ];
    prop::collection::vec(action, 1..120)
}

/// What the test knows of what the store must and may have.
#[derive(Default)]
struct Model {
    /// Committed, in order.
    acked: Vec<Got>,
    /// Appended since, in order.
    tail: Vec<Got>,
    /// Batches of holes that were not acked. As they have no records, recovery may find them again after a failure took
    /// them back; it does no harm.
    ghosts: Vec<Got>,
    /// What was deleted.
    removals: Vec<(TraceId, u64)>,
    /// Those of them that may still be in files.
    pending: Vec<Removal>,
}

impl Model {
    /// Checks a store that was opened again, or rewound: all of what was acked, then a part of the tail from its
    /// beginning.
    fn check(&mut self, store: &Store) -> Result<(), TestCaseError> {
        let (found, progress) = read_from(&store.reader(), 1, 5_000);
        prop_assert_eq!(progress.skipped(), 0);
        let with_records = |list: &[Got]| -> Vec<Got> {
            let with_records = list.iter().filter(|got| got.count > 0);
            with_records
                .map(|got| without(got, &self.removals))
                .collect()
        };
        let acked = with_records(&self.acked);
        prop_assert!(
            found.len() >= acked.len(),
            "{} of {} acked",
            found.len(),
            acked.len()
        );
        prop_assert_eq!(&found[..acked.len()], &acked[..]);
        let tail = with_records(&self.tail);
        let more = &found[acked.len()..];
        prop_assert!(more.len() <= tail.len());
        prop_assert_eq!(more, &tail[..more.len()]);

        // Producers stand at what is there, or at holes that were appended after it.
        let mut must = HashMap::new();
        let mut may: HashMap<_, Vec<u64>> = HashMap::new();
        for got in &self.acked {
            must.insert(got.producer, got.to);
        }
        let mut seen = 0;
        for got in &self.tail {
            if got.count > 0 {
                seen += 1;
                if seen > more.len() {
                    break;
                }
                must.insert(got.producer, got.to);
                may.remove(&got.producer);
            } else {
                may.entry(got.producer).or_default().push(got.to);
            }
        }
        for n in 0..4 {
            let producer = producer(n);
            let stands = store.position_of(&producer);
            let mut allowed = may.get(&producer).cloned().unwrap_or_default();
            let ghosts = self.ghosts.iter().filter(|g| g.producer == producer);
            allowed.extend(
                ghosts
                    .map(|g| g.to)
                    .filter(|to| Some(to) > must.get(&producer)),
            );
            prop_assert!(
                stands == must.get(&producer).copied()
                    || stands.is_some_and(|to| allowed.contains(&to)),
                "{:?} stands at {:?}, not {:?}",
                producer,
                stands,
                must.get(&producer)
            );
        }
        // A tail that survived is the store's now.
        let mut left = more.len();
        for got in std::mem::take(&mut self.tail) {
            if got.count == 0 {
                self.ghosts.push(got);
            } else if left > 0 {
                left -= 1;
                self.acked.push(got);
            }
        }
        for n in [1, 3] {
            let hits = read_trace(&store.reader(), trace(n));
            let expected: Vec<_> = with_records(&self.acked)
                .into_iter()
                .filter(|g| g.bytes.get(1..17) == Some(&trace(n).to_bytes()[..]))
                .collect();
            prop_assert_eq!(hits, expected);
        }
        Ok(())
    }
}

/// A removal of a trace. The batches that have it become a mark.
fn removal(of: u64, before: u64) -> Removal {
    let of = trace(of);
    let change = move |batch: &Batch, bytes: &[u8]| {
        let mut has = false;
        find_traces(bytes, &mut |trace| has |= trace == of);
        has.then(|| (vec![0], u64::from(batch.count)))
    };
    Removal {
        before,
        change: Arc::new(change),
    }
}

/// A batch as it is to be read.
fn without(got: &Got, removals: &[(TraceId, u64)]) -> Got {
    let mut got = got.clone();
    for (of, _) in removals.iter().filter(|(_, before)| got.first < *before) {
        let mut has = false;
        find_traces(&got.bytes, &mut |trace| has |= trace == *of);
        if has {
            got.bytes = vec![0];
        }
    }
    got
}

/// Erases what is pending, as far as that goes within a time for each.
fn erase(store: &mut Store, model: &mut Model, patience: Duration) {
    if !model.tail.is_empty() {
        // Segments are closed between commits.
        return;
    }
    let eraser = store.eraser();
    let pending = std::mem::take(&mut model.pending);
    for removal in pending {
        eraser.seal_before(removal.before, Duration::ZERO);
        let _ = store.maintain(1);
        if !eraser.seal_before(removal.before, patience) || eraser.erase(&removal, |_| {}).is_err()
        {
            model.pending.push(removal);
        }
    }
    store.reader().leave_out(model.pending.clone());
}

fn play(seed: u64, actions: Vec<Action>, compress: bool) -> Result<(), TestCaseError> {
    let disk = Double::new(seed);
    let options = Options {
        compress,
        ..options(3_000)
    };
    let mut store = open(&disk, &options);
    let mut model = Model::default();
    let mut number = 0u64;
    for action in actions {
        let mut failed = false;
        let mut reopen = false;
        match action {
            Action::Append {
                producer: n,
                count,
                len,
            } => {
                number += 1;
                let producer = producer(n);
                let from = store.position_of(&producer).unwrap_or(0);
                let bytes = body(&[trace(number % 5)], &vec![number as u8; len]);
                let batch = distlog_store::Append {
                    producer,
                    from,
                    to: from + 7,
                    count,
                    received: number,
                    ordered: true,
                    bytes: &bytes,
                };
                let got = |first| Got {
                    producer,
                    from,
                    to: from + 7,
                    first,
                    count,
                    received: number,
                    bytes: bytes.clone(),
                };
                match store.append(&batch) {
                    Ok(AppendOutcome::Taken { first }) => model.tail.push(got(first)),
                    Ok(other) => panic!("{other:?}"),
                    Err(_) => failed = true,
                }
            }
            Action::Commit => match store.commit() {
                Ok(_) => model.acked.append(&mut model.tail),
                Err(_) => failed = true,
            },
            Action::Maintain => drop(store.maintain(number)),
            Action::Erase { of } => {
                let removal = removal(of, store.reader().end());
                model.removals.push((trace(of), removal.before));
                model.pending.push(removal);
                store.reader().leave_out(model.pending.clone());
                // A disk that fails lets nothing be sealed.
                erase(&mut store, &mut model, Duration::from_millis(50));
                failed = disk.is_off();
            }
            Action::Fail { steps, fault } => disk.fail_in(steps, fault),
            Action::PowerOff { steps } => disk.fail_in(steps, Fault::Power),
            // The process dies; the machine and its page cache stay.
            Action::Kill => {
                drop(store);
                disk.heal();
                if disk.is_off() {
                    disk.restart();
                }
                store = open(&disk, &options);
                reopen = true;
            }
            Action::Close => {
                if store.close().is_ok() {
                    model.acked.append(&mut model.tail);
                }
                disk.power_off();
                disk.restart();
                store = open(&disk, &options);
                reopen = true;
            }
        }
        if failed {
            if disk.is_off() {
                drop(store);
                disk.restart();
                store = open(&disk, &options);
                reopen = true;
            } else {
                // What went into a completed segment before the failure stays, the rest is forgotten.
                model.check(&store)?;
            }
        }
        if reopen {
            store.reader().leave_out(model.pending.clone());
            model.check(&store)?;
        }
    }
    disk.power_off();
    drop(store);
    disk.restart();
    let mut store = open(&disk, &options);
    store.reader().leave_out(model.pending.clone());
    model.check(&store)?;
    prop_assert_eq!(store.stats().damaged, 0);
    erase(&mut store, &mut model, Duration::from_secs(30));
    prop_assert!(model.pending.is_empty());
    model.check(&store)?;
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_acked_is_there_once(seed: u64, actions in actions(), compress: bool) {
        play(seed, actions, compress)?;
    }
}

/// A store with three committed frames and then one more; gives its only segment file and where the last frame begins.
fn with_tail(dir: &Path) -> (PathBuf, usize, usize, Vec<Got>) {
    let mut store = Store::open(dir, options(16 << 10)).unwrap();
    let mut all = Vec::new();
    for n in 0..3 {
        all.push(append(
            &mut store,
            producer(0),
            2,
            &body(&[trace(n)], b"some text"),
        ));
        store.commit().unwrap();
    }
    let file = only_log(dir);
    let used = |file: &Path| {
        let bytes = fs::read(file).unwrap();
        bytes.iter().rposition(|b| *b != 0).unwrap() + 1
    };
    let start = used(&file).next_multiple_of(8);
    all.push(append(
        &mut store,
        producer(0),
        3,
        &body(&[trace(9)], &[0x55; 100]),
    ));
    store.commit().unwrap();
    let end = used(&file);
    drop(store);
    (file, start, end, all)
}

fn only_log(dir: &Path) -> PathBuf {
    let mut logs: Vec<_> = fs::read_dir(dir.join("segments"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "log"))
        .collect();
    assert_eq!(logs.len(), 1);
    logs.remove(0)
}

#[test]
fn a_tail_frame_cut_or_changed_at_every_byte() {
    let dir = tempfile::tempdir().unwrap();
    let (file, start, end, all) = with_tail(dir.path());
    let good = fs::read(&file).unwrap();
    // A process that dies leaves no checkpoint after the one of the beginning.
    let checkpoint = fs::read(dir.path().join("checkpoint")).unwrap();
    let name = file.file_name().unwrap().to_owned();
    for at in start..end {
        for way in 0..3 {
            let dir = tempfile::tempdir().unwrap();
            let segments = dir.path().join("segments");
            fs::create_dir_all(&segments).unwrap();
            let mut bad = good.clone();
            match way {
                0 => bad.truncate(at),
                1 => bad[at] ^= 0x40,
                _ => bad[at..].fill(0),
            }
            let changed = bad.get(..end) != Some(&good[..end]);
            fs::write(segments.join(&name), &bad).unwrap();
            fs::write(dir.path().join("checkpoint"), &checkpoint).unwrap();
            let mut store = Store::open(dir.path(), options(16 << 10)).unwrap();
            let kept = if changed { 3 } else { 4 };
            assert_eq!(
                read_all(&store.reader()),
                all[..kept],
                "byte {at}, way {way}"
            );
            assert_eq!(store.position_of(&producer(0)), Some(all[kept - 1].to));
            // And it goes on.
            let mut all = all[..kept].to_vec();
            all.push(append(&mut store, producer(0), 1, b"\0new"));
            store.commit().unwrap();
            drop(store);
            let store = Store::open(dir.path(), options(16 << 10)).unwrap();
            assert_eq!(read_all(&store.reader()), all);
            assert_eq!(store.stats().truncated_bytes, 0);
        }
    }
}

#[test]
fn damage_before_the_checkpoint_is_stepped_over() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), options(1 << 20)).unwrap();
    let mut all = Vec::new();
    for n in 0..20 {
        all.push(append(
            &mut store,
            producer(0),
            2,
            &body(&[trace(n)], &[n as u8 + 1; 200]),
        ));
        store.commit().unwrap();
    }
    store.close().unwrap();
    let file = only_log(dir.path());
    let mut bytes = fs::read(&file).unwrap();
    let frame = (bytes.iter().rposition(|b| *b != 0).unwrap() + 8 - 64) / 20;
    // The head of one frame and the body of another.
    bytes[64 + frame * 5 + 9] ^= 1;
    bytes[64 + frame * 11 + 120] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let store = Store::open(dir.path(), options(1 << 20)).unwrap();
    let (found, progress) = read_from(&store.reader(), 1, 1 << 16);
    all.remove(11);
    all.remove(5);
    assert_eq!(found, all);
    assert_eq!(progress.damaged, 4);
    assert!(store.stats().damaged >= 2);
    assert_eq!(read_trace(&store.reader(), trace(6)).len(), 1);
}

#[test]
fn damage_in_sealed_segments_costs_only_what_it_hit() {
    for compress in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            compress,
            ..options(1 << 20)
        };
        let mut store = Store::open(dir.path(), options.clone()).unwrap();
        let mut all = Vec::new();
        let mut random = fastrand::Rng::with_seed(1);
        for n in 0..60u64 {
            let noise: Vec<u8> = (0..30_000).map(|_| random.u8(..16)).collect();
            all.push(append(
                &mut store,
                producer(0),
                1,
                &body(&[trace(n)], &noise),
            ));
            store.commit().unwrap();
        }
        wait_sealed(&store);
        store.close().unwrap();
        let sealed = fs::read_dir(dir.path().join("segments"))
            .unwrap()
            .map(|e| e.unwrap().path())
            .find(|p| p.extension().is_some_and(|e| e == "seal"))
            .unwrap();
        let good = fs::read(&sealed).unwrap();
        // The heads of the file and of the first block, a block's bytes, the table, the filter, the index, the footer.
        let places = [20, 70, 5_000, good.len() / 2];
        let tail = (1..8_000).step_by(61).map(|back| good.len() - back);
        for at in places.into_iter().chain(tail) {
            let mut bad = good.clone();
            bad[at] ^= 0x20;
            fs::write(&sealed, &bad).unwrap();
            let store = Store::open(dir.path(), options.clone()).unwrap();
            let (found, progress) = read_from(&store.reader(), 1, 1 << 20);
            assert_eq!(
                found.len() as u64 + progress.skipped(),
                all.len() as u64,
                "byte {at}"
            );
            assert!(progress.skipped() <= 18, "byte {at} costs {progress:?}");
            assert!(found.iter().all(|g| all.contains(g)));
            for got in &found {
                let hits = read_trace(&store.reader(), trace(got.first - 1));
                assert_eq!(hits, std::slice::from_ref(got), "byte {at}");
            }
            assert_eq!(store.position_of(&producer(0)), Some(600));
        }
    }
}

#[test]
fn a_full_disk_is_said_and_work_resumes() {
    let disk = Double::new(1);
    let options = Options {
        reserve: 10_000,
        ..options(3_000)
    };
    disk.set_free(Some(1_000_000));
    let mut store = open(&disk, &options);
    let mut all = vec![append(&mut store, producer(0), 1, &body(&[], &[1; 500]))];
    store.commit().unwrap();
    disk.set_free(Some(9_999));
    let batch = distlog_store::Append {
        producer: producer(0),
        from: 10,
        to: 20,
        count: 1,
        received: 0,
        ordered: true,
        bytes: &[0; 2_600],
    };
    // Free space is asked for at the latest after a megabyte, or when a segment is begun.
    let mut refused = false;
    for _ in 0..500 {
        let from = store.position_of(&producer(0)).unwrap();
        let batch = distlog_store::Append {
            from,
            to: from + 10,
            ..batch
        };
        let result = store
            .append(&batch)
            .and_then(|_| store.commit().map(|_| ()));
        if let Err(e) = result {
            assert!(matches!(e, StoreError::NoSpace { .. }), "{e}");
            assert!(e.to_string().contains("9999"), "{e}");
            refused = true;
            break;
        }
        all = read_all(&store.reader());
    }
    assert!(refused);
    assert!(matches!(
        store.append(&distlog_store::Append {
            from: all.last().unwrap().to,
            to: 99_999,
            ..batch
        }),
        Err(StoreError::NoSpace { .. })
    ));
    assert_eq!(read_all(&store.reader()), all);
    assert_eq!(
        store.position_of(&producer(0)),
        Some(all.last().unwrap().to)
    );
    disk.set_free(Some(1_000_000));
    all.push(append(&mut store, producer(0), 1, &body(&[], &[3; 500])));
    store.commit().unwrap();
    assert_eq!(read_all(&store.reader()), all);
    assert!(store.stats().no_space > 0);
}

#[test]
fn every_step_of_a_small_story_may_fail() {
    for fault in [Fault::Io, Fault::NoSpace, Fault::Power] {
        for step in 1..60 {
            let actions = std::iter::once(match fault {
                Fault::Power => Action::PowerOff { steps: step },
                fault => Action::Fail { steps: step, fault },
            })
            .chain((0..12).flat_map(|n| {
                let append = Action::Append {
                    producer: n % 2,
                    count: 2,
                    len: 700,
                };
                [append.clone(), append, Action::Commit]
            }))
            .collect();
            play(step, actions, true).unwrap();
        }
    }
}

/// Not a test: the process that the next test kills.
#[test]
#[ignore = "run by a_killed_process_loses_nothing"]
fn child_that_appends() {
    let Some(dir) = std::env::var_os("STORE_CRASH_DIR") else {
        return;
    };
    let mut store = Store::open(dir, options(64 << 10)).unwrap();
    for n in 0u64.. {
        let bytes = body(&[trace(n)], &vec![n as u8; (n % 3_000) as usize]);
        append(&mut store, producer(0), 3, &bytes);
        if n % 3 == 0 {
            let end = store.commit().unwrap();
            println!("acked {end} {}", store.position_of(&producer(0)).unwrap());
        }
    }
}

#[test]
fn a_killed_process_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (mut acked_end, mut acked_to) = (1, 0);
    for round in 0..12u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_appends", "--ignored", "--nocapture"])
            .env("STORE_CRASH_DIR", dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let wanted = 20 + round * 37;
        let mut acks = 0;
        for line in lines.map_while(Result::ok) {
            let Some(rest) = line.split("acked ").nth(1) else {
                continue;
            };
            let mut words = rest.split(' ').map_while(|w| w.parse::<u64>().ok());
            let (Some(end), Some(to)) = (words.next(), words.next()) else {
                continue;
            };
            (acked_end, acked_to) = (end, to);
            acks += 1;
            if acks == wanted {
                // SIGKILL; what it had printed by then is read to the end.
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(
            acks >= wanted,
            "the child ended by itself after {acks} acks"
        );

        let store = Store::open(dir.path(), options(64 << 10)).unwrap();
        assert!(store.reader().end() >= acked_end);
        assert!(store.position_of(&producer(0)).unwrap() >= acked_to);
        let (mut from, mut number) = (0, 1);
        let mut cursor = store.reader().cursor(1);
        let mut out = Batches::new();
        loop {
            assert_eq!(cursor.next_batches(&mut out, 1 << 20).unwrap().skipped(), 0);
            if out.is_empty() {
                break;
            }
            for (batch, _) in out.iter() {
                assert_eq!((batch.from, batch.first), (from, number));
                from = batch.to;
                number = batch.end();
            }
        }
        assert_eq!(Some(from), store.position_of(&producer(0)));
        assert_eq!(number, store.reader().end());
    }
}

/// Of a stream each message is stored once, whatever was cut off: its records and its place are there, or neither.
#[test]
fn what_is_read_again_from_a_stream_after_a_crash_is_stored_once() {
    let stream = producer(9);
    // Several come into a frame, and several frames into a commit.
    let payload = vec![7; 100 << 10];
    let message = |n: u64| distlog_store::Append {
        producer: producer((n % 3) as u8),
        // Records of a producer come in any order, as they were in several partitions.
        from: 1000 - n,
        to: 1001 - n,
        count: 1,
        received: n,
        ordered: false,
        bytes: &payload,
    };
    // Places have gaps: messages of other partitions.
    let place = |n: u64| distlog_store::Upstream {
        stream,
        from: n * 5,
        to: n * 5 + 5,
    };
    for step in 1..60 {
        let disk = Double::new(step);
        let options = options(1 << 20);
        let mut store = open(&disk, &options);
        disk.fail_in(step, Fault::Power);
        let mut durable = 0;
        for n in 0..24 {
            if store
                .append_from(&message(n), Some(place(n)), None)
                .is_err()
            {
                break;
            }
            if n % 8 == 7 {
                if store.commit().is_err() {
                    break;
                }
                durable = n + 1;
            }
        }
        drop(store);
        disk.restart();
        let mut store = open(&disk, &options);
        let position = store.position_of(&stream).unwrap_or(0);
        let stored = read_all(&store.reader()).len() as u64;
        assert_eq!(position, stored * 5, "step {step}");
        assert!(stored >= durable, "step {step}: {stored} of {durable}");
        for n in 0..24 {
            let outcome = store
                .append_from(&message(n), Some(place(n)), None)
                .unwrap();
            let is_known = matches!(outcome, AppendOutcome::Replay { .. });
            assert_eq!(is_known, n < stored, "step {step}: {outcome:?}");
        }
        let outcome = store
            .append_from(&message(30), Some(place(30)), None)
            .unwrap();
        assert_eq!(outcome, AppendOutcome::Gap { position: 120 });
        store.commit().unwrap();
        assert_eq!(read_all(&store.reader()).len(), 24);
    }
}
