//! Encoding P: every record passes through every encoding.
#![no_main]

use distlog_proto::Topic;
use distlog_python::pickle;
use distlog_fuzz::check;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(record) = pickle::decode(data, Topic::default()) {
        check(record);
    }
});
