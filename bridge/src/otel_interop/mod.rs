//! A layer of OpenTelemetry beside the layer of distlog: both show the same trace and span ids.
//!
//! ```
//! use distlog_bridge::otel_interop;
//! use opentelemetry::trace::TracerProvider;
//! use opentelemetry_sdk::trace::SdkTracerProvider;
//! use tracing_subscriber::prelude::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let provider = SdkTracerProvider::builder().build(); // and its exporter
//! let (distlog, guard) = distlog_layer::builder()
//!     .service("shop")
//!     .external_spans(otel_interop::external_span)
//!     .connect("tcp://127.0.0.1:5011")?;
//! let otel = otel_interop::layer(tracing_opentelemetry::layer(), provider.tracer("shop"));
//! let subscriber = tracing_subscriber::registry().with(distlog).with(otel); // in this order or the other
//! # drop(subscriber);
//! # let _ = guard.close(std::time::Duration::ZERO);
//! # Ok(())
//! # }
//! ```
//!
//! The ids are those of OpenTelemetry: a task is the anchor `trace/~span`, its parent is the span's, also where the
//! SDK's propagator has found it (`Span::set_parent`, which works until the span is first entered, has its first event
//! or child, or is used as a `Task`). What distlog's `import_task!` and `tower::server` say about a caller is told to
//! OpenTelemetry, unless the program has told it something itself.
//!
//! A span that OpenTelemetry does not see (a filter, a provider that was shut down) keeps ids of distlog's own.
//!
//! `layer.rs` — [`layer`], the layer of `tracing-opentelemetry` and one that is told everything just before it is;
//! `tracer.rs` — the tracer below it, which knows the parents; `external_span.rs` — [`external_span`], which distlog
//! asks.

mod external_span;
mod layer;
mod tracer;

pub use external_span::external_span;
pub use layer::layer;
