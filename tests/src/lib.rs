//! End-to-end stories of distlog, in the folder `tests/`: real processes, real sockets. What they share is in `kit/`.
//!
//! `tools/torture/` kills everything at random and counts what became of the records; `tools/throughput/` and
//! `tools/search/` measure, with what they share in `bench`.

pub mod bench;
