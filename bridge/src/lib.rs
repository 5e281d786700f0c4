//! OpenTelemetry on both sides of distlog: what a record is in OTLP.
//!
//! Conversions without I/O, but for `sdk`. This is the only crate of distlog whose public API names types of
//! OpenTelemetry; the messages of OTLP are at hand as [`otlp`]. Read it in this order:
//!
//! 1. `names.rs` — [`names`]: the attributes that distlog writes, in one table.
//! 2. `attributes.rs`, `any_value.rs`, `protobuf.rs` — sets of attributes; typed values and fields become such, as
//!    messages or as their bytes.
//! 3. `code_attributes.rs` — what records say about code, threads and errors, as attributes.
//! 4. `resource.rs` — [`resource`], [`scope`]: who logged, and [`Origins`], which converts each of them only once.
//! 5. `span.rs` — [`OpenSpan`]: the records of a task, one after the other, become a span; with `span_builder.rs` (what
//!    distlog's own clients logged) and `passthrough.rs` (what came by OTLP).
//! 6. `log.rs` — [`log_record`]: an event becomes a log record.
//! 7. `request.rs` — [`Request`]: many of them, grouped by resource and scope, become the bytes of an export request.
//! 8. `receive/` — [`receive`]: the other way, export requests become batches of records.
//!
//! For programs that use the API of OpenTelemetry:
//!
//! 9. `ids.rs` — [`ids`]: trace and span ids, both ways.
//! 10. `propagator.rs` — [`Propagator`]: the headers of W3C Trace Context, in and out.
//!
//! For programs that use its SDK (feature `sdk`):
//!
//! 11. `sdk/` — `sdk`: exporters of spans and log records, to the session receiver of distlogd.
//!
//! For programs with the layers of both in one subscriber (feature `layer`):
//!
//! 12. `otel_interop/` — `otel_interop`: both show the same ids.
//!
//! A record that came in by OTLP (it has [`distlog_proto::RecordRef::otlp`]) leaves as it came: nothing is added to it.

mod any_value;
mod attributes;
mod code_attributes;
pub mod ids;
mod log;
pub mod names;
#[cfg(feature = "layer")]
pub mod otel_interop;
mod passthrough;
mod propagator;
mod protobuf;
pub mod receive;
mod request;
mod resource;
#[cfg(feature = "sdk")]
pub mod sdk;
mod span;
mod span_builder;

pub use any_value::any_value;
pub use log::{log_record, put_log_record};
pub use opentelemetry_proto::tonic as otlp;
pub use propagator::Propagator;
pub use request::Request;
pub use resource::{Origin, Origins, Recent, resource, scope};
pub use span::OpenSpan;

/// The example of the README.
#[cfg(all(doctest, feature = "sdk"))]
#[doc = include_str!("../README.md")]
struct Readme;
