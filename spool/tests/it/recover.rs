//! What a dead process left is read back: all that was committed, nothing else, in any cut.

use crate::fixtures::{Image, callsite, dead, only, producer, record, records, source};
use distlog_proto::{BatchRef, Severity};
use proptest::prelude::*;

#[test]
fn an_empty_spool_has_nothing_and_can_be_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = Image::new(4096).leave(dir.path());
    let spool = only(dir.path());
    assert_eq!(spool.path(), path);
    assert_eq!(spool.producer(), producer());
    assert_eq!((spool.service(), spool.process_id()), ("shop", 4711));
    assert_eq!(spool.source(), source());
    assert_eq!((spool.epoch(), spool.acked(), spool.end()), (0, 0, 0));
    assert_eq!(spool.dropped(), [0; 5]);
    assert_eq!(spool.batches(0).count(), 0);
    spool.remove().unwrap();
    assert!(!path.exists());
    assert!(dead(dir.path()).is_empty());
}

#[test]
fn epochs_and_acknowledgements_outlive_the_drainer() {
    let dir = tempfile::tempdir().unwrap();
    let mut image = Image::new(4096);
    let offsets: Vec<_> = (0..5)
        .map(|n| image.push(0, &record(0, &format!("{n}")), true).unwrap())
        .collect();
    image.leave(dir.path());

    let mut spool = only(dir.path());
    assert_eq!(spool.next_epoch().unwrap(), 1);
    assert_eq!(spool.next_epoch().unwrap(), 2);
    assert!(dead(dir.path()).is_empty(), "it is claimed");
    spool.set_acked(offsets[2]).unwrap();
    spool.set_acked(offsets[1]).unwrap();
    assert_eq!(spool.acked(), offsets[2]);
    drop(spool);

    let mut spool = only(dir.path());
    assert_eq!(spool.epoch(), 2);
    assert_eq!(spool.next_epoch().unwrap(), 3);
    assert_eq!(spool.acked(), offsets[2]);
    let left: Vec<_> = spool.batches(offsets[2]).collect();
    let left = records(&left, offsets[2], image.head);
    assert_eq!(
        left.iter().map(|r| r.2.as_str()).collect::<Vec<_>>(),
        ["2", "3", "4"]
    );
    spool.set_acked(u64::MAX).unwrap();
    assert_eq!(spool.acked(), image.head);
    drop(spool);
    let spool = only(dir.path());
    assert_eq!((spool.acked(), spool.end()), (image.head, image.head));
}

#[test]
fn a_record_arrives_though_its_callsite_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let mut image = Image::new(4096);
    image.keep_callsite(2);
    // The third callsite was being appended.
    let mut torn = image.clone();
    torn.keep_callsite(3);
    image.push(2, &record(2, "known"), true).unwrap();
    let with_field = {
        let mut bytes = record(3, "unknown");
        let key = distlog_proto::wire::encode::Key::Index(31);
        let value = distlog_proto::wire::encode::Scalar::I64(7);
        distlog_proto::wire::encode::scalar(&mut bytes, 13, key, value);
        bytes
    };
    image.push(3, &with_field, true).unwrap();
    let path = image.leave(dir.path());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend(&torn.bytes()[bytes.len()..torn.bytes().len() - 8]);
    std::fs::write(&path, bytes).unwrap();

    let spool = only(dir.path());
    let batch = spool.batches(0).next().unwrap();
    let batch = BatchRef::parse(&batch.bytes).unwrap();
    let read: Vec<_> = batch.records().map(Result::unwrap).collect();
    assert_eq!((read[0].message, read[0].callsite.line), ("known", 2));
    assert_eq!(
        (read[1].message, read[1].callsite.target),
        ("unknown", "unknown")
    );
    let fields: Vec<_> = read[1].fields.iter().map(|(name, _)| name).collect();
    assert_eq!(fields, ["field_32"]);
}

#[test]
fn long_spools_are_cut_into_batches_of_64_kib() {
    let dir = tempfile::tempdir().unwrap();
    let mut image = Image::new(1 << 20);
    let mut expected = Vec::new();
    image.keep_callsite(5);
    while let Some(offset) = image.push(5, &record(5, &"x".repeat(3000)), true) {
        expected.push(offset);
    }
    image.leave(dir.path());
    let spool = only(dir.path());
    let batches: Vec<_> = spool.batches(0).collect();
    assert!(batches.iter().all(|b| b.bytes.len() <= 65 * 1024));
    assert!(batches.len() < 20);
    let read = records(&batches, 0, spool.end());
    assert_eq!(read.iter().map(|r| r.0).collect::<Vec<_>>(), expected);
    assert!(read.iter().all(|r| r.1 == 5));
    // One after the other, as a drainer asks that acknowledges in between, comes the same.
    let mut at = 0;
    for batch in batches {
        let next = spool.batches(at).next().unwrap();
        assert_eq!(next, batch);
        at = next.to;
    }
    assert_eq!(spool.batches(at).next(), None);
}

