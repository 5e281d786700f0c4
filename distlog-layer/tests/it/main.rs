//! The layer and its sender, against daemons of the tests.
//!
//! Tests that fork, kill, count allocations or set what belongs to the whole process are programs of their own.
#![allow(missing_docs)]

#[path = "../common/mod.rs"]
mod common;
mod encodings;
mod environments;
mod fail_over;
mod overflow;
mod redact;
mod sampling;
mod session;
mod task_outcomes;
mod task_parents;
mod tasks;
mod tower;
mod without_end;
