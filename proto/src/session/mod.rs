//! The acknowledged way into the daemon: what both ends say, and how each decides.
//!
//! The contract is in `distlog/v1/session.proto`. Nothing here sends or waits: who uses it brings the messages and the
//! time. Read it in this order: `message.rs` (what is said), `codec.rs` (as bytes), [`Client`] (`client.rs`),
//! [`Sessions`] (`sessions.rs`, the daemon's end) with `credit.rs` (who may send how much) and `epochs.rs` (which
//! attempt is the newest).
//!
//! # What holds
//!
//! The daemon takes a batch only where the one before ended, and says that it is durable only when it is; the client
//! forgets only what is durable. So each record of a producer is in a daemon's store once, whatever is lost, repeated
//! or delayed on the way, and whoever starts anew. Only a client that goes to another daemon before the first one's
//! last word reached it leaves records in both, which (producer, offset) tells.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use distlog_proto::ProducerId;
//! use distlog_proto::session::{Client, BatchDecision, Sessions, ToClient};
//!
//! let now = Instant::now();
//! let mut sessions = Sessions::new(64 << 20);
//! let mut client = Client::new(ProducerId::random(), 0, Duration::from_secs(5), now);
//!
//! let hello = client.hello(1, 100, [0; 5], &[], now);
//! let mut answers = Vec::new();
//! let asked = sessions.hello("peer", &hello, now, &mut answers).unwrap().unwrap();
//! // The store says that it has nothing of this producer.
//! sessions.resume_at(asked.session, 0, now, &mut answers);
//! let (_, welcome) = answers.pop().unwrap();
//! client.receive(&welcome, 100, now).unwrap();
//!
//! assert!(client.may_send());
//! let header = client.batch(100);
//! assert_eq!(sessions.batch(&"peer", header, now), BatchDecision::Take);
//! // … and when the store has made it durable:
//! sessions.durable(asked.session, 100, &mut answers);
//! let (_, ack) = answers.pop().unwrap();
//! client.receive(&ack, 100, now).unwrap();
//! assert_eq!(client.acked(), 100);
//! ```

mod client;
mod codec;
mod credit;
mod epochs;
mod message;
mod sessions;

pub use client::{Client, SessionEnd};
pub use message::{
    Ack, BatchHeader, Bye, ByeReason, Closing, Dropped, FIRST_LEVELS, Hello, LevelSet, Levels,
    NO_FILTER, NO_LEVELS, Ping, Refused, RefusedReason, Rewind, TaskLevel, ToClient, ToDaemon,
    VERSION, Welcome,
};
pub use sessions::{BatchDecision, EndReason, EndedSession, PendingSession, Sessions};