#[test]
fn a_loss_that_nobody_told_of_is_the_last_record() {
    let dir = tempfile::tempdir().unwrap();
    let mut image = Image::new(4096);
    let offset = image.push(0, &record(0, "before"), true).unwrap();
    for (at, count) in [(384, 2), (392, 3), (424, 1111), (432, 2222), (512, 1)] {
        image.set(at, count);
    }
    image.leave(dir.path());
    for _ in 0..2 {
        // However often it is claimed, it is the same record.
        let spool = only(dir.path());
        assert_eq!(spool.dropped(), [2, 3, 0, 0, 0]);
        let batches: Vec<_> = spool.batches(0).collect();
        let read = records(&batches, 0, spool.end());
        assert_eq!(
            read,
            [
                (offset, 0, "before".to_owned()),
                (image.head, 0, "lost 4 records".to_owned())
            ]
        );
        assert!(spool.end() > image.head && spool.end().is_multiple_of(16));
        let batch = BatchRef::parse(&batches[0].bytes).unwrap();
        let loss = batch.records().last().unwrap().unwrap();
        assert_eq!((loss.time, loss.severity), (2222, Severity::WARN));
        assert_eq!(loss.callsite.target, "distlog_layer");
        let fields = loss.fields.to_map();
        for (name, value) in [
            ("lost.total", 4),
            ("lost.error", 1),
            ("lost.warn", 3),
            ("lost.info", 0),
            ("lost.sum", 5),
            ("lost.from", 1111),
            ("lost.to", 2222),
        ] {
            assert_eq!(fields.get(name), Some(&value.into()), "{name}");
        }
        // It can be asked for alone, and from behind it there is nothing.
        let alone: Vec<_> = spool.batches(image.head).collect();
        assert_eq!(records(&alone, image.head, spool.end()).len(), 1);
        assert_eq!(spool.batches(spool.end()).count(), 0);
    }
    // Acknowledged up to the loss, it still comes; acknowledged itself, it does not come again.
    let mut spool = only(dir.path());
    let end = spool.end();
    spool.set_acked(image.head).unwrap();
    drop(spool);
    let mut spool = only(dir.path());
    assert_eq!((spool.acked(), spool.end()), (image.head, end));
    assert_eq!(spool.batches(image.head).next().unwrap().count, 1);
    spool.set_acked(end).unwrap();
    drop(spool);
    let spool = only(dir.path());
    assert_eq!((spool.acked(), spool.end()), (end, end));
    assert_eq!(spool.dropped(), [2, 3, 0, 0, 0]);
    assert_eq!(spool.batches(end).count(), 0);
}

/// Killed between the push of a loss record and the note that it was made.
#[test]
fn a_loss_record_in_the_ring_is_not_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut image = Image::new(4096);
    let loss = |dropped, reported| {
        let loss = distlog_spool::Loss {
            dropped,
            reported,
            first: 5,
            last: 6,
        };
        let mut record = Vec::new();
        loss.put(&mut record, 7);
        record
    };
    // The first one was noted, the second was not; then two more were dropped.
    let first = [0, 4, 0, 0, 0];
    let second = [1, 4, 0, 0, 9];
    image.push(1, &loss(first, [0; 5]), true).unwrap();
    image.push(1, &loss(second, first), true).unwrap();
    let behind = image.head;
    image.push(0, &record(0, "after"), true).unwrap();
    for (level, (dropped, reported)) in [1, 6, 0, 0, 9].into_iter().zip(first).enumerate() {
        image.set(384 + 8 * level, dropped);
        image.set(512 + 8 * level, reported);
    }
    image.leave(dir.path());

    let messages = |from| {
        let spool = only(dir.path());
        let batches: Vec<_> = spool.batches(from).collect();
        let read = records(&batches, from, spool.end());
        read.into_iter().map(|r| r.2).collect::<Vec<_>>()
    };
    let all = [
        "lost 4 records",
        "lost 10 records",
        "after",
        "lost 2 records",
    ];
    assert_eq!(messages(0), all);
    // The next drainer does not see the two that are acknowledged, and still knows of them.
    only(dir.path()).set_acked(behind).unwrap();
    assert_eq!(messages(behind), all[2..]);
}

/// What a thread does, and what comes of it.
#[derive(Debug, Clone)]
enum Step {
    Push {
        length: usize,
        tag: u32,
        is_committed: bool,
    },
    /// Acknowledges so many entries more.
    Ack(usize),
}

