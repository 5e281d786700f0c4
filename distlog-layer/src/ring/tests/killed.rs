//! A process is killed at every step of writing and freeing; its file holds, byte for byte, what it must.

use std::sync::atomic::Ordering;

use distlog_proto::{BatchRef, ProducerId};
use distlog_spool::SpoolDir;
use proptest::prelude::*;

use super::super::*;
use super::child::{Ended, fork, kill, wait, witness};
use super::story::Step::*;
use super::story::{CAPACITY, Step, killed, killed_everywhere, source, spooled, the_dead};

#[test]
fn in_the_middle() {
    let then = [Push(200), Push(0), Push(50), Free, Push(5)];
    // Five points per record, one more for a process that frees.
    assert_eq!(killed_everywhere(&[Push(100), Push(37)], &then), 4 * 5 + 2);
    assert_eq!(killed_everywhere(&[], &then), 4 * 5 + 2);
}

/// Until the head stands 48 bytes before the end of the memory; all but the last record is freed.
fn near_the_end() -> Vec<Step> {
    let mut steps = vec![Push(496); 7];
    steps.extend([Free, Push(448)]);
    steps
}

#[test]
fn at_the_end_of_the_memory() {
    let then = [Push(100), Push(10), Free, Push(20)];
    // Padding has a length word, half, nothing and all of no bytes, and a commit word.
    let points = 4 + 3 * 5 + 2;
    assert_eq!(killed_everywhere(&near_the_end(), &then), points);
    // A record that fits to the byte.
    assert_eq!(
        killed_everywhere(&near_the_end(), &[Push(32), Push(1), Push(512)]),
        3 * 5
    );
}

#[test]
fn laps_later() {
    let mut before = near_the_end();
    before.extend([Push(512), Push(512), Free].repeat(9));
    before.extend([Push(300), Push(3), Push(77)]);
    killed_everywhere(&before, &[Push(500), Free, Push(400), Push(512), Free]);
}

#[test]
fn in_a_full_ring() {
    let before = [Push(496); 8];
    let then = [Push(10), Free, Push(10), Push(496)];
    assert_eq!(killed_everywhere(&before, &then), 2 + 2 * 5);
}

#[test]
fn behind_what_another_thread_did_not_finish() {
    killed_everywhere(&[Push(9), Reserve(300)], &[Push(10), Free, Push(512)]);
    killed_everywhere(&[Push(9), Fill(300), Free], &[Push(10), Fill(1), Push(20)]);
    for unfinished in [Reserve(100), Fill(100)] {
        let mut before = near_the_end();
        before.push(unfinished);
        killed_everywhere(&before, &[Push(10), Free, Push(20), Reserve(0), Push(30)]);
    }
    // Nothing but unfinished ones.
    killed_everywhere(&[Reserve(10), Fill(20)], &[Free]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 150 } else { 1000 }))]
    #[test]
    fn at_any_step_of_any_story(
        steps in proptest::collection::vec(
            prop_oneof![
                8 => (0usize..513).prop_map(Push),
                3 => Just(Free),
                1 => (0usize..513).prop_map(Reserve),
                1 => (0usize..513).prop_map(Fill),
            ],
            1..60,
        ),
        split in 0.0..1.0f64,
        kill in 1u32..100,
    ) {
        let (before, then) = steps.split_at((steps.len() as f64 * split) as usize);
        killed(before, then, kill);
    }
}

#[test]
fn counters_and_epochs_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let dir = SpoolDir::open(folder.path()).unwrap();
    let (ring, reader) = spooled(&dir, CAPACITY);
    ring.push(0, b"").unwrap();
    let child = fork(|| {
        assert_eq!((ring.next_epoch(), ring.next_epoch()), (1, 2));
        for level in [0, 2, 2, 4, 4, 4] {
            ring.count_dropped(level, 1000 + level as u64);
        }
        assert_eq!(ring.lost_times(), (1000, 1004));
        ring.set_reported([1, 0, 1, 0, 0]);
        assert_eq!(ring.lost_times(), (1004, 1004));
        ring.count_dropped(3, 2000);
        ring.count_dropped(1, 1999);
        kill(std::process::id() as libc::pid_t);
    });
    assert_eq!(wait(child), Ended::By(libc::SIGKILL));
    assert_eq!(ring.dropped(), [0; 5], "the child's are not ours");
    drop((ring, reader));
    let dead = the_dead(&dir);
    assert_eq!(dead.epoch(), 2);
    assert_eq!(dead.dropped(), [1, 1, 2, 1, 3]);
    let batch = dead.batches(0).last().unwrap();
    let batch = BatchRef::parse(&batch.bytes).unwrap();
    let loss = batch.records().last().unwrap().unwrap().to_record();
    let field = |name: &str| loss.fields.get(name).cloned().unwrap();
    assert_eq!(field("lost.total"), 6u64.into());
    assert_eq!(field("lost.from"), 2000u64.into());
    assert_eq!(field("lost.to"), 2000u64.into());
}

