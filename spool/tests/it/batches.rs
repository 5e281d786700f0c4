//! Spools of batches: byte for byte, read back in any cut, and what becomes of them.

use std::path::Path;

use distlog_proto::wire::BatchWriter;
use distlog_proto::{BatchRef, ProducerId, Record};
use distlog_spool::{BatchSpool, Frame, SpoolDir, SpoolError};
use proptest::prelude::*;

use crate::files::{dump, names};
use crate::fixtures::{crc32c, dead, name, only, producer, source};

/// Bytes in front of the frames.
const HEADER: usize = 512;

fn create(directory: &Path) -> BatchSpool {
    let dir = SpoolDir::open(directory).unwrap();
    dir.create_batches(producer()).unwrap()
}

/// A batch of a producer: one record for each offset, with a text of a length.
fn batch_of(producer: ProducerId, from: u64, to: u64, length: usize) -> Vec<u8> {
    let mut writer = BatchWriter::new();
    for offset in from..to {
        let mut record = Record {
            offset,
            message: "x".repeat(length),
            ..Record::default()
        };
        record.source.producer = producer;
        record.source.service = "shop".into();
        record.source.process_id = 4711;
        writer.push(&record);
    }
    writer.finish()
}

fn batch(from: u64, to: u64) -> Vec<u8> {
    batch_of(producer(), from, to, 5)
}

fn append(spool: &BatchSpool, from: u64, to: u64) {
    let bytes = batch(from, to);
    let bytes = &bytes[..];
    spool.append([Frame { from, to, bytes }]).unwrap();
}

/// What the file says, made from the description alone.
fn frame(from: u64, to: u64, bytes: &[u8]) -> Vec<u8> {
    let checked = [&from.to_ne_bytes(), &to.to_ne_bytes(), bytes].concat();
    let mut out = (bytes.len() as u32).to_ne_bytes().to_vec();
    out.extend(crc32c(&checked).to_ne_bytes());
    out.extend(checked);
    out.resize(out.len().next_multiple_of(8), 0);
    out
}

fn header(epoch: u64, acked: u64, dropped: [u64; 5]) -> Vec<u8> {
    let mut out = vec![0; HEADER];
    let mut set = |at: usize, word: u64| out[at..at + 8].copy_from_slice(&word.to_ne_bytes());
    set(0, u64::from_be_bytes(*b"DISTLOGB"));
    set(8, 1);
    set(128, epoch);
    set(256, acked);
    (384..)
        .step_by(8)
        .zip(dropped)
        .for_each(|(at, n)| set(at, n));
    out[32..48].copy_from_slice(&producer().to_bytes());
    out
}

/// The offsets of what is left.
fn left(directory: &Path) -> Vec<(u64, u64)> {
    let spool = only(directory);
    let batches = spool.batches(spool.acked());
    batches.map(|batch| (batch.from, batch.to)).collect()
}

#[cfg(target_endian = "little")]
#[test]
fn a_file_of_batches_is_this() {
    let dir = tempfile::tempdir().unwrap();
    let spool = create(dir.path());
    assert_eq!(names(dir.path()), [name("batches")]);
    spool.set_source(b"who").unwrap();
    let first = Frame {
        from: 0,
        to: 3,
        bytes: b"a batch",
    };
    let second = Frame {
        from: 5,
        to: 6,
        bytes: b"another one",
    };
    spool.append([first, second]).unwrap();
    assert_eq!(spool.next_epoch().unwrap(), 1);
    spool.set_dropped(&[1, 2, 3, 4, 5]).unwrap();
    spool.set_acked(3).unwrap();
    let path = spool.path().to_owned();
    let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(
        dump(&std::fs::read(path).unwrap()),
        [
            "0000: 42474f4c545349440100000000000000",
            "0020: 013031323334353637383961626364ff",
            "0080: 01000000000000000000000000000000",
            "0100: 03000000000000000000000000000000",
            "0180: 01000000000000000200000000000000",
            "0190: 03000000000000000400000000000000",
            "01a0: 05000000000000000000000000000000",
            "0200: 030000008b44bdb50000000000000000",
            "0210: 000000000000000077686f0000000000",
            "0220: 070000007e05af2f0000000000000000",
            "0230: 03000000000000006120626174636800",
            "0240: 0b000000f234d7b00500000000000000",
            "0250: 0600000000000000616e6f7468657220",
            "0260: 6f6e650000000000",
        ]
    );
}

