//! Spools, read and recovered. Tests that fork and kill are in `processes.rs`.

mod batches;
mod files;
mod fixtures;
mod owners;
mod recover;
