//! Spans of `tracing` become tasks. Read it in this order:
//!
//! 1. `layer.rs` — what `tracing` reports, and what is logged of it.
//! 2. `span.rs` — what is kept with a span; `offsets.rs` — where its records are in the stream; `outcome_state.rs` —
//!    how it ends; `end.rs` — its end record; `bind.rs` — fields that are added to it later.
//! 3. `local.rs` — buffers and caches of a thread; `span_cache.rs` — the spans that it used last; `span_pool.rs` —
//!    memory for its next ones.
//! 4. `late.rs` — tasks of traces that are not sampled, whose begins are written late.
//! 5. `otel_interop.rs` — ids of another tracing system's spans.
//! 6. `levels_filter.rs` — which spans and events the layer gets, where a daemon may change that.
//! 7. On top, the API: `handle.rs` — [`Task`]; `macros.rs`; `future.rs`; `outcome.rs`.

mod bind;
mod end;
mod future;
mod handle;
mod late;
mod layer;
mod levels_filter;
mod local;
mod macros;
mod offsets;
mod otel_interop;
mod outcome;
mod outcome_state;
mod span;
mod span_cache;
mod span_pool;
#[cfg(all(test, not(loom)))]
mod tests;

pub use future::{FutureExt, InTask};
pub use handle::{Task, bind, current, get_foreign_task};
pub use layer::DistlogLayer;
pub use levels_filter::LevelsFilter;
pub use outcome::TaskOutcome;