/// The crate writes what the description says, as the second writer of these tests understood it.
#[test]
fn a_file_of_batches_is_as_described() {
    let dir = tempfile::tempdir().unwrap();
    let spool = create(dir.path());
    let read = || std::fs::read(spool.path()).unwrap();
    assert_eq!(read(), header(0, 0, [0; 5]));
    spool.set_source(&source()).unwrap();
    append(&spool, 0, 2);
    append(&spool, 7, 8);
    let about = frame(0, 0, &source());
    let frames = [frame(0, 2, &batch(0, 2)), frame(7, 8, &batch(7, 8))].concat();
    assert_eq!(
        read(),
        [header(0, 0, [0; 5]), about.clone(), frames.clone()].concat()
    );
    assert_eq!(spool.next_epoch().unwrap(), 1);
    assert_eq!(spool.next_epoch().unwrap(), 2);
    spool.set_dropped(&[5, 4, 3, 2, 1]).unwrap();
    spool.set_dropped(&[4, 4, 3, 2, 1]).unwrap();
    spool.set_acked(2).unwrap();
    let front = header(2, 2, [5, 4, 3, 2, 1]);
    assert_eq!(read(), [front, about.clone(), frames].concat());
    // With the last of them all go.
    spool.set_acked(8).unwrap();
    assert_eq!(read(), [header(2, 8, [5, 4, 3, 2, 1]), about].concat());
}

#[test]
fn what_is_not_acknowledged_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let spool = create(dir.path());
    spool.set_source(&source()).unwrap();
    append(&spool, 0, 3);
    append(&spool, 3, 4);
    append(&spool, 10, 12);
    spool.set_acked(3).unwrap();
    spool.set_dropped(&[0, 0, 9, 0, 0]).unwrap();
    spool.next_epoch().unwrap();
    assert!(dead(dir.path()).is_empty(), "its process lives");
    drop(spool);

    let mut spool = only(dir.path());
    assert_eq!(spool.producer(), producer());
    assert_eq!((spool.service(), spool.process_id()), ("shop", 4711));
    assert_eq!(
        BatchRef::parse(spool.source()).unwrap().source().service,
        "shop"
    );
    assert_eq!((spool.epoch(), spool.acked(), spool.end()), (1, 3, 12));
    assert_eq!((spool.dropped(), spool.lost_bytes()), ([0, 0, 9, 0, 0], 0));
    let batches: Vec<_> = spool.batches(3).collect();
    let offsets: Vec<_> = batches.iter().map(|left| (left.from, left.to)).collect();
    assert_eq!(offsets, [(3, 4), (4, 12)], "without gaps");
    assert_eq!(batches[1].bytes, batch(10, 12));
    assert_eq!(batches[1].count, 2);
    assert_eq!(spool.batches(4).count(), 1);
    let boundaries = (0..14).filter(|offset| !spool.is_boundary(*offset));
    assert_eq!(boundaries.collect::<Vec<_>>(), [11]);

    assert_eq!(spool.next_epoch().unwrap(), 2);
    spool.set_acked(4).unwrap();
    drop(spool);
    assert_eq!(only(dir.path()).epoch(), 2);
    assert_eq!(left(dir.path()), [(4, 12)]);
    let mut spool = only(dir.path());
    spool.set_acked(u64::MAX).unwrap();
    assert_eq!((spool.acked(), spool.batches(12).count()), (12, 0));
    spool.remove().unwrap();
    assert!(names(dir.path()).is_empty());
}

/// One that was killed while there was nothing to send: its name is known all the same.
#[test]
fn an_empty_file_says_whose_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let spool = create(dir.path());
    append(&spool, 0, 1);
    spool.set_source(&source()).unwrap();
    spool.set_acked(1).unwrap();
    drop(spool);
    let spool = only(dir.path());
    assert_eq!((spool.service(), spool.process_id()), ("shop", 4711));
    assert_eq!((spool.acked(), spool.end()), (1, 1));
    assert_eq!(spool.batches(1).count(), 0);
    drop(spool);

    std::fs::remove_file(dir.path().join(name("batches"))).unwrap();
    drop(create(dir.path()));
    let spool = only(dir.path());
    let about = BatchRef::parse(spool.source()).unwrap();
    let source = about.source();
    assert_eq!((source.producer, source.service), (producer(), ""));
}

