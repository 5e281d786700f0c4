//! What another configuration would do with records, beside the one that runs (`distlogd replay`).
//!
//! Both evaluate the same records. What each does is counted by rule and processor, and where they differ a few
//! examples are kept. Memory does not grow with the records: of a tree that waits in one of them only counts are kept.
//!
//! Read it in this order: `side.rs` (one configuration), `difference.rs` (what is counted and shown), `pending.rs`
//! (trees that wait), `comparison.rs`; `report.rs`; `read_only.rs` opens a store that no daemon has.

mod comparison;
mod difference;
mod pending;
mod read_only;
mod report;
mod side;
#[cfg(test)]
mod tests;

pub(crate) use comparison::Comparison;
pub(crate) use read_only::ReadOnly;
pub(crate) use report::{json_report, text_report};
