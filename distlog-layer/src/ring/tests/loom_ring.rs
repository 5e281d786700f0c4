//! The ring under every order of memory accesses, and what recovery finds then.

use std::sync::Arc;

use loom::sync::atomic::Ordering;
use loom::thread;

use super::super::entry::{ENTRY_HEADER, PADDING, entry_len};
use super::super::loom_map::Map;
use super::super::slot::Owner;
use super::super::*;

fn explore(preemptions: usize, story: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model.check(story);
}

/// Reads until `count` records came, freeing after each.
fn read(reader: &mut Reader, count: usize) -> Vec<(u32, Vec<u8>)> {
    let mut got = Vec::new();
    while got.len() < count {
        match reader.next(|entry| Some((entry.tag, entry.bytes.to_vec()))) {
            Some(record) => {
                reader.free();
                got.push(record);
            }
            None => thread::yield_now(),
        }
    }
    got
}

fn push(ring: &Ring, tag: u32, record: &[u8]) {
    while ring.push(tag, record).is_err() {
        thread::yield_now();
    }
}

#[test]
fn two_producers_and_the_consumer() {
    explore(3, || {
        let (ring, mut reader) = Ring::anonymous(128).unwrap();
        let writers: Vec<_> = [1u32, 2]
            .into_iter()
            .map(|tag| {
                let ring = Arc::clone(&ring);
                thread::spawn(move || push(&ring, tag, &[tag as u8; 16]))
            })
            .collect();
        let mut got = read(&mut reader, 2);
        got.sort();
        assert_eq!(got, [(1, vec![1; 16]), (2, vec![2; 16])]);
        for writer in writers {
            writer.join().unwrap();
        }
    });
}

#[test]
fn a_lap_overwrites_only_what_was_freed() {
    explore(3, || {
        // Four units, a record takes two: the third one must wait for the first to be freed.
        let (ring, mut reader) = Ring::anonymous(64).unwrap();
        let writer = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || {
                for tag in 1..=4u32 {
                    push(&ring, tag, &[tag as u8; 8]);
                }
            })
        };
        let got = read(&mut reader, 4);
        assert_eq!(
            got,
            (1..=4)
                .map(|tag| (tag, vec![tag as u8; 8]))
                .collect::<Vec<_>>()
        );
        writer.join().unwrap();
    });
}

#[test]
fn two_producers_across_the_end() {
    explore(2, || {
        // Eight units: after one record of two units, records of three reach the end in different ways.
        let (ring, mut reader) = Ring::anonymous(256).unwrap();
        push(&ring, 9, &[9; 32]);
        push(&ring, 9, &[9; 32]);
        push(&ring, 9, &[9; 32]);
        push(&ring, 9, &[9; 32]);
        assert_eq!(read(&mut reader, 4).len(), 4);
        let writers: Vec<_> = [1u32, 2]
            .into_iter()
            .map(|tag| {
                let ring = Arc::clone(&ring);
                thread::spawn(move || push(&ring, tag, &[tag as u8; 32]))
            })
            .collect();
        let mut got = read(&mut reader, 2);
        got.sort();
        assert_eq!(got, [(1, vec![1; 32]), (2, vec![2; 32])]);
        for writer in writers {
            writer.join().unwrap();
        }
    });
}

/// A ring as in a file.
fn spooled(capacity: u64) -> (Arc<Ring>, Reader) {
    let map = Map::with_mirror(capacity as usize).unwrap();
    let ring = Arc::new(Ring::new(map, capacity, 1 << 63 | 0xC0FFEE, None));
    let reader = Reader::new(Arc::clone(&ring));
    (ring, reader)
}

/// What recovery finds in the memory that threads left: offset, tag, record.
fn recovered(ring: &Ring) -> Vec<(u64, u32, Vec<u8>)> {
    let acked = ring.mirror().unwrap().acked.load(Ordering::Relaxed);
    let (mut position, mut found) = (acked, Vec::new());
    while position < acked + ring.capacity() {
        if !ring.is_committed(position) {
            position += ENTRY_HEADER;
            continue;
        }
        let (tag, length) = ring.tag_and_length(position);
        if tag != PADDING {
            found.push((position, tag, ring.read(position, length, <[u8]>::to_vec)));
        }
        position += entry_len(length);
    }
    found
}

