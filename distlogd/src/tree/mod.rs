//! The task tree: made of records (`build.rs`), drawn as text (`draw.rs`, for live views line by
//! line `line.rs`), written as JSON (`json.rs`).
//!
//! A node is (trace id, span id); the path is only its name. What nobody told us about (a parent that only another
//! system knows, a begin that retention took) is shown as such and loses no record.

mod build;
mod draw;
#[cfg(test)]
pub(crate) mod hostile;
mod json;
mod line;
pub mod paint;
mod path;
mod service;
mod words;

pub(crate) use build::is_python;
pub use build::{Item, Node, State, Tree};
pub use draw::{draw, draw_to};
pub use json::write_json;
pub use line::put_line;
pub(crate) use path::is_below;
pub(crate) use service::service_of;
pub(crate) use words::{put_fields, traceback};
