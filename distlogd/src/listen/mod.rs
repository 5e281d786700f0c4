//! Binding addresses: `localhost` is both loopback addresses, every other address is itself.
//!
//! `tcp.rs` binds TCP listeners, `zmq.rs` ZeroMQ sockets. `origin.rs` decides which web pages may ask an HTTP server.

mod origin;
mod tcp;
mod zmq;

use std::net::{Ipv6Addr, TcpListener};
use std::sync::OnceLock;

pub use origin::Origin;
pub(crate) use origin::{Guard, Refused, is_host, origin};
pub use tcp::Listening;
pub(crate) use tcp::{bind as bind_tcp, without_delay};
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
