//! OTLP: whatever is taken of a request can be read, and leaves as a span or a log record.
#![no_main]

use distlog_bridge::receive::{self, Batch, Take};
use distlog_bridge::{OpenSpan, put_log_record};
use distlog_proto::{BatchRef, Kind, ProducerId};
use libfuzzer_sys::fuzz_target;

#[derive(Default)]
struct All(Vec<Batch>);

impl Take for All {
    fn offsets(&mut self, _: &[u8], _: u64) -> (ProducerId, u64) {
        (ProducerId::from_bytes([7; 16]), 0)
    }

    fn batch(&mut self, batch: Batch) {
        self.0.push(batch);
    }
}

fuzz_target!(|data: &[u8]| {
    let mut all = All::default();
    let _ = receive::traces(data, &mut all);
    let _ = receive::logs(data, 1, &mut all);
    let mut out = Vec::new();
    for batch in &all.0 {
        let parsed = BatchRef::parse(&batch.bytes).expect("what was taken can be read");
        let mut span = None;
        let mut count = 0;
        for record in parsed.records() {
            let record = record.expect("what was taken can be read");
            assert!((batch.from..batch.to).contains(&record.offset));
            count += 1;
            match (record.kind, &mut span) {
                (Kind::Begin, _) => span = OpenSpan::begin(&record),
                (Kind::End, Some(open)) => {
                    open.end(&record);
                    let _ = open.to_span();
                }
                (_, Some(open)) => open.event(&record),
                (_, None) => put_log_record(&mut out, &record),
            }
        }
        assert_eq!(count, batch.count);
    }
});
