//! Parameters of the HTTP API: each is read or refused.
#![no_main]

use distlogd::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &str| fuzzing::query(data));
