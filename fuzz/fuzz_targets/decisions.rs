//! A frame of a log of decisions about trees, whatever its body: it is read or refused.
#![no_main]

use distlogd::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzzing::decisions(data));
