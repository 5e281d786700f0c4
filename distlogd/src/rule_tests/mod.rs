//! Tests of rules, as `distlogd test` runs them: trees and records in, what the configuration makes of them out.
//!
//! ```yaml
//! config: distlogd.yaml              # beside this file; without it that of --config
//! defaults: { service: shop }        # of all records here
//! tests:
//!   - name: failed orders go to the errors file
//!     tree:
//!       POST /orders:
//!         outcome: failed
//!         events:
//!           - error: payment refused
//!             fields: { card: 4111111111111111 }
//!     expect:
//!       - record: payment refused
//!         to: [errors, jaeger]
//!         fields: { card: '[redacted]' }
//! ```
//!
//! Read it in this order: `reader.rs` (values with their places), `given.rs` (trees in short), `json_records.rs`
//! (records that were copied), `expect.rs`, `file.rs` (all of it); `case.rs`, `coverage.rs`, `why.rs`
//! (which condition decided), `result.rs`, `check.rs` (what differs), `run.rs` (each record through the evaluator);
//! `report.rs` and `json_report.rs`.

mod case;
mod check;
mod coverage;
mod expect;
mod file;
mod given;
mod json_records;
mod json_report;
mod reader;
mod report;
mod result;
mod run;
#[cfg(test)]
mod tests;
mod why;

pub(crate) use coverage::Coverage;
pub(crate) use file::{TestFile, read};
pub(crate) use json_report::json_report;
pub(crate) use report::{put_coverage, put_result};
pub(crate) use result::TestResult;
pub(crate) use run::run;
