//! One worker for each processor: a thread that owns the processor and its cursor.
//!
//! It reads the store from the cursor on, presents what the rules route to the processor, flushes, and only then moves
//! the cursor. So a slow or dead destination delays nobody, and a restart goes on where the last flush ended. Retry,
//! back-off, searching for the record that a destination refuses, counting and shutdown live here, once.
//!
//! `parts.rs` is what a worker is made of, `control.rs` what it is told while it runs, `pace.rs` when it flushes and
//! tries again, `run.rs` how it runs.

mod control;
mod pace;
mod parts;
mod run;
#[cfg(test)]
mod tests;

pub use control::{Control, Update};
pub use pace::{Batch, Retry};
pub use parts::{Factory, Route, Worker};
