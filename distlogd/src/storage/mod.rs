//! Where the records lie that are shown.

#[allow(dead_code)] // The commands that read it are not there yet.
pub mod database;
