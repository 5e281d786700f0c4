//! Reads YAML files with all their faults, each with line and column: the configuration, and lists in other files.
//!
//! serde stops at its first error, so the document is read as nodes with their places first (`node.rs`), and the types
//! from those (`deserialize.rs`, `error.rs`): what a fault is in is left out until the rest is read too. `fault.rs` is
//! what a user reads, `duplicates.rs` finds keys that stand twice, `list.rs` reads a file that is a list.

mod deserialize;
mod duplicates;
mod error;
mod fault;
mod list;
mod node;

pub(crate) use deserialize::read;
pub(crate) use duplicates::duplicate_keys;
pub(crate) use error::unknown;
pub use fault::{Fault, Faults};
pub(crate) use list::read_list;
pub(crate) use node::{Key, Node, NodeId, Place, Tree};
