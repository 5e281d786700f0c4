//! One worker for each processor: a thread that owns the processor and its cursor.
//!
//! It reads the store from the cursor on, presents what the rules route to the processor, flushes, and only then moves
//! the cursor. So a slow or dead destination delays nobody, and a restart goes on where the last flush ended. Retry,
//! back-off, searching for the record that a destination refuses, counting and shutdown live here, once.
//!
//! `parts.rs` is what a worker is made of, `control.rs` what it is told while it runs, `pace.rs` when it flushes and
//! tries again, `run.rs` how it runs: `present.rs` presents, by `pieces.rs`, `position.rs` moves the cursor,
//! `failures.rs` is for what fails.

mod control;
mod failures;
mod pace;
mod parts;
mod pieces;
mod position;
mod present;
mod run;
#[cfg(test)]
mod tests;

pub use control::{Control, Factory, Route, Update};
pub use pace::{Batch, Retry};
pub use parts::Worker;
