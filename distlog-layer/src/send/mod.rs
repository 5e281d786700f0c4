//! From the ring to a daemon. Read it in this order:
//!
//! 1. `producer.rs` — one run of a process: its ring, its threads, and its successor after a fork; `lifecycle.rs` — who
//!    holds the guard.
//! 2. `shared.rs` — what the callers and the sender share; `control.rs` — orders to the sender; `deadline.rs`;
//!    `overflow.rs` — what happens when the ring is full.
//!    `striped_counter.rs` counts what is not written.
//! 3. `batcher.rs` — records of the ring become batches, and are freed when acknowledged.
//! 4. `sender.rs` — the thread. It sends through a transport of `distlog-client`, or `push.rs`: fire and forget.

mod batcher;
pub(crate) mod control;
pub(crate) mod deadline;
pub(crate) mod lifecycle;
pub(crate) mod overflow;
pub(crate) mod producer;
mod push;
mod sender;
mod shared;
mod striped_counter;