/// A process that is never without unacknowledged batches does not fill the disk.
#[test]
fn the_file_is_written_anew_when_most_of_it_is_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let spool = create(dir.path());
    spool.set_source(&source()).unwrap();
    let large = |offset| batch_of(producer(), offset, offset + 1, 100_000);
    let mut longest = 0;
    for offset in 0..100 {
        let bytes = &large(offset)[..];
        let (from, to) = (offset, offset + 1);
        spool.append([Frame { from, to, bytes }]).unwrap();
        spool.set_acked(offset.saturating_sub(2)).unwrap();
        longest = longest.max(spool.path().metadata().unwrap().len());
        assert!(dead(dir.path()).is_empty(), "its process lives");
        assert_eq!(names(dir.path()), [name("batches")]);
    }
    assert!((1 << 20..2 << 20).contains(&longest), "{longest}");
    assert_eq!(spool.next_epoch().unwrap(), 1);
    drop(spool);
    let spool = only(dir.path());
    assert_eq!(
        (spool.acked(), spool.end(), spool.service()),
        (97, 100, "shop")
    );
    let batches: Vec<_> = spool.batches(97).map(|left| left.bytes).collect();
    assert_eq!(batches, [97, 98, 99].map(large));
}

#[test]
fn a_file_that_somebody_took_away_or_cut_off_takes_nothing_more() {
    let dir = tempfile::tempdir().unwrap();
    let spool = create(dir.path());
    append(&spool, 0, 1);
    let bytes = &batch(1, 2)[..];
    let next = || {
        spool.append([Frame {
            from: 1,
            to: 2,
            bytes,
        }])
    };
    let file = std::fs::OpenOptions::new().write(true).open(spool.path());
    let file = std::mem::ManuallyDrop::new(file.unwrap());
    file.set_len(520).unwrap();
    assert!(matches!(
        next(),
        Err(SpoolError::Truncated { length: 520, .. })
    ));
    // It is whole again when nothing is left that must be in it.
    spool.set_acked(1).unwrap();
    next().unwrap();
    std::fs::rename(spool.path(), dir.path().join("aside")).unwrap();
    assert!(matches!(next(), Err(SpoolError::Removed { .. })));
    assert!(!spool.remove().unwrap(), "not all is acknowledged");
    spool.set_acked(2).unwrap();
    assert!(spool.remove().unwrap());
    assert_eq!(names(dir.path()), ["aside"]);
}

#[test]
fn what_is_no_file_of_batches_is_told_and_left_alone() {
    type Right = fn(&SpoolError) -> bool;
    let not_a_spool: Right = |error| matches!(error, SpoolError::NotASpool { .. });
    let old: Right = |error| {
        matches!(
            error,
            SpoolError::OldFormat {
                found: 7,
                known: 1,
                ..
            }
        )
    };
    let truncated: Right = |error| matches!(error, SpoolError::Truncated { expected: 512, .. });
    let damaged: Right = |error| matches!(error, SpoolError::Damaged { .. });
    let good = header(0, 0, [0; 5]);
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let other = batch_of(ProducerId::from_bytes([7; 16]), 0, 1, 5);
    let files: [(Vec<u8>, Right); 8] = [
        (Vec::new(), not_a_spool),
        (with(0, 0), not_a_spool),
        // A ring has another name.
        (crate::fixtures::Image::new(4096).bytes(), not_a_spool),
        (with(8, 7), old),
        (good[..511].to_vec(), truncated),
        // The name of another producer.
        (with(32, 9), damaged),
        ([&good[..], &frame(0, 1, b"\xff\xff")].concat(), damaged),
        ([&good[..], &frame(0, 1, &other)].concat(), damaged),
    ];
    for (bytes, is_right) in files {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(name("batches")), &bytes).unwrap();
        let error = dead(dir.path()).pop().unwrap().unwrap_err();
        assert!(is_right(&error), "{error:?}");
        assert_eq!(
            std::fs::read(dir.path().join(name("batches"))).unwrap(),
            bytes
        );
    }
}