/// Where a producer stops for ever.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    Reserved,
    Padded,
    Filled,
}

fn stop(ring: &Ring, at: Stop, tag: u32, record: &[u8]) {
    let Ok(reserved) = ring.reserve(None, 0, 0, record.len()) else {
        return;
    };
    if at != Stop::Reserved {
        ring.pad(reserved);
    }
    if at == Stop::Filled {
        ring.fill(reserved.offset(), tag, record, record.len() as u32);
    }
}

#[test]
fn what_was_pushed_is_recovered_beside_a_producer_that_stopped() {
    for at in [Stop::Reserved, Stop::Filled] {
        explore(3, move || {
            let (ring, _reader) = spooled(256);
            let stopped = {
                let ring = Arc::clone(&ring);
                thread::spawn(move || stop(&ring, at, 9, &[9; 16]))
            };
            let writer = {
                let ring = Arc::clone(&ring);
                thread::spawn(move || {
                    [3u32, 4].map(|tag| (ring.push(tag, &[tag as u8; 8]).unwrap().offset, tag))
                })
            };
            stopped.join().unwrap();
            let pushed = writer.join().unwrap();
            let expected: Vec<_> = pushed
                .iter()
                .map(|&(offset, tag)| (offset, tag, vec![tag as u8; 8]))
                .collect();
            assert_eq!(recovered(&ring), expected);
        });
    }
}

#[test]
fn the_end_of_the_memory_is_recovered_beside_a_producer_that_stopped() {
    for at in [Stop::Reserved, Stop::Padded, Stop::Filled] {
        explore(2, move || {
            // Sixteen units, of which fifteen are freed: whoever comes first does not fit into the last.
            let (ring, mut reader) = spooled(256);
            (0..5).for_each(|_| push(&ring, 7, &[7; 32]));
            assert_eq!(read(&mut reader, 5).len(), 5);
            let stopped = {
                let ring = Arc::clone(&ring);
                thread::spawn(move || stop(&ring, at, 9, &[9; 32]))
            };
            let writer = {
                let ring = Arc::clone(&ring);
                thread::spawn(move || ring.push(3, &[3; 16]).map(|pushed| pushed.offset))
            };
            stopped.join().unwrap();
            let offset = writer.join().unwrap().unwrap();
            assert_eq!(recovered(&ring), [(offset, 3, vec![3; 16])]);
        });
    }
}

#[test]
fn what_is_not_acknowledged_is_recovered_whenever_the_consumer_stops() {
    for frees in [false, true] {
        explore(3, move || {
            // Four units, a record takes two: the third is let in only by the consumer.
            let (ring, mut reader) = spooled(64);
            let first = ring.push(1, &[1; 8]).unwrap().offset;
            let writer = {
                let ring = Arc::clone(&ring);
                thread::spawn(move || [2u32, 3].map(|tag| (tag, ring.push(tag, &[tag as u8; 8]))))
            };
            assert_eq!(read_one(&mut reader), (1, vec![1; 8]));
            match frees {
                true => reader.free(),
                // Killed in between.
                false => ring
                    .mirror()
                    .unwrap()
                    .acked
                    .store(reader.position(), Ordering::Release),
            }
            let pushed = writer.join().unwrap();
            assert_eq!(first, 0);
            let expected: Vec<_> = pushed
                .iter()
                .filter_map(|(tag, pushed)| Some((pushed.ok()?.offset, *tag, vec![*tag as u8; 8])))
                .collect();
            assert!(pushed[0].1.is_ok() && (frees || pushed[1].1.is_err()));
            assert_eq!(recovered(&ring), expected);
        });
    }
}

