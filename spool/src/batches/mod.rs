//! The other kind of file: whole batches, appended one after the other. `header.rs` and `frame.rs` are its two parts,
//! `live.rs` writes it, `left.rs` reads what a dead process left.

mod frame;
mod header;
mod left;
mod live;

pub use frame::Frame;
pub(crate) use left::LeftBatches;
pub use live::BatchSpool;
