//! A consumer: a position that is kept, records that are read in order or by their number.

use distlog_proto::wire::BatchWriter;
use distlog_proto::{ProducerId, Record, Source};
use distlog_store::{Append, Options, Store};

const PRODUCER: ProducerId = ProducerId::from_bytes([7; 16]);

fn message(number: u64) -> String {
    format!("record {number} {}", "x".repeat(200))
}

/// Stores so many batches of ten records; the message of each has its number in the store.
fn fill(store: &mut Store, batches: u64) {
    for batch in 0..batches {
        let (from, to) = (batch * 10, batch * 10 + 10);
        let mut writer = BatchWriter::new();
        for offset in from..to {
            writer.push(&Record {
                offset,
                source: Source {
                    producer: PRODUCER,
                    ..Source::default()
                },
                message: message(offset + 1),
                ..Record::default()
            });
        }
        let bytes = writer.finish();
        let append = Append {
            producer: PRODUCER,
            from,
            to,
            count: 10,
            received: 1_000,
            ordered: true,
            bytes: &bytes,
        };
        store.append(&append).unwrap();
        store.commit().unwrap();
    }
}

fn options() -> Options {
    Options {
        segment_size: 16 << 10,
        reserve: 0,
        compress: false,
        ..Options::default()
    }
}

#[test]
fn a_consumer_goes_on_where_it_saved_its_position() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), options()).unwrap();
    fill(&mut store, 30);
    let mut consumer = store.reader().consumer("worker").unwrap();
    assert_eq!(consumer.saved().unwrap(), None);
    let mut seen = Vec::new();
    while seen.len() < 100 {
        let chunk = consumer.read(1).unwrap();
        for (head, batch) in chunk.batches() {
            let records = head.records(&batch);
            seen.extend(records.map(|record| (record.store_number, record.message.to_owned())));
        }
    }
    let next = consumer.position();
    assert!(next < 300, "it reads in parts");
    let expected: Vec<_> = (1..next).map(|number| (number, message(number))).collect();
    assert!(seen == expected, "{} records up to {next}", seen.len());
    consumer.save(next, b"token").unwrap();
    drop((consumer, store));

    let store = Store::open(dir.path(), options()).unwrap();
    let mut consumer = store.reader().consumer("worker").unwrap();
    let saved = consumer.saved().unwrap().unwrap();
    assert_eq!((saved.next, &saved.token[..]), (next, &b"token"[..]));
    consumer.seek(saved.next);
    let chunk = consumer.read(1).unwrap();
    let (head, bytes) = chunk.encoded_batches().next().unwrap();
    assert_eq!((chunk.from(), head.first, head.count), (next, next, 10));
    assert!(!bytes.is_empty());
}

#[test]
fn records_are_found_by_their_number_in_any_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), options()).unwrap();
    fill(&mut store, 30);
    let mut consumer = store.reader().consumer_from(1);
    for number in [1, 2, 10, 11, 155, 300, 299, 3, 155] {
        let record = consumer.record(number).unwrap().unwrap();
        assert_eq!(record.message, message(number));
    }
    for number in [301, 5_000, u64::MAX] {
        assert_eq!(consumer.record(number).unwrap(), None, "{number}");
    }
    // What retention has removed is not there, and not taken for what follows it.
    drop(consumer);
    drop(store);
    let options = Options {
        keep_size: Some(40 << 10),
        ..options()
    };
    let mut store = Store::open(dir.path(), options).unwrap();
    store.maintain(0).unwrap();
    let first = store.reader().first();
    assert!(first > 11, "{first}");
    let mut consumer = store.reader().consumer_from(1);
    assert_eq!(consumer.record(3).unwrap(), None);
    let record = consumer.record(first).unwrap().unwrap();
    assert_eq!(record.message, message(first));
}
