//! Small real programs that use distlog. Each has its story in one file of `src/bin/`:
//!
//! | program | story |
//! |---|---|
//! | `tour` | starts everything and shows it; begin here |
//! | `shop` | three services in a row over HTTP; a request that fails deep inside |
//! | `job_queue` | a task id travels as text, in the message of a queue |
//! | `two_languages` | a Python client beside a Rust program, in one tree |
//! | `custom_daemon` | a daemon with a processor of its own |
//! | `survivor` | a program that is killed, and whose records arrive all the same |
//! | `relay` | an HTTP service that passes requests on, with trace headers |
//! | `plugin_slow_tasks` | a processor as a program |
//! | `otel_sdk` | a program that knows only OpenTelemetry, and logs to distlogd by OTLP (feature `otel`) |
//!
//! The services of the shop are in [`shop`], since the tour runs them, too.

pub mod listen;
pub mod shop;

/// The snippets of the README are compiled with the doc tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
