//! The task tree: places of records in order (`source.rs`, `node.rs`, `build.rs`), walked over from place to place
//! (`walk.rs`), outlined to be compared (`outline.rs`), drawn as text (`draw.rs`, for live views line by line
//! `line.rs`), written as JSON (`json.rs`), or in few words for who shows it (`outline_lines.rs`).
//!
//! A node is (trace id, span id); the path is only its name. Two spans that share an id are two tasks. What nobody told
//! us about (a parent that only another system knows, a begin that retention took) is shown as such and loses no
//! record. A tree keeps no records: however large it is, only what is being shown is in memory.

mod build;
mod draw;
#[cfg(test)]
pub(crate) mod hostile;
mod json;
mod line;
mod node;
mod outline;
mod outline_lines;
pub mod paint;
mod path;
mod service;
mod source;
#[cfg(test)]
mod tests;
mod walk;
mod words;

pub use build::{Builder, Tree};
pub use draw::draw;
pub use json::write_json;
pub use line::put_line;
pub(crate) use node::is_python;
pub use outline::{Alike, Outline, OutlinedTask, outline};
pub use outline_lines::write_outline;
pub(crate) use path::is_below;
pub(crate) use service::{service_of, service_of_source};
pub use source::{Place, Source, StoredBatch};
pub use walk::{DEPTH, Gone, MAX_DEPTH, Part};
pub(crate) use words::{
    put_event_name, put_fields, reason, template_of, traceback, without_numbers,
};
