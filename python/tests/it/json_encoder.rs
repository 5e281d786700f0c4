//! What an encoder copies from earlier lines is what it would write.

use distlog_proto::wire::BatchWriter;
use distlog_proto::{BatchRef, Record};
use distlog_python::json;
use distlog_testkit::records::record;
use proptest::prelude::*;

/// Which of some records a mixed one has its parts from: source of the batch; callsite, thread, task and the rest.
type Mix = (usize, Vec<[usize; 4]>);

fn mix() -> impl Strategy<Value = Vec<Mix>> {
    let pick = || 0..4usize;
    let records = prop::collection::vec([pick(), pick(), pick(), pick()], 1..12);
    prop::collection::vec((pick(), records), 1..4)
}

fn batch(records: &[Record], (source, mixed): &Mix) -> Vec<u8> {
    let mut batch = BatchWriter::new();
    for [callsite, thread, task, rest] in mixed {
        batch.push(&Record {
            source: records[*source].source.clone(),
            callsite: records[*callsite].callsite.clone(),
            thread_id: records[*thread].thread_id,
            thread_name: records[*thread].thread_name.clone(),
            task: records[*task].task.clone(),
            ..records[*rest].clone()
        });
    }
    batch.finish()
}

proptest! {
    #[test]
    fn lines_are_those_of_a_fresh_writer(records in prop::collection::vec(record(), 4), mixes in mix()) {
        let batches: Vec<Vec<u8>> = mixes.iter().map(|mix| batch(&records, mix)).collect();
        let batches: Vec<BatchRef<'_>> = batches.iter().map(|bytes| BatchRef::parse(bytes).unwrap()).collect();
        let mut encoder = json::Encoder::default();
        let (mut lines, mut fresh) = (b"before".to_vec(), b"before".to_vec());
        for record in batches.iter().flat_map(BatchRef::records) {
            let record = record.unwrap();
            encoder.encode(&record, &mut lines);
            json::encode(&record, &mut fresh);
            prop_assert_eq!(String::from_utf8_lossy(&lines), String::from_utf8_lossy(&fresh));
            lines.push(b'\n');
            fresh.push(b'\n');
        }
    }
}

#[test]
fn what_is_too_much_to_keep_is_forgotten() {
    let mut records = vec![Record::default(); 6];
    for (n, record) in records.iter_mut().enumerate() {
        record.callsite.target = format!("{n}").repeat(10_000);
    }
    records[3].callsite.target = "x".repeat(40_000);
    let order = [0, 1, 0, 2, 3, 3, 4, 0, 5, 1, 2, 0].map(|n| [n, 0, 0, 0]);
    let bytes = batch(&records, &(0, order.to_vec()));
    let batch = BatchRef::parse(&bytes).unwrap();
    let mut encoder = json::Encoder::default();
    for record in batch.records() {
        let (mut line, mut fresh) = (Vec::new(), Vec::new());
        let record = record.unwrap();
        encoder.encode(&record, &mut line);
        json::encode(&record, &mut fresh);
        assert!(line == fresh);
    }
}
