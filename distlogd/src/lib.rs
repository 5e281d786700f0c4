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
//! 1. `receivers/`: it comes in. `push.rs`, `session/`, `otlp/` and `dead_spools/` are [`receiver`]s, which give the
//!    daemon batches that can be stored.
//! 2. `intake/`: the queue, and the one thread that appends to the store and commits.
//! 3. [`distlog_store`]: the segmented log: durable, indexed by trace, read by consumers.
//! 4. `worker/`: a thread per processor: consumer → [`distlog_rules`] → [`processor`] → flush → cursor forward. Threads
//!    of `thread_pool.rs` help it where many records wait; `spare.rs` has the buffers.
//! 5. `processors/`: the destinations, one file or folder each.
//! 6. `tracker/`: which tasks are open, and which are lost.
//! 7. `tree/` and `lookup.rs`: from the records of a trace to its tree; `http/` shows it and the live tail.
//! 8. `evaluate/`: what a configuration does with records, without a daemon; `rule_tests/` tests rules by it, `replay/`
//!    compares two configurations.
//! 9. `storage/`: where records lie that are shown, the store or a database (`view.rs`); `query/`: everything else that
//!    is asked about them. `deletions.rs` has records forgotten. `levels/` is what running programs record.
//!
//! Around it: `access/` (who may do what), `config/` (what the YAML file says), `yaml/` (how it is read), `listen/`
//! (addresses, and which web pages may ask), `daemon/` (opens and closes everything in order, by `shutdown.rs`),
//! [`cli`]. `reload.rs` says what another configuration changes. `self_telemetry/` has the metrics, the daemon's own
//! records and rate-limited log lines; `status.rs` puts all that together for people; `liveness.rs` knows when
//! producers were last seen; `supervisor.rs` ends a daemon of which a part has failed. `escape.rs` writes all texts
//! that people see.

mod access;
mod address;
#[cfg(feature = "tls")]
mod certificates;
mod change_shapes;
pub mod cli;
mod config;
pub mod daemon;
mod deletions;
mod escape;
mod evaluate;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod host;
mod http;
mod intake;
mod levels;
mod listen;
mod liveness;
mod look;
#[cfg(feature = "otlp-export")]
mod lookup;
#[cfg(feature = "nats")]
mod nats;
mod otlp_json;
mod peer;
pub mod processor;
mod processors;
mod query;
mod received;
pub mod receiver;
mod receivers;
mod reload;
mod replay;
mod rpc;
mod rule_tests;
mod self_telemetry;
mod shutdown;
mod spare;
mod status;
mod storage;
mod supervisor;
mod thread_pool;
#[cfg(feature = "tls")]
mod tls_error;
mod tracker;
mod tree;
mod trees;
mod values;
mod view;
mod worker;
mod yaml;

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
