//! The distlog daemon, as a library.
//!
//! The program `distlogd` is [`cli::main`]. A custom daemon registers processors of its own and is otherwise the same:
//!
//! ```no_run
//! use distlogd::processor::{Error, Processor, Token};
//! use distlog_proto::RecordRef;
//!
//! struct Alarm;
//!
//! impl Processor for Alarm {
//!     fn process(&mut self, records: &[RecordRef<'_>]) -> Result<(), Error> {
//!         records.iter().for_each(|record| println!("{}", record.message));
//!         Ok(())
//!     }
//!     fn flush(&mut self) -> Result<Token, Error> {
//!         Ok(Token::default())
//!     }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     distlogd::cli::main_with(|daemon| daemon.processor("alarm", |_token| Ok(Box::new(Alarm))))
//! }
//! ```
//!
//! # Reading order: the way of a record
//!
//! 1. [`doors`] — it comes in: `push.rs` and `session/` receive, `check.rs` and `legacy.rs` make batches that can be stored.
//!    [`drain`] is another way in: it takes what dead processes left in their files.
//! 2. [`intake`] — the queue, and the one thread that appends to the store and commits.
//! 3. [`distlog_store`] — the segmented log: durable, indexed by trace, read by cursors.
//! 4. [`worker`] — a thread per processor: cursor → [`distlog_rules`] → [`processor`] → flush → cursor forward.
//! 5. [`processors`] — the destinations, one file or folder each.
//! 6. [`tracker`] — which tasks are open, and which are lost; [`own`] — what the daemon itself says in the stream.
//! 7. [`tree`] and [`lookup`] — from the records of a trace to its tree; [`http`] shows it and the live tail.
//!
//! [`escape`] is what all of them write texts with that people see.
//!
//! Around it: [`config`] (what the YAML file says), [`listen`] (addresses, and which web pages may ask),
//! [`daemon`] (everything opened and closed in order), [`cli`].
//! [`faults`], [`heard`], [`losses`], [`meters`] and [`metrics`] (labels: `label.rs`) count; [`vital`] notices when a part is gone.

mod address;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod doors;
pub mod drain;
pub mod escape;
pub mod faults;
pub mod heard;
pub mod http;
pub mod intake;
mod label;
pub mod listen;
pub mod lookup;
pub mod losses;
pub mod meters;
pub mod metrics;
pub mod own;
pub mod processor;
pub mod processors;
mod rpc;
pub mod tracker;
pub mod tree;
mod values;
pub mod vital;
pub mod worker;
