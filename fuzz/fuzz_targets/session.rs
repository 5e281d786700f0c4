//! The messages of sessions: what is read can be written, and read again as the same.
#![no_main]

use distlog_proto::session::{ToClient, ToDaemon};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut bytes = Vec::new();
    if let Ok(message) = ToDaemon::decode(data) {
        message.encode(&mut bytes);
        assert_eq!(ToDaemon::decode(&bytes), Ok(message));
    }
    bytes.clear();
    if let Ok(message) = ToClient::decode(data) {
        message.encode(&mut bytes);
        assert_eq!(ToClient::decode(&bytes), Ok(message));
    }
});
