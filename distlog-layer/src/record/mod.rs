//! One record's way into bytes. Read it in this order:
//!
//! 1. `clock.rs`, `random.rs`, `level.rs` — time, ids, severities.
//! 2. `encode.rs` and `field.rs` — texts, errors and fields as protobuf; `distinct.rs` — each field name once.
//! 3. `val.rs` and `capture.rs` — values with structure, through serde; `remote_parent.rs` — the caller of a task, as a
//!    field.
//! 4. `sampling.rs` — which traces are recorded.
//! 5. `redact.rs` — what must not leave the process.
//! 6. `visit.rs` — the fields of a `tracing` event or span, all of them.
//! 7. `callsite.rs` — what all records of one place in the code have in common.

pub(crate) mod callsite;
pub(crate) mod capture;
pub(crate) mod clock;
pub(crate) mod distinct;
pub(crate) mod encode;
pub(crate) mod field;
pub(crate) mod level;
pub(crate) mod random;
pub(crate) mod redact;
pub(crate) mod remote_parent;
pub(crate) mod sampling;
pub(crate) mod val;
pub(crate) mod visit;