#[test]
fn nothing_is_overwritten_that_the_file_does_not_give_up() {
    explore(3, || {
        // The consumer is killed somewhere in freeing, the producer anywhere: what a thread sees of the one and the
        // other is what the file of both shows.
        let (ring, mut reader) = spooled(64);
        push(&ring, 1, &[1; 8]);
        push(&ring, 2, &[2; 8]);
        let writer = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || {
                let pushed = ring.push(3, &[3; 8]);
                // If there was room, the file knows why.
                let acked = ring.mirror().unwrap().acked.load(Ordering::Relaxed);
                assert!(pushed.is_err() || acked >= 32);
            })
        };
        assert_eq!(read_one(&mut reader), (1, vec![1; 8]));
        reader.free();
        writer.join().unwrap();
    });
}

#[test]
fn nothing_is_taken_after_the_end() {
    explore(3, || {
        let (ring, mut reader) = spooled(256);
        let writers: Vec<_> = [1u32, 2]
            .into_iter()
            .map(|tag| {
                let ring = Arc::clone(&ring);
                thread::spawn(move || ring.push(tag, &[tag as u8; 8]).map(|pushed| pushed.offset))
            })
            .collect();
        let end = ring.close();
        let offsets: Vec<_> = writers
            .into_iter()
            .filter_map(|writer| writer.join().unwrap().ok())
            .collect();
        assert!(offsets.iter().all(|&offset| offset < end));
        assert_eq!(end, offsets.len() as u64 * 32);
        assert_eq!(read(&mut reader, offsets.len()).len(), offsets.len());
        assert_eq!((reader.position(), ring.head(), ring.used()), (end, end, 0));
        assert_eq!(ring.push(3, b""), Err(Refused::Full));
    });
}

fn read_one(reader: &mut Reader) -> (u32, Vec<u8>) {
    loop {
        match reader.next(|entry| Some((entry.tag, entry.bytes.to_vec()))) {
            Some(record) => return record,
            None => thread::yield_now(),
        }
    }
}

fn owner(slot: usize) -> Owner {
    Owner { slot, thread: 1 }
}

fn push_in(ring: &Ring, slot: usize, after: u64, tag: u32) -> u64 {
    loop {
        match ring.push_by(Some(owner(slot)), after, 0, tag, &[tag as u8; 8]) {
            Ok(pushed) => return pushed.offset,
            Err(_) => thread::yield_now(),
        }
    }
}

/// Pushes these from a thread whose leases have room for two records, and says where they are.
fn leasing(ring: &Arc<Ring>, slot: usize, tags: [u32; 2]) -> thread::JoinHandle<[u64; 2]> {
    ring.set_next_lease(slot, 64);
    let ring = Arc::clone(ring);
    thread::spawn(move || tags.map(|tag| push_in(&ring, slot, 0, tag)))
}

#[test]
fn a_lease_is_used_or_ended() {
    explore(3, || {
        let (ring, mut reader) = spooled(256);
        let writer = leasing(&ring, 0, [1, 2]);
        // The reader may come between the two.
        let got = read(&mut reader, 2);
        assert_eq!(got, [(1, vec![1; 8]), (2, vec![2; 8])]);
        let [first, second] = writer.join().unwrap();
        assert!(first < second);
        // What follows the last record is the reader's in any case.
        assert!(!reader.is_ready());
        reader.free();
        assert_eq!((reader.position(), ring.used()), (ring.head(), 0));
    });
}

#[test]
fn two_threads_with_leases() {
    explore(2, || {
        let (ring, mut reader) = Ring::anonymous(512).unwrap();
        let writers = [leasing(&ring, 0, [1, 2]), leasing(&ring, 1, [3, 4])];
        let got: Vec<_> = read(&mut reader, 4)
            .into_iter()
            .map(|(tag, _)| tag)
            .collect();
        let of = |tags: [u32; 2]| {
            got.iter()
                .copied()
                .filter(|tag| tags.contains(tag))
                .collect::<Vec<_>>()
        };
        assert_eq!((of([1, 2]), of([3, 4])), (vec![1, 2], vec![3, 4]));
        for writer in writers {
            let [first, second] = writer.join().unwrap();
            assert!(first < second);
        }
    });
}

