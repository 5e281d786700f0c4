//! What the processors that send by HTTP share: a client with TLS, requests in flight, and what answers say.
//!
//! Read it in this order: `config.rs` (keys that these processors have in common), `url.rs`, `tls.rs`, `client.rs` (one
//! request), `compress.rs`, `answer.rs` (text and times of answers), `in_flight.rs` (many requests), `request.rs` and
//! `poster.rs` (records in requests, and what becomes of them).

mod answer;
mod client;
mod compress;
mod config;
mod in_flight;
#[cfg(any(feature = "clickhouse", feature = "http-export"))]
mod poster;
#[cfg(any(feature = "clickhouse", feature = "http-export"))]
mod request;
mod tls;
mod url;

use std::time::Duration;

pub(crate) use answer::{one_line, retry_after};
pub(crate) use client::HttpClient;
#[cfg(any(feature = "http-export", feature = "otlp-export"))]
pub(crate) use config::headers;
pub use config::{Compression, Tls};
pub(crate) use config::{bytes, timeout};
pub use tls::TlsError;
pub use url::Url;
#[cfg(any(feature = "clickhouse", feature = "http-export"))]
pub(crate) use {
    client::Body,
    poster::{Destination, Poster},
    request::{Failure, Limits, Rejected, Request},
};

#[cfg(feature = "clickhouse")]
pub(crate) use client::Answer;
#[cfg(feature = "otlp-export")]
pub(crate) use {in_flight::InFlight, tls::tonic_config};

/// Time to wait where only a person can help: a wrong address, wrong credentials.
pub(crate) const NEEDS_A_PERSON: Duration = Duration::from_secs(30);
/// A receiver that wants to be left alone for longer than this is asked again all the same.
pub(crate) const MAX_DELAY: Duration = Duration::from_secs(300);
