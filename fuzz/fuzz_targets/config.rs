//! The configuration: it is read and shown, or its faults have a place in the text.
#![no_main]

use distlogd::daemon::Builder;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &str| {
    match Builder::new().parse_config(data, "f") {
        Ok(config) => assert!(!config.to_string().is_empty()),
        Err(faults) => assert!(faults.to_string().starts_with("f:"), "{faults}"),
    }
});
