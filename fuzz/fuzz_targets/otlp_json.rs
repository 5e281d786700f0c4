//! OTLP in JSON: what is taken for a request can be read as one, and what is taken of that leaves as spans and records.
#![no_main]

use distlog_fuzz::{check_logs, check_traces};
use distlogd::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(protobuf) = fuzzing::traces(data) {
        check_traces(&protobuf).expect("what was written is protobuf");
    }
    if let Ok(protobuf) = fuzzing::logs(data) {
        check_logs(&protobuf).expect("what was written is protobuf");
    }
});
