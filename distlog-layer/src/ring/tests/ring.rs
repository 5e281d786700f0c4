//! The ring in a process that lives, in memory and in a file: against a model, and under threads.

use std::collections::BTreeMap;
use std::sync::Arc;

use distlog_spool::SpoolDir;
use proptest::prelude::*;
use tempfile::TempDir;

use super::super::*;
use super::story::spooled;

/// One in memory and one in a file.
pub(super) fn kinds(capacity: u64) -> [(Arc<Ring>, Reader, Option<TempDir>); 2] {
    let (ring, reader) = Ring::anonymous(capacity as usize).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (in_file, its_reader) = spooled(&SpoolDir::open(folder.path()).unwrap(), capacity);
    assert!(!ring.is_spooled() && in_file.is_spooled());
    [(ring, reader, None), (in_file, its_reader, Some(folder))]
}

pub(super) fn read(reader: &mut Reader) -> Option<(u64, u32, Vec<u8>)> {
    reader.next(|entry| Some((entry.offset, entry.tag, entry.bytes.to_vec())))
}

#[test]
fn what_goes_in_comes_out_in_order() {
    for (ring, mut reader, _folder) in kinds(4096) {
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
}

#[test]
fn a_refused_record_stays() {
    for (ring, mut reader, _folder) in kinds(4096) {
        ring.push(1, b"stay").unwrap();
        assert_eq!(reader.next(|_| None::<()>), None);
        assert!(reader.is_ready());
        assert_eq!(read(&mut reader), Some((0, 1, b"stay".to_vec())));
        assert!(!reader.is_ready());
    }
}

#[test]
fn records_longer_than_an_eighth_are_refused() {
    for (ring, _reader, _folder) in kinds(4096) {
        assert_eq!(ring.max_record(), 512);
        assert!(ring.push(0, &[1; 512]).is_ok());
        assert_eq!(ring.push(0, &[1; 513]), Err(Refused::TooLong));
    }
}

#[test]
fn full_is_full_until_something_is_freed() {
    for (ring, mut reader, _folder) in kinds(4096) {
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
}

#[test]
fn nothing_is_taken_after_the_end() {
    for (ring, mut reader, _folder) in kinds(4096) {
        ring.push(1, b"last").unwrap();
        assert_eq!(ring.close(), 32);
        assert_eq!(ring.push(1, b""), Err(Refused::Full));
        assert_eq!(ring.push(1, &[0; 513]), Err(Refused::TooLong));
        assert_eq!((ring.close(), ring.head(), ring.used()), (32, 32, 32));
        assert!(read(&mut reader).is_some());
        reader.free();
        assert_eq!((ring.tail(), ring.used()), (32, 0));
        assert_eq!(ring.push(1, b""), Err(Refused::Full));
    }
}

#[test]
fn a_reader_goes_back_and_frees_where_an_entry_begins_and_nowhere_else() {
    for (ring, mut reader, _folder) in kinds(4096) {
        for tag in 0..4 {
            ring.push(tag, &[1; 20]).unwrap();
        }
        for tag in 0..3 {
            assert_eq!(read(&mut reader).unwrap().1, tag);
        }
        assert_eq!(reader.position(), 144);
        for wrong in [16, 40, 160, 193, 200, 4096, u64::MAX - 15] {
            assert!(!reader.seek(wrong) && !reader.free_to(wrong), "{wrong}");
        }
        assert_eq!((reader.position(), ring.tail()), (144, 0));
        assert!(reader.seek(48));
        assert_eq!(read(&mut reader).unwrap().1, 1);
        assert!(reader.free_to(48));
        assert_eq!((reader.position(), ring.tail()), (96, 48));
        assert!(!reader.seek(0), "it is given up");
        assert!(!reader.free_to(0), "what is freed stays so");
        assert!(reader.seek(48), "not yet");
        // What another daemon had already, beyond where the reader went back to.
        assert!(reader.free_to(144));
        assert_eq!((reader.position(), ring.tail()), (144, 144));
        assert_eq!(read(&mut reader).unwrap().1, 3);
        // Up to what is reserved, but not over what is not committed.
        let reserved = ring.reserve(None, 0, 0, 0).unwrap();
        assert!(reader.seek(192) && !reader.seek(208) && !reader.free_to(208));
        ring.fill(reserved.offset(), 5, b"", 0);
        ring.commit(reserved.offset());
        assert!(reader.seek(208) && reader.free_to(208));
        assert_eq!(ring.used(), 0);
    }
}

#[test]
fn drops_are_counted_and_told_of() {
    for (ring, _reader, _folder) in kinds(4096) {
        assert_eq!((ring.dropped(), ring.reported()), ([0; 5], [0; 5]));
        ring.count_dropped(4, 100);
        ring.count_dropped(0, 90);
        ring.count_dropped(4, 110);
        ring.count_dropped(5, 999); // No such level.
        assert_eq!(ring.dropped(), [1, 0, 0, 0, 2]);
        assert_eq!(ring.lost_times().0, 100);
        ring.set_reported([1, 0, 0, 0, 2]);
        assert_eq!(ring.reported(), ring.dropped());
        ring.count_dropped(2, 2000);
        assert_eq!(ring.lost_times(), (2000, 2000));
        assert_eq!((ring.next_epoch(), ring.next_epoch()), (1, 2));
        assert!(ring.check_spool().is_none());
        assert_eq!(ring.lost_bytes(), 0);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Push(usize),
    Read,
    Free,
    /// To a part of the way from what is freed to what is taken.
    FreeTo(f64),
    Seek(f64),
}

/// Whether, in the model, an entry begins at `to`.
fn is_boundary(
    entries: &BTreeMap<u64, (u32, Vec<u8>, u64)>,
    tail: u64,
    head: u64,
    to: u64,
) -> bool {
    let ends = || entries.values().any(|entry| entry.2 == to);
    (tail..=head).contains(&to) && (to == tail || entries.contains_key(&to) || ends())
}

proptest! {
    #[test]
    fn behaves_like_its_model(
        steps in proptest::collection::vec(
            prop_oneof![
                8 => (0usize..600).prop_map(Step::Push),
                6 => Just(Step::Read),
                1 => Just(Step::Free),
                1 => (0.0..1.1f64).prop_map(Step::FreeTo),
                1 => (0.0..1.1f64).prop_map(Step::Seek),
            ],
            1..400,
        )
    ) {
        for (ring, mut reader, _folder) in kinds(4096) {
            let (mut head, mut position, mut tail, mut count) = (0u64, 0u64, 0u64, 0u32);
            // Tag, record and end by offset. Padding is an entry, too, with its own tag.
            let mut entries = BTreeMap::new();
            for step in &steps {
                let part = |of: f64| (tail + ((head - tail) as f64 * of) as u64) / 16 * 16;
                match *step {
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
                            if padding > 0 {
                                entries.insert(head, (u32::MAX, Vec::new(), offset));
                            }
                            head = offset + need;
                            entries.insert(offset, (count, record.clone(), head));
                            Ok(Pushed { offset, used: head - tail })
                        };
                        prop_assert_eq!(ring.push(count, &record), expected);
                    }
                    Step::Read => {
                        while let Some((u32::MAX, _, end)) = entries.get(&position) {
                            position = *end;
                        }
                        let expected = entries
                            .get(&position)
                            .map(|(tag, record, end)| ((position, *tag, record.clone()), *end));
                        prop_assert_eq!(read(&mut reader), expected.clone().map(|(entry, _)| entry));
                        position = expected.map_or(position, |(_, end)| end);
                    }
                    Step::Free => {
                        reader.free();
                        tail = position;
                    }
                    Step::FreeTo(of) => {
                        let to = part(of);
                        let expected = is_boundary(&entries, tail, head, to);
                        prop_assert_eq!(reader.free_to(to), expected, "free to {}", to);
                        if expected {
                            (tail, position) = (to, position.max(to));
                        }
                    }
                    Step::Seek(of) => {
                        let to = part(of);
                        let expected = is_boundary(&entries, tail, head, to);
                        prop_assert_eq!(reader.seek(to), expected, "go to {}", to);
                        if expected {
                            position = to;
                        }
                    }
                }
                entries.retain(|_, (_, _, end)| *end > tail);
                prop_assert_eq!(ring.used(), head - tail);
                prop_assert_eq!((ring.head(), ring.tail()), (head, tail));
                prop_assert_eq!(reader.position(), position);
            }
        }
    }
}

#[test]
fn threads_lose_and_mix_nothing() {
    const THREADS: u32 = 4;
    const EACH: u32 = 20_000;
    // In the larger ones threads have leases of some size.
    for (ring, mut reader, _folder) in kinds(1 << 14).into_iter().chain(kinds(1 << 18)) {
        let writers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let ring = Arc::clone(&ring);
                std::thread::spawn(move || {
                    for i in 0..EACH {
                        let mut record = vec![thread as u8; 4 + (i % 300) as usize];
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
                assert!(ring.check_spool().is_none());
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
        assert_eq!(read(&mut reader), None);
        reader.free();
        assert_eq!(ring.used(), 0);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_mark_is_not_crossed_at_home() {
    let mark = ForkMark::new();
    assert!(!mark.is_crossed());
}
