//! The daemon as its clients and operators see it: the program itself, or a daemon within this process.
//!
//! `kit/` is what the modules share; what other crates need too is in `tests/kit`.

mod api;
mod changes;
mod config;
mod counters;
mod daemon;
mod dead_spools;
mod delete;
mod exec;
mod find;
mod jaeger;
mod jaeger_clients;
mod kit;
mod lists;
mod log_noise;
#[cfg(feature = "mcp")]
mod mcp;
mod otlp;
mod outline;
mod page;
mod permissions;
mod redaction;
mod replay;
mod rule_tests;
mod rules;
mod session;
mod severities;
mod stalled;
mod status;
mod strict_json;
mod tail;
#[cfg(feature = "tls")]
mod tls;
mod tokens;

/// The program.
const DISTLOGD: &str = env!("CARGO_BIN_EXE_distlogd");
