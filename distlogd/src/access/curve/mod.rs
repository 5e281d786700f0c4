//! Who may connect to a ZeroMQ receiver: those whose public key is in a folder.
//!
//! libzmq does the handshake (CURVE) and asks for each key by an inner socket (ZAP, <https://rfc.zeromq.org/spec/27/>).
//! `zap.rs` is the thread that answers, `clients.rs` the folder, which is read anew when it changes, `guarded.rs` the
//! receiver's socket: it knows the keys of messages, since libzmq asks once and never ends a connection.

mod clients;
mod guarded;
mod zap;

pub(crate) use guarded::GuardedSocket;

/// Why a message is refused whose key is no longer in the folder, in the metrics.
pub(crate) const REVOKED: &str = "revoked key";
pub(crate) use zap::Zap;
