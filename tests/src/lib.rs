//! End-to-end stories of distlog, in the folder `tests/`: real processes, real sockets. What they share is in `kit/`.
//!
//! `tools/torture/` is a program that kills everything at random and counts what became of the records; `tools/throughput/` is one that
//! measures.