/// Threads log, one frees, until the process is killed from outside. What a thread logged is there from some number on,
/// at most the first that was not freed, to some number, at least the last whose call returned.
#[test]
fn threads_at_any_moment() {
    const THREADS: usize = 3;
    let rounds = if cfg!(debug_assertions) { 40 } else { 200 };
    for round in 0..rounds {
        let folder = tempfile::tempdir().unwrap();
        let dir = SpoolDir::open(folder.path()).unwrap();
        let (ring, mut reader) = spooled(&dir, 1 << 13);
        // Per thread: the number entered, the number returned; the number freed at most.
        let words = witness(THREADS * 3);
        let (entered, rest) = words.split_at(THREADS);
        let (returned, freed) = rest.split_at(THREADS);
        let child = fork(|| {
            let mut next: [u64; THREADS] = [0; THREADS];
            std::thread::scope(|scope| {
                for thread in 0..THREADS {
                    let ring = &ring;
                    scope.spawn(move || {
                        for number in 1u64.. {
                            let mut record = [thread as u8; 300];
                            record[..8].copy_from_slice(&number.to_le_bytes());
                            let length = 8 + (number as usize * 7 + thread) % 290;
                            entered[thread].store(number, Ordering::SeqCst);
                            while ring.push(thread as u32, &record[..length]).is_err() {
                                std::thread::yield_now();
                            }
                            returned[thread].store(number, Ordering::SeqCst);
                        }
                    });
                }
                loop {
                    let mut some = 0;
                    while some < 9
                        && reader
                            .next(|entry| {
                                let number = entry.bytes.first_chunk().copied();
                                next[entry.tag as usize] = u64::from_le_bytes(number?);
                                Some(())
                            })
                            .is_some()
                    {
                        some += 1;
                    }
                    for (freed, next) in freed.iter().zip(next) {
                        freed.store(next, Ordering::SeqCst);
                    }
                    reader.free();
                    if some == 0 {
                        std::thread::yield_now();
                    }
                }
            });
        });
        let enough = 100 + round * 17;
        let sum = || -> u64 {
            returned
                .iter()
                .map(|count| count.load(Ordering::SeqCst))
                .sum()
        };
        while sum() < enough {
            std::thread::yield_now();
        }
        kill(child);
        assert_eq!(wait(child), Ended::By(libc::SIGKILL));
        drop((ring, reader));

        let dead = the_dead(&dir);
        let mut found = vec![Vec::new(); THREADS];
        for entry in super::file::entries(dead.path()) {
            let number = u64::from_le_bytes(*entry.bytes.first_chunk().unwrap());
            let thread = entry.tag as usize;
            let length = 8 + (number as usize * 7 + thread) % 290;
            assert_eq!(entry.bytes.len(), length);
            assert!(entry.bytes[8..].iter().all(|&byte| byte == thread as u8));
            found[thread].push(number);
        }
        let count: u64 = dead.batches(dead.acked()).map(|batch| batch.count).sum();
        assert_eq!(count, found.iter().map(Vec::len).sum::<usize>() as u64);
        for (thread, found) in found.iter().enumerate() {
            let [entered, returned, freed] =
                [entered, returned, freed].map(|words| words[thread].load(Ordering::SeqCst));
            assert!(
                found.windows(2).all(|pair| pair[1] == pair[0] + 1),
                "none is missing in between: {found:?}"
            );
            match (found.first(), found.last()) {
                (Some(&first), Some(&last)) => {
                    assert!(first <= freed + 1, "{first} is found, {freed} were freed");
                    assert!((returned..=entered).contains(&last));
                }
                _ => assert!(returned <= freed, "{returned} of {thread} are not found"),
            }
        }
    }
}

#[test]
fn a_child_that_drops_the_ring_leaves_its_parents_file_alone() {
    let folder = tempfile::tempdir().unwrap();
    let dir = SpoolDir::open(folder.path()).unwrap();
    let producer = ProducerId::random();
    let (ring, reader) = Ring::spooled(&dir, producer, 4096, &source(producer), true).unwrap();
    ring.push(0, b"the parent's").unwrap();
    let path = folder.path().join(format!("{}.spool", hex(producer)));
    let before = super::file::content(&path);
    let mut both = Some((ring, reader));
    let child = fork(|| {
        let (ring, reader) = both.take().unwrap();
        ring.remove_spool().unwrap();
        drop((ring, reader));
    });
    assert_eq!(wait(child), Ended::With(0));
    assert!(super::file::content(&path) == before);
    let (ring, mut reader) = both.unwrap();
    assert!(ring.check_spool().is_none());
    // Nobody else gets it.
    let child = fork(|| assert_eq!(dir.dead().unwrap().count(), 0));
    assert_eq!(wait(child), Ended::With(0));
    assert!(
        reader
            .next(|entry| (entry.bytes == b"the parent's").then_some(()))
            .is_some()
    );
    reader.free();
    ring.remove_spool().unwrap();
    assert!(!path.exists());
    ring.push(0, b"goes on").unwrap();
    assert!(ring.check_spool().is_none());
}

fn hex(producer: ProducerId) -> String {
    producer
        .to_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