/// Offset, end, and the record if it was committed.
type Reserved = (u64, u64, Option<(u32, String)>);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let push = (0usize..500, 2u32..6, prop::bool::weighted(0.85)).prop_map(
        |(length, tag, is_committed)| Step::Push {
            length,
            tag,
            is_committed,
        },
    );
    let ack = (1usize..12).prop_map(Step::Ack);
    prop::collection::vec(prop_oneof![4 => push, 1 => ack], 0..200)
}

proptest! {
    #[test]
    fn a_file_is_read_as_its_model_says(steps in steps(), from in any::<prop::sample::Index>()) {
        let dir = tempfile::tempdir().unwrap();
        let mut image = Image::new(4096);
        (2..5).for_each(|tag| image.keep_callsite(tag)); // 5 is missing
        let mut waiting: Vec<Reserved> = Vec::new();
        for (n, step) in steps.into_iter().enumerate() {
            match step {
                Step::Push { length, tag, is_committed } => {
                    let message = format!("{n} {}", "x".repeat(length));
                    if let Some(offset) = image.push(tag, &record(tag, &message), is_committed) {
                        waiting.push((offset, image.head, is_committed.then_some((tag, message))));
                    }
                }
                // The reader stops at what is not committed.
                Step::Ack(count) => {
                    let ready = waiting.iter().take_while(|entry| entry.2.is_some()).count();
                    if let Some(last) = waiting.drain(..count.min(ready)).next_back() {
                        image.ack(last.1);
                    }
                }
            }
        }
        image.leave(dir.path());
        let spool = only(dir.path());
        prop_assert_eq!(spool.acked(), image.tail);
        let committed: Vec<_> = waiting
            .iter()
            .filter_map(|(offset, _, record)| {
                let (tag, message) = record.clone()?;
                Some((*offset, if tag == 5 { 0 } else { tag }, message))
            })
            .collect();
        // The end is that of the last entry; padding is one, even if nothing was committed behind it.
        let last = waiting.iter().rposition(|entry| entry.2.is_some());
        let last_end = last.map_or(image.tail, |at| waiting[at].1);
        prop_assert!(spool.end() >= last_end && spool.end() <= image.head);
        prop_assert!(spool.end() == last_end || spool.end().is_multiple_of(4096));

        let from = image.tail + from.index((spool.end() - image.tail) as usize + 1) as u64;
        for from in [image.tail, from] {
            let batches: Vec<_> = spool.batches(from).collect();
            let expected: Vec<_> = committed.iter().filter(|r| r.0 >= from).cloned().collect();
            prop_assert_eq!(records(&batches, from, spool.end()), expected);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 0..12),
        length in prop::option::weighted(0.3, any::<prop::sample::Index>()),
        more in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut image = Image::new(4096);
        image.keep_callsite(2);
        for n in 0..60 {
            let offset = image.push(2, &record(2, &"y".repeat(n * 3)), n % 7 != 0);
            if offset.is_none() {
                image.ack(image.head);
            }
        }
        image.set(392, 3);
        let path = image.leave(dir.path());
        let mut bytes = image.bytes();
        for (at, byte, place) in changes {
            // In the used part of the header, in the ring, or in the table.
            let range = [0..560, 4096..8192, 8192..bytes.len()][place as usize].clone();
            bytes[range.start + at.index(range.len())] = byte;
        }
        if let Some(length) = length {
            bytes.truncate(length.index(bytes.len()));
        }
        bytes.extend(more);
        std::fs::write(&path, &bytes).unwrap();
        for result in dead(dir.path()) {
            let Ok(mut spool) = result else { continue };
            let mut at = spool.acked();
            for batch in spool.batches(at) {
                prop_assert_eq!(batch.from, at);
                at = batch.to;
                if let Ok(batch) = BatchRef::parse(&batch.bytes) {
                    batch.records().for_each(drop);
                }
            }
            prop_assert_eq!(at, spool.end());
            spool.set_acked(at).unwrap();
            let _ = spool.next_epoch();
        }
        prop_assert!(path.exists());
    }
}

/// `callsite` of the helper and the crate's own table agree on what a callsite is.
#[test]
fn callsites_are_put_into_each_batch_as_they_stand() {
    let dir = tempfile::tempdir().unwrap();
    let mut image = Image::new(4096);
    image.keep_callsite(9);
    image.push(9, &record(9, "m"), true).unwrap();
    image.leave(dir.path());
    let batch = only(dir.path()).batches(0).next().unwrap().bytes;
    assert!(batch.starts_with(&[source(), callsite(9)].concat()));
}
