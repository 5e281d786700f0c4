//! A block of a sealed segment, whatever its bytes: it is read or refused, as a whole and in part; and what is put into
//! a block comes back to the last byte.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| distlog_store::fuzzing::block(data));