/// Offsets go up, a batch says its length truly, and what a sparse file feigns costs no memory.
#[test]
fn a_bad_frame_ends_the_file_and_says_what_is_lost() {
    let good = [header(0, 0, [0; 5]), frame(3, 5, &batch(3, 5))].concat();
    let bad = [
        frame(4, 6, &batch(4, 6)),
        frame(6, 5, &batch(5, 6)),
        vec![0; 24],
        vec![0xff; 100],
        vec![0xff; 23],
    ];
    for bad in bad {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name("batches"));
        std::fs::write(
            &path,
            [&good[..], &bad, &frame(9, 10, &batch(9, 10))].concat(),
        )
        .unwrap();
        std::fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(1 << 40)
            .unwrap();
        let spool = only(dir.path());
        assert_eq!(spool.lost_bytes(), (1 << 40) - good.len() as u64);
        assert_eq!(
            spool.batches(0).map(|left| left.to).collect::<Vec<_>>(),
            [5]
        );
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// A hole, then batches with so many records each.
    Append(u64, Vec<u64>),
    /// Of the batches that are left, so many.
    Ack(usize),
    Source,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let append = (0..3_u64, prop::collection::vec(1..4_u64, 1..4))
        .prop_map(|(hole, batches)| Step::Append(hole, batches));
    let step =
        prop_oneof![4 => append, 2 => (0..4_usize).prop_map(Step::Ack), 1 => Just(Step::Source)];
    prop::collection::vec(step, 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 200 } else { 2000 }))]

    /// Killed at any byte of what it appends, or damaged at any: what is left is the first of what was appended and
    /// not acknowledged.
    #[test]
    fn what_is_read_is_a_prefix_of_what_was_appended(
        steps in steps(),
        cut in any::<prop::sample::Index>(),
        flip in proptest::option::of((any::<prop::sample::Index>(), 0..8_u32)),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let spool = create(dir.path());
        let (mut next, mut acked, mut model) = (0, 0, Vec::<(u64, u64)>::new());
        for step in steps {
            match step {
                Step::Append(hole, counts) => {
                    next += hole;
                    let mut new = Vec::new();
                    for count in counts {
                        new.push((next, next + count, batch(next, next + count)));
                        next += count;
                    }
                    model.extend(new.iter().map(|(from, to, _)| (*from, *to)));
                    let frames = new.iter().map(|(from, to, bytes)| Frame { from: *from, to: *to, bytes });
                    spool.append(frames).unwrap();
                }
                Step::Ack(count) => {
                    let mut gone = model.drain(..count.min(model.len()));
                    acked = gone.next_back().map_or(acked, |(_, to)| to);
                    spool.set_acked(acked).unwrap();
                }
                Step::Source => spool.set_source(&source()).unwrap(),
            }
        }
        let path = spool.path().to_owned();
        drop(spool);
        let mut bytes = std::fs::read(&path).unwrap();
        let whole = bytes.len();
        let cut = HEADER + cut.index(whole - HEADER + 1);
        bytes.truncate(cut);
        let flipped = flip.filter(|_| cut > HEADER).map(|(at, bit)| {
            let at = HEADER + at.index(cut - HEADER);
            bytes[at] ^= 1 << bit;
        });
        std::fs::write(&path, &bytes).unwrap();

        let spool = only(dir.path());
        prop_assert_eq!(spool.acked(), acked);
        let read: Vec<_> = spool.batches(acked).collect();
        prop_assert!(read.len() <= model.len());
        let mut at = acked;
        for (read, (from, to)) in read.iter().zip(&model) {
            prop_assert_eq!((read.from, read.to), (at, *to));
            prop_assert_eq!(&read.bytes, &batch(*from, *to));
            at = *to;
        }
        prop_assert_eq!(spool.end(), at);
        if cut == whole && flipped.is_none() {
            prop_assert_eq!((read.len(), spool.lost_bytes()), (model.len(), 0));
        }
        prop_assert!(spool.lost_bytes() <= (cut - HEADER) as u64);
    }
}
