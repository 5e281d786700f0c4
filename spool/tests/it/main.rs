//! Spools, read and recovered. Tests that fork and kill are in `processes.rs`.

mod files;
mod fixtures;
mod recover;
