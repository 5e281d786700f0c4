//! Listening: `localhost` is both loopback addresses, every other address is itself.
//!
//! `zmq.rs` binds ZeroMQ sockets, `tcp.rs` TCP listeners, on which `serve.rs` serves HTTP: `connections.rs` limits the
//! connections, in all and by address, by what streams and bodies tell it (`metered.rs`); `pace.rs` slows down who
//! sends too much. `tls.rs` has the certificates, `handshake.rs` does the handshake or says why it fails. `origin.rs`
//! decides which web pages may ask.

mod connections;
#[cfg(test)]
mod connections_tests;
#[cfg(feature = "tls")]
mod handshake;
mod metered;
mod origin;
mod pace;
mod serve;
mod tcp;
#[cfg(feature = "tls")]
mod tls;
mod zmq;

use std::net::{Ipv6Addr, TcpListener};
use std::sync::OnceLock;

pub(crate) use connections::TooMany;
pub use origin::Origin;
pub(crate) use origin::{Guard, Refused, is_host, origin};
pub(crate) use serve::{Bound, Caller, Protocol};
#[cfg(feature = "tls")]
pub(crate) use tls::check as check_tls;
pub(crate) use zmq::bind as bind_zmq;

/// A port that is free for 127.0.0.1 may be taken for ::1: so many ports are tried.
const TRIES: usize = 16;

/// Whether this machine has ::1. Looked up once; a machine without it is logged in one line.
fn has_ipv6() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| match TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) {
        Ok(_) => true,
        Err(error) => {
            tracing::info!("localhost is 127.0.0.1 alone: this machine has no ::1 ({error})");
            false
        }
    })
}

/// The port of `localhost:PORT`, where it is that.
fn localhost(address: &str) -> Option<&str> {
    let (host, port) = address.rsplit_once(':')?;
    host.eq_ignore_ascii_case("localhost").then_some(port)
}
