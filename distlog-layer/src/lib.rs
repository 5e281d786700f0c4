//! A [`tracing`] layer that ships tasks and records to distlogd.
//!
//! Every span is a *task*: something a program wants to achieve, with a begin, an outcome and an end. Every event is a
//! record of the task it happened in. Tasks form a tree, and the tree goes on in every process that a task's id is
//! passed to.
//!
//! ```
//! use distlog_layer::{get_foreign_task, import_task, task, to};
//! use tracing_subscriber::prelude::*;
//!
//! # fn charge(_: u32) -> Result<(), std::io::Error> { Ok(()) }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (layer, guard) = distlog_layer::builder().service("shop").connect("tcp://127.0.0.1:5011")?;
//! tracing_subscriber::registry().with(layer).init();
//!
//! let job = task!(user = "leo", "handle order {}", 7);
//! let id = job.run(|| {
//!     tracing::info!(items = 3, "ordinary events of tracing belong to the task");
//!     to!("charge the card").run(|| charge(7))?;
//!     Ok::<_, std::io::Error>(get_foreign_task().to_string())
//! })?;
//!
//! // In another process, which got the id in a message, a header, an environment variable:
//! import_task!(id, "pack the parcel").in_scope(|| tracing::info!("packed"));
//! # let _ = guard.close(std::time::Duration::ZERO);
//! # Ok(())
//! # }
//! ```
//!
//! Begin with [`builder()`], keep the [`Guard`], and log with the macros of [`tracing`] (records of the `log` crate
//! come through `tracing-log`). Then, as far as you need it: [`Task`] and its macros for outcomes, late fields and
//! links; [`FutureExt::in_task`] for futures; [`val()`] for values with structure; `tower` (the feature) for HTTP and
//! gRPC servers and clients; [`Overflow`] for what happens while no daemon is there; [`Builder::spool`] for what
//! happens when the process is killed; [`Builder::redact`] for what must not leave it; [`Builder::sample`] for
//! recording a part of all traces; [`Guard::levels`] for levels that a daemon changes while the program runs;
//! [`Builder::external_spans`] where OpenTelemetry has a layer, too.
//!
//! # What it costs and promises
//!
//! The calling thread writes the record into a ring in memory: no allocation, no system call, no lock (a new place in
//! the code costs both, once). One thread sends. A daemon that is away or slow neither blocks the program (unless
//! [`Overflow::Block`] says so) nor makes it grow; what does not fit into the ring is counted exactly, by level, and a
//! record in the stream says so (target `distlog_layer`, fields `lost.total`, `lost.error` … `lost.trace`; `lost.sum`,
//! all that were lost since the process began; `lost.from` and `lost.to` in nanoseconds since the Unix epoch).
//!
//! # Durability
//!
//! [`Builder::connect`] leads to a session receiver: the daemon acknowledges what is durable in its store, and until
//! then a record is kept and sent again if need be. [`Builder::connect_push`] is fire and forget. With
//! [`Builder::spool`] the ring is a file. What becomes of a record whose log call returned:
//!
//! | what happens | `connect` with `spool` | `connect` | `connect_push` |
//! |---|---|---|---|
//! | the daemon is killed, or its power lost, and comes back | arrives, once | arrives, once | lost, if it was on its way |
//! | the daemon stays away, another address is given | arrives; what was on its way perhaps in both | the same | waits |
//! | no daemon, the ring becomes full | counted, and said in the stream | the same | the same |
//! | the program ends or calls `exit`, all was sent within [`Builder::flush_on_drop`] | arrives | arrives | handed to libzmq |
//! | the program ends, no daemon is there | the next process sends it | lost; the guard says how many | the same |
//! | the program is killed (`kill -9`), aborts, runs out of memory | the next process sends it | lost | lost |
//! | the program's machine loses power | lost, but for what the kernel had written to disk | lost | lost |
//!
//! A killed program's records keep its id as their producer, and its open tasks are lost as soon as they have arrived.
//! With `connect_push` and a spool a record is done with when it is sent, so the file has what was not.
//!
//! A forked child is a producer of its own, with a ring and, if its parent has one, a spool of its own.
//!
//! # How a task ends
//!
//! Where the end of its work is known, it ends then: when its future ([`FutureExt::in_task`]) is ready or dropped, when
//! the response of a `tower` layer has passed, its body and trailers included. What still holds its span (a connection
//! pool, a future that was spawned in it) neither keeps it running nor stretches it; what that logs still belongs to
//! it. Otherwise it ends when its last handle and its last subtask are gone, and its duration is from its begin to the
//! last time it was left. Its outcome is the first of these that there is:
//!
//! 1. [`Task::fail`], [`Task::success`], the field `otel.status_code`;
//! 2. a panic that left it;
//! 3. `Ok` or `Err` of [`Task::run`] or the future, the last one;
//! 4. `cancelled`, for a future that was dropped before it was ready: no failure;
//! 5. an event at level ERROR with a field `error` in it. An event with that field alone counts for the span with the
//!    same file and line: that is what `#[instrument(err)]` logs;
//! 6. otherwise it went well.
//!
//! An event or span with `parent: None` belongs to no task and fails none; a disabled parent arrives the same way.
//!
//! # What is recorded
//!
//! Everything, unless [`Builder::sample`] or [`Builder::incoming_sampled`] says otherwise. Then whole traces are
//! recorded or not: the same trace in every process with the same ratio, as OpenTelemetry's consistent probability
//! sampling decides, so also in processes that have its samplers. Headers tell called services: the flag `sampled` of
//! `traceparent`, and for a trace that is recorded by its ratio `ot=th:…` in `tracestate`.
//!
//! Of a trace that is not sampled nothing is written, except
//!
//! - an event at level ERROR, with the begins of its task and of those above it in this process, which are written late
//!   with the times that they had, and their ends: the path to the error;
//! - a task that fails, in the same way;
//! - from an event or span with the field `distlog.force = true` on, or from [`Task::force`] on, everything below
//!   the task by which the trace began in this process or came into it. The headers of its calls then say that the
//!   trace is sampled.
//!
//! Events outside of any task belong to no trace, and are written. What is not written is not lost:
//! [`Guard::unsampled`] counts it. A program that is killed leaves nothing of what it was doing in a trace that is not
//! sampled, with a spool or without.
//!
//! # How a program ends
//!
//! The [`Guard`] sends what is left. If it is never dropped (`std::process::exit`, a `static`), or dropped before a
//! subscriber had the layer, that happens when the process exits. What killed programs left in the spool's directory is
//! sent then, too.
//!
//! # Reading the source
//!
//! Begin with `builder.rs`, `settings.rs`, `environment.rs` and `connect_error.rs`: what is known before the first
//! record. Then follow one record: `task/` (what `tracing` reports becomes records of a task), `record/` (a record
//! becomes bytes), `ring/` (the way to the sender), `send/` (the sender, and a producer's threads). `levels/` is what
//! of it is recorded. Each `mod.rs` says in which order to read. `guard.rs` and `exit.rs` end it; `tower/` is on
//! top.

