//! The ring against a model, under threads, and (with `--cfg loom`) under every order of memory accesses.

#[cfg(not(loom))]
mod ring {
    use std::collections::VecDeque;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::*;

    fn read(reader: &mut Reader) -> Option<(u64, u32, Vec<u8>)> {
        reader.next(|entry| Some((entry.offset, entry.tag, entry.bytes.to_vec())))
    }

    #[test]
    fn what_goes_in_comes_out_in_order() {
        let (ring, mut reader) = Ring::anonymous(4096).unwrap();
        assert_eq!(read(&mut reader), None);
        let first = ring.push(7, b"one").unwrap();
        let second = ring.push(8, b"").unwrap();
        assert_eq!((first.offset, first.used), (0, 32));
        assert_eq!((second.offset, second.used), (32, 48));
        assert_eq!(read(&mut reader), Some((0, 7, b"one".to_vec())));
        assert_eq!(read(&mut reader), Some((32, 8, Vec::new())));
        assert_eq!(read(&mut reader), None);
        assert_eq!(ring.used(), 48, "read is not freed");
        reader.free();
        assert_eq!(ring.used(), 0);
    }

    #[test]
    fn a_refused_record_stays() {
        let (ring, mut reader) = Ring::anonymous(4096).unwrap();
        ring.push(1, b"stay").unwrap();
        assert_eq!(reader.next(|_| None::<()>), None);
        assert!(reader.is_ready());
        assert_eq!(read(&mut reader), Some((0, 1, b"stay".to_vec())));
        assert!(!reader.is_ready());
    }

    #[test]
    fn records_longer_than_an_eighth_are_refused() {
        let (ring, _reader) = Ring::anonymous(4096).unwrap();
        assert_eq!(ring.max_record(), 512);
        assert!(ring.push(0, &[1; 512]).is_ok());
        assert_eq!(ring.push(0, &[1; 513]), Err(Refused::TooLong));
    }

    #[test]
    fn full_is_full_until_something_is_freed() {
        let (ring, mut reader) = Ring::anonymous(4096).unwrap();
        let mut pushed = 0;
        while ring.push(0, &[9; 100]).is_ok() {
            pushed += 1;
        }
        assert_eq!(pushed, 4096 / 128);
        assert_eq!(ring.push(0, &[9; 100]), Err(Refused::Full));
        assert!(read(&mut reader).is_some());
        assert_eq!(ring.push(0, &[9; 100]), Err(Refused::Full));
        reader.free();
        assert!(ring.push(0, &[9; 100]).is_ok());
    }

    #[derive(Debug, Clone)]
    enum Step {
        Push(usize),
        Read,
        Free,
    }

    proptest! {
        #[test]
        fn behaves_like_its_model(
            steps in proptest::collection::vec(
                prop_oneof![
                    4 => (0usize..600).prop_map(Step::Push),
                    3 => Just(Step::Read),
                    1 => Just(Step::Free),
                ],
                1..400,
            )
        ) {
            let (ring, mut reader) = Ring::anonymous(4096).unwrap();
            let (mut head, mut position, mut tail, mut count) = (0u64, 0u64, 0u64, 0u32);
            let mut waiting = VecDeque::new();
            for step in steps {
                match step {
                    Step::Push(length) => {
                        count += 1;
                        let record = vec![count as u8; length];
                        let need = 16 + length.div_ceil(16) as u64 * 16;
                        let room = 4096 - head % 4096;
                        let padding = if room < need { room } else { 0 };
                        let expected = if length > 512 {
                            Err(Refused::TooLong)
                        } else if head + padding + need - tail > 4096 {
                            Err(Refused::Full)
                        } else {
                            let offset = head + padding;
                            head = offset + need;
                            waiting.push_back((offset, count, record.clone(), head));
                            Ok(Pushed { offset, used: head - tail })
                        };
                        prop_assert_eq!(ring.push(count, &record), expected);
                    }
                    Step::Read => match waiting.pop_front() {
                        Some((offset, tag, record, end)) => {
                            prop_assert_eq!(read(&mut reader), Some((offset, tag, record)));
                            position = end;
                        }
                        None => prop_assert_eq!(read(&mut reader), None),
                    },
                    Step::Free => {
                        reader.free();
                        tail = position;
                    }
                }
                prop_assert_eq!(ring.used(), head - tail);
            }
        }
    }

    #[test]
    fn threads_lose_and_mix_nothing() {
        const THREADS: u32 = 4;
        const EACH: u32 = 20_000;
        let (ring, mut reader) = Ring::anonymous(1 << 14).unwrap();
        let writers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let ring = Arc::clone(&ring);
                std::thread::spawn(move || {
                    for i in 0..EACH {
                        let record = vec![thread as u8; 4 + (i % 300) as usize];
                        let mut record = record;
                        record[..4].copy_from_slice(&i.to_le_bytes());
                        while ring.push(thread, &record) == Err(Refused::Full) {
                            std::thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        let mut next = [0u32; THREADS as usize];
        let mut last = None;
        while next.iter().sum::<u32>() < THREADS * EACH {
            let Some((offset, thread, record)) = read(&mut reader) else {
                reader.free();
                std::thread::yield_now();
                continue;
            };
            assert!(last < Some(offset), "offsets rise");
            last = Some(offset);
            let i = u32::from_le_bytes(record[..4].try_into().unwrap());
            assert_eq!(
                i, next[thread as usize],
                "records of one thread stay in order"
            );
            assert_eq!(record.len(), 4 + (i % 300) as usize);
            assert!(
                record[4..].iter().all(|&b| b == thread as u8),
                "a record is whole"
            );
            next[thread as usize] += 1;
        }
        for writer in writers {
            writer.join().unwrap();
        }
        reader.free();
        assert_eq!(ring.used(), 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_mark_is_not_crossed_at_home() {
        let mark = ForkMark::new();
        assert!(!mark.is_crossed());
    }
}

#[cfg(loom)]
mod loom_ring {
    use loom::thread;

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
}
