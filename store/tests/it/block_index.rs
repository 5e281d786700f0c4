//! What is known of sealed blocks without reading them agrees with their records.

use std::collections::BTreeMap;
use std::path::Path;

use distlog_proto::wire::{BatchWriter, trace_ids};
use distlog_proto::{
    BatchRef, ErrorInfo, Kind, Outcome, Record, Severity, Task, TaskId, TraceId, Value,
};
use distlog_store::{
    BlockBatch, BlockBuffer, Options, Reader, Selection, Store, any_text, lowercase, words,
};
use distlog_testkit::eventually;

use crate::earlier_version::copy;
use crate::fixtures::{append, producer, read_all, wait_sealed};

fn options() -> Options {
    Options {
        segment_size: 512 << 10,
        reserve: 0,
        index: trace_ids,
        ..Options::default()
    }
}

const SERVICES: [&str; 3] = ["shop", "bank", ""];

fn record(random: &mut fastrand::Rng, n: u64) -> Record {
    let id = random.u32(..);
    let mut record = Record {
        offset: n,
        kind: random
            .choice([Kind::Event, Kind::Begin, Kind::End])
            .unwrap(),
        time: if n.is_multiple_of(50) {
            0
        } else {
            1_700_000_000_000_000_000 + n * 1_000_000
        },
        message: format!(
            "Order {id} of customer-{:04}: Größe {}",
            n % 300,
            random.u16(..)
        ),
        severity: Severity::new(random.u32(0..25)),
        severity_text: if n.is_multiple_of(7) {
            "WARNING".into()
        } else {
            String::new()
        },
        ..Record::default()
    };
    if record.kind == Kind::End {
        record.outcome = random
            .choice([Outcome::Ok, Outcome::Failed, Outcome::Lost])
            .unwrap();
        record.duration = random.u64(..1_000_000);
    }
    record.source.service = SERVICES[(n / 100 % 3) as usize].into();
    record.callsite.template = "order {id} of {customer}".into();
    record.callsite.severity = Severity::new((n % 2 * 9) as u32);
    let list = Value::List(vec![
        Value::I64(-(i64::from(id))),
        Value::from(format!("item{id}")),
        Value::Map(
            [("inner", Value::Text(format!("deep{id}")))]
                .into_iter()
                .collect(),
        ),
    ]);
    record.fields = [
        ("route", Value::from(["/a", "/b"][random.usize(..2)])),
        ("amount", Value::U64(random.u64(..))),
        ("list", list),
    ]
    .into_iter()
    .take(random.usize(..4))
    .collect();
    if n.is_multiple_of(11) {
        record.error = Some(ErrorInfo {
            kind: "Timeout".into(),
            message: format!("after {id} ms"),
            chain: vec!["refused".into()],
            traceback: String::new(),
        });
    }
    let trace = TraceId::from_bytes(random.u128(1..).to_be_bytes()).unwrap();
    let mut task = Task::from(&TaskId::top(trace));
    task.context = [("user", Value::from(format!("u{id:x}")))]
        .into_iter()
        .collect();
    record.task = Some(task);
    record
}

/// Stores records; gives the batches.
fn fill(store: &mut Store, random: &mut fastrand::Rng, count: u64) -> Vec<Vec<u8>> {
    let mut from = 0;
    let mut batches = Vec::new();
    while from < count {
        let mut writer = BatchWriter::new();
        let size = random.u64(1..60).min(count - from);
        let service = SERVICES[random.usize(..3)];
        for n in from..from + size {
            let mut record = record(random, n + 1);
            record.source.service = service.into();
            writer.push(&record);
        }
        let bytes = writer.finish();
        append(store, producer((from % 3) as u8), size as u32, &bytes);
        store.commit().unwrap();
        // Segments that come faster are sealed in rows.
        wait_sealed(store);
        batches.push(bytes);
        from += size;
    }
    batches
}

/// Waits until all sealed segments are in columns.
fn wait_in_columns(store: &Store) {
    wait_sealed(store);
    eventually("columns", || match store.stats().in_rows {
        0 => Ok(()),
        rows => Err(rows),
    });
}

