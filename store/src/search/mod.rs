//! Searching: a snapshot of the blocks that the store is made of, read in any order and by many threads at once.
//!
//! `block` is one of them and what is known of it, `listing` finds them, all or those of a trace; `read` reads one, and
//! `buffer` holds what was read.

mod block;
mod buffer;
mod listing;
mod read;

pub use block::Block;
pub use buffer::{BlockBatch, BlockBuffer};
pub(super) use listing::places_of;
