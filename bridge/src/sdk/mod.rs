//! Exporters for the SDK of OpenTelemetry, to the session door of distlogd: what it says it has, it has on its disk.
//!
//! ```
//! use opentelemetry_sdk::logs::SdkLoggerProvider;
//! use opentelemetry_sdk::trace::SdkTracerProvider;
//!
//! let (spans, logs) = distlog_bridge::sdk::builder().connect("tcp://127.0.0.1:5011")?;
//! let traces = SdkTracerProvider::builder().with_batch_exporter(spans).build();
//! let logs = SdkLoggerProvider::builder().with_batch_exporter(logs).build();
//! // … and when the program ends:
//! let _ = (traces.shutdown(), logs.shutdown());
//! # Ok::<(), distlog_bridge::sdk::ConnectError>(())
//! ```
//!
//! Both share a session, which is opened when there is something to export. `export` is done when the daemon has
//! acknowledged the batch as durable, or failed when it has not done so in time ([`Builder::timeout`]). The SDK then
//! drops the batch; the daemon is told how many records that were, as soon as it is there. In between a batch is sent
//! again after each failed attempt, and is in the daemon's store once. The futures need no runtime.
//!
//! After a `fork` the child needs exporters of its own.
//!
//! Read it in this order: `builder.rs`, `spans.rs` and `logs.rs` (what the SDK calls), `handle.rs` (what they share with
//! the thread), `parcel.rs` (a request becomes batches), `queue.rs` (what is not acknowledged), `line.rs` (one attempt),
//! `courier.rs` (the thread), `socket.rs` (ZeroMQ).

mod builder;
mod courier;
mod handle;
mod line;
mod logs;
mod parcel;
mod queue;
mod socket;
mod spans;

pub use builder::{Builder, ConnectError, builder};
pub use logs::LogExporter;
pub use spans::SpanExporter;
