//! Leases: what holds in whatever order threads write, and wherever they are killed.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use distlog_spool::SpoolDir;
use proptest::prelude::*;

use super::super::lease::MAX_AGE;
use super::super::points::arm;
use super::super::slot::Owner;
use super::super::*;
use super::child::{Ended, fork, wait, witness};
use super::ring::{kinds, read};
use super::story::{spooled, the_dead};

const CAPACITY: u64 = 1 << 16;

fn owner(slot: usize) -> Owner {
    Owner { slot, thread: 1 }
}

#[derive(Debug, Clone, Copy)]
enum Behind {
    Nothing,
    /// The record that was pushed so far before.
    Earlier(usize),
    All,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Push {
        slot: Option<usize>,
        behind: Behind,
        length: usize,
    },
    /// Another thread was met at `head`.
    Lease {
        slot: usize,
        length: u64,
    },
    Read(usize),
    Free,
    /// So many ns pass.
    Time(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let slot = prop_oneof![1 => Just(None), 6 => (0usize..3).prop_map(Some)];
    let behind = prop_oneof![
        4 => Just(Behind::Nothing),
        2 => (0usize..20).prop_map(Behind::Earlier),
        1 => Just(Behind::All),
    ];
    prop_oneof![
        12 => (slot, behind, 0usize..200)
            .prop_map(|(slot, behind, length)| Step::Push { slot, behind, length }),
        2 => (0usize..3, 0u64..40).prop_map(|(slot, units)| Step::Lease { slot, length: units * 16 }),
        2 => (0usize..20).prop_map(Step::Read),
        1 => Just(Step::Free),
        2 => (0..MAX_AGE * 5 / 4).prop_map(Step::Time),
    ]
}

proptest! {
    #[test]
    fn records_stand_behind_what_they_must_and_all_are_read(
        steps in proptest::collection::vec(step(), 1..600),
    ) {
        for (ring, mut reader, _folder) in kinds(CAPACITY) {
            let mut pushed: Vec<u64> = Vec::new();
            let mut left = BTreeMap::new();
            let mut last = [0u64; 3];
            let mut now = MAX_AGE;
            // The newest offset at the time of each push.
            let mut newest_at: Vec<(u64, u64)> = Vec::new();
            for (number, step) in steps.iter().enumerate() {
                match *step {
                    Step::Push { slot, behind, length } => {
                        let after = match behind {
                            Behind::Nothing => 0,
                            Behind::Earlier(back) => pushed.iter().rev().nth(back).copied().unwrap_or(0),
                            Behind::All => u64::MAX,
                        };
                        let newest = pushed.iter().max().copied();
                        let record = vec![number as u8; length];
                        let need = 16 + length.div_ceil(16) as u64 * 16;
                        let Ok(Pushed { offset, used }) =
                            ring.push_by(slot.map(owner), after, now, number as u32, &record)
                        else {
                            // At the end of the memory twice as much may be needed.
                            prop_assert!(ring.used() + 2 * need > CAPACITY);
                            continue;
                        };
                        prop_assert!(used <= CAPACITY);
                        match behind {
                            Behind::All => prop_assert!(newest.is_none_or(|newest| offset > newest)),
                            _ => prop_assert!(offset > after || after == 0),
                        }
                        if let Some(slot) = slot {
                            prop_assert!(offset > last[slot] || last[slot] == 0);
                            last[slot] = offset;
                        }
                        // It stands behind all that was pushed longer ago than a lease may be old.
                        let old = newest_at.iter().filter(|(time, _)| now - time > MAX_AGE);
                        let old = old.map(|(_, offset)| *offset).max();
                        prop_assert!(old.is_none_or(|old| offset > old));
                        newest_at.push((now, offset));
                        pushed.push(offset);
                        prop_assert!(left.insert(offset, (number as u32, record)).is_none());
                    }
                    Step::Lease { slot, length } => ring.set_next_lease(slot, length),
                    Step::Read(most) => {
                        for _ in 0..most {
                            let expected = left.pop_first();
                            let expected = expected.map(|(at, (tag, record))| (at, tag, record));
                            prop_assert_eq!(read(&mut reader), expected.clone());
                            if expected.is_none() {
                                prop_assert_eq!(reader.position(), ring.head());
                            }
                        }
                    }
                    Step::Free => reader.free(),
                    Step::Time(passed) => now += passed,
                }
                prop_assert!(ring.used() <= CAPACITY);
            }
            let end = ring.close();
            for slot in 0..3 {
                prop_assert_eq!(ring.push_by(Some(owner(slot)), 0, now, 1, b""), Err(Refused::Full));
            }
            for (at, (tag, record)) in left {
                prop_assert_eq!(read(&mut reader), Some((at, tag, record)));
            }
            prop_assert_eq!(read(&mut reader), None);
            reader.free();
            prop_assert_eq!((reader.position(), ring.used()), (end, 0));
        }
    }
}

/// Two threads take turns, each in its leases; one record does not fit into the first, one must stand behind the other
/// thread's. Then the reader comes.
#[test]
fn what_was_pushed_is_found_wherever_the_process_is_killed() {
    let mut kill = 0;
    loop {
        kill += 1;
        let folder = tempfile::tempdir().unwrap();
        let dir = SpoolDir::open(folder.path()).unwrap();
        let (ring, mut reader) = spooled(&dir, CAPACITY);
        let [returned, passed] = witness(2) else {
            unreachable!()
        };
        let child = fork(|| {
            arm(kill, passed);
            let push = |slot: usize, after: u64, length: usize| {
                let number = returned.load(Ordering::Relaxed) as u32;
                let record = vec![number as u8; length];
                let offset = ring
                    .push_by(Some(owner(slot)), after, 0, number, &record)
                    .unwrap()
                    .offset;
                returned.fetch_add(1, Ordering::Relaxed);
                offset
            };
            for slot in [0, 1] {
                ring.set_next_lease(slot, 128);
            }
            push(0, 0, 8);
            let begun = push(1, 0, 8);
            assert!(push(0, 0, 20) < begun, "within the first lease");
            push(0, 0, 100);
            push(1, u64::MAX, 8);
            assert!(push(0, begun, 8) > begun);
            while read(&mut reader).is_some() {}
            assert_eq!(reader.position(), ring.head());
            push(0, 0, 8);
            arm(0, passed);
        });
        let ended = wait(child);
        drop((ring, reader));
        let dead = the_dead(&dir);
        let found: BTreeMap<u32, Vec<u8>> = super::file::entries(dead.path())
            .into_iter()
            .map(|entry| (entry.tag, entry.bytes))
            .collect();
        let returned = returned.load(Ordering::Relaxed) as u32;
        let numbers: Vec<u32> = found.keys().copied().collect();
        assert!(
            numbers.iter().copied().eq(0..numbers.len() as u32),
            "{numbers:?}"
        );
        assert!((returned..=returned + 1).contains(&(numbers.len() as u32)));
        assert!(
            found
                .iter()
                .all(|(number, record)| record.iter().all(|byte| *byte == *number as u8))
        );
        match ended {
            Ended::By(libc::SIGKILL) => {}
            ended => {
                assert_eq!((ended, returned), (Ended::With(0), 7));
                break;
            }
        }
    }
    assert!(kill > 7 * 5, "it was killed {kill} times");
}
