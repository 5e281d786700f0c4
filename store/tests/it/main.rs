//! The store. Crashes are in `store_crash.rs`, since one of them kills its own process.

mod block_index;
mod consumer;
mod earlier_version;
mod erase;
mod fixtures;
mod in_columns;
mod search;
mod store_damage;
mod store_index;
mod store_log;