#[test]
fn what_a_thread_left_of_its_lease_is_freed_whoever_has_its_slot_then() {
    explore(3, || {
        let (ring, mut reader) = Ring::anonymous(512).unwrap();
        ring.set_next_lease(0, 64);
        // A thread ends, and its lease is still there.
        push_in(&ring, 0, 0, 1);
        let next = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || {
                // The next one with its slot gets a lease before it looks for one: it meets another thread at `head`.
                let owner = Owner { slot: 0, thread: 9 };
                let reserved = ring.reserve_shared(Some(owner), entry_len(8), 0).unwrap();
                ring.fill(reserved.offset(), 2, &[2; 8], 8);
                ring.commit(reserved.offset());
            })
        };
        let got = read(&mut reader, 2);
        assert_eq!(got, [(1, vec![1; 8]), (2, vec![2; 8])]);
        next.join().unwrap();
        assert!(!reader.is_ready());
        reader.free();
        assert_eq!((reader.position(), ring.used()), (ring.head(), 0));
    });
}

#[test]
fn what_is_to_stand_behind_another_thread_s_record_does() {
    explore(3, || {
        let (ring, mut reader) = Ring::anonymous(512).unwrap();
        ring.set_next_lease(0, 64);
        // A lease from before.
        push_in(&ring, 0, 0, 1);
        let began = ring.push(2, &[2; 8]).unwrap().offset;
        let writer = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || push_in(&ring, 0, began, 3))
        };
        let got: Vec<_> = read(&mut reader, 3)
            .into_iter()
            .map(|(tag, _)| tag)
            .collect();
        assert_eq!(got, [1, 2, 3]);
        assert!(writer.join().unwrap() > began);
    });
}

#[test]
fn who_stands_behind_a_lease_knows_that_there_are_leases() {
    explore(3, || {
        let (ring, _reader) = Ring::anonymous(256).unwrap();
        let other = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || {
                ring.set_next_lease(0, 64);
                push_in(&ring, 0, 0, 1)
            })
        };
        let offset = ring.push(2, &[2; 8]).unwrap().offset;
        let leasing = ring.is_leasing();
        assert!(leasing || offset == 0);
        other.join().unwrap();
    });
}

#[test]
fn nothing_is_taken_from_a_lease_after_the_end() {
    explore(3, || {
        let (ring, mut reader) = spooled(256);
        ring.set_next_lease(0, 64);
        let writer = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || {
                let push = |tag| ring.push_by(Some(owner(0)), 0, 0, tag, &[tag as u8; 8]);
                [1, 2].map(|tag| push(tag).map(|pushed| pushed.offset).ok())
            })
        };
        let end = ring.close();
        let offsets: Vec<_> = writer.join().unwrap().into_iter().flatten().collect();
        assert!(offsets.iter().all(|&offset| offset < end));
        assert_eq!(read(&mut reader, offsets.len()).len(), offsets.len());
        assert!(!reader.is_ready());
        reader.free();
        assert_eq!((reader.position(), ring.used()), (end, 0));
        assert_eq!(
            ring.push_by(Some(owner(0)), 0, 0, 3, b""),
            Err(Refused::Full)
        );
    });
}

#[test]
fn what_was_pushed_is_recovered_beside_leases() {
    explore(3, || {
        let (ring, mut reader) = spooled(512);
        ring.set_next_lease(1, 64);
        // It stops for ever, and has a lease.
        let stopped = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || ring.reserve(Some(owner(1)), 0, 0, 8).is_ok())
        };
        let writer = leasing(&ring, 0, [1, 2]);
        // The reader comes to wherever it can.
        let mut seen = Vec::new();
        while let Some(tag) = reader.next(|entry| Some(entry.tag)) {
            seen.push(tag);
        }
        assert!(stopped.join().unwrap());
        let [first, second] = writer.join().unwrap();
        assert!([1, 2].starts_with(&seen));
        let expected = [(first, 1, vec![1; 8]), (second, 2, vec![2; 8])];
        assert_eq!(recovered(&ring), expected);
    });
}
