//! Layers for [`tower`](https://docs.rs/tower): tasks that follow HTTP and gRPC requests (feature `tower`).
//!
//! [`server()`] makes each incoming request a task in the caller's tree; axum, tonic and hyper take it as they take any
//! layer. [`client()`] makes each outgoing attempt a task and tells the called service where it stands; put it inside a
//! layer that retries, so that each attempt is seen.
//!
//! Both log with the target `distlog_layer::tower` at level INFO, which a filter must let through.

mod client;
mod response;
mod server;

pub use client::{Client, ClientLayer, client};
pub use response::{ResponseBody, ResponseFuture};
pub use server::{Server, ServerLayer, server};

/// The target of both.
const TARGET: &str = "distlog_layer::tower";
