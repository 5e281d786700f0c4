//! Encoding B: everything in a batch can be reached, and copies of its records pass through every encoding.
#![no_main]

use distlog_proto::{BatchRef, wire};
use distlog_proto_fuzz::check;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    wire::trace_ids(data, &mut |_| {});
    let Ok(batch) = BatchRef::parse(data) else {
        return;
    };
    let mut line = Vec::new();
    for record in batch.records().take(64).flatten() {
        let _ = (
            record.task_name(),
            record.task.map(|task| task.to_string()),
            record.fields.get("message"),
        );
        line.clear();
        distlog_proto::json::encode(&record, &mut line);
        check(record.to_record());
    }
});