/// How many blocks say something of themselves; all that they say is checked.
fn check(reader: &Reader, knows_words: bool) -> usize {
    let mut buffer = BlockBuffer::default();
    let mut files = BlockBuffer::default();
    let mut known = 0;
    for block in reader.blocks().unwrap() {
        block.read(&Selection::ALL, &mut buffer).unwrap();
        let Some(summary) = block.summary() else {
            continue;
        };
        known += 1;
        let mut counts: BTreeMap<(String, u32), u32> = BTreeMap::new();
        let (mut begins, mut longest, mut failed) = (0, 0, 0);
        let (mut first, mut last) = (u64::MAX, 0);
        for BlockBatch { head, bytes, .. } in buffer.batches() {
            let batch = BatchRef::parse(bytes).unwrap();
            for record in batch.records() {
                let record = record.unwrap();
                let time = record.time_or(head.received);
                (first, last) = (first.min(time), last.max(time));
                let severity = u32::from(record.severity.number());
                *counts
                    .entry((record.source.service.into(), severity))
                    .or_default() += 1;
                begins += u32::from(record.kind == Kind::Begin);
                if record.kind == Kind::End {
                    longest = longest.max(record.duration);
                    failed += u32::from(record.outcome == Outcome::Failed);
                }
                any_text(&record, &mut |text| {
                    for word in words(text) {
                        let word = lowercase(word);
                        assert!(block.may_hold([&*word], &mut files).unwrap(), "{word}");
                    }
                    false
                });
            }
        }
        assert_eq!(summary.times, first..=last);
        let said: BTreeMap<_, _> = summary
            .counts()
            .unwrap()
            .map(|(service, severity, count)| {
                ((service.to_owned(), severity.number().into()), count)
            })
            .collect();
        assert_eq!(said, counts);
        assert_eq!((summary.begins, summary.longest), (begins, longest));
        assert_eq!(summary.ends(Outcome::Failed), failed);
        let absent = ["order", "nowhere", "absent"];
        let absent = block.may_hold(absent, &mut files).unwrap();
        assert_eq!(absent, !knows_words);
    }
    known
}

#[test]
fn summaries_say_what_is_in_a_block() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    let mut store = Store::open(dir.path(), options()).unwrap();
    fill(&mut store, &mut random, 12_000);
    wait_in_columns(&store);
    let known = check(&store.reader(), true);
    assert!(known > 5, "{known}");
    store.close().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    assert_eq!(check(&store.reader(), true), known);
}

#[test]
fn what_was_sealed_in_a_hurry_is_in_columns_later() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(17);
    let mut store = Store::open(dir.path(), small_segments()).unwrap();
    // Faster than columns are made.
    let mut all = Vec::new();
    for n in 0..400 {
        let mut writer = BatchWriter::new();
        (0..20).for_each(|k| writer.push(&record(&mut random, n * 20 + k + 1)));
        let bytes = writer.finish();
        append(&mut store, producer(0), 20, &bytes);
        store.commit().unwrap();
        all.push(bytes);
    }
    wait_in_columns(&store);
    let reader = store.reader();
    assert!(check(&reader, true) as u64 >= store.stats().segments - 1);
    let read: Vec<Vec<u8>> = read_all(&reader).into_iter().map(|got| got.bytes).collect();
    assert!(read == all);
}

#[test]
fn what_was_read_of_the_open_segment_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(8);
    let large = Options {
        segment_size: 64 << 20,
        ..options()
    };
    let mut store = Store::open(dir.path(), large).unwrap();
    fill(&mut store, &mut random, 8_000);
    let reader = store.reader();
    assert_eq!(check(&reader, false), 0);
    let (known, all) = (check(&reader, false), reader.blocks().unwrap().len());
    // More may come to the last one.
    assert_eq!((known, known > 1), (all - 1, true));
    fill(&mut store, &mut random, 8_000);
    assert_eq!(check(&reader, false), known);
    assert!(check(&reader, false) > known);
}

/// A store of columns of November 2026. It is never written anew; a change of the format adds a folder beside it.
const FIXTURE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/fixtures/2026-11-columns"
);

fn small_segments() -> Options {
    Options {
        segment_size: 64 << 10,
        ..options()
    }
}

#[test]
fn columns_of_an_earlier_version_are_read() {
    // As the fixture was written.
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), small_segments()).unwrap();
    let written = fill(&mut store, &mut fastrand::Rng::with_seed(9), 600);
    store.close().unwrap();
    let dir = tempfile::tempdir().unwrap();
    copy(Path::new(FIXTURE), dir.path());
    let store = Store::open(dir.path(), small_segments()).unwrap();
    assert_eq!(store.stats().damaged, 0);
    let reader = store.reader();
    assert!(check(&reader, true) > 0);
    let read: Vec<Vec<u8>> = read_all(&reader).into_iter().map(|got| got.bytes).collect();
    assert_eq!(read.len(), written.len());
    assert!(read == written);
}

#[test]
fn a_segment_of_a_later_version_is_refused_with_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), options()).unwrap();
    fill(&mut store, &mut fastrand::Rng::with_seed(8), 6000);
    wait_sealed(&store);
    store.close().unwrap();
    let sealed = std::fs::read_dir(dir.path().join("segments"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|ending| ending == "seal"))
        .unwrap();
    let mut bytes = std::fs::read(&sealed).unwrap();
    let footer = bytes.len() - 128;
    bytes[footer + 112] = 9;
    let crc = crc32c::crc32c(&bytes[footer..footer + 124]);
    bytes[footer + 124..].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(&sealed, &bytes).unwrap();
    let error = Store::open(dir.path(), options()).map(drop).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("a later version of distlogd wrote (format 9, this one knows 1)"),
        "{error}"
    );
    assert_eq!(std::fs::read(&sealed).unwrap(), bytes);
}
