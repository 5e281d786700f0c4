//! Processor `file`: a line per record, with rotation; each record stands in it exactly once, also after a crash.
//!
//! Read it in this order: `config.rs`, `token.rs` (what is known about the file at the last flush), `format.rs`
//! (records as lines) with `text.rs` (the form for people), `lines.rs` (the processor), `recover.rs` (back to the last
//! flush), `rotated.rs` (names of old files), `tidy.rs` (compresses and removes them, in a thread of its own).
//!
//! At a flush the file's identity and length go into the cursor. Whatever else is in the file when the processor starts
//! again was written and not flushed: it is cut off, and comes again from the store. A file is rotated between any two
//! records; old files are compressed and removed only once the cursor is behind them, so the way back stays open.

mod config;
mod format;
mod lines;
mod recover;
mod rotated;
#[cfg(test)]
mod tests;
mod text;
mod tidy;
mod token;

use super::start::Start;
use crate::processor::{Error, Processor};

pub use config::Config;
#[cfg(test)]
pub(crate) use config::{Compress, Format, Mode, Rotate};
pub use lines::Lines;

/// Makes the processor.
///
/// # Errors
/// If the file cannot be opened.
pub fn open(config: &Config, start: Start<'_>) -> Result<Box<dyn Processor>, Error> {
    Ok(Box::new(Lines::open(start.name, config, start.token)?))
}
