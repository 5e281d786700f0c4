//! What tests share: a real daemon in a process of its own, and waiting for what must come.
//!
//! `daemon.rs` starts `distlogd` and asks it; `eventually.rs` waits for a condition, never for a time; `process.rs` starts
//! any other program and reads what it prints; `rotel.rs` starts a real server of OpenTelemetry.

mod daemon;
mod eventually;
mod process;
mod rotel;

pub use daemon::Daemon;
pub use eventually::eventually;
pub use process::Process;
pub use rotel::Rotel;
