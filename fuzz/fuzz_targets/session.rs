//! The messages of sessions: what is read can be written, and read again as the same.
#![no_main]

use distlog_proto::levels::Directives;
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
        if let ToClient::Levels(levels) = &message {
            levels.sets.iter().for_each(|set| directives(&set.directives));
        }
        message.encode(&mut bytes);
        assert_eq!(ToClient::decode(&bytes), Ok(message));
    }
});

/// What is read of directives is written as it is read again.
fn directives(text: &str) {
    if let Ok(directives) = text.parse::<Directives>() {
        assert_eq!(directives.to_string().parse(), Ok(directives));
    }
}
