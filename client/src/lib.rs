//! An acknowledged session with distlogd over ZeroMQ: connect, fail over, probe the preferred endpoint, replay, ack,
//! ping, bye.
//!
//! All records that wait for an acknowledgement are behind one trait, [`UnackedRecords`]. A [`SessionClient`] asks it
//! for the next batch, tells it what was sent and what is durable, and moves it back when a daemon needs records again.
//! The ring of `distlog-layer`, the queue of the OpenTelemetry exporters and the spools of dead processes implement it.
//! Nothing here waits but [`Transport::wait`] and the threads of [`Worker`].
//!
//! # Reading the source
//!
//! 1. `unacked.rs` — [`UnackedRecords`]: what a client sends; `transport.rs` — [`Transport`]: what sends it.
//! 2. `endpoints.rs` — [`Endpoints`], and `timeouts.rs` — [`FailoverTimeouts`]: where the daemons are, and when to go
//!    to the next one.
//! 3. `link.rs` — [`Dial`] and [`Link`]: what a session needs of the network; `socket.rs` (the only file that knows
//!    ZeroMQ's sockets) and `waker.rs` (ends a thread's sleep on its sockets).
//! 4. `curve/`: keys, for encrypted connections. `levels_sink.rs` — [`LevelsSink`]: levels that daemons say.
//!    `config.rs`, `connection.rs` (one attempt at one endpoint), `error.rs` (how it ends), `session.rs` —
//!    [`SessionClient`]: attempts in turn, fail-over, probes.
//! 5. `dead_records.rs` and `spool_drain.rs` — [`SpoolDrain`]: sends what dead processes left in a spool directory.
//! 6. `worker.rs` — [`Worker`]: a thread with a bounded join; `internal_log.rs` — messages to stderr.

mod config;
mod connection;
mod curve;
mod dead_records;
mod endpoints;
mod error;
pub mod internal_log;
mod levels_sink;
mod link;
mod session;
mod socket;
mod spool_drain;
mod timeouts;
mod transport;
mod unacked;
mod waker;
mod worker;

pub use config::SessionConfig;
pub use curve::{Curve, KeyError, KeyPair, PublicKey};
pub use endpoints::{EndpointError, Endpoints};
pub use levels_sink::LevelsSink;
pub use link::{Broken, Dial, Link, SendStatus, SocketError};
pub use session::SessionClient;
pub use socket::{Contexts, Dealers, Socket, WaitFor, wait};
pub use spool_drain::{DrainConfig, SpoolDrain};
pub use timeouts::FailoverTimeouts;
pub use transport::{Progress, Transport};
pub use unacked::{EncodedBatch, Offsets, UnackedRecords};
pub use waker::Waker;
pub use worker::Worker;

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
