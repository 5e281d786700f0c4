//! Stores that take OTLP and can be asked.

mod distlogd;
mod victoria_logs;

use std::path::Path;

pub use distlogd::Distlogd;
pub use victoria_logs::VictoriaLogs;

use crate::query::{Answer, Query, Request};
use crate::traffic::Target;

/// A running store.
pub trait Store {
    /// Its process.
    fn process(&mut self) -> u32;

    /// Where it takes OTLP.
    fn target(&self) -> Target;

    /// Whether it has nothing left to do with so many records that came.
    fn is_settled(&self, records: u64) -> bool;

    /// Bytes of a record on disk, if it has brought records into their final form.
    fn bytes_per_record(&self, records: u64) -> Option<f64>;

    /// How it is asked, if it knows such a thing; `trace` is the one that is asked for.
    fn request(&self, query: Query, trace: &str) -> Option<Request>;

    /// What it answered.
    ///
    /// # Errors
    /// If that is not understood.
    fn answer(&self, query: Query, body: &str) -> Result<Answer, String>;
}

/// Bytes of all files in a folder.
fn bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    let bytes = entries
        .filter_map(Result::ok)
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        });
    bytes.sum()
}
