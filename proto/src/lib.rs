//! The contract of distlog: what ids look like, what a record holds, how both travel.
//!
//! No I/O, no threads, no runtime: the crates that send and receive stand on this one. Read it in this order:
//!
//! 1. [`TaskId`] (`id.rs`, `task_id.rs`) — a task's name: a trace id and a path, and the span id that follows from
//!    them.
//! 2. [`Record`] (`record.rs`, `value.rs`, `severity.rs`) — the owned form of one log entry, for building and testing.
//! 3. [`wire`] — encoding `B` (protobuf, the files in `distlog/v1/`): [`wire::BatchWriter`] writes it,
//!    [`BatchRef`] and [`RecordRef`] read it in place without allocating per record.
//! 4. [`Topic`] (`topic.rs`) — the first frame of each message, which names the encoding. `J` and `P` are those of the
//!    Python package: crate `distlog-python`.
//! 5. [`session`] — the acknowledged way into the daemon: its messages, and how both ends decide.
//! 6. [`trace_context`] — the headers `traceparent` and `tracestate`, in and out.
//! 7. [`sampling`] — which traces are kept, the same everywhere.
//! 8. [`ExternalSpanState`] (`external_span.rs`) — what another tracing system in the same program says of a span.
//! 9. [`redaction`] — what must not be logged: the mark, and patterns.
//! 10. [`levels`] — what programs record, by target; a daemon can change it.
//!
//! ```
//! use distlog_proto::TaskId;
//!
//! let task: TaskId = "e252a11f-d33d-483d-ba08-bc8f642b2f10/1/3".parse()?;
//! assert_eq!(task.span_id().to_string(), "14cc9aa201652fe0");
//! assert_eq!(task.parent().map(|p| p.to_string()).as_deref(), Some("e252a11f-d33d-483d-ba08-bc8f642b2f10/1"));
//! # Ok::<(), distlog_proto::ParseIdError>(())
//! ```

mod external_span;
mod id;
pub mod levels;
mod record;
pub mod redaction;
pub mod sampling;
pub mod session;
mod severity;
mod task_id;
mod task_name;
mod topic;
pub mod trace_context;
mod value;
pub mod wire;

pub use external_span::{CallerSpan, ExternalSpan, ExternalSpanState};
pub use id::{ParseIdError, ProducerId, SpanId, TraceId, random_u64};
pub use record::{
    Callsite, Channel, Environment, ErrorInfo, Kind, Link, Otlp, Outcome, Record, Source, SpanKind,
    Task,
};
pub use severity::Severity;
pub use task_id::{TaskId, is_below};
pub use topic::{Encoding, ParseTopicError, Topic};
pub use value::{Map, Value};
pub use wire::{BatchRef, RecordRef, ValueRef};

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
