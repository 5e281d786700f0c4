//! End-to-end stories of distlog, in the folder `tests/`: real processes, real sockets. What they share is in `kit/`.
//!
//! `torture/` is a program that kills everything at random and counts what became of the records; `throughput/` is one that
//! measures.
