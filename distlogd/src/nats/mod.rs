//! NATS JetStream, as the processor and the source `nats` share it.
//!
//! `server.rs` says where a server is and who we are there, `connect.rs` connects, `stream.rs` finds or makes the
//! stream and says what is wrong with it, `reason.rs` says why something did not work.

mod connect;
mod reason;
mod server;
mod stream;

pub(crate) use connect::{Connection, connect};
pub(crate) use reason::reason;
pub(crate) use server::{Secret, Server, Tls, Urls};
pub(crate) use stream::{NatsStream, Settings, StreamName, subject};
