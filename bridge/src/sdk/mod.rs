//! Exporters for the SDK of OpenTelemetry, to the session receiver of distlogd: what it acknowledges is on its disk.
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
//! With [`Builder::spool`] `export` is done when the batch is in a file that survives the process, daemon or not.
//!
//! After a `fork` the child needs exporters of its own.
//!
//! Read it in this order: `builder.rs`, `connect_error.rs` and `settings.rs`, `spans.rs` and `logs.rs` (what the SDK
//! calls), `exporter_handle.rs` and `shared.rs` (what they share with the thread), `pending_export.rs` (a request
//! becomes batches), `export_queue.rs` (what is not acknowledged), `export_spool.rs` (the same in a file),
//! `sessions.rs` and `export_worker.rs` (the thread). The session itself is `distlog-client`'s, the file
//! `distlog-spool`'s.

mod builder;
mod connect_error;
mod export_queue;
mod export_spool;
mod export_worker;
mod exporter_handle;
mod logs;
mod pending_export;
mod sessions;
mod settings;
mod shared;
mod spans;

pub use builder::{Builder, builder};
pub use connect_error::ConnectError;
pub use distlog_client::{Curve, Endpoints, KeyError, KeyPair, PublicKey};
pub use logs::LogExporter;
pub use spans::SpanExporter;
