//! Encoding B: everything in a batch can be reached, and copies of its records pass through every encoding.
#![no_main]

use distlog_proto::{BatchRef, wire};
use distlog_fuzz::check;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    wire::trace_ids(data, &mut |_| {});
    let Ok(batch) = BatchRef::parse(data) else {
        return;
    };
    for (header, record) in batch.headers().zip(batch.records()).take(64) {
        if let Ok(record) = record {
            let header = header.expect("what can be read has a header");
            let task = record.task.map(|task| (task.trace_id, task.span_id));
            assert_eq!(
                (header.kind, header.time, header.task),
                (record.kind, record.time, task)
            );
            assert_eq!(
                (header.severity(), header.outcome, header.took()),
                (record.severity, record.outcome, record.took())
            );
        }
    }
    let mut line = Vec::new();
    for record in batch.records().take(64).flatten() {
        let _ = (
            record.task_name(),
            record.task.map(|task| task.to_string()),
            record.fields.get("message"),
        );
        line.clear();
        distlog_python::json::encode(&record, &mut line);
        check(record.to_record());
    }
});
