//! Topics.
#![no_main]

use distlog_proto::Topic;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|frame: &[u8]| {
    match Topic::parse(frame) {
        Ok(topic) => assert_eq!(topic.to_bytes(), frame),
        Err(error) => assert!(error.to_string().len() < 300),
    }
});
