//! OTLP: whatever is taken of a request can be read, and leaves as a span or a log record.
#![no_main]

use distlog_fuzz::{check_logs, check_traces};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = check_traces(data);
    let _ = check_logs(data);
});