mod builder;
mod connect_error;
mod environment;
mod exit;
mod guard;
mod levels;
mod record;
mod ring;
mod send;
mod settings;
mod task;
#[cfg(feature = "tower")]
pub mod tower;

pub use builder::{Builder, builder};
pub use connect_error::ConnectError;
#[doc(hidden)]
pub use distlog_client::FailoverTimeouts;
pub use distlog_client::{Curve, Endpoints, KeyError, KeyPair, PublicKey};
#[cfg(feature = "python")]
pub use distlog_proto::Encoding;
pub use distlog_proto::levels::DirectivesError;
#[cfg(feature = "redact-patterns")]
pub use distlog_proto::redaction::PatternError;
pub use distlog_proto::trace_context::Outgoing;
pub use distlog_proto::{
    Channel, Environment, ExternalSpan, ExternalSpanState, ProducerId, TaskId,
};
pub use distlog_spool::SpoolError;
pub use guard::Guard;
pub use record::remote_parent::{RemoteParent, Trust};
pub use record::sampling::IncomingSampled;
pub use record::val::{Val, val};
pub use send::control::Flush;
pub use send::overflow::Dropped;
pub use settings::Overflow;
pub use task::{
    DistlogLayer, FutureExt, InTask, LevelsFilter, Task, TaskOutcome, bind, current,
    get_foreign_task,
};

/// What the macros expand to.
#[doc(hidden)]
pub mod __private {
    pub use tracing::{Level, span};
}

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
