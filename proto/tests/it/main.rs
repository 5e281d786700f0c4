//! The contract: ids, records, batches, sessions and trace context.

mod contract;
mod session;
mod session_budget;
mod session_model;
mod task_id;
mod trace_context;
